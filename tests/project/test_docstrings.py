"""Public functions say what they take: all have a docstring, those of arrays name shapes, those that refuse something say what."""

import ast
from collections.abc import Iterator
from typing import Any

import pytest
from support.docstrings import DIMENSIONS, OF_ARRAYS, REFUSALS, Function, forget, inherited, public_functions

import hybridnet as hn


@pytest.fixture(name="functions", scope="module")
def _functions() -> Iterator[list[Function]]:
    yield list(public_functions())
    forget()


def listed(functions: list[Function]) -> list[str]:
    return [f"{f.where}:{f.node.lineno} {f.name}" for f in functions]


def test_every_public_function_has_a_docstring(functions: list[Function]) -> None:
    """A method may have it from the class that it is declared in."""
    assert len(functions) > 1500
    assert not listed([f for f in functions if not f.doc])


def test_functions_of_arrays_name_shapes(functions: list[Function]) -> None:
    """Where several arrays, or an array and axes, have to fit together."""
    of_arrays = [f for f in functions if f.owner is None and f.where.split("/")[0] in OF_ARRAYS and f.has_shapes]
    assert len(of_arrays) > 250
    assert not listed([f for f in of_arrays if not DIMENSIONS.search(f.doc)])


def test_functions_that_fail_say_when(functions: list[Function]) -> None:
    failing = [f for f in functions if f.owner is None and f.fails]
    assert len(failing) > 150
    assert not listed([f for f in failing if not REFUSALS.search(f.doc)])


NAMESPACES = (hn.np, hn.npx, hn.nd, hn.np.linalg, hn.np.random, hn.nd.linalg, hn.nd.contrib)


@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda m: m.__name__)
def test_what_namespaces_offer_is_documented(namespace: Any) -> None:
    """What is made from tables and not written as a function has a docstring too."""
    offered = {name: getattr(namespace, name) for name in dir(namespace) if not name.startswith("_")}
    functions = {name: f for name, f in offered.items() if type(f).__name__ == "function"}
    assert functions
    assert not [name for name, f in functions.items() if not (f.__doc__ or "").strip()]


def function(source: str) -> Function:
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.FunctionDef)
    return Function("here.py", node.name, node, None)


def test_what_is_counted() -> None:
    assert not function("def f(x: Any) -> Any: ...").doc
    assert function("def f(a: Array, b: Any) -> Any: ...").has_shapes
    assert function("def f(*arrays: Any) -> Any: ...").has_shapes
    assert function("def f(x: Any, axis: int = 0) -> Any: ...").has_shapes
    assert not function("def f(x: Any, bias: Any = None, dtype: Any = None) -> Any: ...").has_shapes
    assert function("def f(x: int) -> None:\n    if x < 0:\n        fail(ArgumentError, 'f')").fails
    assert DIMENSIONS.search("``a``: (..., n, k)")
    assert not DIMENSIONS.search("The product of a and b (both floating).")
    assert not REFUSALS.search("The product of a and b.")


def test_docstrings_are_inherited_from_where_a_method_is_declared(functions: list[Function]) -> None:
    (adam,) = [f.owner for f in functions if f.where == "optimizer/adaptive.py" and f.name == "Adam.rule"]
    assert adam is not None
    assert "weight" in inherited(adam, "rule")
    assert not inherited(adam, "no_such_method")
