"""Einstein summation as a series of contractions of pairs, each one ``matmul`` (or a multiplication).

So it needs no operator of its own: gradients, tracing and fusion come from transpose, reshape, sum and matmul.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hybridnet import dtypes
from hybridnet.core import DTypeLike, apply, call
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.ops.array.rearrange import diagonal
from hybridnet.ops.array.shape import reshape, transpose
from hybridnet.ops.common import tensor
from hybridnet.ops.linalg.matmul import MATMUL
from hybridnet.ops.math.wide import in_wide


class _Term(NamedTuple):
    """An array and the label of each of its axes."""

    array: Any
    labels: str


def einsum(subscripts: Any, *operands: Any, optimize: Any = True, dtype: DTypeLike = None, order: str = "K", casting: str = "safe") -> Any:
    """Sums of products by named axes: ``einsum("bij,bjk->bik", a, b)``.

    Without ``->`` the result has the labels that occur once, in alphabetical order. ``...`` stands for
    broadcast axes. Also NumPy's form with a list of axis numbers after each operand. The order of
    contraction is chosen greedily by the size of what it gives; ``optimize=False`` goes from left to right.
    ``dtype``: what operands, which ``casting`` must allow to become it, and the result are; without it what the operands promote to.
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _from_lists((subscripts, *operands))
    arrays = [tensor(x) for x in operands]
    inputs, output = _parse(subscripts, [x.ndim for x in arrays])
    sizes = _sizes(subscripts, inputs, arrays)
    common = functools.reduce(dtypes.promote, [x.dtype for x in arrays])
    if dtype is not None:
        common = dtypes.as_dtype(dtype)
        odd = next((x.dtype for x in arrays if not np.can_cast(x.dtype, common, casting)), None)  # type: ignore[arg-type]
        if odd is not None:
            fail(DtypeError, "einsum", expected=f"what {casting!r} casts to {common}", got=str(odd))
    arrays = [x.astype(common, copy=False) for x in arrays]
    # One product is summed in float32 as it is; what a second one is made of is not rounded in between.
    compute = _contracted if len(arrays) <= 2 else in_wide(_contracted)
    return compute(*arrays, inputs=inputs, output=output, sizes=sizes, optimize=optimize).astype(common, copy=False)


def _contracted(*arrays: Any, inputs: list[str], output: str, sizes: dict[str, int], optimize: Any) -> Any:
    terms = [_prepared(_Term(x, labels), sizes) for x, labels in zip(arrays, inputs, strict=True)]
    while len(terms) > 1:
        i, j = _next_pair(terms, output, sizes) if optimize else (0, 1)
        rest = [t for n, t in enumerate(terms) if n not in (i, j)]
        kept = set(output).union(*[t.labels for t in rest])
        terms = [_contract(_summed(terms[i], kept | set(terms[j].labels)), _summed(terms[j], kept | set(terms[i].labels)), kept), *rest]
    return _arranged(_summed(terms[0], set(output)), output, sizes)


# -- the notation ---------------------------------------------------------------------------------


def _from_lists(args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as subscripts and operands."""

    def text(labels: Sequence[Any]) -> str:
        return "".join("..." if n is Ellipsis else chr(ord("a") + n) if n < 26 else chr(ord("A") + n - 26) for n in labels)

    count = len(args) // 2
    subscripts = ",".join(text(args[2 * i + 1]) for i in range(count))
    if len(args) % 2:
        subscripts += "->" + text(args[-1])
    return subscripts, tuple(args[2 * i] for i in range(count))


def _parse(subscripts: str, ranks: list[int]) -> tuple[list[str], str]:
    """The labels of each operand and of the result; broadcast axes get digits, counted from the last."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(ranks):
        fail(ArgumentError, "einsum", expected=f"subscripts for {len(ranks)} operands", got=repr(subscripts))
    widest = 0
    named: list[str] = []
    for labels, rank in zip(inputs, ranks, strict=True):
        letters = labels.replace("...", "", 1)
        extra = rank - len(letters)
        if not all(c.isalpha() and c.isascii() for c in letters) or extra < 0 or (extra and "..." not in labels):
            fail(ArgumentError, "einsum", expected=f"a letter for each of {rank} axes", got=repr(labels))
        widest = max(widest, extra)
        named.append(labels.replace("...", _broadcast(extra)))
    if not arrow:
        every = "".join(inputs).replace(".", "")
        return named, _broadcast(widest) + "".join(sorted(c for c in set(every) if every.count(c) == 1))
    output = right.replace("...", _broadcast(widest))
    if len(set(output)) != len(output) or not set(output) <= set("".join(named)):
        fail(ArgumentError, "einsum", expected="each label of the result once, and among the operands'", got=repr(subscripts))
    return named, output


def _broadcast(count: int) -> str:
    return "".join(chr(ord("0") + i) for i in reversed(range(count)))


def _sizes(subscripts: str, inputs: list[str], arrays: list[Any]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for labels, x in zip(inputs, arrays, strict=True):
        for label, n in zip(labels, x.shape, strict=True):
            before = sizes.get(label, 1)
            if n != before and 1 not in (n, before):
                shapes = " and ".join(str(a.shape) for a in arrays)
                fail(ShapeError, "einsum", expected=f"one length for each label of {subscripts!r}", got=f"{shapes}: {before} and {n}")
            sizes[label] = n if before == 1 else before
    return sizes


# -- one operand ----------------------------------------------------------------------------------


def _prepared(term: _Term, sizes: dict[str, int]) -> _Term:
    """Without axes of length 1 that broadcast, and with repeated labels taken along their diagonal."""
    x, labels = term
    if stretched := [i for i, c in enumerate(labels) if x.shape[i] == 1 and sizes[c] != 1]:
        x = reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in stretched))
        labels = "".join(c for i, c in enumerate(labels) if i not in stretched)
    while (repeated := next((c for c in labels if labels.count(c) > 1), None)) is not None:
        first = labels.index(repeated)
        second = labels.index(repeated, first + 1)
        x = diagonal(x, 0, first, second)
        labels = labels[:first] + labels[first + 1 : second] + labels[second + 1 :] + repeated
    return _Term(x, labels)


