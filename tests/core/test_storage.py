"""The contract of storages: every rule gives what the operator gives of dense arrays; all else is computed densely, and says so once."""

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, nd
from hybridnet.core import OPS, NDArray, Op, Spec, apply, storage, wrap
from hybridnet.core.storage import RULES, StorageFallbackWarning, StorageRule
from hybridnet.core.stored import KINDS
from hybridnet.device import cpu
from hybridnet.errors import TraceError

_FLAGS = [{"transpose_a": a, "transpose_b": b} for a in (False, True) for b in (False, True)]
_AXES = [{"axis": axis, "keepdims": keep} for axis in ((0,), (1,), (0, 1)) for keep in (False, True)]
_ROWS = numpy.array([0, 2])

#: Attributes to call an operator with, where it takes any; and operands that are no matrix of floats, by position.
ATTRIBUTES: dict[str, list[dict[str, Any]]] = {
    "cast": [{"dtype": numpy.dtype("float64")}],
    "cast_storage": [{"stype": s} for s in ("default", "csr", "row_sparse")],
    "clip": [{"a_min": -0.5, "a_max": 0.75}, {"a_min": None, "a_max": 0.75}, {"a_min": 0.25, "a_max": 1.0}],
    "concatenate": [{"axis": 0}, {"axis": 1}],
    "index": [{"key": (("array",),)}],
    "make_loss": [{"grad_scale": 1.0, "normalization": "null", "threshold": 0.0}],
    "matmul": _FLAGS,
    "norm": [{"ord": float(ord), **axes} for ord in (1, 2, 3) for axes in _AXES],
    "reshape": [{"shape": (4, 2, 2)}, {"shape": (2, 8)}],
    "slice": [{"key": (("slice", 1, 3, None),)}, {"key": (("slice", -3, None, 1), ("slice", 1, None, None))}, {"key": (("int", 1),)}],
    "sum": _AXES,
}
OPERANDS = {
    ("index", 1): _ROWS,
    ("sparse_retain", 1): _ROWS,
    ("embedding", 0): numpy.array([[0, 3], [3, 9]]),
    ("where", 0): numpy.eye(4, dtype=bool),
}


def matrix(seed: int) -> Any:
    """4 x 4, so that it fits wherever it stands; not 0 at half its places, with a row and a column of zeros."""
    rng = numpy.random.default_rng(seed)
    x = rng.uniform(0.1, 0.9, (4, 4)) * rng.choice([-1, 1], (4, 4)) * (rng.uniform(size=(4, 4)) < 0.6)
    x[1], x[:, 2] = 0, 0
    return x


def stored(x: Any, kind: str) -> Any:
    array = wrap(NDArray, x, cpu())
    return array if kind == "default" else apply(OPS["cast_storage"], (array,), {"stype": kind})


def cases() -> Iterator[Any]:
    for op, rules in RULES.items():
        for kinds, attrs in itertools.product(rules, ATTRIBUTES.get(op.name, [{}])):
            kinds = (kinds[0],) * 2 if kinds[-1] == "..." else kinds
            for number in (0, 2, -1) if "number" in kinds else (0,):
                yield pytest.param(op, kinds, attrs, number, id=f"{op.name}-{'-'.join(kinds)}-{attrs}-{number}")


CASES = list(cases())
seen: set[int] = set()  # the rules that a case has come by


def operands(op: Op, kinds: tuple[str, ...], number: int) -> tuple[list[Any], list[Any]]:
    """The operands in their storages, and dense."""
    dense, given = [], []
    for i, kind in enumerate(kinds):
        x = number if kind == "number" else OPERANDS.get((op.name, i), matrix(i))
        divisor = op.name == "true_divide" and i == 1 and kind == "default"
        x = abs(x) + 1 if divisor else x if kind == "number" or x.dtype.kind != "f" else abs(x) if op.name == "sqrt" else x
        dense.append(x if kind == "number" else wrap(NDArray, x, cpu()))
        given.append(x if kind == "number" else stored(x, kind))
    return given, dense


def rule_of(op: Op, given: list[Any], attrs: dict[str, Any]) -> StorageRule | None:
    return storage.rule_of(op, [hn.core.spec_of(x) for x in given], attrs)


