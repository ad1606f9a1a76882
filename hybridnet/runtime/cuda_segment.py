"""Steps of a CUDA program that follow one another, and the CUDA graph that they become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.codegen.cuda_steps import Step
from hybridnet.codegen.order import Order
from hybridnet.device import Capture, Device, cuda, dnn
from hybridnet.device.failures import raise_if_missing, raise_if_out_of_memory
from hybridnet.errors import DeviceError, HybridnetError, message

Action = Callable[[int], None]  # puts a step's work on the stream of that handle


class Segment:
    """Steps that follow one another: a CUDA graph once it is captured, or a step that CuPy computes.

    ``first`` and ``last``: what is put on the stream before and after all of them, as a part of the graph.
    """

    __slots__ = ("actions", "first", "graph", "in_graph", "last", "order")

    def __init__(self, in_graph: bool) -> None:
        self.in_graph = in_graph
        self.actions: list[tuple[Action, Step]] = []
        self.first: tuple[Action, Step] | None = None
        self.last: tuple[Action, Step] | None = None
        self.order: Order | None = None  # in which they may run; None: one by one
        self.graph: Any = None

    def run(self, stream: Any) -> None:
        """Start all steps on a stream: one by one, or as a CUDA graph once they are captured."""
        if self.graph is not None:
            self.graph.launch(stream)
            return
        self.begin(stream)
        for action, step in self.actions:
            guarded(action, step, stream.ptr)
        self.end(stream)

    def begin(self, stream: Any) -> None:
        """Put what comes before all steps on a stream."""
        if self.first is not None:
            guarded(*self.first, stream.ptr)

    def end(self, stream: Any) -> None:
        """Put what comes after all steps on a stream."""
        if self.last is not None:
            guarded(*self.last, stream.ptr)

    def capture(self, device: Device) -> None:
        """Keep the steps as a CUDA graph."""
        if not self.in_graph or self.graph is not None:
            return
        channels = () if self.order is None else self.order.channels
        main = self.order.lanes[channels.index(dnn.CHANNEL)] if self.order is not None and dnn.CHANNEL in channels else 0
        try:
            with Capture(device, main) as capture:
                self.begin(capture.stream)
                if self.order is None or self.order.width < 2:
                    for action, step in self.actions:
                        guarded(action, step, capture.stream.ptr)
                else:
                    self._put(capture, self.order)
                    capture.join()
                self.end(capture.stream)
        except HybridnetError:
            raise
        except Exception as error:
            got = f"{type(error).__name__}: {error}, of {len(self.actions)} steps from {self.actions[0][1]}"
            raise DeviceError(message("capture", expected="steps that a CUDA graph can hold", got=got)) from error
        self.graph = capture.graph

    def _put(self, capture: Capture, order: Order) -> None:
        """The steps on the lanes of a capture, each behind those that it waits for."""
        lanes = order.lanes
        crossed = {p for i, steps in enumerate(order.before) for p in steps if lanes[p] != lanes[i]}
        marks: dict[int, Any] = {}
        for i, (action, step) in enumerate(self.actions):
            with capture.on(lanes[i], [marks[p] for p in order.before[i] if lanes[p] != lanes[i]]) as stream:
                guarded(action, step, stream.ptr)
                if i in crossed:
                    marks[i] = capture.mark(stream)


def guarded(action: Action, step: Step, stream: int) -> None:
    """Put a step on the stream; an error names the operator and the user's line."""
    try:
        action(stream)
    except HybridnetError:
        raise
    except Exception as error:
        node = step.node
        name = node.op.name if node is not None else "copy"
        raise_if_out_of_memory(name, error, cuda.current_id())
        site = node.site if node is not None else None
        raise_if_missing(name, error, site)
        raise DeviceError(
            message(name, expected="a launch that the device accepts", got=f"{type(error).__name__}: {error}, for {step}", site=site)
        ) from error