def _summed(term: _Term, kept: set[str]) -> _Term:
    """Summed over the labels that are not ``kept``."""
    axes = tuple(i for i, c in enumerate(term.labels) if c not in kept)
    if not axes:
        return term
    return _Term(call("sum", term.array, axis=axes, keepdims=False), "".join(c for c in term.labels if c in kept))


def _arranged(term: _Term, output: str, sizes: dict[str, int]) -> Any:
    """The last operand with its axes in the order of the result, broadcast where only length 1 was left."""
    present = [c for c in output if c in term.labels]
    x = _ordered(term, "".join(present))
    if len(present) < len(output):
        x = reshape(x, tuple(sizes[c] if c in present else 1 for c in output))
        x = call("broadcast_to", x, shape=tuple(sizes[c] for c in output))
    return x


def _ordered(term: _Term, labels: str) -> Any:
    return term.array if labels == term.labels else transpose(term.array, tuple(term.labels.index(c) for c in labels))


# -- two operands ---------------------------------------------------------------------------------


def _next_pair(terms: list[_Term], output: str, sizes: dict[str, int]) -> tuple[int, int]:
    """The pair whose contraction grows the total size least."""

    def growth(pair: tuple[int, int]) -> int:
        i, j = pair
        kept = set(output).union(*[t.labels for n, t in enumerate(terms) if n not in pair])
        made = (set(terms[i].labels) | set(terms[j].labels)) & kept
        size = math.prod(sizes[c] for c in made)
        return size - math.prod(sizes[c] for c in terms[i].labels) - math.prod(sizes[c] for c in terms[j].labels)

    return min(itertools.combinations(range(len(terms)), 2), key=growth)


def _contract(a: _Term, b: _Term, kept: set[str]) -> _Term:
    """The sum of products of two operands over the shared labels that are not ``kept``."""
    batch = "".join(c for c in a.labels if c in b.labels and c in kept)
    shared = "".join(c for c in a.labels if c in b.labels and c not in kept)
    rows = "".join(c for c in a.labels if c not in b.labels)
    columns = "".join(c for c in b.labels if c not in a.labels)
    x, y = _ordered(a, batch + rows + shared), _ordered(b, batch + shared + columns)
    nb, nr, ns, nc = len(batch), len(rows), len(shared), len(columns)
    heads, m, n = x.shape[:nb], x.shape[nb : nb + nr], y.shape[nb + ns :]
    if not shared:  # nothing is summed: a multiplication, which can be fused
        wide = call("multiply", reshape(x, (*heads, *m, *(1,) * nc)), reshape(y, (*heads, *(1,) * nr, *n)))
        return _Term(wide, batch + rows + columns)
    k = math.prod(x.shape[nb + nr :])
    b_size, rows_size, columns_size = math.prod(heads), math.prod(m), math.prod(n)
    lead = (b_size,) if batch else ()
    product = apply(MATMUL, (reshape(x, (*lead, rows_size, k)), reshape(y, (*lead, k, columns_size))))
    return _Term(reshape(product, (*heads, *m, *n)), batch + rows + columns)
