"""Damages files at random and reads them: an error that says so or a result, never a crash, a hang, growth, or something executed.

``python -m support.mutations 100000``, from ``tests/``, is the long campaign, which ``data/mutations.json`` records; the slow test is a
short one. With ``--graphs 800000`` it reads graphs, parameters and numbers, a hundred thousand files of each. Each kind of file is
read in a process of its own: it is ended when a file takes it long, and may not ask for a gigabyte. The damage follows from the
seed, the kind and the file's number: ``--only KIND NUMBER`` reads one file again, in this process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
from support import broken_graphs
from support.broken_files import Kind, kinds
from tqdm import tqdm

from hybridnet.errors import HybridnetError

HANG = 60.0  # seconds that no file may take, on a machine with much else to do
MOST = 1 << 30  # bytes of memory that a process may ask for beyond what it begins with
GROWTH = 64 << 20  # bytes that it may hold more after its last file than after its hundredth
SETTLED = 100

#: What reading a file must not do, as Python's audit events.
FORBIDDEN = {"compile", "exec", "os.exec", "os.fork", "os.posix_spawn", "os.system", "pickle.find_class", "subprocess.Popen"}

#: What gives the kinds of files by name, and may write into a folder what goes with them.
Make = Callable[[Path], dict[str, Kind]]


def held(column: int = 1) -> int:
    """Bytes of memory that this process holds; of column 5 those that it may write to, held or not."""
    return int(Path("/proc/self/statm").read_text().split()[column]) * resource.getpagesize()


def is_own(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether what is compiled or executed is a program that we wrote: an operator's parts, written out once."""
    name = {"compile": lambda: arguments[1], "exec": lambda: arguments[0].co_filename}.get(event, str)()
    return str(name).startswith("<hybridnet ")


def read_one(kind: Kind, path: Path, seed: str) -> str:
    """Damage a file and read it: whether it gave a result or an error that says what was expected. Other errors are faults."""
    draw = random.Random(seed)
    path.write_bytes(kind.damage(kind.whole, draw))
    try:
        kind.read(path, draw)
    except HybridnetError as error:
        assert "expected" in str(error), f"an error that does not say what was expected: {error}"
        return "errors"
    except OSError:
        return "errors"
    return "results"


def read_many(make: Make, name: str, first: int, last: int, seed: int, at: Any, told: Any) -> None:
    """Read the files of a kind that ``make`` gives, from number ``first`` to before ``last``, in a process for it.

    ``at`` is told which is read; ``told``, a connection, gets the counts of outcomes, the faults, and the bytes that memory grew by.
    """
    warnings.simplefilter("ignore", UserWarning)  # what is passed over
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries complain there of each file
    counts, faults, executed, watching, begin = Counter[str](), [], [], [False], 0

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if watching[0] and event in FORBIDDEN and not is_own(event, arguments):
            executed.append(event)

    with tempfile.TemporaryDirectory() as folder:
        kind, path = make(Path(folder))[name], Path(folder) / "broken"
        path.write_bytes(kind.whole)
        kind.read(path, random.Random(0))  # which imports what it needs
        sys.addaudithook(audit)
        limit = held(5) + MOST
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        for number in range(first, last):
            at.value, watching[0] = number, True
            try:
                counts[read_one(kind, path, f"{seed} {name} {number}")] += 1
                assert not executed, f"something was executed: {executed}"
            except Exception as error:
                faults.append((name, number, repr(error)[:200]))
            watching[0] = False
            executed.clear()
            if number == first + SETTLED:
                begin = held()
        told.send((counts, faults, held() - begin if begin else 0))


def read_kind(make: Make, name: str, number: int, seed: int, bar: Any) -> tuple[Counter[str], list[tuple[str, int, str]], int]:
    """Read so many files of a kind, in a new process after a crash or a hang: outcomes, faults, and how much memory grew at most."""
    context = multiprocessing.get_context("spawn")
    counts, faults, grown, first = Counter[str](), [], 0, 0
    while first < number:
        at, (mine, theirs) = context.Value("q", first - 1), context.Pipe(duplex=False)
        process = context.Process(target=read_many, args=(make, name, first, number, seed, at, theirs))
        process.start()
        theirs.close()
        seen, since = first - 1, time.monotonic()
        while not mine.poll(0.5) and time.monotonic() - since < HANG:
            if at.value != seen:
                bar.update(at.value - seen)
                seen, since = at.value, time.monotonic()
        try:
            found = mine.recv() if mine.poll() else "it hangs"
        except EOFError:
            found = "it crashes"
        if isinstance(found, str):
            process.kill()
            if at.value < first:
                raise RuntimeError(f"{name}: the process for it did not get to file {first}: {found}")
            faults.append((name, at.value, found))
            first = at.value + 1
        else:
            counts, faults, grown, first = counts + found[0], faults + found[1], max(grown, found[2]), number
        process.join()
    return counts, faults, grown


def campaign(files: int, seed: int, make: Make = kinds, processes: int = 1) -> dict[str, Any]:
    """Read so many files, the same number of each kind, some kinds at a time; how many gave errors and results, and what was wrong."""
    with tempfile.TemporaryDirectory() as folder:
        names = list(make(Path(folder)))
    numbers = [files // len(names) + (i < files % len(names)) for i in range(len(names))]
    outcomes, faults = {}, []
    with tqdm(total=files, desc="files", disable=None) as bar, ThreadPoolExecutor(processes) as pool:
        reading = [pool.submit(read_kind, make, name, number, seed, bar) for name, number in zip(names, numbers, strict=True)]
        for name, number, read in zip(names, numbers, reading, strict=True):
            counts, wrong, grown = read.result()
            outcomes[name] = dict(sorted(counts.items()))
            faults += [" ".join(map(str, fault)) for fault in wrong]
            if grown > GROWTH:
                faults.append(f"{name}: {grown >> 20} MB more after {number} files than after {SETTLED}")
    versions = {"python": platform.python_version(), "numpy": numpy.__version__}
    return {"files": files, "seed": seed, "faults": faults, "outcomes": outcomes, **versions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="?", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many kinds of files are read at a time")
    parser.add_argument("--record", type=Path, help="a file for what happened")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--graphs", action="store_true", help="graphs, parameters and files of numbers, in place of records and images")
    what.add_argument("--models", action="store_true", help="ONNX and safetensors files in place of data")
    parser.add_argument("--only", nargs=2, metavar=("KIND", "NUMBER"), help="read one file, and show the error")
    arguments = parser.parse_args()
    make: Make = broken_graphs.kinds if arguments.graphs else kinds
    if arguments.models:
        from support.broken_models import model_kinds

        make = model_kinds
    if arguments.only:
        name, number = arguments.only
        with tempfile.TemporaryDirectory() as folder:
            print(read_one(make(Path(folder))[name], Path(folder) / "broken", f"{arguments.seed} {name} {number}"))
        return
    found = campaign(arguments.files, arguments.seed, make, arguments.processes)
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.record:
        arguments.record.write_text(text + "\n", encoding="utf-8")
    sys.exit(bool(found["faults"]))


if __name__ == "__main__":
    main()
