"""Gradients of slices that tile an array become one concatenation; those that do not stay as they are."""

import itertools
from collections import Counter
from typing import Any
from unittest import mock

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridnet import autograd, jit, np
from hybridnet.config import config

RNG = numpy.random.default_rng(11)


def normal(*shape: int) -> Any:
    return np.array(RNG.normal(size=shape), dtype="float64")


def gradient(loss: Any) -> Any:
    def step(x: Any) -> Any:
        x.attach_grad()
        with autograd.record():
            y = loss(x)
        y.backward()
        return x.grad

    return step


def operators(loss: Any, x: Any) -> Counter[str]:
    return Counter(node.op.name for node in jit(gradient(loss)).graph(x).nodes)


@st.composite
def cases(draw: Any) -> tuple[tuple[int, ...], int, list[tuple[int, int]], str, bool]:
    """A shape, the axis that is cut, the pieces (some twice, maybe one left out), when the whole is used too, and as an integer."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    axis = draw(st.integers(0, len(shape) - 1))
    shape = (*shape[:axis], draw(st.integers(2, 7)), *shape[axis + 1 :])
    cuts = sorted(draw(st.sets(st.integers(1, shape[axis] - 1), min_size=1)))
    pieces = list(itertools.pairwise([0, *cuts, shape[axis]]))
    pieces += draw(st.lists(st.sampled_from(pieces), max_size=2))
    if draw(st.booleans()):
        pieces.pop(draw(st.integers(0, len(pieces) - 1)))
    return shape, axis, draw(st.permutations(pieces)), draw(st.sampled_from(["", "first", "last"])), draw(st.booleans())


@given(cases())
def test_gradients_are_the_same(case: Any) -> None:
    """To the bit: no sum in another order, no lost sign of zero."""
    shape, axis, pieces, whole, as_number = case
    x = normal(*shape)
    weights = RNG.choice([-0.0, 0.0, 1e308, -1e308, 0.1, -0.3, 1e-30], (len(pieces) + 2, *shape))

    def weigh(x: Any, i: int, key: Any = ...) -> Any:
        return (x[key] * np.array(weights[i][key], dtype="float64")).sum()

    def loss(x: Any) -> Any:
        total = weigh(x, -1) + weigh(x, -2) if whole == "first" else 0
        for i, (start, stop) in enumerate(pieces):
            place: Any = start if as_number and stop == start + 1 else slice(start, stop)
            total = total + weigh(x, i, (slice(None),) * axis + (place,))
        return total + (weigh(x, -1) + weigh(x, -2) if whole == "last" else 0)

    if not (pieces or whole):
        return
    with numpy.errstate(over="ignore", invalid="ignore"):
        eager, compiled = gradient(loss)(x).asnumpy(), jit(gradient(loss))(x).asnumpy()
    numpy.testing.assert_array_equal(compiled, eager)
    numpy.testing.assert_array_equal(numpy.signbit(compiled), numpy.signbit(eager))
    found = operators(loss, x)
    covered = sum(stop - start for start, stop in set(pieces)) == shape[axis]
    if covered and whole == "last" and len(set(pieces)) < len(pieces):
        return  # the order of the sum decides
    if covered:
        assert found["slice_grad"] == 0
        assert found["concatenate"] == 1
    else:
        assert found["concatenate"] == 0


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: (x[:2] * x[1:]).sum(),  # they overlap
        lambda x: (x[::2].sum() * x[1::2]).sum(),  # in turn
        lambda x: (x[:2, :1] * x[2:, 1:]).sum(),  # along two axes
        lambda x: (x[:1] * x[2:]).sum(),  # with a gap
        lambda x: (x[:2] * x[2:, 1:]).sum(),  # of different extents
    ],
)
def test_what_does_not_tile_stays(loss: Any) -> None:
    x = normal(3, 2)
    assert operators(loss, x)["concatenate"] == 0
    numpy.testing.assert_allclose(jit(gradient(loss))(x).asnumpy(), gradient(loss)(x).asnumpy(), rtol=1e-12)


def test_queries_keys_and_values() -> None:
    x = normal(2, 5, 3, 4)

    def loss(x: Any) -> Any:
        q, k, v = (x[:, :, i] for i in range(3))
        return (q * k + np.exp(v)).sum()

    found = operators(loss, x)
    assert (found["slice_grad"], found["concatenate"], found["add"]) == (0, 1, 3)  # + 0.0 for each
    with mock.patch.object(config, "fast_math", True):
        assert operators(loss, x)["add"] == 0
