"""Python's collector of cycles, paused while a graph is made, or modules are: it would go over all that grows again and again.

What passes leave behind refers to each other, and waits for the collector until the compilation is over.
"""

from __future__ import annotations

import gc
import threading


class _Pause:
    """A context in which the collector does not run; it goes on when the last of the threads that are in it has left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._was_on:
                gc.enable()


class _Import(_Pause):
    """A pause in which modules are made, which stay: then all is old at once, and is gone over with what is old, not now."""

    def __exit__(self, *exc: object) -> None:
        if not gc.get_freeze_count():  # else something was frozen, and is to stay so
            gc.freeze()
            gc.unfreeze()  # into the oldest generation
        super().__exit__(*exc)


paused_collector = _Pause()
paused_for_import = _Import()