@pytest.mark.parametrize(("op", "kinds", "attrs", "number"), CASES)
def test_a_rule_gives_what_dense_arrays_give(op: Op, kinds: tuple[str, ...], attrs: dict[str, Any], number: int) -> None:
    given, dense = operands(op, kinds, number)
    if op.name == "true_divide" and number == 0 and kinds[1] == "number":
        pytest.skip("what is not stored stays 0, as in MXNet, and is not 0 / 0")
    rule = rule_of(op, given, attrs)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", StorageFallbackWarning)
        storage.told.discard(op)
        found = apply(op, given, attrs)
    expected = apply(op, dense, attrs)
    assert bool(told) is (rule is None)
    assert found.stype == ("default" if rule is None else rule.gives)
    assert isinstance(found._data, KINDS) is (found.stype != "default")
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    inferred = op.infer(*[hn.core.spec_of(x) for x in given], **attrs)
    assert isinstance(inferred, Spec)
    assert (inferred.shape, inferred.dtype) == (found.shape, found.dtype)
    numpy.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), rtol=1e-6, atol=1e-12)
    if rule is not None:
        seen.add(id(rule))


@pytest.mark.parametrize(("op", "kinds", "attrs", "number"), [c for c in CASES if c.values[0].grad is not None])
@pytest.mark.filterwarnings("ignore::hybridnet.core.storage.StorageFallbackWarning", "ignore:divide by zero:RuntimeWarning")
def test_gradients_are_those_of_dense_arrays(op: Op, kinds: tuple[str, ...], attrs: dict[str, Any], number: int) -> None:
    """Of every storage, and into gradients of the inputs' storage."""
    if op.name in ("cbrt", "sqrt") or (op.name == "true_divide" and number == 0 and kinds[1] == "number"):
        pytest.skip("without a slope at 0, or not a quotient there")
    pairs = list(zip(*operands(op, kinds, number), strict=True))
    floating = [i for i, (x, _) in enumerate(pairs) if isinstance(x, NDArray) and x._data.dtype.kind == "f"]
    results = []
    for which in (0, 1):
        arrays = [pair[which] for pair in pairs]
        for i in floating:
            arrays[i].attach_grad()
        with autograd.record():
            y = apply(op, arrays, attrs)
        head = numpy.random.default_rng(9).normal(size=y.shape)
        y.backward(wrap(NDArray, head, cpu()))
        results.append([arrays[i].grad for i in floating])
    for i, found, expected in zip(floating, *results, strict=True):
        assert found.stype == pairs[i][0].stype
        numpy.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), rtol=1e-6, atol=1e-12)


def test_no_rule_is_left_out() -> None:
    """Each holds for some case above (which may not have run in this process: then they are looked for)."""
    for case in CASES:
        op, kinds, attrs, number = case.values
        rule = rule_of(op, operands(op, kinds, number)[0], attrs)
        seen.add(id(rule))
    left = [(op.name, kinds) for op, rules in RULES.items() for kinds, found in rules.items() for rule in found if id(rule) not in seen]
    assert not left


def test_sums_of_rows_and_their_gradient() -> None:
    """What an embedding's table gets by rows is what it gets densely; of second order too."""
    g, numbers = wrap(NDArray, matrix(3), cpu()), wrap(NDArray, numpy.array([4, 1, 4, 0]), cpu())
    g.attach_grad()
    with autograd.record():
        sums = apply(OPS["row_sums"], (g, numbers), {"rows": 6})
    expected = numpy.zeros((6, 4))
    numpy.add.at(expected, numbers.asnumpy(), g.asnumpy())
    assert sums.stype == "row_sparse"
    assert sums.indices.tolist() == [0, 1, 4]
    numpy.testing.assert_allclose(sums.asnumpy(), expected)
    head = numpy.random.default_rng(0).normal(size=(6, 4))
    sums.backward(wrap(NDArray, head, cpu()))
    numpy.testing.assert_allclose(g.grad.asnumpy(), head[numbers.asnumpy()])


def test_dense_copies_are_told_once_for_each_operator() -> None:
    x = nd.array(matrix(0)).tostype("csr")
    for op in (OPS["exp"], OPS["cos"]):
        storage.told.discard(op)
    with pytest.warns(StorageFallbackWarning, match=r"exp at test_storage.py:\d+ has no way to compute with \(csr\)"):
        y = nd.exp(x)
    assert y.stype == "default"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numpy.testing.assert_allclose(nd.exp(x).asnumpy(), numpy.exp(x.asnumpy()), rtol=1e-6)
        with pytest.raises(StorageFallbackWarning):
            nd.cos(x)


