"""Sums, parts and copies of arrays over all ranks, with their gradients.

A gradient is that of the sum of all ranks' results, so each of these is the other's transpose: a sum's gradient is the sum of the
gradients, that of a gathering the part of their sum, that of a broadcast their sum on the rank that it came from.

Where what all ranks make of a result is one thing that each of them computes (a layer whose parts are divided among them), the sum of all
ranks' results would count it as often as there are ranks. Such a sum, and such a gathering, is made with ``once``: its gradient is the
gradient itself, or the rank's part of it, and :func:`replicate` is the other way round.

All ranks must call the same ones in one order, with arrays of the same shapes. Passes keep the order (``Kind.COMMUNICATION``); only
sums are joined, by ``lowering/buckets.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, NDArray, Op, Sample, Spec, apply, call, on_cpu, on_cuda, register
from hybridnet.core.kernel import HostCall, StridedSpec, contiguous
from hybridnet.device import communicate
from hybridnet.device.communicate import Parts
from hybridnet.device.groups import Group
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.ops.collective.host import HostMove, HostSum
from hybridnet.ops.common import normal, tensor


def _numbers(op: str, *specs: Spec) -> None:
    if any(s.dtype == dtypes.bool_ for s in specs) or len({s.dtype for s in specs}) != 1:
        got = ", ".join(dict.fromkeys(str(s.dtype) for s in specs)) or "none"
        fail(DtypeError, op, expected="arrays of numbers, of one type", got=got, fix="a call for each type")


def _rows(op: str, x: Spec, ranks: int) -> int:
    if not x.shape or x.shape[0] % ranks:
        fail(ShapeError, op, expected=f"an array with a multiple of {ranks} rows, of which each rank gets as many", got=str(x.shape))
    return x.shape[0] // ranks


# -- shapes -----------------------------------------------------------------------------------------


def _infer_all_reduce(*specs: Spec, parts: Parts = (), once: bool = False) -> Spec | tuple[Spec, ...]:
    _numbers("all_reduce", *specs)
    return specs if len(specs) > 1 else specs[0]


def _infer_reduce_scatter(x: Spec, *, ranks: int, parts: Parts = ()) -> Spec:
    _numbers("reduce_scatter", x)
    return Spec((_rows("reduce_scatter", x, ranks), *x.shape[1:]), x.dtype)


def _infer_all_gather(x: Spec, *, ranks: int, parts: Parts = (), once: bool = False) -> Spec:
    if not x.shape:
        fail(ShapeError, "all_gather", expected="an array of at least one axis, the one that is joined along", got=str(x.shape))
    return Spec((x.shape[0] * ranks, *x.shape[1:]), x.dtype)


def _infer_all_to_all(x: Spec, *, ranks: int, parts: Parts = ()) -> Spec:
    _rows("all_to_all", x, ranks)
    return x


def _infer_broadcast(x: Spec, *, root: int) -> Spec:
    return x


def _infer_reduce(x: Spec, *, root: int) -> Spec:
    _numbers("reduce", x)
    return x


# -- on arrays of the host, and by NCCL -------------------------------------------------------------


def _sum_on_host(inputs: Sequence[Spec], outputs: Sequence[Spec], parts: Parts = (), once: bool = False) -> HostCall:
    return HostSum(inputs, parts)


def _move_on_host(kind: str) -> Callable[..., HostCall]:
    return lambda inputs, outputs, ranks=1, root=0, parts=(), once=False: HostMove(kind, root, parts)


def _compute(infer: Callable[..., Any], planned: Callable[..., HostCall]) -> Callable[..., Any]:
    """``compute`` of a collective: on a GPU, where NCCL does not do it, through the host."""

    def compute(xp: Any, *data: Any, **attrs: Any) -> Any:
        host = [np.asarray(x) if xp is np else xp.asnumpy(x) for x in data]
        inputs = [Spec(x.shape, x.dtype) for x in host]
        found = infer(*inputs, **attrs)
        outputs = (found,) if isinstance(found, Spec) else found
        results = [np.empty(s.shape, s.dtype) for s in outputs]
        planned(inputs, outputs, **attrs)(*host, *results)
        given = results if xp is np else [xp.asarray(y) for y in results]
        return given[0] if isinstance(found, Spec) else tuple(given)

    return compute


def _nccl(kind: str) -> Callable[..., Any]:
    def plan(inputs: Sequence[StridedSpec], outputs: Sequence[StridedSpec], root: int = 0, parts: Parts = (), **attrs: Any) -> Any:
        arrays = (*inputs, *outputs)
        if any(x.strides != contiguous(x.shape) for x in arrays):
            return None
        smaller = outputs if kind == "reduce_scatter" else inputs
        return communicate.nccl_call(kind, [int(np.prod(x.shape)) for x in smaller], inputs[0].dtype, root, parts)

    return plan


# -- records ----------------------------------------------------------------------------------------


def _sum_of_gradients(needs: tuple[bool, ...], g: Any, y: Any, *xs: Any, parts: Parts = (), once: bool = False) -> tuple[Any, ...]:
    gs = [slope for slope, needed in zip(g if isinstance(g, tuple) else (g,), needs, strict=True) if needed]
    if once:
        found: Any = tuple(apply(REPLICATE, (slope,), {"parts": parts}) for slope in gs)
    else:
        found = apply(ALL_REDUCE, gs, {"parts": parts} if parts else {})
    sums = iter(found if isinstance(found, tuple) else (found,))
    return tuple(next(sums) if needed else None for needed in needs)


def _part_of_gradient(g: Any, y: Any, x: Any, *, ranks: int, parts: Parts = (), once: bool = False) -> Any:
    return apply(OWN_ROWS if once else REDUCE_SCATTER, (g,), {"ranks": ranks, "parts": parts})


def _samples(*attrs: dict[str, Any], error: Any = None) -> Callable[[], list[Sample]]:
    return lambda: [
        *(Sample((normal(4, 3),), a) for a in attrs),
        *([error] if error is not None else ()),
    ]


ALL_REDUCE: Op = register(
    Op(
        "all_reduce",
        Kind.COMMUNICATION,
        _infer_all_reduce,
        compute=_compute(_infer_all_reduce, _sum_on_host),
        grad=_sum_of_gradients,
        in_place=True,
        sample=lambda: [
            Sample((normal(2, 3),)),
            Sample((normal(2, 3), np.array(0.7), normal(5, seed=2))),
            Sample((np.arange(3),), differentiable=False),
            Sample((np.ones((2,), bool),), error=DtypeError),
        ],
    )
)
REDUCE_SCATTER = register(
    Op(
        "reduce_scatter",
        Kind.COMMUNICATION,
        _infer_reduce_scatter,
        compute=_compute(_infer_reduce_scatter, _move_on_host("reduce_scatter")),
        grad=(lambda g, y, x, *, ranks, parts=(): apply(ALL_GATHER, (g,), {"ranks": ranks, "parts": parts}),),
        sample=_samples({"ranks": 1}, error=Sample((normal(3),), {"ranks": 2}, error=ShapeError)),
    )
)
ALL_GATHER: Op = register(
    Op(
        "all_gather",
        Kind.COMMUNICATION,
        _infer_all_gather,
        compute=_compute(_infer_all_gather, _move_on_host("all_gather")),
        grad=(_part_of_gradient,),
        sample=_samples({"ranks": 1}, error=Sample((np.array(0.7),), {"ranks": 1}, error=ShapeError)),
    )
)
#: Each rank's rows of each other's array: its own transpose.
ALL_TO_ALL: Op = register(
    Op(
        "all_to_all",
        Kind.COMMUNICATION,
        _infer_all_to_all,
        compute=_compute(_infer_all_to_all, _move_on_host("all_to_all")),
        grad=(lambda g, y, x, *, ranks, parts=(): apply(ALL_TO_ALL, (g,), {"ranks": ranks, "parts": parts}),),
        sample=_samples({"ranks": 1}, error=Sample((normal(3),), {"ranks": 2}, error=ShapeError)),
    )
)
BROADCAST = register(
    Op(
        "broadcast",
        Kind.COMMUNICATION,
        _infer_broadcast,
        compute=_compute(_infer_broadcast, _move_on_host("broadcast")),
        grad=(lambda g, y, x, *, root: apply(REDUCE, (g,), {"root": root}),),
        in_place=True,
        sample=_samples({"root": 0}),
    )
)
#: The sum on one rank, zeros on the others: a broadcast's gradient.
REDUCE: Op = register(
    Op(
        "reduce",
        Kind.COMMUNICATION,
        _infer_reduce,
        compute=_compute(_infer_reduce, _move_on_host("reduce")),
        grad=(lambda g, y, x, *, root: apply(BROADCAST, (g,), {"root": root}),),
        sample=_samples({"root": 0}),
    )
)
#: What each rank of a group has alike, given to what differs: the gradient is the sum of theirs.
REPLICATE: Op = register(
    Op(
        "replicate",
        Kind.OPAQUE,
        lambda x, *, parts: x,
        decomposition=lambda x, *, parts: call("reshape", x, shape=x.shape),
        grad=(lambda g, y, x, *, parts: apply(ALL_REDUCE, (g,), {"parts": parts, "once": True}),),
        sample=_samples({"parts": ()}),
    )
)
#: A rank's rows of what all have alike: of so many equal parts the one of its number. A gathering that counts once has this gradient.
OWN_ROWS: Op = register(
    Op(
        "own_rows",
        Kind.OPAQUE,
        lambda x, *, ranks, parts: Spec((_rows("own_rows", x, ranks), *x.shape[1:]), x.dtype),
        compute=lambda xp, x, *, ranks, parts: xp.split(x, ranks)[communicate.world().part(parts).rank].copy(),
        grad=(lambda g, y, x, *, ranks, parts: apply(ALL_GATHER, (g,), {"ranks": ranks, "parts": parts, "once": True}),),
        sample=_samples({"ranks": 1, "parts": ()}, error=Sample((normal(3),), {"ranks": 2, "parts": ()}, error=ShapeError)),
    )
)

on_cpu(ALL_REDUCE, _sum_on_host)
for _op in (REDUCE_SCATTER, ALL_GATHER, ALL_TO_ALL, BROADCAST, REDUCE):
    on_cpu(_op, _move_on_host(_op.name))
for _op in (ALL_REDUCE, REDUCE_SCATTER, ALL_GATHER, ALL_TO_ALL, BROADCAST):
    on_cuda(_op, library=_nccl(_op.name))


# -- functions --------------------------------------------------------------------------------------


def all_reduce(*arrays: ArrayLike, group: Group | None = None, once: bool = False) -> Any:
    """The sum over all ranks, or those of ``group``, of each array, in one message; one array or a tuple, of the arrays' shapes.

    ``once``: what the ranks make of the sums is one thing, which each computes, so that the gradient is the gradient itself.
    DtypeError unless all are numbers of one type.
    """
    given = [tensor(x) for x in arrays]
    return apply(ALL_REDUCE, given, ({"once": True} if once else {}) | ({} if group is None else {"parts": group.parts}))


def reduce_scatter(x: ArrayLike, group: Group | None = None) -> NDArray:
    """This rank's rows of the sum over all ranks, or over those of ``group``: of so many equal parts the one of its number.

    ShapeError if they are not equal.
    """
    result: NDArray = apply(REDUCE_SCATTER, (tensor(x),), _among(group))
    return result


def all_gather(x: ArrayLike, group: Group | None = None, once: bool = False) -> NDArray:
    """The arrays of all ranks, or of those of ``group``, of one shape, joined along the first axis in the order of ranks.

    ``once``: see :func:`all_reduce`; the gradient is the rank's part of the gradient then.
    """
    result: NDArray = apply(ALL_GATHER, (tensor(x),), _among(group) | ({"once": True} if once else {}))
    return result


def all_to_all(x: ArrayLike, group: Group | None = None) -> NDArray:
    """Of equal parts of ``x`` along the first axis each to the rank of its number, of all or of ``group``; what each has sent, in order.

    ShapeError if the parts are not equal.
    """
    result: NDArray = apply(ALL_TO_ALL, (tensor(x),), _among(group))
    return result


def _among(group: Group | None) -> dict[str, Any]:
    return {"ranks": communicate.world().size} if group is None else {"ranks": group.size, "parts": group.parts}


def replicate(x: ArrayLike, group: Group) -> NDArray:
    """``x``, of its shape, which the ranks of ``group`` have alike, for each to compute a part of something from.

    Its gradient is the sum of what they find.
    """
    result: NDArray = apply(REPLICATE, (tensor(x),), {"parts": group.parts})
    return result


def broadcast(x: ArrayLike, root: int = 0) -> NDArray:
    """What rank ``root`` has in ``x``; on the others ``x`` is of the same shape and type. ArgumentError if there is no such rank."""
    size = communicate.world().size
    if not 0 <= root < size:
        fail(ArgumentError, "broadcast", expected=f"a rank from 0 to {size - 1}", got=repr(root))
    result: NDArray = apply(BROADCAST, (tensor(x),), {"root": int(root)})
    return result
