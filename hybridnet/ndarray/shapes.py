"""Rules for the shapes of inputs that follow from others: what a layer's weights must be, given its data.

They are for parameters whose shape is left open, and for a symbol's ``infer_shape``. A rule is handed the shapes that are
known, by input, and all attributes; it gives the shapes of other inputs, or none while too little is known. The shapes of
results come from tracing the operator's function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hybridnet.ndarray.attributes import Shape
from hybridnet.ndarray.record import Attributes, ShapeRule


def from_input(name: str, rule: Callable[[Shape, Attributes], Mapping[str, Shape]]) -> ShapeRule:
    """A rule that needs one input's shape."""
    return lambda known, a: rule(known[name], a) if name in known else {}


def per_channel(*names: str, axis: int | None = None) -> ShapeRule:
    """Inputs with one element for each position on an axis of ``data``: ``axis``, or the attribute of that name."""
    return from_input("data", lambda data, a: dict.fromkeys(names, (data[a["axis"] if axis is None else axis],)))


def alike(*names: str) -> ShapeRule:
    """Inputs of one shape."""

    def rule(known: Mapping[str, Shape], a: Attributes) -> Mapping[str, Shape]:
        shape = next((known[name] for name in names if name in known), None)
        return {} if shape is None else dict.fromkeys(names, shape)

    return rule


def all_alike(known: Mapping[str, Shape], a: Attributes, count: str = "num_args") -> Mapping[str, Shape]:
    """Any number of inputs, all of one shape."""
    return alike(*(f"arg{i}" for i in range(a[count])))(known, a)


def without_axis(name: str) -> ShapeRule:
    """An input with all axes of ``data`` but the attribute ``axis``."""

    def rule(data: Shape, a: Attributes) -> Mapping[str, Shape]:
        axis = a["axis"] % len(data)
        return {name: data[:axis] + data[axis + 1 :]}

    return from_input("data", rule)


def with_channels(data: Shape, layout: str | None) -> tuple[int, bool]:
    """The number of channels of images in a layout, and whether they are on the last axis."""
    last = layout is not None and layout.endswith("C")
    return data[-1 if last else 1], last


def kernel_shape(filters: int, channels: int, kernel: int | Sequence[int], last: bool) -> Shape:
    """A convolution's weight."""
    window = (kernel,) if isinstance(kernel, int) else tuple(kernel)
    return (filters, *window, channels) if last else (filters, channels, *window)
