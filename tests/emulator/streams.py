"""Streams of the emulated device: work runs at once, or is kept while its stream captures, to be run by the graph's launches.

All that is put on a stream (kernels, copies, library calls) goes through :func:`enqueue` with raw addresses,
so that a replay reads and writes what lies there then, as on a device.
"""

import threading
from collections.abc import Callable
from typing import Any

Work = Callable[[], Any]

_captures: dict[int, list[Work]] = {}
_blocking: set[int] = set()  # streams of those which are not "non-blocking"
_spoilt: set[int] = set()  # captures that something has made invalid


class CaptureError(RuntimeError):
    """What CUDA refuses while a stream captures."""


class _Current(threading.local):
    """Of a thread."""

    stream: Any = None  # None: the null stream
    device = 0


current = _Current()


def here() -> Any:
    """The current stream of the current device; None for its null stream."""
    stream = current.stream
    return stream if stream is not None and stream.device_id in (-1, current.device) else None


def handle(stream: Any = None) -> int:
    """The handle of a stream: a number, an object with ``ptr``, or None for the current one."""
    if stream is None:
        stream = here()
    return 0 if stream is None else int(getattr(stream, "ptr", stream))


def enqueue(stream: int, work: Work) -> None:
    """Do ``work`` in the order of the stream of that handle."""
    kept = _captures.get(stream)
    if kept is not None:
        kept.append(work)
        return
    if not stream and _captures.keys() & _blocking:
        raise CaptureError("work on the null stream while a stream that waits for it captures")
    work()


def begin(stream: int, waits_for_null: bool = False) -> None:
    """From here on the stream keeps its work in place of doing it."""
    if not stream:
        raise CaptureError("the null stream cannot capture")
    if stream in _captures:
        raise CaptureError("the stream captures already")
    _captures[stream] = []
    if waits_for_null:
        _blocking.add(stream)


def end(stream: int) -> list[Work]:
    """The work that was kept, in order."""
    _blocking.discard(stream)
    work = _captures.pop(stream)
    if stream in _spoilt:
        _spoilt.discard(stream)
        raise CaptureError("cudaErrorStreamCaptureInvalidated: the capture was spoilt by an error before")
    return work


def capturing(stream: int | None = None) -> bool:
    """Whether the stream of that handle captures; without one, whether any does."""
    return bool(_captures) if stream is None else stream in _captures


def refuse(what: str, stream: Any = None, spoils: bool = False) -> None:
    """To be called by what waits for a stream (the current one, if none is given) or copies without one.

    ``spoils``: CUDA finds out, which makes the capture invalid, where else CuPy looks before it asks CUDA.
    """
    if capturing(handle(stream)):
        if spoils:
            _spoilt.add(handle(stream))
        raise CaptureError(f"{what} while the stream captures")


def refuse_everywhere(what: str) -> None:
    """To be called by what waits for the whole device: makes all captures invalid."""
    if _captures:
        _spoilt.update(_captures)
        raise CaptureError(f"{what} while a stream captures")


def abandon() -> None:
    """Forget captures that were not ended."""
    _captures.clear()
    _blocking.clear()
    _spoilt.clear()
