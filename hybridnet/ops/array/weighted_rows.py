"""Sums of some rows of a table, each by a share of its own: what linear interpolation reads.

Three operators, each linear in what is not a number of a row, and each the gradient of the others. They do not write the rows that
they read, or those that they add, but multiply by a sparse matrix (:mod:`hybridnet.ops.array.row_sums`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, call, on_cuda, register
from hybridnet.errors import DtypeError, ShapeError, fail
from hybridnet.ops.array.indexing import wrapped
from hybridnet.ops.array.row_sums import mix, sparse_matrix, spread
from hybridnet.ops.common import normal
from hybridnet.ops.math.wide import wide_dtype

_MOST = 32  # rows in a sum
_ROWS = (("array",),)


def _check(op: str, numbers: tuple[Spec, ...], others: tuple[Spec, ...]) -> tuple[int, ...]:
    """The shape that the numbers of rows have, and what goes with each of them."""
    if len(numbers) != len(others) or not 0 < len(numbers) <= _MOST or len({x.shape for x in (*numbers, *others)}) > 1:
        got = " and ".join(str(x.shape) for x in (*numbers, *others))
        fail(ShapeError, op, expected="numbers of rows and as many shares, of one shape", got=got)
    if not all(dtypes.is_integer(x.dtype) for x in numbers):
        fail(DtypeError, op, expected="numbers of rows as integers", got=" and ".join(str(x.dtype) for x in numbers))
    return numbers[0].shape


def _matrix(xp: Any, op: str, others: tuple[Any, ...], n: int, dtype: Any) -> Any:
    """The matrix (places, n) of the shares that places have of rows."""
    count = len(others) // 2
    numbers = xp.empty((others[0].size, count), dtypes.int64)
    shares = xp.empty((others[0].size, count), dtype)
    for i in range(count):
        numbers[:, i], shares[:, i] = others[i].reshape(-1), others[count + i].reshape(-1)
    numbers = wrapped(xp, op, numbers, n)
    return sparse_matrix(xp, shares.reshape(-1), numbers.reshape(-1), xp.arange(0, numbers.size + 1, count), n)


def _specs(*data: Any) -> list[Spec]:
    """For the checks of ``infer``: NumPy would broadcast, or SciPy's loops read on."""
    return [Spec(x.shape, x.dtype) for x in data]


# -- rows, mixed ----------------------------------------------------------------------------------


