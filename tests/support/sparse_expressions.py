"""Expressions over arrays of all storages, for MXNet and for hybridnet: texts that both evaluate, with ``nd`` and the arrays below.

``c`` is csr, ``r`` row_sparse, ``d`` dense, each 4 x 3; ``c2``, ``r2``, ``d2`` are others of the shape; ``ct``, ``dt``, ``rt`` are 3 x 4;
``w`` is 3 x 2, ``v`` 4 x 2, ``row`` 1 x 3, ``column`` 4 x 1; ``rw`` is row_sparse, 3 x 2, ``rv`` 4 x 2. Values are halves, small and exact.
"""

import re
from typing import Any

import numpy

_STORED = {"c": "csr", "r": "row_sparse"}
_SHAPES = {"d": (4, 3), "c": (4, 3), "r": (4, 3), "d2": (4, 3), "c2": (4, 3), "r2": (4, 3), "dt": (3, 4), "ct": (3, 4), "rt": (3, 4)}
_SHAPES |= {"w": (3, 2), "v": (4, 2), "row": (1, 3), "column": (4, 1), "rw": (3, 2), "rv": (4, 2)}


def values() -> dict[str, Any]:
    """The elements of each array, by name."""
    rng = numpy.random.RandomState(7)
    found = {}
    for name, shape in _SHAPES.items():
        x = rng.randint(-3, 4, shape).astype("float32") / 2
        if _is_sparse(name):
            x[rng.uniform(size=shape) < 0.4] = 0
            x[rng.randint(shape[0])] = 0
        found[name] = x
    return found


def _is_sparse(name: str) -> bool:
    return name[0] in _STORED and name not in ("row", "column")


def arrays(nd: Any) -> dict[str, Any]:
    """The arrays, of MXNet's ``nd`` or of ours."""
    return {name: nd.array(x).tostype(_STORED[name[0]]) if _is_sparse(name) else nd.array(x) for name, x in values().items()}


def with_gradients(text: str, given: dict[str, Any]) -> list[str]:
    """Make variables of the arrays in an expression; gives their names. An embedding's sparse gradient is asked for where it ends."""
    used = [name for name in sorted(set(re.findall(r"\b[a-z]\w*\b", text))) if name in given]
    for name in used:
        given[name].attach_grad(**({"stype": "row_sparse"} if "sparse_grad" in text else {}))
    return used


_PAIRS = [(a, b) for a in ("d", "c", "r") for b in ("d2", "c2", "r2") if (a, b) != ("d", "d2")]
_UNARY = (
    "abs arcsin arcsinh arctan arctanh cbrt ceil cos degrees exp expm1 fix floor log1p negative radians relu rint round sigmoid sign sin"
)
_UNARY += " sinh sqrt square tan tanh trunc zeros_like ones_like identity make_loss stop_gradient softmax"

EXPRESSIONS = [
    *(f"{a} {sign} {b}" for sign in "+-*" for a, b in _PAIRS),
    *(f"{x} {sign} {n}" for x in "cr" for sign in "+-*/" for n in ("2", "0") if f"{sign}{n}" != "/0"),
    *(f"{n} {sign} {x}" for x in "cr" for sign in "+-*" for n in ("2", "0")),
    *(f"{x} {sign} {n}" for x in "cr" for sign in ("==", "!=", "<", "<=", ">", ">=") for n in ("1", "0", "-1")),
    *(f"nd.{name}({x})" for name in _UNARY.split() for x in "cr"),
    *(f"nd.clip({x}, -0.5, 1)" for x in "cr"),
    *(f"nd.{name}({x}, axis={i}, keepdims={keep})" for x in "cr" for name in ("sum", "mean", "norm") for i in (0, 1) for keep in (0, 1)),
    *(f"nd.{name}({x})" for x in "cr" for name in ("sum", "mean", "norm")),
    *(f"nd._internal._square_sum(r, axis={axis}, keepdims={keep})" for axis in (0, 1) for keep in (0, 1)),
    "c * row", "c * column", "c / (row + 4)", "c / (d * d + 1)",
    *(f"nd.dot({a}, {b})" for a in ("d", "c", "r") for b in ("w", "rw", "ct", "dt", "rt")),
    *(f"nd.dot({a}, {b}, transpose_a=True)" for a in ("d", "c", "r") for b in ("v", "rv", "c2", "d2", "r2")),
    *(f"nd.dot({a}, {b}, transpose_b=True)" for a in ("d", "c", "r") for b in ("c2", "d2", "r2")),
    *(f"nd.dot({a}, {b}, transpose_a=True, transpose_b=True)" for a in ("d", "c", "r") for b in ("ct", "dt", "rt")),
    *(f"nd.dot(c, w, forward_stype='{s}')" for s in ("default", "csr", "row_sparse")),
    *(f"nd.dot(c, v, transpose_a=True, forward_stype='{s}')" for s in ("default", "csr", "row_sparse")),
    *(f"nd.dot(d, ct, forward_stype='{s}')" for s in ("default", "csr", "row_sparse")),
    "nd.dot(c, row.reshape((3,)))", "nd.dot(c, column.reshape((4,)), transpose_a=True)",
    "nd.add_n(c, c2)", "nd.add_n(r, r2, r)", "nd.add_n(c, r, d)", "nd.add_n(d, c, c2)",
    "nd.where(c, d, d2)", "nd.where(d, c, d2)",
    "c[1]", "c[-1]", "c[1:3]", "c[:]", "c[2:2]", "r[:]",
    "nd.slice(c, begin=(1,), end=(3,))", "nd.slice(c, begin=(1, 1), end=(4, 3))", "nd.slice(r, begin=(1,), end=(3,))",
    "nd.take(c, nd.array([2, 0, 2]))", "nd.concat(c, c2, dim=0)", "nd.concat(c, c2, dim=1)",
    "nd.sparse.retain(r, nd.array([0, 2]))", "nd.sparse.retain(r, nd.array([]))",
    *(f"nd.cast_storage(d, '{s}')" for s in ("default", "csr", "row_sparse")),
    "c.tostype('default')", "r.tostype('default')", "c.astype('float64')", "r.astype('float64')", "c.copy()", "r.copy()",
    "nd.FullyConnected(c, w.T, num_hidden=2, no_bias=True)", "nd.FullyConnected(c, rt.T, num_hidden=4, no_bias=True)",
    "nd.Embedding(nd.array([1, 0, 1]), w, input_dim=3, output_dim=2, sparse_grad=True)",
    "nd.Embedding(nd.array([[1, 9], [0, 1]]), w, input_dim=3, output_dim=2, sparse_grad=True)",
    "nd.Embedding(nd.array([1, 0, 1]), rw, input_dim=3, output_dim=2, sparse_grad=True)",
    "nd.LinearRegressionOutput(d, c)", "nd.LogisticRegressionOutput(d, c)",
]  # fmt: skip
