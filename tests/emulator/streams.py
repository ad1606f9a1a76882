"""Streams of the emulated device: work runs at once, or is kept while its stream captures, to be run by the graph's launches.

All that is put on a stream (kernels, copies, library calls) goes through :func:`enqueue` with raw addresses,
so that a replay reads and writes what lies there then, as on a device.
"""

from collections.abc import Callable

Work = Callable[[], None]

_captures: dict[int, list[Work]] = {}


class CaptureError(RuntimeError):
    """What CUDA refuses while a stream captures."""


def enqueue(stream: int, work: Work) -> None:
    """Do ``work`` in the order of the stream of that handle."""
    kept = _captures.get(stream)
    if kept is None:
        work()
    else:
        kept.append(work)


def begin(stream: int) -> None:
    """From here on the stream keeps its work in place of doing it."""
    if not stream:
        raise CaptureError("the null stream cannot capture")
    if stream in _captures:
        raise CaptureError("the stream captures already")
    _captures[stream] = []


def end(stream: int) -> list[Work]:
    """The work that was kept, in order."""
    return _captures.pop(stream)


def capturing() -> bool:
    """Whether any stream captures."""
    return bool(_captures)


def refuse(what: str) -> None:
    """To be called by everything that waits for the device or copies without a stream."""
    if _captures:
        raise CaptureError(f"{what} while a stream captures")
