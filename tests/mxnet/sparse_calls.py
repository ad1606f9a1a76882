"""The calls of arrays of all storages that :mod:`compare_sparse` has MXNet and hybridnet answer: families of texts, over drawn arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

D, C, R = "default", "csr", "row_sparse"
_SHORT = {"d": D, "c": C, "r": R}
_UNARY = """
    abs arcsin arcsinh arctan arctanh cbrt ceil expm1 fix floor log1p negative radians degrees relu rint round sigmoid sign sin sinh sqrt
    square tan tanh trunc zeros_like exp cos
"""
_UPDATES = {"sgd_update": 0, "sgd_mom_update": 1, "adam_update": 2, "ftrl_update": 2, "adagrad_update": 1}
_OPTIMIZERS = [
    ("sgd", ""), ("sgd", ", wd=0.1"), ("sgd", ", momentum=0.9"), ("sgd", ", momentum=0.9, wd=0.1, lazy_update=False"),
    ("adam", ""), ("adam", ", wd=0.1, clip_gradient=0.5"), ("adam", ", lazy_update=False"), ("adagrad", ""), ("adagrad", ", wd=0.1"),
    ("ftrl", ", wd=0.1"), ("ftrl", ", lamda1=0.2"), ("groupadagrad", ""), ("groupadagrad", ", clip_gradient=0.5"),
]  # fmt: skip


class Calls:
    """The calls, in the order in which they are drawn."""

    def __init__(self) -> None:
        self.random = np.random.RandomState(15)
        self.calls: list[dict[str, Any]] = []

    def size(self) -> int:
        """A length."""
        return int(self.random.randint(1, 8))

    def array(self, storage: str, *shape: int, whole: bool = False) -> list[Any]:
        """An array of which nothing, a little, half or all is stored."""
        share = 2.0 if whole else float(self.random.choice([0, 0.2, 0.5, 1]))
        return [storage, list(shape), share, int(self.random.randint(1 << 30))]

    def add(self, family: str, text: str, arrays: dict[str, Any], **more: Any) -> None:
        """Enter a call."""
        self.calls.append({"family": family, "text": text, "arrays": arrays, **more})


def all_calls(rounds: int = 6) -> list[dict[str, Any]]:
    """All calls: each family so many times, with other arrays each time."""
    made = Calls()
    for _ in range(rounds):
        for family in (_storages, _rows, _products, _arithmetic, _reductions, _embeddings, _updates, _files):
            family(made)
    return made.calls


def _storages(made: Calls) -> None:
    m, n = made.size(), made.size()
    for source in "dcr":
        arrays = {"x": made.array(_SHORT[source], m, n)}
        for target in (D, C, R):
            made.add("cast_storage", f"nd.cast_storage(x, stype='{target}')", arrays)
            made.add("tostype", f"x.tostype('{target}')", arrays)
        for text in ("x.copy()", "x.astype('float64')", "x.astype('float16')", "x[:]", "nd.zeros_like(x)", "x.asnumpy().tolist()"):
            made.add("construction", text, arrays)
    c, r = {"x": made.array(C, m, n)}, {"x": made.array(R, m, n)}
    made.add("construction", f"nd.sparse.csr_matrix((x.data, x.indices, x.indptr), shape=({m}, {n}))", c)
    made.add("construction", f"nd.sparse.csr_matrix(x.asscipy().tocoo(), shape=({m}, {n}))", c)
    made.add("construction", "nd.sparse.array(x.asscipy())", c)
    made.add("construction", "nd.sparse.csr_matrix(x)", c)
    made.add("construction", f"nd.sparse.row_sparse_array((x.data, x.indices), shape=({m}, {n}))", r)
    made.add("construction", "nd.sparse.row_sparse_array(x)", r)
    made.add("construction", "nd.sparse.array(x, dtype='float64')", r)
    for storage in (D, C, R):
        made.add("construction", f"nd.sparse.zeros('{storage}', ({m}, {n}))", {})
        made.add("construction", f"nd.zeros(({m}, {n}), stype='{storage}', dtype='float64')", {})


def _rows(made: Calls) -> None:
    m, n = made.size(), made.size()
    c, r = {"x": made.array(C, m, n)}, {"x": made.array(R, m, n)}
    begin = int(made.random.randint(m))
    end = int(made.random.randint(begin + 1, m + 1))
    left = int(made.random.randint(n))
    for key in (f"{begin}", f"-{m - begin}", f"{begin}:{end}", f"{begin}:", f":{end}"):
        made.add("slicing", f"x[{key}]", c)
    made.add("slicing", f"nd.slice(x, begin=({begin},), end=({end},))", c)
    made.add("slicing", f"nd.slice(x, begin=({begin}, {left}), end=({end}, {n}))", c)
    rows = sorted({int(i) for i in made.random.randint(0, m, 3)})
    made.add("sparse_retain", f"nd.sparse.retain(x, nd.array({rows}))", r, gradients={"x": R})
    made.add("sparse_retain", f"x.retain(nd.array({rows}))", r)
    made.add("row_sparse_pull", f"pulled(x, nd.array({[*rows, rows[0]]}))", {"x": made.array(R, m, n, whole=True)})
    made.add("row_sparse_pull", f"pulled(x, nd.array({rows}), y)", {"x": made.array(R, m, n, whole=True), "y": made.array(R, m, n)})


def _products(made: Calls) -> None:
    m, k, n = made.size(), made.size(), made.size()
    for a in "dcr":
        for b in "dcr":
            for ta in (False, True):
                for tb in (False, True):
                    arrays = {
                        "a": made.array(_SHORT[a], *((k, m) if ta else (m, k))),
                        "b": made.array(_SHORT[b], *((n, k) if tb else (k, n))),
                    }
                    flags = f"transpose_a={ta}, transpose_b={tb}"
                    made.add("dot", f"nd.dot(a, b, {flags})", arrays)
                    if b != "c":
                        made.add("dot", f"nd.dot(a, b, {flags})", arrays, gradients={"b": None})
                    for forward in (D, C, R):
                        made.add("dot forward_stype", f"nd.dot(a, b, {flags}, forward_stype='{forward}')", arrays)


def _arithmetic(made: Calls) -> None:
    m, n = made.size(), made.size()
    kinds = {"d": D, "c": C, "r": R}
    for a in "dcr":
        for b in "dcr":
            arrays = {"a": made.array(kinds[a], m, n), "b": made.array(kinds[b], m, n)}
            for sign in "+-*":
                made.add("elementwise", f"a {sign} b", arrays)
            for name in ("add", "sub", "mul"):
                made.add("elementwise", f"nd.elemwise_{name}(a, b)", arrays, gradients={"a": None, "b": None} if a == b else {})
    for x in "cr":
        arrays = {"x": made.array(kinds[x], m, n)}
        number = float(made.random.choice([-1.5, 0.0, 0.5, 2.0]))
        for text in (
            f"x + {number}",
            f"x - {number}",
            f"x * {number}",
            f"x / {number or 4.0}",
            f"{number} - x",
            f"x > {number}",
            f"x == {number}",
        ):
            made.add("scalar", text, arrays)
        made.add("unary", f"nd.clip(x, -0.5, {abs(number)})", arrays)
        for name in _UNARY.split():
            made.add("unary", f"nd.{name}(x)", arrays, gradients={"x": None} if name in ("square", "sin", "tanh") else {})
        made.add("add_n", "nd.add_n(x, y, x)", {**arrays, "y": made.array(kinds[x], m, n)})
    broad = {"x": made.array(C, m, n), "row": made.array(D, 1, n, whole=True), "column": made.array(D, m, 1, whole=True)}
    for text in ("x * row", "x / row", "nd.broadcast_mul(x, column)", "nd.broadcast_div(x, column)", "nd.broadcast_add(x, row)"):
        made.add("broadcast", text, broad)
    made.add("where", "nd.where(x, y, z)", {"x": made.array(C, m, n), "y": made.array(D, m, n), "z": made.array(D, m, n)})
    made.add("concat", "nd.concat(x, y, dim=0)", {"x": made.array(C, m, n), "y": made.array(C, made.size(), n)})


def _reductions(made: Calls) -> None:
    m, n = made.size(), made.size()
    for storage in (C, R):
        arrays = {"x": made.array(storage, m, n)}
        for name in ("sum", "mean", "norm"):
            made.add("reduction", f"nd.{name}(x)", arrays)
            for axis in (0, 1):
                for keep in (False, True):
                    made.add("reduction", f"nd.{name}(x, axis={axis}, keepdims={keep})", arrays)
        made.add("reduction", "nd.sum(x, axis=1)", arrays, gradients={"x": None})


def _embeddings(made: Calls) -> None:
    m, n = made.size(), made.size()
    rows = [int(i) for i in made.random.randint(0, m, (made.size(),))]
    for storage in (D, R):
        arrays = {"w": made.array(storage, m, n, whole=True)}
        for sparse in (True, False) if storage == D else (True,):
            text = f"nd.Embedding(nd.array({rows}), w, input_dim={m}, output_dim={n}, sparse_grad={sparse})"
            made.add("embedding", text, arrays, gradients={"w": R if sparse else None})
            made.add("embedding", f"nd.square({text})", arrays, gradients={"w": R if sparse else None})


def _updates(made: Calls) -> None:
    m, n = made.size(), made.size()
    for name, states in _UPDATES.items():
        for storage in (D, R):
            for lazy in (True, False) if name in ("sgd_update", "sgd_mom_update", "adam_update") else (None,):
                arrays = {"w": made.array(storage, m, n, whole=True), "g": made.array(R, m, n)}
                held = [f"s{i}" for i in range(states)]
                arrays |= {s: made.array(storage, m, n, whole=True) for s in held}
                more = "" if lazy is None else f", lazy_update={lazy}"
                more += "" if name == "adagrad_update" else ", wd=0.1"
                more += ", clip_gradient=0.5" if made.random.rand() < 0.5 else ""
                text = f"nd.sparse.{name}({', '.join(['w', 'g', *held])}, lr=0.1, out=w{more})"
                made.add("update operator", text, arrays, after=["w", *held])
    for name, settings in _OPTIMIZERS:
        for storage in (D, R):
            arrays = {"w": made.array(storage, m, n, whole=True), "g": made.array(R, m, n), "h": made.array(R, m, n)}
            made.add("optimizer", f"stepped('{name}', w, [g, h, g]{settings})", arrays)


def _files(made: Calls) -> None:
    arrays = {"c": made.array(C, made.size(), made.size()), "r": made.array(R, made.size(), made.size()), "d": made.array(D, made.size())}
    for text in ("{'c': c, 'r': r, 'd': d}", "{'c': c}", "{'r': r}"):
        made.add("files", f"file_of({text})", arrays)
        made.add("files", f"loaded({text})", arrays)
