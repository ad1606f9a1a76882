"""Concatenations whose operands are computed in their places: the same numbers, no kernel for the concatenation, no place of its own."""

import re
from collections.abc import Callable
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, np, npx

pytestmark = pytest.mark.usefixtures("emulated_gpu")

RNG = numpy.random.default_rng(7)


def normal(*shape: int) -> Any:
    return np.array(RNG.normal(size=shape).astype("float32"), ctx=hn.gpu())


def wide(x: Any) -> Any:
    """Something that a region of its own reads: a value that is not a result."""
    return npx.softmax(x, axis=0) * 2


def along_the_first(a: Any, b: Any) -> Any:
    return wide(np.concatenate([np.sin(a), np.cos(b) + 1], axis=0))


def along_the_last(a: Any, b: Any) -> Any:
    return wide(np.concatenate([np.sin(a), np.cos(b), a * b], axis=1))


def stacked(a: Any, b: Any) -> Any:
    return wide(np.stack([np.sin(a), np.cos(b)], axis=1).reshape((8, 24)))


def of_steps(a: Any, b: Any) -> Any:
    """Each state is read by the next step's product as well; gates side by side lie in a step of a stack."""
    h, states = a, []
    for _ in range(3):
        rec = np.dot(h, b.T)
        h = np.concatenate([np.tanh(rec), np.cos(rec), np.sin(rec)], axis=1)
        states.append(h)
    return wide(np.stack(states).reshape((3, -1)))


def products(a: Any, b: Any) -> Any:
    return wide(np.concatenate([np.dot(a, b.T), np.dot(b, a.T)], axis=0))


def rows_and_sums(a: Any, b: Any) -> Any:
    return wide(np.concatenate([np.sin(a).sum(axis=1, keepdims=True), np.sin(b).sum(axis=1, keepdims=True)], axis=0))


def products_side_by_side(a: Any, b: Any) -> Any:
    return wide(np.concatenate([np.dot(a, b.T), np.dot(b, a.T)], axis=1))


def read_otherwise(a: Any, b: Any) -> Any:
    """A part in pieces that a product reads."""
    part = np.sin(a)
    return wide(np.concatenate([part, np.cos(b)], axis=1)).sum() + np.dot(part, b.T).sum()


def an_argument(a: Any, b: Any) -> Any:
    return wide(np.concatenate([a, np.cos(b)], axis=0))


def twice(a: Any, b: Any) -> Any:
    part = np.sin(a)
    return wide(np.concatenate([part, part], axis=0)) + wide(np.concatenate([np.cos(b), part], axis=0))


def a_result(a: Any, b: Any) -> Any:
    return np.concatenate([np.sin(a), np.cos(b)], axis=0)


CASES: dict[Callable[..., Any], int] = {  # kernels that concatenate
    along_the_first: 0,
    along_the_last: 0,
    stacked: 0,
    of_steps: 0,
    products: 0,
    products_side_by_side: 0,
    rows_and_sums: 0,
    read_otherwise: 1,
    an_argument: 1,
    twice: 1,  # a part has one place
    a_result: 1,
}


def arguments(function: Callable[..., Any]) -> tuple[Any, Any]:
    return (normal(8, 24), normal(8, 24)) if function is of_steps else (normal(8, 12), normal(8, 12))


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_which_concatenations_take_a_kernel(function: Callable[..., Any]) -> None:
    text = hn.jit(function).program(*arguments(function))
    assert len(re.findall(r"concatenate\w*<<<", text)) == CASES[function]


def test_the_same_numbers() -> None:
    """Together in one program, so that their arrays could get in each other's way."""
    data = {f: arguments(f) for f in CASES}

    @hn.jit
    def everything(*xs: Any) -> Any:
        return [f(*xs[2 * i : 2 * i + 2]) for i, f in enumerate(CASES)]

    xs = [x for pair in data.values() for x in pair]
    for _ in range(2):
        found = everything(*xs)
    for y, (f, pair) in zip(found, data.items(), strict=True):
        expected = f(*(x.as_in_context(hn.cpu()) for x in pair))
        numpy.testing.assert_allclose(y.asnumpy(), expected.asnumpy(), rtol=2e-5, atol=2e-6, err_msg=f.__name__)


def test_gradients_of_queries_keys_and_values_side_by_side() -> None:
    x, w = normal(2, 16, 3, 2, 64).astype("bfloat16"), normal(2, 16, 2, 64).astype("bfloat16")

    def step(x: Any, w: Any) -> Any:
        x.attach_grad()
        with autograd.record():
            loss = (npx.scaled_dot_product_attention(*(x[:, :, i] for i in range(3)), causal=True, layout="BSHD") * w).sum()
        loss.backward()
        return x.grad.astype("float32") * 2

    assert "concatenate" not in hn.jit(step).program(x, w)
    on_cpu = step(*(a.as_in_context(hn.cpu()) for a in (x, w))).asnumpy()
    numpy.testing.assert_allclose(hn.jit(step)(x, w).asnumpy(), on_cpu, rtol=3e-2, atol=3e-2 * abs(on_cpu).max())
