"""The tape: what recorded operators leave behind, and reverse-mode differentiation over it.

A node keeps only what its operator's gradient declares (``Op.saves``), by value: the data, of which it
takes a copy before they are written in place, and its own place on the tape. Gradients are computed by calling operators again, so
they can be recorded (higher orders) and traced (a compiled backward) like anything else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.core.array import Array, Spec, wrap
from hybridnet.core.handles import plain
from hybridnet.core.op import OPS, Op, find
from hybridnet.core.state import computing_in, local
from hybridnet.errors import AutogradError, Site, fail, user_site

_sequence = itertools.count(1)
Ref = tuple[Any, int]  # a node (or leaf) and which of its outputs


class Leaf:
    """A variable: where differentiation ends and a gradient is delivered."""

    __slots__ = ("fresh", "grad", "req", "seq")

    def __init__(self, grad: Array | None, req: str) -> None:
        self.grad = grad
        self.req = req
        self.seq = 0
        self.fresh = False  # whether a backward delivered since the last update

    def touch(self) -> None:
        """Note that a gradient was delivered."""
        self.fresh = True


class Saved:
    """One array as it was when an operator was recorded, whatever is written to it since."""

    __slots__ = ("__weakref__", "cls", "data", "device", "storage", "tape")

    def __init__(self, x: Array, data: Any) -> None:
        self.cls = x._plain
        self.data = data
        self.device = x._device
        self.tape = x._tape
        # A traced value cannot be overwritten; a buffer can.
        self.storage = None if local.trace is not None else x.storage()
        if self.storage is not None:
            self.storage.keep(self)

    def take_copy(self) -> None:
        """Keep the values as they are now, in memory of our own: the buffer is about to be written."""
        self.data, self.storage = self.data.copy(), None

    def restore(self, ref: Ref | None) -> Array:
        """An array of what was kept, at the place on the tape that ``ref`` is."""
        x = wrap(self.cls, self.data, self.device)
        x._storage = self.storage
        x._tape = ref
        return x


class Node:
    """One recorded operator call."""

    __slots__ = ("attrs", "freed", "op", "outputs", "parents", "saved", "seq", "site", "specs")

    def __init__(self, op: Op, attrs: dict[str, Any], parents: list[Ref | None], specs: list[Any], outputs: tuple[Any, ...]) -> None:
        self.op = op
        self.attrs = attrs
        self.parents = parents
        self.specs = specs  # a Spec for each array input, the number itself for each number
        self.outputs = outputs  # a (Spec, class, device) for each output
        self.saved: dict[int, Saved] = {}  # by the input's number; outputs are counted backward, -1 the first
        self.seq = next(_sequence)
        self.freed = 0  # when a backward freed it, in the count of ``seq``
        self.site: Site = user_site()

    def free(self) -> None:
        """Drop all that a backward needs, and what lies behind: from now on its results are constants."""
        self.saved, self.parents, self.attrs = {}, [], {}
        self.freed = next(_sequence)

    def check(self, head: int) -> None:
        """Refuse a backward from a head recorded at ``head``, before this node was freed: it would lack a part of its gradient."""
        if self.freed > head:
            fail(
                AutogradError,
                "backward",
                expected=f"the tape of {self.op.name} recorded at {self.site}",
                got="it was freed by an earlier backward",
                fix="backward(retain_graph=True) the first time",
            )

    def gradients(self, needs: tuple[bool, ...], g: Any) -> Sequence[Array | None]:
        """The inputs' gradients from the outputs'; ``None`` where not needed or zero."""
        ys = tuple([self.saved[~i].restore((self, i)) if ~i in self.saved else out[0] for i, out in enumerate(self.outputs)])
        y = ys if len(ys) > 1 else ys[0]
        xs = [self.saved[i].restore(self.saved[i].tape) if i in self.saved else s for i, s in enumerate(self.specs)]
        rules = self.op.grad
        if isinstance(rules, tuple):
            return [rules[i](g, y, *xs, **self.attrs) if need and rules[i] else None for i, need in enumerate(needs)]  # type: ignore[misc]
        assert rules is not None
        return rules(needs, g, y, *xs, **self.attrs)


def record(op: Op, arrays: Sequence[Any], operands: Sequence[Any], attrs: dict[str, Any], result: Any) -> None:
    """Write the tape node of an operator call, if a gradient can flow through it; else note what lies behind its results.

    ``operands`` are the data (or graph values) that ``arrays`` held at the call.
    """
    parents = [x._tape if isinstance(x, Array) else None for x in arrays]
    results = result if isinstance(result, tuple) else (result,)
    if op.grad is None or not any(parents):
        note_behind(arrays, results)
        return
    outputs = tuple([(Spec(y._data.shape, y._data.dtype), y._plain, y._device) for y in results])
    floating = [_flows(spec.dtype, arrays, parents) for spec, _, _ in outputs]
    if True not in floating:
        note_behind(arrays, results)
        return
    specs = [Spec(d.shape, d.dtype) if isinstance(x, Array) else x for x, d in zip(arrays, operands, strict=True)]
    node = Node(op, attrs, parents, specs, outputs)
    saved = node.saved
    for item in _needed(op, parents):
        if isinstance(item, str):
            for i, y in enumerate(results):
                if item == "y" or int(item[1:]) == i:
                    saved[~i] = Saved(y, y._data)
        elif item < len(arrays) and isinstance(arrays[item], Array):
            saved[item] = Saved(arrays[item], operands[item])
    for i, flows in enumerate(floating):
        if flows:
            results[i]._tape = (node, i)


def _flows(dtype: Any, arrays: Sequence[Any], parents: Sequence[Ref | None]) -> bool:
    """Whether a gradient flows to a result: a floating one, or an integer of an integer variable (which MXNet has)."""
    if dtypes.is_floating(dtype):
        return True
    return dtype.kind in "iu" and any(p is not None and x._data.dtype.kind in "iu" for x, p in zip(arrays, parents, strict=True))


def note_behind(arrays: Sequence[Any], results: Sequence[Any]) -> None:
    """Note at results without a gradient what was recorded behind them, which a backward from them gives zeros."""
    recorded = [x for x in arrays if isinstance(x, Array) and (x._tape is not None or x._behind is not None)]
    if recorded:
        nodes = [node for x in recorded for node in (x._behind or () if x._tape is None else (x._tape[0],))]
        behind = tuple(dict.fromkeys(n for n in nodes if isinstance(n, Leaf) or not n.freed))
        for y in results:
            if y._tape is None:
                y._behind = behind


def _needed(op: Op, parents: Sequence[Ref | None]) -> Sequence[int | str]:
    """What of ``op.saves`` the gradients that will be asked for read."""
    if not op.saves or not isinstance(op.saves[0], tuple):
        return op.saves  # type: ignore[return-value]
    return tuple({item for own, parent in zip(op.saves, parents, strict=True) if parent is not None for item in own})  # type: ignore[union-attr]


def backward(
    heads: Sequence[Any],
    head_grads: Sequence[Any],
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    train_mode: bool = True,
) -> None:
    """Deliver the gradients of ``heads`` to the variables behind them, each by its ``grad_req``."""
    before = local.set(recording=create_graph, training=train_mode)
    try:
        propagate(heads, head_grads, retain_graph=retain_graph or create_graph, deliver=_deliver)
    finally:
        local.set(recording=before[0], training=before[1])


def _deliver(leaf: Leaf, g: Any) -> None:
    target: Any = leaf.grad
    target._assign(_call("add", target, g) if leaf.req == "add" else g)
    leaf.touch()
    if local.trace is not None:
        local.trace.before_run(leaf.touch)  # each run of the compiled program delivers too


class Propagation:
    """The backward that is running, for gradient rules that can make use of how it goes on."""

    __slots__ = ("delivers", "pending", "reached", "retain_graph")

    def __init__(self, pending: dict[Ref, Array], delivers: bool, retain_graph: bool) -> None:
        self.pending = pending
        self.delivers = delivers
        self.reached: tuple[bool, ...] = ()  # of the node at hand, which outputs have a gradient that is not zeros of the tape's
        self.retain_graph = retain_graph  # whether what the tape keeps will be asked for again

    def destination(self, ref: Ref | None) -> Array | None:
        """The array that the gradient of ``ref`` is going to be, if it may be computed right there."""
        leaf = ref[0] if ref is not None else None
        if not self.delivers or not isinstance(leaf, Leaf) or leaf.req != "write" or ref in self.pending:
            return None
        return leaf.grad


def propagate(
    heads: Sequence[Array],
    head_grads: Sequence[Array | None],
    *,
    targets: Sequence[Ref] | None = None,
    since: int = 0,
    retain_graph: bool = False,
    deliver: Callable[[Leaf, Array], None] | None = None,
) -> dict[Ref, Array]:
    """Carry gradients from ``heads`` back along the tape.

    With ``targets`` it gives the gradient of each that was reached and goes no further back than
    they are; otherwise each leaf's gradient is handed to ``deliver``. Nodes older than ``since``
    are not entered. AutogradError for a head that was not recorded, or a head gradient of another shape.
    """
    pending: dict[Ref, Array] = {}
    behind: list[Any] = []
    for head, g in zip(heads, head_grads, strict=True):
        if head._tape is None and head._behind is not None:
            behind.extend(head._behind)
            continue
        if head._tape is None:
            fail(
                AutogradError,
                "backward",
                expected="an array computed under autograd.record() from a variable",
                got=f"{Spec(head.shape, head._data.dtype)} that was not recorded",
                fix="attach_grad() on the inputs, and computing inside `with autograd.record():`",
            )
        if g is None:
            g = ones_like(head)
        elif g.shape != head.shape:
            fail(AutogradError, "backward", expected=f"a head gradient of shape {head.shape}", got=str(g.shape))
        _add(pending, head._tape, plain(g))
    wanted = set(targets) if targets is not None else None
    roots = [h._tape[0] for h in heads if h._tape]
    order, useful = _order(roots, wanted, since)
    oldest = min((n.seq for n in roots if isinstance(n, Node)), default=0)
    for node in order:
        if isinstance(node, Node):
            node.check(oldest)
    found: dict[Ref, Array] = {}
    outer = local.propagation
    local.propagation = Propagation(pending, deliver is not None, retain_graph)
    try:
        with computing_in(None):  # in the types that the forward was computed in
            _walk(order, useful, wanted, pending, found, retain_graph, deliver)
            if behind:
                _give_zeros(_order(behind, wanted, since)[0], wanted, found, deliver)
    finally:
        local.propagation = outer
        if local.trace is not None:
            local.trace.site = None
    return found


def _walk(
    order: Sequence[Any],
    useful: set[Any],
    wanted: set[Ref] | None,
    pending: dict[Ref, Array],
    found: dict[Ref, Array],
    retain_graph: bool,
    deliver: Callable[[Leaf, Array], None] | None,
) -> None:
    for node in order:
        if isinstance(node, Leaf):
            if (g := pending.pop((node, 0), None)) is not None:
                found[node, 0] = g
                if deliver is not None:
                    deliver(node, g)
            continue
        gs = [pending.pop((node, i), None) for i in range(len(node.outputs))]
        found.update({(node, i): g for i, g in enumerate(gs) if g is not None and wanted is not None and (node, i) in wanted})
        if node not in useful or all(g is None for g in gs):
            continue
        local.propagation.reached = tuple([g is not None for g in gs])
        filled = tuple(g if g is not None else _full(out[0], 0, *out[1:]) for g, out in zip(gs, node.outputs, strict=True))
        needs = tuple(
            p is not None and (p[0] in useful or (p in wanted if wanted is not None else isinstance(p[0], Leaf))) for p in node.parents
        )
        if local.trace is not None:
            # A gradient belongs to the line of what it differentiates.
            local.trace.site = node.site.marked(f"grad of {node.op.name}")
        gradients = node.gradients(needs, filled if len(filled) > 1 else filled[0])
        for parent, spec, need, g in zip(node.parents, node.specs, needs, gradients, strict=True):
            if need and g is not None and parent is not None:
                _add(pending, parent, fit(g, spec))
        if not retain_graph:
            node.free()


def _give_zeros(
    order: Sequence[Any], wanted: set[Ref] | None, found: dict[Ref, Array], deliver: Callable[[Leaf, Array], None] | None
) -> None:
    """Zeros for what lies behind heads without a gradient, and was not reached from the others."""
    for node in order:
        if isinstance(node, Leaf):
            if node.grad is not None and (node, 0) not in found and (wanted is None or (node, 0) in wanted):
                found[node, 0] = zeros = _full(Spec(node.grad.shape, node.grad._data.dtype), 0, node.grad._plain, node.grad._device)
                if deliver is not None:
                    deliver(node, zeros)
            continue
        for i, output in enumerate(node.outputs):
            if wanted is not None and (node, i) in wanted and (node, i) not in found:
                found[node, i] = _full(output[0], 0, *output[1:])


def _order(roots: Sequence[Any], wanted: set[Ref] | None, since: int) -> tuple[list[Any], set[Any]]:
    """What lies behind ``roots``, newest first and leaves last, and which nodes lead to a goal."""
    seen: dict[Any, None] = {}  # in the order in which they were found: leaves, which are of no age, are to keep one
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            if not isinstance(node, Leaf) and node.seq >= since:
                stack.extend(p[0] for p in node.parents if p is not None)
    order = sorted(seen, key=lambda n: n.seq, reverse=True)
    useful: set[Any] = set()
    for node in reversed(order):
        if not isinstance(node, Leaf) and node.seq >= since:
            for p in node.parents:
                if p is not None and (p[0] in useful or (p in wanted if wanted is not None else isinstance(p[0], Leaf))):
                    useful.add(node)
                    break
    return order, useful


def _add(pending: dict[Ref, Array], ref: Ref, g: Array) -> None:
    from_before = pending.get(ref)
    pending[ref] = g if from_before is None else _call("add", from_before, g)


def fit(g: Array, spec: Spec) -> Array:
    """Undo broadcasting and casting: bring a gradient to its input's shape and dtype."""
    if g.shape != spec.shape:
        lead = len(g.shape) - len(spec.shape)
        axes = tuple(i for i, n in enumerate(g.shape) if n != 1 and (i < lead or spec.shape[i - lead] == 1))
        if axes:
            g = _call("sum", g, axis=axes, keepdims=False)
        if g.shape != spec.shape:
            g = _call("reshape", g, shape=spec.shape)
    if g.dtype != spec.dtype:
        g = _call("cast", g, dtype=spec.dtype)
    return g


def ones_like(x: Array) -> Array:
    """Ones of the shape, dtype and device of ``x``: the head gradient of a backward that is given none."""
    return _full(Spec(x.shape, x._data.dtype), 1, x._plain, x._device)


# ``apply`` records on the tape and the tape applies operators: the knot is tied at one point,
# by ``bind`` at the import of ``apply``'s package, in place of an import cycle.
_apply: Callable[..., Any]


def bind(apply: Callable[..., Any]) -> None:
    """Tell the tape what ``apply`` is, which is defined above it."""
    global _apply
    _apply = apply


def _call(name: str, *arrays: Any, **attrs: Any) -> Any:
    return _apply(find(name), arrays, attrs)


def _full(spec: Spec, value: float, cls: type[Array], device: Any) -> Array:
    return _apply(OPS["full"], (), {"shape": spec.shape, "value": value, "dtype": spec.dtype}, device, cls)
