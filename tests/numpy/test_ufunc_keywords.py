"""``signature=``, and the ``axes=`` and ``keepdims=`` of what computes over matrices: random calls against NumPy, errors included."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as onp
import pytest

from hybridnet import autograd, jit, np
from hybridnet.errors import ArgumentError, DtypeError

#: Those that are ufuncs in this NumPy.
MATRICES = [f for f in ("matmul", "vecdot", "matvec", "vecmat") if isinstance(getattr(onp, f, None), onp.ufunc)]


def answer(function: Any, args: Any, keywords: dict[str, Any]) -> Any:
    with warnings.catch_warnings(), onp.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            result = function(*args, **keywords)
        except (TypeError, ValueError) as error:
            return type(error)
    return result.asnumpy() if hasattr(result, "asnumpy") else result


def compare(name: str, arrays: list[Any], keywords: dict[str, Any], tolerance: float = 1e-2) -> bool:
    """Whether NumPy takes the call, as we do: with one result."""
    theirs = answer(getattr(onp, name), arrays, keywords)
    ours = answer(getattr(np, name), [np.array(x, dtype=x.dtype) for x in arrays], keywords)
    told = f"{name} of {[(x.shape, x.dtype) for x in arrays]}, {keywords}: {theirs}, ours {ours}"
    assert isinstance(theirs, type) == isinstance(ours, type), told
    if isinstance(theirs, type):
        return False
    assert (theirs.shape, theirs.dtype) == (ours.shape, ours.dtype), told
    onp.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=1e-6, err_msg=told)
    return True


@pytest.mark.parametrize("name", MATRICES)
def test_matrices_along_other_axes(name: str) -> None:
    draw = onp.random.default_rng(len(name))
    taken = 0
    for _ in range(250):
        arrays = [draw.normal(size=(3,) * int(draw.integers(1, 4))).astype("float32") for _ in range(2)]
        cores = {"matmul": (2, 2), "vecdot": (1, 1), "matvec": (2, 1), "vecmat": (1, 2)}[name]
        cores = tuple(min(c, x.ndim) if name == "matmul" else c for c, x in zip(cores, arrays, strict=True))
        if any(c > x.ndim for c, x in zip(cores, arrays, strict=True)):
            continue
        result = {"matmul": sum(c > 1 for c in cores), "vecdot": 0}.get(name, 1)
        dims = max(x.ndim - c for c, x in zip(cores, arrays, strict=True)) + result
        keywords: dict[str, Any] = {}
        if name == "vecdot" and draw.random() < 0.5:
            keywords["keepdims"] = True
            result, dims = 1, dims + 1
        if name == "vecdot" and draw.random() < 0.3:
            keywords["axis"] = int(draw.integers(-1, min(x.ndim for x in arrays)))
        else:
            chosen = [axes_of(draw, x.ndim, c) for c, x in zip(cores, arrays, strict=True)]
            if draw.random() < 0.9:
                chosen.append(axes_of(draw, dims, result))
            keywords["axes"] = [x[0] if len(x) == 1 and draw.random() < 0.5 else x for x in chosen]
        taken += compare(name, arrays, keywords)
    assert taken > 80


def axes_of(draw: onp.random.Generator, dims: int, count: int) -> tuple[int, ...]:
    return tuple(int(a) - (dims if draw.random() < 0.4 else 0) for a in draw.permutation(dims)[:count])


FUNCTIONS = ("add multiply true_divide sqrt exp less floor_divide bitwise_and", "isnan arctan2 power sign logical_or")


@pytest.mark.parametrize("name", " ".join(FUNCTIONS).split())
def test_loops_that_are_asked_for(name: str) -> None:
    draw = onp.random.default_rng(len(name))
    ufunc = getattr(onp, name)
    real = [t for t in ufunc.types if not set(t) & set("gGOmMqQlLFD")]
    taken = 0
    for _ in range(120):
        kinds = [str(draw.choice(["f4", "f8", "i4", "i8", "u1", "?", "f2"])) for _ in range(ufunc.nin)]
        arrays = [(draw.random((2, 2)) < 0.5) if k == "?" else (draw.uniform(1, 9, (2, 2))).astype(k) for k in kinds]
        loop = str(draw.choice(real))
        signature = loop if draw.random() < 0.5 else tuple(c if draw.random() < 0.7 else None for c in loop.replace("->", ""))
        casting = {} if draw.random() < 0.5 else {"casting": str(draw.choice(["unsafe", "safe", "no"]))}
        taken += compare(name, arrays, {"signature": signature, **casting})
    assert taken > 10


def test_with_gradients_and_compiled() -> None:
    a, b = np.random.normal(size=(3, 4, 2)), np.random.normal(size=(3, 4, 2))
    axes = [(0, 1), (1, 0), (-2, -1)]
    expected = onp.matmul(a.asnumpy(), b.asnumpy(), axes=axes)
    onp.testing.assert_allclose(jit(lambda x, y: np.matmul(x, y, axes=axes))(a, b).asnumpy(), expected, rtol=1e-5, atol=1e-5)
    a.attach_grad()
    with autograd.record():
        y = np.matmul(a, b, axes=axes).sum()
    y.backward()
    onp.testing.assert_allclose(a.grad.asnumpy(), onp.broadcast_to(b.asnumpy().sum(0, keepdims=True), (3, 4, 2)), rtol=1e-5, atol=1e-5)


def test_what_does_not_go_together() -> None:
    x = np.ones((2, 2))
    for call, told in (
        (lambda: np.add(x, x, dtype="float32", signature="dd->d"), r"\[add\] expected dtype or signature; got both"),
        (lambda: np.add(x, x, axes=[0, 0, 0]), r"\[add\] expected no axes, which is for what computes over axes"),
        (lambda: np.matmul(x, x, keepdims=True), r"\[matmul\] expected no keepdims"),
        (
            lambda: np.matmul(x, x, axes=[(0, 1), (0,), (0, 1)]),
            r"\[matmul\] expected axes, a list of 2, 2, 2 axes of the operands and the result",
        ),
        (lambda: np.vecdot(x, x, axis=0, axes=[0, 0]), r"\[vecdot\] expected axis or axes; got both"),
    ):
        with pytest.raises(ArgumentError, match=told):
            call()
    with pytest.raises(DtypeError, match=r"\[add\] expected operands for the signature 'dq->S' and casting 'same_kind'"):
        np.add(x, x, signature="dq->S")


def test_signatures_tell_them() -> None:
    assert {"signature"} == {*inspect.signature(np.add).parameters} & {"signature", "axes", "keepdims"}
    assert {"signature", "axes"} == {*inspect.signature(np.matmul).parameters} & {"signature", "axes", "keepdims"}
