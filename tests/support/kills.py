"""Kills programs that train, at random moments, and starts them again: do they end with the bits of one that nobody killed?

``python -m support.kills 200``, from ``tests/``, is the long campaign, which ``data/kills.json`` records; the slow test is a short one.
A program is killed (``SIGKILL``) between its first step and about the time at which it would have ended; where it has workers, one of
these is killed instead now and then. Or it kills itself in the middle of a save, at a random one of the calls that sync, rename or delete.
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
from pathlib import Path
from typing import Any

import numpy
from support.killed_training import WAYS, train
from support.paths import ROOT
from tqdm import tqdm

#: In this variable, before which call a program kills itself: "fsync:3" is the third call of os.fsync.
IN_A_SAVE = "TEST_KILL_IN"
CALLS = ("fsync", "replace", "remove")

#: How many of the kills left a file that was not written to its end.
UNFINISHED = "that left an unfinished file"


def start(way: str, folder: str, in_a_save: str = "") -> subprocess.Popen[str]:
    """The program, once it trains. What it complains of goes to a file: workers hold a pipe open when the program is gone."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", IN_A_SAVE: in_a_save}
    command = [sys.executable, "-W", "ignore", "-m", "support.kills", "--train", way, folder]
    with open(f"{folder}.errors", "w", encoding="utf-8") as errors:
        program = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert program.stdout is not None
    if program.stdout.readline() != "begun\n":
        raise RuntimeError(f"{way} did not begin: {complaints(folder)}")
    return program


def complaints(folder: str) -> str:
    """The end of what the last program wrote to its error stream."""
    return Path(f"{folder}.errors").read_text(encoding="utf-8", errors="replace")[-2000:]


def finished(folder: str) -> str | None:
    """What a program ended with."""
    path = Path(f"{folder}.done")
    return path.read_text(encoding="utf-8") if path.exists() else None


def workers_of(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return children + [grandchild for child in children for grandchild in workers_of(child)]


def kill(program: subprocess.Popen[str], rng: random.Random) -> str:
    """Kill the program or one of its workers; says which."""
    workers = workers_of(program.pid)
    victim = rng.choice(workers) if workers and rng.random() < 0.5 else program.pid
    try:
        os.kill(victim, signal.SIGKILL)
    except ProcessLookupError:
        return "nothing"
    return "program" if victim == program.pid else "worker"


def one_run(way: str, seconds: float, rng: random.Random, most: int, counts: Counter[str], bar: Any) -> tuple[str, float]:
    """Train a way to its end, killing it up to ``most`` times; gives the digest of its end, and the seconds of its last process."""
    folder = tempfile.mkdtemp(prefix="kills")
    try:
        killed, begin = 0, 0.0
        while (found := finished(folder)) is None:
            in_a_save = f"{rng.choice(CALLS)}:{rng.randint(1, 12)}" if rng.random() < 0.3 else ""
            with start(way, folder, in_a_save if killed < most else "") as program:
                begin = time.perf_counter()
                if killed < most and not in_a_save:
                    time.sleep(rng.uniform(0, seconds))
                    what = kill(program, rng)
                else:
                    what = "save" if in_a_save else ""
                program.wait(timeout=300)
            if program.returncode == 0:
                continue  # it had ended before
            if killed >= most or (program.returncode != -signal.SIGKILL and what != "worker"):
                raise RuntimeError(f"{way} failed: {complaints(folder)}")
            killed += 1
            counts["in a save, by itself" if what == "save" else f"at a random moment, the {what}"] += 1
            counts[UNFINISHED] += bool(list(Path(folder).glob("*.tmp")))
            bar.update()
        return found, time.perf_counter() - begin
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for end in ("done", "errors"):
            Path(f"{folder}.{end}").unlink(missing_ok=True)


def killed_so_far(counts: Counter[str]) -> int:
    """How many kills there were, of all kinds."""
    return sum(number for kind, number in counts.items() if kind != UNFINISHED)


def campaign(kills: int, ways: list[str], seed: int) -> dict[str, Any]:
    """Kill so many times, way after way; what happened, and which ways ended otherwise than undisturbed."""
    rng, counts, undisturbed = random.Random(seed), Counter[str](), {}
    runs, different = 0, []
    with tqdm(total=kills, desc="kills", disable=None) as bar:
        while (done := killed_so_far(counts)) < kills:  # the bar counts nothing where it is not shown
            way = ways[runs % len(ways)]
            if way not in undisturbed:
                undisturbed[way] = one_run(way, 0, rng, 0, Counter(), bar)
            wanted, seconds = undisturbed[way]
            found, _ = one_run(way, seconds, rng, min(rng.randint(2, 6), kills - done), counts, bar)
            runs += 1
            if found != wanted:
                different.append(way)
    kinds = dict(sorted(counts.items()))
    versions = {"python": platform.python_version(), "numpy": numpy.__version__}
    return {"kills": kills, "seed": seed, "runs": runs, "different": different, "ways": sorted(undisturbed), "kinds": kinds, **versions}


def _kill_in_a_save(place: str) -> None:
    """Have this process kill itself before a call of a function of ``os`` that the place names."""
    name, _, number = place.partition(":")
    left, real = [int(number)], getattr(os, name)

    def called(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(os, name, called)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="a file for what happened")
    parser.add_argument("--train", nargs=2, metavar=("WAY", "FOLDER"), help="be the program that is killed")
    arguments = parser.parse_args()
    if arguments.train:
        if os.environ.get(IN_A_SAVE):
            _kill_in_a_save(os.environ[IN_A_SAVE])
        train(*arguments.train)
        return
    found = campaign(arguments.kills, list(WAYS), arguments.seed)
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.record:
        arguments.record.write_text(text + "\n", encoding="utf-8")
    sys.exit(bool(found["different"]))


if __name__ == "__main__":
    main()
