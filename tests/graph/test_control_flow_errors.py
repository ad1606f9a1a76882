"""What bodies of control flow must keep to, and the errors that say so."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.control import loops_are_nodes, variable  # noqa: F401

from hybridnet import autograd, np, npx
from hybridnet.compile import jit
from hybridnet.core import local
from hybridnet.errors import ArgumentError, DtypeError, HybridnetError, ShapeError, TraceError

# -- errors ---------------------------------------------------------------------------------------

X, S = np.ones((9, 2)), np.ones((2,))

ERRORS: dict[str, tuple[type[HybridnetError], Callable[[Any, Any], Any], str]] = {
    "state shape": (ShapeError, lambda x, s: npx.foreach(lambda e, t: (e, np.concatenate([t, t])), x, s), "keep its states' shapes"),
    "state dtype": (DtypeError, lambda x, s: npx.foreach(lambda e, t: (e, t.astype("int32")), x, s), "keep its states' dtypes"),
    "state structure": (ArgumentError, lambda x, s: npx.foreach(lambda e, t: (e, [t, t]), x, s), "structure"),
    "no pair": (ArgumentError, lambda x, s: npx.foreach(lambda e, t: e, x, s), r"\(output, states\)"),
    "output number": (ArgumentError, lambda x, s: npx.foreach(lambda e, t: (3, t), x, s), "output that are arrays"),
    "data number": (ArgumentError, lambda x, s: npx.foreach(lambda e, t: (e, t), 3, s), "data that are arrays"),
    "lengths": (ShapeError, lambda x, s: npx.foreach(lambda e, t: (e[0], t), [x, x[:2]], s), "same length"),
    "no axis": (ShapeError, lambda x, s: npx.foreach(lambda e, t: (e, t), x.sum(), s), "first axis"),
    "no data": (ShapeError, lambda x, s: npx.foreach(lambda e, t: (e, t), [], s), "no array"),
    "no max_iterations": (ArgumentError, lambda x, s: npx.while_loop(lambda t: t < 3, lambda t: (t, t), s), "max_iterations"),
    "no variables": (ArgumentError, lambda x, s: npx.while_loop(lambda: True, lambda: (x, []), [], 3), "loop variable"),
    "while condition": (ShapeError, lambda x, s: npx.while_loop(lambda t: t < 3, lambda t: (t, t), s, 3), "one element"),
    "while state": (ShapeError, lambda x, s: npx.while_loop(lambda t: t.sum() < 3, lambda t: (t, t[:1]), s, 3), "keep its states' shapes"),
    "predicate": (ShapeError, lambda x, s: npx.cond(s > 0, lambda: s, lambda: s), "one element"),
    "predicate type": (ArgumentError, lambda x, s: npx.cond(lambda: "yes", lambda: s, lambda: s), "one number"),
    "branch result": (ArgumentError, lambda x, s: npx.cond(s.sum() > 0, lambda: 3, lambda: s), "result that are arrays"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_the_same_eager_and_traced(name: str) -> None:
    kind, fn, text = ERRORS[name]
    for mode in (fn, jit(fn)):
        with pytest.raises(kind, match=text) as caught:
            mode(X, S)
        assert "test_control_flow_errors.py" in str(caught.value)
    assert local.trace is None


TRACED_ERRORS: dict[str, tuple[type[HybridnetError], Callable[[Any, Any], Any], str]] = {
    "branch shapes": (ShapeError, lambda x, s: npx.cond(s.sum() > 0, lambda: s, lambda: x), "the same shapes"),
    "branch dtypes": (DtypeError, lambda x, s: npx.cond(s.sum() > 0, lambda: s, lambda: s > 0), "the same dtypes"),
    "branch structures": (ArgumentError, lambda x, s: npx.cond(s.sum() > 0, lambda: s, lambda: [s]), "the same structure"),
    "argument written": (TraceError, lambda x, s: npx.foreach(lambda e, t: (e, t.__iadd__(1)), x, s), "leaves its arguments"),
    "value asked": (TraceError, lambda x, s: npx.foreach(lambda e, t: (e, t if e.sum() > 0 else -t), x, s), "npx.cond"),
    "condition writes": (
        TraceError,
        lambda x, s: npx.while_loop(lambda t: np.random.uniform() < 2, lambda t: (t, t), s, 3),
        "writes to nothing",
    ),
}


@pytest.mark.parametrize("name", TRACED_ERRORS)
def test_errors_of_traced_bodies(name: str) -> None:
    kind, fn, text = TRACED_ERRORS[name]
    with pytest.raises(kind, match=text) as caught:
        jit(fn)(X, S)
    assert "test_control_flow_errors.py" in str(caught.value)


def test_recorded_writes_to_outside_arrays_are_refused() -> None:
    w, memory = variable(2), np.zeros((2,), dtype="float64")

    def body(e: Any, s: Any) -> Any:
        memory[...] = e * w
        return memory * 2, s

    with pytest.raises(TraceError, match="in-place writes without gradients"), autograd.record():
        jit(lambda x: npx.foreach(body, x, [])[0])(np.ones((3, 2), dtype="float64"))
    assert memory._tape is None


def test_arrays_of_a_finished_body_are_refused() -> None:
    kept: list[Any] = []

    def fn(x: Any) -> Any:
        npx.foreach(lambda e, s: (kept.append(e) or e, s), x, [])
        return kept[0] + 1

    with pytest.raises(HybridnetError, match="another trace"):
        jit(fn)(X)


@pytest.fixture(autouse=True)
def nothing_is_left_on_captured_arrays() -> Iterator[None]:
    yield
    assert X._tape is None and S._tape is None
