"""Gradients of slices that tile an array become one concatenation; those that do not stay as they are."""

import itertools
from collections import Counter
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridnet import autograd, jit, np

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
def cases(draw: Any) -> tuple[tuple[int, ...], int, list[tuple[int, int]], bool, bool]:
    """A shape, the axis that is cut, the pieces (some twice, maybe one left out), whether the whole is used too, and as an integer."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    axis = draw(st.integers(0, len(shape) - 1))
    shape = (*shape[:axis], draw(st.integers(2, 7)), *shape[axis + 1 :])
    cuts = sorted(draw(st.sets(st.integers(1, shape[axis] - 1), min_size=1)))
    pieces = list(itertools.pairwise([0, *cuts, shape[axis]]))
    pieces += draw(st.lists(st.sampled_from(pieces), max_size=2))
    if draw(st.booleans()):
        pieces.pop(draw(st.integers(0, len(pieces) - 1)))
    return shape, axis, draw(st.permutations(pieces)), draw(st.booleans()), draw(st.booleans())


@given(cases())
def test_gradients_are_the_same(case: Any) -> None:
    shape, axis, pieces, whole, as_number = case
    x = normal(*shape)

    def loss(x: Any) -> Any:
        total = (x * x).sum() if whole else 0
        for i, (start, stop) in enumerate(pieces):
            place: Any = start if as_number and stop == start + 1 else slice(start, stop)
            total = total + (np.sin(x[(slice(None),) * axis + (place,)]) * (i + 1)).sum()
        return total

    if not (pieces or whole):
        return
    eager = gradient(loss)(x)
    numpy.testing.assert_allclose(jit(gradient(loss))(x).asnumpy(), eager.asnumpy(), rtol=1e-12)
    found = operators(loss, x)
    if sum(stop - start for start, stop in set(pieces)) == shape[axis]:
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
    assert (found["slice_grad"], found["concatenate"], found["add"]) == (0, 1, 0)