def test_the_result_written_in_place_is_of_the_targets_storage() -> None:
    dense, csr = nd.ones((4, 4)), nd.array(matrix(0)).tostype("csr")
    expected = 1 + csr.asnumpy()
    dense += csr
    assert type(dense) is nd.NDArray
    numpy.testing.assert_allclose(dense.asnumpy(), expected)
    csr *= 2
    assert csr.stype == "csr"
    numpy.testing.assert_allclose(csr.asnumpy(), 2 * (expected - 1), rtol=1e-6)
    csr += dense
    assert csr.stype == "csr"


def test_hooks_see_operators_on_all_storages() -> None:
    names = []

    def watch(call: Any, compute: Any) -> Any:
        names.append((call.name, call.inputs[0].stype))
        return compute()

    with hn.hooks.operator_hook(watch):
        nd.array(matrix(0)).tostype("csr") * 2
    assert names == [("cast_storage", "default"), ("multiply", "csr")]


def test_what_the_tape_keeps_is_as_it_was() -> None:
    """Arrays that are assigned to after they were recorded, and rows that are written in place."""
    x = nd.array(matrix(0)).tostype("row_sparse")
    w = nd.ones((4, 4))
    w.attach_grad()
    before = x.asnumpy()
    with autograd.record():
        y = x * w
    x.set_rows(x.indices, x.data * 5)
    x[:] = nd.ones((4, 4))
    y.backward()
    numpy.testing.assert_allclose(w.grad.asnumpy(), before)


def test_programs_refuse_what_is_not_dense() -> None:
    x, w = nd.array(matrix(0)).tostype("csr"), nd.ones((4, 4))
    with pytest.raises(TraceError, match=r"dense arrays in a compiled function; got csr float32\[4,4\]"):
        hn.jit(lambda a: a * 2)(x)
    with pytest.raises(TraceError, match="dense arrays in a compiled function"):
        hn.jit(lambda a: nd.dot(x, a))(w)
    with pytest.raises(TraceError, match="dense arrays in a compiled function"):
        hn.jit(lambda a: a.tostype("row_sparse"))(w)
    step = hn.jit(lambda a: a * 2)
    step(w)
    with pytest.raises(TraceError):  # a dense one of its shape having been compiled for
        step(x)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(300))
@pytest.mark.filterwarnings("ignore::hybridnet.core.storage.StorageFallbackWarning")
def test_random_expressions(seed: int) -> None:
    """Expressions of several operators over arrays of all storages, with gradients, beside the same over dense arrays."""
    rng = numpy.random.default_rng(seed)
    kinds = rng.choice(["default", "csr", "row_sparse"], 3)
    data = [matrix(int(rng.integers(1000))) for _ in kinds]
    steps = [(rng.choice(list(_STEPS)), int(rng.integers(99)), int(rng.integers(99))) for _ in range(4)]
    results = []
    for dense in (False, True):
        arrays = [stored(x, "default" if dense else k) for x, k in zip(data, kinds, strict=True)]
        for x in arrays:
            x.attach_grad()
        with autograd.record():
            known = list(arrays)
            for name, i, j in steps:
                known.append(_STEPS[name](known[i % len(known)], known[j % len(known)]))
            total = sum((x.sum() for x in known[4:]), known[3].sum())
        total.backward()
        results.append([*known[3:], *(x.grad for x in arrays)])
    for found, expected in zip(*results, strict=True):
        numpy.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), rtol=1e-6, atol=1e-10)


_STEPS: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "scale": lambda a, b: a * 0.5,
    "shift": lambda a, b: b - 0.25,
    "square": lambda a, b: a * a,
    "sin": lambda a, b: apply(OPS["sin"], (a,)),
    "relu": lambda a, b: apply(OPS["relu"], (b,)),
    "product": lambda a, b: apply(OPS["matmul"], (a, b)) * 0.25,
    "product of a transposed": lambda a, b: apply(OPS["matmul"], (a, b), {"transpose_a": True}) * 0.25,
    "product with a transposed": lambda a, b: apply(OPS["matmul"], (a, b), {"transpose_b": True}) * 0.25,
}
