"""How the worker processes of a ``DataLoader`` start.

They are forked from a server process (``forkserver``; ``spawn``, where a system has none) that has imported hybridnet
and does nothing else: a fork of this process would take CUDA's state, threads' locks and all its memory along, and
a fresh interpreter for each would import everything anew.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from hybridnet.errors import ArgumentError, WorkerError, fail
from hybridnet.gluon.data import worker
from hybridnet.gluon.data.reading import Reader
from hybridnet.gluon.data.shared import Packed

METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
GUARD = 'the part of the script that trains under `if __name__ == "__main__":`, or thread_pool=True'


_first: list[int] = []  # the process that started workers first, or the one that this is a fork of


def context() -> Any:
    """What makes processes and pipes; the server of forks imports what a worker is made of, once."""
    _first[:] = _first or [os.getpid()]
    if METHOD == "spawn" or _first != [os.getpid()]:  # a server belongs to the process that started it, and serves no fork of that
        return multiprocessing.get_context("spawn")
    found: Any = multiprocessing.get_context(METHOD)
    found.set_forkserver_preload([worker.__name__])
    return found


def _check_process() -> None:
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):  # a worker that imports the script which it was started from
        fail(WorkerError, "DataLoader", expected="workers to be started by a script that is run", got="one that is imported", fix=GUARD)
    if process.daemon:
        got = f"{process.name}, a daemonic process, which may have none"
        fail(WorkerError, "DataLoader", expected="a process that may start workers", got=got, fix="num_workers=0, or thread_pool=True")


def packed_reader(reader: Reader) -> Packed:
    """A reader as it goes to workers, in a process that may start some; else an error says what to do."""
    _check_process()
    try:
        return Packed(reader)
    except Exception as error:
        fix = "functions and classes at the top of a module in place of lambdas and local ones, thread_pool=True, or num_workers=0"
        expected = "a dataset and a batchify_fn that can be pickled, since they go to worker processes"
        try:
            fail(ArgumentError, "DataLoader", expected=expected, got=str(error), fix=fix)
        except ArgumentError as ours:
            raise ours from error


@contextmanager
def main_left_out() -> Iterator[None]:
    """What starts in the body does not run this program's main module once more, as multiprocessing has it do.

    A dataset that has nothing of that module needs none of it, and a script that is not written for being imported stays as it is.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
