"""The operator record: an operator's mathematics, in one place.

Adding an operator is writing one :class:`Op` (see ``CONTRIBUTING.md``). The tape reads ``grad``
and ``saves``, tracing reads ``infer``, fusion reads ``kind``, code generation reads ``ufunc`` and
``out``, the contract test reads ``sample``. What one back end knows of an operator besides stands in that
back end's table (:mod:`hybridnet.core.cuda_rules`, :mod:`hybridnet.core.numpy_functions`), filled in by the same file.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core.array import Spec
from hybridnet.core.lines import Lines
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail

Specs = Spec | tuple[Spec, ...]
GradRule = Callable[..., Any]


class Kind(Enum):
    """How an operator's outputs depend on its inputs: all that fusion needs to know."""

    POINTWISE = "pointwise"  # every output element from the same element of the (broadcast) inputs
    REDUCTION = "reduction"  # sums (or the like) over the axes in attribute ``axis``; ``keepdims`` keeps them as 1
    VIEW = "view"  # the same elements in another shape or order, no arithmetic
    CONTRACTION = "contraction"  # sums of products: matrix products and convolutions
    CREATION = "creation"  # no array inputs
    RANDOM = "random"  # a pure function of (seed, counter, ...)
    REGION = "region"  # what the graph in attribute ``body`` computes, in one piece of generated code; made by fusion and grouping
    COMMUNICATION = "communication"  # data exchanged with other processes, by calls that come in one order on all of them
    OPAQUE = "opaque"  # anything else


