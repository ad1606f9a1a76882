"""Arrays of a trace that share memory: what a write to one of them means to the others.

A graph has values and no memory. A write to a view is a new value of the array that it is a view of, with that part replaced
(:meth:`Aliases.behind`); whoever then reads another view of that array has it taken anew (:meth:`Aliases.again`).

Whether a reshape is a view or a copy follows, as in NumPy, from how its operand lies in memory. Arrays that the trace makes lie in
order; of those that come from outside it is assumed, and noted for each call to check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from hybridnet.core.numpy_functions import NUMPY_FUNCTION_OF
from hybridnet.errors import ArgumentError, TraceError, fail
from hybridnet.graph.ir import Node, Value
from hybridnet.graph.operators import INDEX_SET, RESHAPE, SLICE, TRANSPOSE

Emit = Callable[..., Value]


class Link(NamedTuple):
    """A view and what it is a view of: array handles, which are kept so that their ids stay theirs."""

    view: Any
    source: Any
    node: Node | None  # the operator that made the view; None where it is all of the source
    model: np.ndarray[Any, Any]  # an array that lies as the view does
    depends: bool  # whether it is a view only if the first array of the chain lies in order


class Aliases:
    """The views that a trace has made."""

    def __init__(self, emit: Emit, nested: bool) -> None:
        """``nested``: in a body of control flow, whose arrays from outside no call checks."""
        self._emit = emit
        self._nested = nested
        self._links: dict[int, Link] = {}  # by the view's id
        self.in_order: dict[int, Any] = {}  # the arrays of which it mattered that they lie in order, by id

    def add(self, source: Any, view: Any, node: Node | None) -> bool:
        """Note a view of ``source``, made by ``node``; False if it would be a copy."""
        outer = self._links.get(id(source))
        model = np.empty(source.shape, np.int8) if outer is None else outer.model  # no page of which is ever touched
        depends = outer is not None and outer.depends
        if node is not None:
            made = NUMPY_FUNCTION_OF[node.op](model, **node.attrs)
            if not np.may_share_memory(made, model) and made.size:
                return False
            model, depends = made, depends or node.op is RESHAPE
        self._links[id(view)] = Link(view, source, node, model, depends)
        return True

    def behind(self, array: Any, value: Value, now: Callable[[Any], Value]) -> Iterator[tuple[Any, Value]]:
        """The arrays that ``array`` is a view of, the nearest first, each with its value once ``array`` has been written."""
        while (link := self._links.get(id(array))) is not None:
            self._rely(link)
            value = self._replaced(now(link.source), link.node, value)
            array = link.source
            yield array, value

    def again(self, array: Any, read: Callable[[Any], Value]) -> Value | None:
        """The value of a view whose memory was written through another array; None if it is a view of none."""
        link = self._links.get(id(array))
        if link is None:
            return None
        self._rely(link)
        value = read(link.source)
        return value if link.node is None else self._emit(link.node.op, (value,), link.node.attrs, array._device)

    def is_part(self, view: Any, source: Any, key: Any) -> bool:
        """Whether an array is the view ``source[key]``."""
        link = self._links.get(id(view))
        return link is not None and link.source is source and link.node is not None and link.node.attrs.get("key") == key

    def is_view(self, array: Any) -> bool:
        """Whether an array of the trace is a view of another."""
        return id(array) in self._links

    def _rely(self, link: Link) -> None:
        """What follows holds only if the first array of a chain with a reshape in it lies in order."""
        if link.depends:
            if self._nested:
                fail(
                    TraceError,
                    "in-place write",
                    expected="no writes through reshaped views in a body of control flow",
                    got=f"a view of shape {link.view.shape} of {link.source.shape}",
                    fix="x[...] = v on the array itself",
                )
            first = link.source
            while (outer := self._links.get(id(first))) is not None:
                first = outer.source
            self.in_order[id(first)] = first

    def _replaced(self, source: Value, node: Node | None, value: Value) -> Value:
        """``source`` with the elements that ``node`` takes replaced by ``value``."""
        if node is None:
            return value
        if node.op is SLICE:
            return self._emit(INDEX_SET, (source, value), {"key": node.attrs["key"]}, source.device)
        if node.op is RESHAPE:
            return self._emit(RESHAPE, (value,), {"shape": source.shape}, source.device)
        if node.op is not TRANSPOSE:
            got = f"a read-only view, as {node.op.name} gives"
            fail(ArgumentError, "in-place write", expected="an array that can be written", got=got, fix="x.copy()")
        axes = node.attrs["axes"]
        return self._emit(TRANSPOSE, (value,), {"axes": tuple(map(axes.index, range(len(axes))))}, source.device)
