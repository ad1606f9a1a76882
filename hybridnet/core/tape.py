"""The tape: what recorded operators leave behind, and reverse-mode differentiation over it.

A node keeps only what its operator's gradient declares (``Op.saves``), by value: the data, of which it
takes a copy before they are written in place, and its own place on the tape. Gradients are computed by calling operators again, so
they can be recorded (higher orders) and traced (a compiled backward) like anything else.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, NoReturn

from hybridnet import dtypes
from hybridnet.core import straight
from hybridnet.core.array import Array, Spec, Storage
from hybridnet.core.handles import plain
from hybridnet.core.op import OPS, Op, find
from hybridnet.core.state import COMPUTING, computing_in, local, special_of
from hybridnet.errors import AutogradError, Place, Site, fail, user_place

_new = object.__new__
_spec = tuple.__new__
_sequence = itertools.count(1)
_ONE = (True,)
_FIRST = (0,)
_ABOVE = 3  # the frame that may be the user's when an operator is recorded: above ``record`` and who records
_age = operator.attrgetter("seq")
Ref = tuple[Any, int]  # a node (or leaf) and which of its outputs


class Leaf:
    """A variable: where differentiation ends and a gradient is delivered."""

    __slots__ = ("fresh", "grad", "req", "seq")
    freed = 0  # as of a node that was not

    def __init__(self, grad: Array | None, req: str) -> None:
        self.grad = grad
        self.req = req
        self.seq = 0
        self.fresh = False  # whether a backward delivered since the last update

    def touch(self) -> None:
        """Note that a gradient was delivered."""
        self.fresh = True


#: One array as it was when an operator was recorded, whatever is written to it since: its data, class for rules, device, place on
#: the tape, and the alias record of its buffer, which tells of writes; None where there is nothing to tell: of a traced value, of a copy.
Saved = tuple[Any, type[Array], Any, Ref | None, Storage | None]


def _restore(saved: Saved, ref: Ref | None) -> Array:
    x = _new(saved[1])
    x._data = saved[0]
    x._device = saved[2]
    x._tape = ref
    x._storage = saved[4]
    x._behind = None
    return x


class Node:
    """One recorded operator call."""

    __slots__ = ("__weakref__", "attrs", "freed", "op", "outputs", "parents", "place", "saved", "seq", "shapes")

    op: Op
    attrs: dict[str, Any]
    parents: list[Ref | None]
    shapes: list[Any]  # the spec of each array input as its dense gradient has it, the number itself for each number
    outputs: list[tuple[Any, type[Array], Any]]  # that of each output, class, device
    saved: dict[int, Saved]  # by the input's number; outputs are counted backward, -1 the first
    seq: int
    freed: int  # when a backward freed it, in the count of ``seq``
    place: Place

    @property
    def site(self) -> Site:
        """Where it was called: made when it is asked for, which is rarely."""
        return Site(*self.place)

    def take_copy(self, storage: Storage) -> None:
        """A buffer that it keeps data of is about to be written."""
        for i, (data, cls, device, ref, kept) in self.saved.items():
            if kept is storage:
                self.saved[i] = (data.copy(), cls, device, ref, None)

    def free(self) -> None:
        """Drop all that a backward needs, and what lies behind: from now on its results are constants."""
        self.saved, self.parents, self.attrs = {}, [], {}
        self.freed = next(_sequence)

    def refuse(self) -> NoReturn:
        """A backward from a head that was recorded before this node was freed: it would lack a part of its gradient."""
        fail(
            AutogradError,
            "backward",
            expected=f"the tape of {self.op.name} recorded at {self.site}",
            got="it was freed by an earlier backward",
            fix="backward(retain_graph=True) the first time",
        )

    def gradients(self, needs: tuple[bool, ...], g: Any) -> Sequence[Array | None]:
        """The inputs' gradients from the outputs'; ``None`` where not needed or zero."""
        lines = self.op.lines
        by_line = lines is not None and needs not in lines.short and local.special == COMPUTING
        if by_line and (found := straight.gradients(self, needs, g)) is not None:
            return found
        saved, outputs, attrs = self.saved, self.outputs, self.attrs
        y: Any
        if len(outputs) == 1:
            y = _restore(saved[-1], (self, 0)) if -1 in saved else _spec(Spec, outputs[0][0])
        else:
            y = tuple([_restore(saved[~i], (self, i)) if ~i in saved else _spec(Spec, out[0]) for i, out in enumerate(outputs)])
        xs = [
            _restore(saved[i], saved[i][3]) if i in saved else _spec(Spec, s) if s.__class__ is tuple else s
            for i, s in enumerate(self.shapes)
        ]
        return by_rules(self.op, needs, g, y, xs, attrs)


def by_rules(op: Op, needs: tuple[bool, ...], g: Any, y: Any, xs: Sequence[Any], attrs: Mapping[str, Any]) -> Sequence[Any]:
    """The inputs' gradients from the outputs', by an operator's rules; ``None`` where not needed or zero.

    Of a real function L of complex numbers z = x + iy the gradient is ∂L/∂x + i ∂L/∂y, which is PyTorch's convention. A linear map of
    differentials, dy = f'·dz, then has g times the conjugate of f' as its gradient: the rule for real numbers between two conjugations.
    """
    rules: Any = op.grad
    conjugated = op.complex == "holomorphic" and (g if g.__class__ is not tuple else g[0])._data.dtype.kind == "c"
    if conjugated:
        g = tuple(map(_conjugate, g)) if g.__class__ is tuple else _conjugate(g)
    if isinstance(rules, tuple):
        found: Sequence[Any] = [rules[i](g, y, *xs, **attrs) if need and rules[i] else None for i, need in enumerate(needs)]
    else:
        found = rules(needs, g, y, *xs, **attrs)
    return [x if x is None else _conjugate(x) for x in found] if conjugated else found


def _conjugate(x: Array) -> Array:
    return _call("conjugate", x) if x._data.dtype.kind == "c" else x


def record(op: Op, arrays: Sequence[Any], operands: Sequence[Any], attrs: dict[str, Any], result: Any) -> None:
    """Write the tape node of an operator call, if a gradient can flow through it; else note what lies behind its results.

    ``operands`` are the data (or graph values) that ``arrays`` held at the call.
    """
    parents: list[Ref | None] = []
    shapes: list[Any] = []
    reads, bit, at = 0, 1, 0  # a bit for each input that a gradient flows to
    for x in arrays:
        if isinstance(x, Array):
            data = operands[at]
            shapes.append((data.shape, data.dtype, "default"))
            parents.append(ref := x._tape)
            if ref is not None:
                reads |= bit
        else:
            shapes.append(x)
            parents.append(None)
        bit += bit
        at += 1  # noqa: SIM113 (enumerate makes a pair each)
    single = result.__class__ is not tuple
    results = (result,) if single else result
    flowing: Sequence[int] = ()  # the results that a gradient flows to
    if reads and op.grad is not None:
        if single and (dtype := result._data.dtype).kind == "f":
            flowing, outputs = _FIRST, [((result._data.shape, dtype, "default"), result._plain, result._device)]
        else:
            flowing = [i for i, y in enumerate(results) if _flows(y._data.dtype, arrays, parents)]
            outputs = [((y._data.shape, y._data.dtype, "default"), y._plain, y._device) for y in results]
    if not flowing:
        note_behind(arrays, results)
        return
    node = _new(Node)
    node.op = op
    node.attrs = attrs
    node.parents = parents
    node.shapes = shapes
    node.outputs = outputs
    node.saved = {}
    node.seq = next(_sequence)
    node.freed = 0
    node.place = user_place(_ABOVE)
    if op.saves:
        items = op.read.get(reads) if single else None
        _save(node, _read_of(op, reads, parents, len(results)) if items is None else items, arrays, operands, results)
    for i in flowing:
        results[i]._tape = (node, i)


def _save(node: Node, items: tuple[int, ...], arrays: Sequence[Any], operands: Sequence[Any], results: Sequence[Any]) -> None:
    saved = node.saved
    traced = local.trace is not None
    for i in items:
        if i < 0:
            x, data, ref = results[~i], results[~i]._data, None
        elif i < len(arrays) and isinstance(arrays[i], Array):
            x, data, ref = arrays[i], operands[i], arrays[i]._tape
        else:
            continue
        storage = None
        if not traced:  # a traced value cannot be overwritten; a buffer can
            storage = x._storage or x.storage()
            storage.keep(node)
        saved[i] = (data, x._kept, x._device, ref, storage)


def _read_of(op: Op, reads: int, parents: Sequence[Ref | None], outputs: int) -> tuple[int, ...]:
    """What of ``op.saves`` the gradients that will be asked for read, by number as in ``Node.saved``."""
    key = reads if outputs == 1 else (reads, outputs)
    found = op.read.get(key)
    if found is None:
        items: Any = op.saves
        if isinstance(items[0], tuple):
            items = {item for own, parent in zip(items, parents, strict=True) if parent is not None for item in own}
        named = [item for item in items if isinstance(item, str)]
        kept = [~i for i in range(outputs) if "y" in named or f"y{i}" in named]
        found = op.read[key] = (*[item for item in items if not isinstance(item, str)], *kept)
    return found


def _flows(dtype: Any, arrays: Sequence[Any], parents: Sequence[Ref | None]) -> bool:
    """Whether a gradient flows to a result: a floating or complex one, or an integer of an integer variable (which MXNet has)."""
    if dtypes.is_inexact(dtype):
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


def backward(
    heads: Sequence[Any],
    head_grads: Sequence[Any],
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    train_mode: bool = True,
) -> None:
    """Deliver the gradients of ``heads`` to the variables behind them, each by its ``grad_req``."""
    own = local.__dict__
    before = own["recording"], own["training"]
    own["recording"], own["training"] = create_graph, train_mode
    own["special"] = special_of(own)
    try:
        propagate(heads, head_grads, retain_graph=retain_graph or create_graph, deliver=_deliver)
    finally:
        own["recording"], own["training"] = before
        own["special"] = special_of(own)


def _deliver(leaf: Leaf, g: Any) -> None:
    target: Any = leaf.grad
    target._assign(_call("add", target, g) if leaf.req == "add" else g)
    leaf.fresh = True
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
    roots: list[Any] = []
    for head, g in zip(heads, head_grads, strict=True):
        ref = head._tape
        if ref is None and head._behind is not None:
            behind.extend(head._behind)
            continue
        if ref is None:
            fail(
                AutogradError,
                "backward",
                expected="an array computed under autograd.record() from a variable",
                got=f"{Spec(head.shape, head._data.dtype)} that was not recorded",
                fix="attach_grad() on the inputs, and computing inside `with autograd.record():`",
            )
        if g is None:
            if head._data.dtype.kind == "c":
                fail(
                    AutogradError,
                    "backward",
                    expected="a real head, or a head gradient",
                    got=f"{Spec(head.shape, head._data.dtype)} alone, of which no part is to be preferred",
                    fix="abs(y).backward(), or y.backward(out_grad)",
                )
            g = ones_like(head)
        elif g.shape != head.shape:
            fail(AutogradError, "backward", expected=f"a head gradient of shape {head.shape}", got=str(g.shape))
        else:
            g = plain(g)
            if (g._data.dtype.kind == "c") != (head._data.dtype.kind == "c"):
                g = fit(g, Spec(head.shape, head._data.dtype))
        pending[ref] = g if ref not in pending else _call("add", pending[ref], g)
        roots.append(ref[0])
    wanted = set(targets) if targets is not None else None
    order, useful = _order(roots, wanted, since)
    oldest = min([n.seq for n in roots if n.__class__ is not Leaf], default=0)
    for node in order:
        if node.freed > oldest:
            node.refuse()
    found: dict[Ref, Array] = {}
    outer = local.propagation
    local.propagation = Propagation(pending, deliver is not None, retain_graph)
    try:
        if local.precision is None:
            _walk(order, useful, wanted, pending, found, retain_graph, deliver)
        else:
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
    useful: Container[Any],
    wanted: set[Ref] | None,
    pending: dict[Ref, Array],
    found: dict[Ref, Array],
    retain_graph: bool,
    deliver: Callable[[Leaf, Array], None] | None,
) -> None:
    running, trace = local.propagation, local.trace
    for node in order:
        if node.__class__ is Leaf:
            if (g := pending.pop((node, 0), None)) is not None:
                found[node, 0] = g
                if deliver is not None:
                    deliver(node, g)
            continue
        if len(node.outputs) == 1:
            head: Any = pending.pop((node, 0), None)
            if wanted is not None and head is not None and (node, 0) in wanted:
                found[node, 0] = head
            if node not in useful or head is None:
                continue
            running.reached = _ONE
        else:
            gs = [pending.pop((node, i), None) for i in range(len(node.outputs))]
            if wanted is not None:
                found.update({(node, i): g for i, g in enumerate(gs) if g is not None and (node, i) in wanted})
            reached = tuple([g is not None for g in gs])
            if node not in useful or True not in reached:
                continue
            running.reached = reached
            head = tuple([_full(_spec(Spec, o[0]), 0, *o[1:]) if g is None else g for g, o in zip(gs, node.outputs, strict=True)])
        parents = node.parents
        if trace is not None:
            # A gradient belongs to the line of what it differentiates.
            trace.site = node.site.marked(f"grad of {node.op.name}")
        needs = tuple([p is not None and (p[0] in useful or (wanted is not None and p in wanted)) for p in parents])
        for i, g in enumerate(node.gradients(needs, head)):
            if g is not None and needs[i]:
                data, shape, parent = g._data, node.shapes[i], parents[i]
                if data.shape != shape[0] or data.dtype != shape[1]:
                    g = fit(g, _spec(Spec, shape))
                before = pending.get(parent)
                pending[parent] = g if before is None else _call("add", before, g)
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
                found[node, i] = _full(_spec(Spec, output[0]), 0, *output[1:])


def _order(roots: Sequence[Any], wanted: set[Ref] | None, since: int) -> tuple[list[Any], Container[Any]]:
    """What lies behind ``roots``, newest first and leaves last; which nodes lead to a goal, and the leaves if those are the goals."""
    seen: dict[Any, None] = {}  # in the order in which they were found: leaves, which are of no age, are to keep one
    stack = list(roots)
    whole = wanted is None  # whether all that was found leads to leaves
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            if node.__class__ is not Leaf:
                if node.seq < since or node.freed:
                    whole = False
                else:
                    for p in node.parents:
                        if p is not None:
                            stack.append(p[0])
    order = sorted(seen, key=_age, reverse=True)
    if whole:
        return order, seen
    useful: set[Any] = set()
    for node in reversed(order):
        if node.__class__ is Leaf:
            if wanted is None:
                useful.add(node)
        elif node.seq >= since:
            for p in node.parents:
                if p is not None and (p[0] in useful or (wanted is not None and p in wanted)):
                    useful.add(node)
                    break
    return order, useful


def fit(g: Array, spec: Spec) -> Array:
    """Undo broadcasting and casting: bring a gradient to its input's shape and dtype. Of a real input it is real."""
    if g._data.dtype.kind == "c" and spec.dtype.kind != "c":
        g = _call("real", g)
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
    return _apply(OPS["full"], (), {"shape": x._data.shape, "value": 1, "dtype": x._data.dtype}, x._device, x._plain)


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