@dataclass(frozen=True)
class Sample:
    """One set of inputs for the contract test.

    ``inputs`` are NumPy arrays (or Python numbers for operators that take them); ``error`` is
    set where both eager and traced execution must raise that error instead. ``gradients`` are what the floating inputs'
    gradients are for a head gradient of ones, at points where the operator has no slope but a gradient by convention.
    """

    inputs: tuple[Any, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    error: type[Exception] | None = None
    differentiable: bool = True  # false where the sample lies on a kink or has integer inputs only
    gradients: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        if self.gradients is not None:
            object.__setattr__(self, "differentiable", False)


@dataclass(frozen=True, eq=False)
class Op:
    """An operator.

    name: unique; also the name in printed graphs.
    kind: see :class:`Kind`.
    infer: ``infer(*specs, **attrs)`` gives the output's :class:`Spec` (a tuple for several
        outputs) or raises the user's error. Python numbers among the inputs are passed as such.
    compute: ``compute(xp, *data, **attrs)`` on NumPy or CuPy arrays. Derived from ``ufunc`` where
        that is given.
    ufunc: the name of the NumPy (and CuPy) universal function that the operator is.
    decomposition: for a composite with a gradient of its own: ``decomposition(*arrays, **attrs)`` written in
        other operators. Then there is no ``compute``.
    grad: gradients written in our own operators; ``None`` where there is none (integer results).
        Either one rule for each input, ``rule(g, y, *xs, **attrs) -> array or None``, or a single
        rule ``rule(needs, g, y, *xs, **attrs) -> tuple`` where the inputs' gradients share work
        (``needs``: a tuple of bools, one an input). With several outputs ``g`` and ``y`` are tuples.
        Sums over broadcast axes and casts to the input's dtype are done by the tape.
    saves: what the tape must keep for ``grad``: input numbers, ``"y"`` (all outputs), ``"y1"`` (the second alone);
        or, where there is a rule for each input, a tuple of those for each rule, so that what only an
        unneeded gradient reads is not kept. Anything else reaches the rule as a :class:`Spec` (its shape and dtype).
    complex: whether it takes complex numbers, and what ``grad`` is to them; ``None``: ``apply`` refuses them by the operator's name.
        ``"holomorphic"``: the rules are those of real numbers, which are right between two conjugations (gradients follow
        PyTorch's convention, so that of a holomorphic f is g times the conjugate of f'). ``"direct"``: the rules are right as
        they are written: of operators that move or add elements, and of those whose rules think of complex numbers.
    promote: inputs from this position on are brought to one dtype: ``"same"`` (by promotion), ``"number"`` (bool becomes
        int8 too, as in NumPy's arithmetic) or ``"float"`` (integers become floating too). ``promote_from`` is that position.
    out: whether ``compute`` takes ``out=`` (a preallocated result of the inferred shape and dtype).
    in_place: whether its planned calls may write each output over the input of that number, as long as nothing else is read there.
    precision: ``"follow"`` its inputs, ``"float32"`` (needs the range), ``"half"`` (gains from it).
    cost: of one element of a pointwise operator, in additions; what a backward would rather store
        than compute again.
    flops: ``flops(inputs, outputs, **attrs)`` (specs) gives the floating-point operations of the products that a call takes, a
        multiplication and an addition counted as two; None where there are no products.
    python: whether ``compute`` is Python of the user's, which a program calls between its own steps; ``explain`` says so.
    looks_up: inputs of which no more elements are read than the first output has: tables.
    gives_rows: ``gives_rows(**attrs)`` says whether a gradient is of row_sparse storage outside of programs, in which all is dense.
    sample: gives :class:`Sample` s.
    """

    name: str
    kind: Kind
    infer: Callable[..., Specs]
    compute: Callable[..., Any] | None = None
    ufunc: str | None = None
    decomposition: Callable[..., Any] | None = None
    grad: tuple[GradRule | None, ...] | GradRule | None = None
    saves: tuple[int | str | tuple[int | str, ...], ...] = ()
    complex: str | None = None
    promote: str | None = None
    promote_from: int = 0
    out: bool = False
    in_place: bool = False
    precision: str = "follow"
    cost: int = 1
    flops: Callable[..., int] | None = None
    python: bool = False
    looks_up: tuple[int, ...] = ()
    gives_rows: Callable[..., bool] | None = None
    sample: Callable[[], Iterable[Sample]] | None = None
    is_view: bool = field(init=False, repr=False)
    #: The tape's: what of ``saves`` it keeps, by which inputs are on it.
    read: dict[Any, tuple[int, ...]] = field(init=False, repr=False, default_factory=dict)
    #: What its parts, if it is a composite, and its gradients became for arrays of the host; None of what is not registered.
    lines: Lines | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.ufunc is not None and self.compute is None:
            name = self.ufunc
            object.__setattr__(self, "compute", lambda xp, *data, **attrs: getattr(xp, name)(*data, **attrs))
            object.__setattr__(self, "out", True)
        object.__setattr__(self, "is_view", self.kind is Kind.VIEW)
        if (self.compute is None) == (self.decomposition is None):
            raise TypeError(f"operator {self.name!r} needs one of compute, ufunc and decomposition")

    def __repr__(self) -> str:
        return f"<Op {self.name}>"


#: Every operator by name.
OPS: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Enter an operator into the registry; names are unique."""
    if op.name in OPS:
        raise ValueError(f"operator {op.name!r} is registered twice")
    OPS[op.name] = op
    object.__setattr__(op, "lines", Lines())
    return op


def find(name: str) -> Op:
    """The operator of that name, or an error that lists near ones."""
    try:
        return OPS[name]
    except KeyError:
        import difflib

        near = difflib.get_close_matches(name, OPS, 3)
        fail(ArgumentError, name, expected="the name of an operator", got=repr(name), fix=" or ".join(near))


def broadcast_shapes(op: str, *shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that NumPy's broadcasting gives, or a ShapeError that shows all shapes."""
    try:
        return np.broadcast_shapes(*map(tuple, shapes))
    except ValueError:
        fail(ShapeError, op, expected="shapes that broadcast", got=" and ".join(str(tuple(s)) for s in shapes))


def infer_pointwise(name: str, result: str = "same", ufunc: str | None = None) -> Callable[..., Spec]:
    """``infer`` of a pointwise operator whose array inputs were promoted to one dtype.

    ``result`` is ``"same"``, ``"bool"`` or ``"real"``: the type of a complex operand's parts.
    ``ufunc``: NumPy's function that the operator is; a dtype that it does not take is an error.
    """

    def infer(*inputs: Any, **attrs: Any) -> Spec:
        specs = [x for x in inputs if isinstance(x, Spec)]
        shape = specs[0].shape if len(specs) == 1 else broadcast_shapes(name, *[s.shape for s in specs])
        dtype = specs[-1].dtype
        if ufunc is not None and not _takes(ufunc, dtype):
            fail(DtypeError, name, expected=f"a dtype that {name} takes", got=str(dtype))
        return Spec(shape, dtypes.bool_ if result == "bool" else dtypes.real_of(dtype) if result == "real" else dtype)

    return infer


@functools.lru_cache(maxsize=1024)
def _takes(ufunc: str, dtype: dtypes.Dtype) -> bool:
    """Whether a universal function has a loop for operands of a dtype."""
    function: np.ufunc = getattr(np, ufunc)
    try:
        function.resolve_dtypes((dtype,) * function.nin + (None,) * function.nout)
    except TypeError:
        return False
    return True
