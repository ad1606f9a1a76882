"""Memory that is worked in on one stream after another, and when it goes back to CuPy's pool.

CuPy's pool keeps a list of free memory for each stream. What is freed goes to the list of the stream on which it was
allocated, and to that stream's next array at once, which is right for memory that this stream alone works in. For the rest:

- What the user holds (arguments, results, parameters, the state of random numbers) is as any array of CuPy's: made on the
  stream that is current then. Who goes on with it on another stream makes that one wait; and once it is dropped there, which the
  tape does with what it has saved, makes the first one wait before anything more is put on it.
- What the user does not see is the framework's to order. Arenas, and the stand-ins and tables of the programs bound to them, go
  from stream to stream by :meth:`Trail.follow`, and back to the pool behind the last one's work by :meth:`Trail.hold`.
- Temporaries and workspaces are allocated, worked in and freed within one call, on one stream: the pool's order is enough.
- Page-locked memory that a copy still reads is held by ``transfer``.
"""

from __future__ import annotations

import weakref
from typing import Any

from hybridnet.device import cuda
from hybridnet.device.device import Device
from hybridnet.device.stream import current_stream


class Trail:
    """Which stream of a GPU worked last in some memory. Used by one thread at a time, but for :meth:`hold`."""

    __slots__ = ("_event", "device", "stream")

    def __init__(self, device: Device) -> None:
        self.device = device
        self.stream: Any = None
        self._event: Any = None

    def follow(self, stream: Any) -> None:
        """Put work on a stream from here on: behind what another one still does."""
        if stream is self.stream:
            return
        if self.stream is not None:
            if self._event is None:  # one that orders and does not tell the time, which would cost more
                self._event = self.device.xp.cuda.Event(disable_timing=True)
            self._event.record(self.stream)
            stream.wait_event(self._event)
        self.stream = stream

    def hold(self, owner: object, *memory: Any) -> None:
        """Keep memory that was allocated on the current stream as long as ``owner``, and give it back behind the work of all streams."""
        if not memory:
            return
        weakref.finalize(owner, _give_back, self.device.xp, self, current_stream(self.device), memory).atexit = False


def _give_back(xp: Any, trail: Trail, allocated_on: Any, memory: tuple[Any, ...]) -> None:
    """Make the stream to which the pool gives ``memory`` wait; that is freed when this returns.

    With an event of its own: the trail's may be in use by the thread that works in the rest of the memory.
    """
    last = trail.stream
    if last is None or last is allocated_on or cuda.forked():
        return
    with xp.cuda.Device(trail.device.device_id):
        event = xp.cuda.Event(disable_timing=True)
        event.record(last)
        allocated_on.wait_event(event)
