"""Kills and stops ranks at random moments, and starts the training again: does it end with the bits of one that nobody disturbed?

``python -m support.rank_kills 100``, from ``tests/``, is the long campaign, which ``data/rank_kills.json`` records; the slow test is a
short one. Under both MPIs in turn four ranks train; one of them is killed (``SIGKILL``), or stopped (``SIGSTOP``), of which the others
must tell by their deadline, or the launcher is killed. Then no process may be left, and the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
from support.mpi import PACKAGES, require, segments, sweep
from support.processes import in_session
from tqdm import tqdm

from hybridnet.device.watchdog import LOST

RANKS = 4
DEADLINE = "4"  # seconds; what is stopped is told then
LONGEST = 90.0  # seconds that a start may take, with much else to do
KINDS = ("rank killed", "rank stopped", "launcher killed")


def one_start(mpi: Any, folder: Path, states: str, disturb: str, moment: float) -> tuple[int, str, float]:
    """Start the training, and disturb it so many seconds after it began: exit status, what was said, seconds until it was over."""
    for path in folder.glob("pid-*"):
        path.unlink()
    before = set(segments())
    command = [*mpi.command(RANKS), str(Path(__file__).with_name("killed_ranks.py")), str(folder), states]
    environment = {**mpi.environment(), "HYBRIDNET_DEADLINE": DEADLINE if disturb == "rank stopped" else "60"}
    said = folder / "said"
    with said.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        end = time.monotonic() + LONGEST
        while said.read_text(errors="replace").count("goes on after step") < RANKS and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        begin = time.monotonic()
        while process.poll() is None and not (folder / "done").exists() and time.monotonic() < begin + (moment if disturb else LONGEST):
            time.sleep(0.01)
        trained = time.monotonic() - begin
        if process.poll() is None and not (folder / "done").exists():  # later a rank that is stopped may be one that has ended
            _disturb(disturb, folder, process.pid)
        try:
            process.wait(LONGEST)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{disturb}: it hangs; said: {said.read_text(errors='replace')[-3000:]}") from error
        end = time.monotonic() + 20
        while (left := in_session(process.pid)) and time.monotonic() < end:
            time.sleep(0.05)
        if left:
            raise RuntimeError(f"{disturb}: processes are left: {left}; said: {said.read_text()[-2000:]}")
        return process.returncode, said.read_text(errors="replace"), trained
    finally:
        for pid in in_session(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        sweep(before)


def _disturb(kind: str, folder: Path, launcher: int) -> None:
    pids = [int(path.read_text()) for path in folder.glob("pid-*")]
    victim = launcher if kind == "launcher killed" else random.choice(pids)
    with suppress(ProcessLookupError):
        os.kill(victim, signal.SIGSTOP if kind == "rank stopped" else signal.SIGKILL)


def one_run(
    mpi: Any, states: str, seconds: float, kinds: list[str], rng: random.Random, counts: Counter[str], bar: Any
) -> tuple[str, float]:
    """A training to its end, disturbed in these ways: what it ended with, and the seconds that its last start trained for."""
    folder = Path(tempfile.mkdtemp(prefix="rank_kills"))
    try:
        for kind in [*kinds, ""]:
            status, said, took = one_start(mpi, folder, states, kind, rng.uniform(0, seconds))
            if kind and status != 0:
                counts[kind] += 1
                if kind == "rank stopped" and status != LOST and "did not; at" not in said:  # by the watchdog, or where all must agree
                    raise RuntimeError(f"the stopped rank was not told of, status {status}: {said[-3000:]}")
            elif kind:  # it had ended before
                counts["too late"] += 1
            elif status != 0:
                raise RuntimeError(f"it failed with {status}: {said[-3000:]}")
            bar.update(bool(kind))
            if (folder / "done").exists():
                break
        return (folder / "done").read_text(), took
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def campaign(kills: int, seed: int) -> dict[str, Any]:
    """Disturb so many starts; what happened, and which trainings ended otherwise than undisturbed."""
    rng, counts, undisturbed, different, runs = random.Random(seed), Counter[str](), {}, [], 0
    random.seed(seed)
    ways = [(name, states) for states in ("whole", "divided") for name in PACKAGES]
    with tqdm(total=kills, desc="kills", disable=None) as bar:
        while (done := sum(counts[kind] for kind in KINDS)) < kills:
            name, states = way = ways[runs % len(ways)]
            mpi = require(name)
            if way not in undisturbed:
                undisturbed[way] = one_run(mpi, states, 0, [], rng, counts, bar)
            wanted, seconds = undisturbed[way]
            kinds = [KINDS[(done + k) % len(KINDS)] for k in range(min(3, kills - done))]
            found, _ = one_run(mpi, states, seconds, kinds, rng, counts, bar)
            runs += 1
            if found != wanted:
                different.append(f"{name}, states {states}, run {runs}")
    versions = {"python": platform.python_version(), "numpy": numpy.__version__}
    return {
        "kills": kills,
        "seed": seed,
        "ranks": RANKS,
        "runs": runs,
        "different": different,
        "kinds": dict(sorted(counts.items())),
        **versions,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="a file for what happened")
    arguments = parser.parse_args()
    found = campaign(arguments.kills, arguments.seed)
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.record:
        arguments.record.write_text(text + "\n", encoding="utf-8")
    sys.exit(bool(found["different"]))


if __name__ == "__main__":
    main()
