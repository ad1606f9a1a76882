"""Loops over arrays from text, compiled by numba where it is installed (the extra ``cpu``), in the background.

A loop is asked for by its text. It is compiled by a process of its own once it has been called some times, which is many times as long
as it takes by NumPy; until then whoever calls it is told that it is not there yet. Numba keeps what it has compiled beside the text in
the cache's folder, for this processor and its own version. It is imported by the first loop that is loaded, and takes 160 MB then.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from hybridnet.config import config
from hybridnet.device import threads
from hybridnet.device.kernel_cache import leave
from hybridnet.device.loop_compiler import compiler
from hybridnet.device.numba_function import function

NAME = "numba"
#: Calls before a loop is compiled, which takes some 0.3 s.
CALLS = 20
#: Bytes of a loop's arrays from which threads share it: some 0.3 ms.
SHARED_BYTES = 8 << 20


@cache
def _is_installed() -> bool:
    return importlib.util.find_spec(NAME) is not None


def available() -> bool:
    """Whether loops can be compiled."""
    return NAME not in config.disabled_libraries and _is_installed()


class Loop:
    """A function ``loop`` of a text, over arrays whose types are given: as numba writes them, ``"float32[:,::1]"``, say.

    text: defines ``loop``, which returns nothing. run: the compiled function; None until it is there.
    """

    def __init__(self, text: str, types: tuple[str, ...]) -> None:
        self.text, self.types = text, types
        self.run: Callable[..., Any] | None = None
        self._calls = 0
        self._is_asked_for = self._is_on_disk = False

    def called(self) -> Callable[..., Any] | None:
        """The compiled function if it is there by now; else the call is counted."""
        self._calls += 1
        if compiler.is_forked:  # where numba's lock may be held for ever
            return None
        if self._is_on_disk:
            self.compile()
            self._is_on_disk = False  # whatever has become of it, once is enough
        elif self._calls >= CALLS and not self._is_asked_for:
            self._is_asked_for = True
            compiler.add(self)
        return self.run

    def path(self) -> str:
        """The file of its text."""
        return str(_left(self.text, self.types))

    def arrive(self, error: str | None) -> None:
        """The next call will load it, or never will; which is warned of."""
        if error is None:
            self._is_on_disk = True
        else:
            _warn(error)

    def compile(self) -> None:
        """Load it, or compile it now; what numba cannot compile is warned of."""
        if self.run is None:
            try:
                self.run = compiled(self.text, self.types, {})
            except Exception as error:  # of numba or LLVM, whatever it is: NumPy computes as well
                _warn(str(error))


@lru_cache(maxsize=4096)
def loop(text: str, types: tuple[str, ...]) -> Loop:
    """The loop of a text: one for all programs that have it."""
    return Loop(text, types)


class BoundLoop:
    """A loop over arrays brought into the given shapes, of which those in ``split`` lie along the axis that may be cut into parts."""

    def __init__(self, found: Loop, shapes: Sequence[tuple[int, ...]], split: Sequence[bool], nbytes: int) -> None:
        self.loop = found
        self._shapes, self._split, self._nbytes = tuple(shapes), tuple(split), nbytes
        self._rows = next(shape[0] for shape, is_split in zip(shapes, split, strict=True) if is_split)

    def __call__(self, arrays: Sequence[Any]) -> bool:
        """Run it, if it is there and takes the arrays as they lie; whether it has."""
        run = self.loop.run or self.loop.called()
        if run is None:
            return False
        for x in arrays:
            if not x.flags.carray:  # in order, without gaps, writable
                return False
        given = [x.reshape(shape) for x, shape in zip(arrays, self._shapes, strict=True)]
        number = threads.count() if self._nbytes >= SHARED_BYTES else 1
        if number == 1:
            run(*given)
            return True
        step = -(-self._rows // (4 * number))

        def work(worker: int, starts: Iterator[int]) -> None:
            for i in starts:
                run(*[x[i : i + step] if is_split else x for x, is_split in zip(given, self._split, strict=True)])

        threads.share(work, range(0, self._rows, step))
        return True


def _left(text: str, types: tuple[str, ...]) -> Path:
    return leave(f"loop-{hashlib.sha256(repr((text, types)).encode()).hexdigest()[:24]}.py", text)


def compiled(text: str, types: tuple[str, ...], names: Mapping[str, Any]) -> Callable[..., Any]:
    """The function ``loop`` of a text, in which ``names`` are known besides, compiled now or as it was kept; raises whatever numba does."""
    path = str(_left(text, types))
    try:
        return function(path, types, names)
    except Exception:  # nothing can be kept, or numba cannot compile it
        return function(path, types, names, is_kept=False)


@cache
def _warn(error: str) -> None:
    logging.getLogger("hybridnet").warning("numba cannot compile a loop, so NumPy computes: %s", error)


finish = compiler.finish


def is_forked() -> bool:
    """Whether this process was forked off, so that nothing can be compiled: what is compiled stays."""
    return compiler.is_forked
