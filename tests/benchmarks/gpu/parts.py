"""What tests/gpu.sh runs: the parts one after the other, each in a process of its own and within its time; what all of them found.

    python -m gpu.parts FOLDER [--parts compile,questions,...] [--seconds 480] [--dry-run]

Two files come to lie in FOLDER: ``results.tar.gz`` with all that the parts wrote and printed, packed again every half minute and after
each part, and ``table.txt``, a short table of the parts and of the bars. Both are there whatever happened: a part that fails or hangs costs
itself alone, and a run that is told to end (SIGTERM) ends its processes first. The status is 0 if there is a device and every part that
was asked for is good. Relies on the standard library alone until a part begins.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from gpu import findings
from gpu.process import Process, command, end_all, ends_on_request, tail

SECONDS = 480.0  # of all parts
DESCRIBING = "gpu.describe"  # what looks for the device
LEAST = 10.0  # seconds: with less, a part is not begun
PATIENCE = 10.0  # seconds from telling a part to end to ending it
PACK_SECONDS = 30.0
LOG_BYTES = 256 << 10  # what is kept of a log: its end


class Part(NamedTuple):
    """A module that is run; its arguments, and in a dry run also ``dry``; the seconds that it may take at most."""

    module: str
    most: float
    arguments: tuple[str, ...] = ()
    dry: tuple[str, ...] = ()


_FEW = ("--sizes", "tiny", "--only", "launch", "perceptron")
_BROKEN = ("--peers", "hybridnet", "torch", "--torch", "false")  # no peer is there in a dry run: one of them cannot start
_OPERATORS = ("copy", "launch", "perceptron", "adam", "pointwise", "layer norm", "cross-entropy")
_TINY_STEP = ("--sizes", "tiny", *_BROKEN)

#: In the order in which they are run. Timings are taken with nothing else running.
PARTS = {
    "compile": Part("gpu.compiled", 100, (), ("--sizes", "tiny", "--only", "kernels pointwise", "kernels columns", "workload launch")),
    "questions": Part("gpu.smoke", 130, (), ("--only", "capture of", "products by cublaslt", "random numbers")),
    "tests": Part("gpu.testing", 120, (), ("--only", "tests/device/test_gpu_device.py::test_results")),
    "ours": Part("gpu.run", 170, ("--peers", "hybridnet"), _FEW),
    "sanitize": Part("gpu.tools", 150, ("sanitize",), ("--only", "pointwise")),
    "ncu": Part("gpu.tools", 90, ("ncu",), ("--sizes", "tiny", "--only", "gpt2")),
    "peers": Part("gpu.run", SECONDS, (), (*_FEW, *_BROKEN)),
    "small": Part("gpu.run", 220, ("--only", *_OPERATORS), (*_FEW, *_BROKEN)),
    "gpt2": Part("gpu.run", 250, ("--only", "gpt2"), _TINY_STEP),
    "resnet": Part("gpu.run", 280, ("--only", "resnet", "resnet again"), _TINY_STEP),
    "lstm": Part("gpu.run", 190, ("--only", "lstm"), _TINY_STEP),
}
DEFAULT = ("compile", "questions", "tests", "ours", "peers")


class Row(NamedTuple):
    """What became of a part: a word, the seconds that it took, more words, and what of it is wrong by name."""

    part: str
    word: str
    seconds: float
    words: str
    wrong: dict[str, str]

    @property
    def good(self) -> bool:
        return self.word == "ok"


class Run:
    """The parts that were asked for, and what became of them so far."""

    def __init__(self, folder: Path, parts: Sequence[str], seconds: float, dry: bool) -> None:
        self.folder, self.parts, self.dry = folder, parts, dry
        self.device = "emulated" if dry else "gpu"
        self.deadline = time.monotonic() + seconds
        self.rows: list[Row] = []
        self.work = Path(tempfile.mkdtemp(prefix="hybridnet-gpu-"))
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def good(self) -> bool:
        return len(self.rows) == len(self.parts) + 1 and all(row.good for row in self.rows)

    def run(self) -> None:
        """Look for the device, then run the parts."""
        if not self._device():
            return
        for name in self.parts:
            self.rows.append(self._part(name))
            self.keep()

    def _device(self) -> bool:
        """Whether there is a device; without one nothing else has a meaning."""
        begin, log = time.monotonic(), self.work / "device.log"
        status = self._finished(command(DESCRIBING, str(self.work), device=self.device), log, 60)
        words = findings.reason(tail(log))
        why = {} if status == 0 else {"device": tail(log) if status is not None else "no answer in 60 s"}
        self.rows.append(Row("device", "FAILED" if why else "ok", time.monotonic() - begin, words, why))
        self.keep()
        return not why

    def _part(self, name: str) -> Row:
        """Run one part within its share of the time that is left."""
        part, begin = PARTS[name], time.monotonic()
        seconds = min(part.most, self.deadline - begin)
        if seconds < LEAST:
            return Row(name, "FAILED", 0, "not begun: no time was left", {})
        print(f"== {name} (at most {seconds:.0f} s)", flush=True)
        place, log = self.work / name, self.work / f"{name}.log"
        dry = part.dry if self.dry else ()
        known = ("--device", self.device, "--seconds", f"{seconds - LEAST / 2:.0f}")
        status = self._finished(command(part.module, str(place), *part.arguments, *known, *dry), log, seconds)
        words, wrong = self._found(name, place)
        if status is None:
            words = f"ended after {seconds:.0f} s; {words}"
        elif status and not wrong:
            wrong = {"the part itself": findings.reason(tail(log)) or f"status {status}"}
        word = "FAILED" if wrong or status != 0 else "ok"
        print(f"   {word}: {words}", flush=True)
        return Row(name, word, time.monotonic() - begin, words, wrong)

    def _finished(self, asked: Sequence[str], log: Path, seconds: float) -> int | None:
        """The status of a command; None if it had to be ended. Packs what there is meanwhile."""
        process, end = Process(asked, log), time.monotonic() + seconds
        try:
            while process.alive and (left := end - time.monotonic()) > 0:
                try:
                    process.process.wait(min(left, PACK_SECONDS))
                except subprocess.TimeoutExpired:
                    self.keep()
            return process.process.poll()
        finally:
            process.end(signal.SIGTERM, PATIENCE)

    def _found(self, name: str, place: Path) -> tuple[str, dict[str, str]]:
        """A part's own words, and what is wrong in it."""
        if PARTS[name].module == "gpu.run":
            try:
                from gpu import record
                from gpu.bars import disagreements

                (found,) = record.records_in(place)
            except Exception as error:
                return "no record", {"record": f"{type(error).__name__}: {error}"}
            differ = {what: f"differs from ours by {error:.1e}" for what, error in disagreements(found).items()}
            wrong = {what: findings.reason(why) for what, why in record.failures_of_ours(found).items()}
            return f"{len(found['times'])} points timed, {len(found['failures'])} not", {**wrong, **differ}
        found = findings.read(place / f"{name}.json")
        return findings.summary(found), findings.wrong(found)

    # -- what stays ---------------------------------------------------------------------------------------

    def table(self) -> str:
        """The parts, what is wrong, and the bars as far as they were measured."""
        rows = [[row.part, row.word, f"{row.seconds:.0f} s", row.words] for row in self.rows]
        begun = {row.part for row in self.rows}
        rows += [[name, "FAILED", "-", "not run"] for name in self.parts if name not in begun]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip() for row in rows]
        bad = [f"  {row.part}: {name}: {why}" for row in self.rows for name, why in row.wrong.items()]
        verdict = "Everything that was asked for is good." if self.good else "NOT everything that was asked for is good."
        blocks = ["\n".join(lines), *(["Wrong:\n" + "\n".join(bad)] if bad else []), self._bars(), verdict]
        return "\n\n".join(block for block in blocks if block) + "\n"

    def _bars(self) -> str:
        """The table of bars, of all records of this run."""
        if not any(self.work.rglob("benchmarks.json")):
            return ""
        try:
            from gpu import record

            return record.summary(record.joined(list(record.records_in(self.work))))
        except Exception as error:
            return f"no table of bars: {type(error).__name__}: {error}"

    def keep(self) -> None:
        """Write the table and pack what there is, each under another name first."""
        table = self.table()
        for place in (self.work / "table.txt", self.folder / "table.txt"):
            made = place.with_suffix(".tmp")
            made.write_text(table, encoding="utf-8")
            made.replace(place)
        made = self.folder / "results.tmp"
        with tarfile.open(made, "w:gz") as archive:
            for path in sorted(p for p in self.work.rglob("*") if p.is_file() and p.suffix != ".tmp"):
                _pack(archive, path, f"results/{path.relative_to(self.work)}")
        made.replace(self.folder / "results.tar.gz")

    def finish(self) -> None:
        """End what runs, keep what there is, and show the table."""
        end_all()
        self.keep()
        shutil.rmtree(self.work, ignore_errors=True)
        shown = (self.folder / "table.txt").read_text(encoding="utf-8")
        print(f"\n{shown}All of it: {self.folder / 'results.tar.gz'}", flush=True)


def _pack(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add a file as it is now, of a log the end; one that has gone meanwhile is left out."""
    try:
        content = path.read_bytes()
    except OSError:
        return
    if path.suffix == ".log":
        content = content[-LOG_BYTES:]
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(content), time.time()
    archive.addfile(entry, BytesIO(content))


def _names(text: str) -> list[str]:
    """Parts by their names, in the order in which they are given."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in PARTS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"expected some of {','.join(PARTS)}; got {text!r}")
    return list(dict.fromkeys(names))


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/gpu.sh", description="Everything that wants a CUDA device")
    parser.add_argument("folder", type=Path, help="where the archive and the table go")
    parser.add_argument("--parts", type=_names, default=os.environ.get("PARTS") or ",".join(DEFAULT), help=",".join(PARTS))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="the time limit of all parts together (480)")
    parser.add_argument("--dry-run", action="store_true", help="on an emulated device, at tiny sizes: shows that the script works")
    arguments = parser.parse_args()
    ends_on_request()
    run = Run(arguments.folder.resolve(), arguments.parts, arguments.seconds, arguments.dry_run)
    try:
        run.run()
    finally:
        run.finish()
    sys.exit(0 if run.good else 1)


if __name__ == "__main__":
    main()
