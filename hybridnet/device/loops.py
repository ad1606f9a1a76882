"""Loops over arrays from text, compiled by numba where it is installed (the extra ``cpu``), in the background.

A loop is asked for by its text. It is compiled by a thread of its own once it has been called some times, which is many times as long
as it takes by NumPy; until then whoever calls it is told that it is not there yet. Numba keeps what it has compiled beside the text in
the cache's folder, for this processor and its own version. It is imported by the first loop that is compiled, and takes 160 MB then.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import logging
import os
import queue
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from hybridnet.config import config
from hybridnet.device import threads
from hybridnet.device.kernel_cache import leave

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

    def missed(self) -> None:
        """Count a call for which it was not there yet."""
        self._calls += 1
        if self._calls == CALLS:
            _compiler.add(self)

    def compile(self) -> None:
        """Compile it now; what numba cannot compile is warned of, and not tried again."""
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
        run = self.loop.run
        if run is None:
            self.loop.missed()
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


def compiled(text: str, types: tuple[str, ...], names: Mapping[str, Any]) -> Callable[..., Any]:
    """The function ``loop`` of a text, in which ``names`` are known besides, compiled now or as it was kept; raises whatever numba does."""
    sysconfig.get_config_vars()  # which numba asks for, and which two threads must not make at once
    import numba

    path = leave(f"loop-{hashlib.sha256(repr((text, types)).encode()).hexdigest()[:24]}.py", text)
    known = {"__name__": __name__, **names}  # of a module that can be imported: numba does when it loads what it kept
    exec(compile(text, str(path), "exec"), known)
    signature = f"void({', '.join(types)})"

    def made(kept: bool) -> Callable[..., Any]:
        return numba.njit(signature, cache=kept, nogil=True, error_model="numpy")(known["loop"])  # type: ignore[no-any-return]

    try:
        return made(kept=True)
    except Exception:  # what is kept is broken, or nothing can be kept
        return made(kept=False)


@cache
def _warn(error: str) -> None:
    logging.getLogger("hybridnet").warning("numba cannot compile a loop, so NumPy computes: %s", error)


class _Compiler:
    """The thread that compiles, one loop after another; it starts when there is one."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Loop | threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.is_forked = False

    def add(self, wanted: Loop) -> None:
        """Have a loop compiled."""
        if self._closed:
            return
        self._waiting.put(wanted)
        if self._thread is None:
            sysconfig.get_config_vars()  # which numba asks for, and which two threads must not make at once
            self._thread = threading.Thread(target=self._work, name="hybridnet-loops", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (wanted := self._waiting.get()) is not None and not self._closed:
            if isinstance(wanted, threading.Event):
                wanted.set()
            else:
                wanted.compile()

    def finish(self) -> None:
        """Wait for what has been added so far."""
        if self._thread is not None and not self._closed:
            done = threading.Event()
            self._waiting.put(done)
            done.wait()

    def close(self) -> None:
        """At the end of the process: what is being compiled is waited for, since it cannot be stopped in the middle."""
        self._closed = True
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()

    def begin_again(self) -> None:
        """In a process that was forked off, where numba may be in the middle of something for ever: what is compiled stays."""
        self._thread, self._closed, self.is_forked = None, True, True


_compiler = _Compiler()
finish = _compiler.finish


def is_forked() -> bool:
    """Whether this process was forked off, so that nothing can be compiled: what is compiled stays."""
    return _compiler.is_forked


atexit.register(_compiler.close)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_compiler.begin_again)