def _infer_weighted(rows: Spec, *others: Spec) -> Spec:
    shape = _check("weighted_rows", others[: len(others) // 2], others[len(others) // 2 :])
    if rows.ndim != 2:
        fail(ShapeError, "weighted_rows", expected="rows (n, channels)", got=str(rows.shape))
    return Spec((*shape, rows.shape[1]), rows.dtype)


def _weighted(xp: Any, rows: Any, *others: Any) -> Any:
    _infer_weighted(*_specs(rows, *others))
    dtype = wide_dtype(rows.dtype)
    made = mix(xp, _matrix(xp, "weighted_rows", others, len(rows), dtype), rows.astype(dtype, copy=False))
    return made.astype(rows.dtype, copy=False).reshape(*others[0].shape, rows.shape[1])


def _weighted_parts(rows: Any, *others: Any) -> Any:
    """Each neighbour's rows by its shares, added up."""
    total: Any = None
    for numbers, shares in _pairs(others):
        part = call("index", rows, numbers, key=_ROWS) * call("reshape", shares, shape=(*shares.shape, 1))
        total = part if total is None else total + part
    return total


def _pairs(others: tuple[Any, ...]) -> zip[tuple[Any, Any]]:
    count = len(others) // 2
    return zip(others[:count], others[count:], strict=True)


def _weighted_rule(needs: tuple[bool, ...], g: Any, y: Any, rows: Any, *others: Any) -> tuple[Any, ...]:
    given = call("spread_rows", g, *others, rows=rows.shape[0]) if needs[0] else None
    return given, *_of_shares(needs, g, rows, others)


def _of_shares(needs: tuple[bool, ...], whole: Any, rows: Any, others: tuple[Any, ...]) -> list[Any]:
    """The gradients of the inputs behind the first: numbers have none."""
    count = len(others) // 2
    needed = [i for i in range(count) if needs[1 + count + i]]
    made = call("row_products", whole, rows, *[others[i] for i in needed]) if needed else ()
    found = dict(zip(needed, _tuple(made), strict=True))
    return [None] * count + [found.get(i) for i in range(count)]


def _tuple(made: Any) -> tuple[Any, ...]:
    """The outputs of an operator of one or several."""
    return made if isinstance(made, tuple) else (made,)


_first, _second = np.array([[0, 4, 4], [1, -1, 0]]), np.array([[2, 4, 1], [1, 3, 3]])
_others = (_first, _second, normal(2, 3, seed=1), normal(2, 3, seed=2))

WEIGHTED_ROWS = register(
    Op(
        "weighted_rows",
        Kind.OPAQUE,
        _infer_weighted,
        compute=_weighted,
        grad=_weighted_rule,
        saves=tuple(range(2 * _MOST + 1)),
        sample=lambda: [
            Sample((normal(5, 4), *_others)),
            Sample((normal(5, 4), _first[0], normal(3, seed=1))),
            Sample((normal(5, 4), _first, normal(3, seed=1)), error=ValueError),
            Sample((normal(5, 4), normal(3), normal(3, seed=1)), error=TypeError),
            Sample((normal(5), *_others), error=ValueError),
        ],
    )
)
on_cuda(WEIGHTED_ROWS, decomposition=_weighted_parts)

# -- rows, spread ---------------------------------------------------------------------------------


def _infer_spread(g: Spec, *others: Spec, rows: int) -> Spec:
    shape = _check("spread_rows", others[: len(others) // 2], others[len(others) // 2 :])
    if g.shape[:-1] != shape or not g.ndim:
        fail(ShapeError, "spread_rows", expected=f"a row for each number, {(*shape, 'channels')}", got=str(g.shape))
    return Spec((rows, g.shape[-1]), g.dtype)


def _spread(xp: Any, g: Any, *others: Any, rows: int) -> Any:
    _infer_spread(*_specs(g, *others), rows=rows)
    dtype = wide_dtype(g.dtype)
    given = g.reshape(others[0].size, g.shape[-1]).astype(dtype, copy=False)
    return spread(xp, _matrix(xp, "spread_rows", others, rows, dtype), given).astype(g.dtype, copy=False)


def _spread_parts(g: Any, *others: Any, rows: int) -> Any:
    total: Any = None
    for numbers, shares in _pairs(others):
        given = g * call("reshape", shares, shape=(*shares.shape, 1))
        part = call("index_add", given, numbers, shape=(rows, g.shape[-1]), key=_ROWS)
        total = part if total is None else total + part
    return total


def _spread_rule(needs: tuple[bool, ...], h: Any, y: Any, g: Any, *others: Any, rows: int) -> tuple[Any, ...]:
    return call("weighted_rows", h, *others) if needs[0] else None, *_of_shares(needs, g, h, others)


SPREAD_ROWS = register(
    Op(
        "spread_rows",
        Kind.OPAQUE,
        _infer_spread,
        compute=_spread,
        grad=_spread_rule,
        saves=tuple(range(2 * _MOST + 1)),
        sample=lambda: [
            Sample((normal(2, 3, 4), *_others), {"rows": 5}),
            Sample((normal(3, 4), _first[0], normal(3, seed=1)), {"rows": 6}),
            Sample((normal(2, 4), *_others), {"rows": 5}, error=ValueError),
        ],
    )
)
on_cuda(SPREAD_ROWS, decomposition=_spread_parts)

# -- rows, times rows -----------------------------------------------------------------------------


def _infer_products(x: Spec, rows: Spec, *numbers: Spec) -> Spec | tuple[Spec, ...]:
    shape = _check("row_products", numbers, numbers)
    if rows.ndim != 2 or x.shape != (*shape, rows.shape[1]):
        expected = "rows (n, channels), and others for numbers of them (..., channels)"
        fail(ShapeError, "row_products", expected=expected, got=f"{rows.shape} and {x.shape} for {shape}")
    made = (Spec(shape, x.dtype),) * len(numbers)
    return made if len(made) > 1 else made[0]


def _products(xp: Any, x: Any, rows: Any, *numbers: Any) -> Any:
    _infer_products(*_specs(x, rows, *numbers))
    dtype = wide_dtype(x.dtype)
    left = xp.ascontiguousarray(x.reshape(numbers[0].size, rows.shape[1]), dtype)
    rows, made = rows.astype(dtype, copy=False), []
    for number in numbers:
        right = rows.take(wrapped(xp, "row_products", number.reshape(-1), len(rows)), 0)
        product = np.einsum("ij,ij->i", left, right) if xp is np else (left * right).sum(1)
        made.append(product.astype(x.dtype, copy=False).reshape(number.shape))
    return tuple(made) if len(made) > 1 else made[0]


def _product_parts(x: Any, rows: Any, *numbers: Any) -> Any:
    made = [call("sum", x * call("index", rows, number, key=_ROWS), axis=(x.ndim - 1,), keepdims=False) for number in numbers]
    return tuple(made) if len(made) > 1 else made[0]


def _product_rule(needs: tuple[bool, ...], g: Any, y: Any, x: Any, rows: Any, *numbers: Any) -> tuple[Any, ...]:
    others = (*numbers, *_tuple(g))
    of_x = call("weighted_rows", rows, *others) if needs[0] else None
    return of_x, call("spread_rows", x, *others, rows=rows.shape[0]) if needs[1] else None, *[None] * len(numbers)


ROW_PRODUCTS = register(
    Op(
        "row_products",
        Kind.OPAQUE,
        _infer_products,
        compute=_products,
        grad=_product_rule,
        saves=tuple(range(_MOST + 2)),
        sample=lambda: [
            Sample((normal(2, 3, 4), normal(5, 4, seed=1), _first)),
            Sample((normal(2, 3, 4), normal(5, 4, seed=1), _first, _second)),
            Sample((normal(3, 4), normal(5, 4, seed=1), _first), error=ValueError),
            Sample((normal(2, 3, 4), normal(5, 4, seed=1), normal(2, 3)), error=TypeError),
        ],
    )
)
on_cuda(ROW_PRODUCTS, decomposition=_product_parts)
