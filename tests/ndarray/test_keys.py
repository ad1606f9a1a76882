"""What programs ask of keys, against what MXNet 1.9.1 said; the quantized lstm, and gradients that have names of their own."""

from typing import Any

import numpy as np
import pytest

import hybridnet as mx
from hybridnet import nd
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.ops.nn.rnn import rnn_param_size

ALL = slice(None)


@pytest.mark.parametrize(
    ("key", "code"),
    [((1, ALL), 0), ((slice(None, None, 2), 1), 0), ((None, 1), 0), ((1, [2]), 1), ((), 0), (((1, 2),), 1), (("a",), -1)],
)
def test_by_which_way_a_key_indexes(key: Any, code: int) -> None:
    assert nd.get_indexing_dispatch_code(key) == code


def test_a_key_that_is_no_tuple_is_refused() -> None:
    with pytest.raises(ArgumentError, match="a tuple"):
        nd.get_indexing_dispatch_code(1)


@pytest.mark.parametrize(
    ("key", "shape", "whole"),
    [
        (1, (3, 4), (1, ALL)),
        ((1, ...), (3, 4), (1, ALL)),
        ((..., 1), (2, 3, 4), (ALL, ALL, 1)),
        ((None, 1), (3, 4), (None, 1, ALL)),
        ((ALL,), (2, 2, 2), (ALL, ALL, ALL)),
        ((), (2, 3), (ALL, ALL)),
        (..., (2, 3), (ALL, ALL)),
        ((None, ..., None), (2, 3), (None, ALL, ALL, None)),
        ([1, 2], (3, 4), ([1, 2], ALL)),
    ],
)
def test_a_key_is_written_out(key: Any, shape: tuple[int, ...], whole: Any) -> None:
    assert nd.indexing_key_expand_implicit_axes(key, shape) == (whole, -1)
    x = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(x[whole], x[key])


def test_masks_are_written_as_indices() -> None:
    x = np.arange(24).reshape(2, 3, 4)
    mask = x[..., 0] % 8 == 0
    whole, alone = nd.indexing_key_expand_implicit_axes((mask, None, slice(0, 2)), x.shape)
    assert alone == -1 and len(whole) == 4
    np.testing.assert_array_equal(x[whole], x[mask, None, 0:2])
    assert nd.indexing_key_expand_implicit_axes(True, (2,)) == ((None, ALL), 1)
    for key in ((1, 1, 1), (..., ...)):
        with pytest.raises(ShapeError, match="at most 2 axes"):
            nd.indexing_key_expand_implicit_axes(key, (3, 4))


def test_the_shape_of_what_is_gathered() -> None:
    assert nd.get_oshape_of_gather_nd_op((5, 4, 3), (2, 7)) == (7, 3)
    assert nd.get_oshape_of_gather_nd_op((5, 4, 3), (3, 2, 2)) == (2, 2)
    with pytest.raises(ShapeError, match="at most 1 axes"):
        nd.get_oshape_of_gather_nd_op((5,), (2, 7))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_quantized_lstm_is_the_lstm_of_rounded_numbers(bidirectional: bool) -> None:
    rng, hidden, directions = np.random.RandomState(1), 5, 1 + bidirectional
    x = rng.rand(3, 2, 4).astype("float32")
    flat = nd.array(rng.randn(rnn_param_size("lstm", 4, hidden, 2, bidirectional)) * 0.3)
    state = nd.array(rng.randn(2 * directions, 2, hidden) * 0.1)
    attrs = {"state_size": hidden, "num_layers": 2, "mode": "lstm", "bidirectional": bidirectional, "state_outputs": True}
    data, (scale, shift) = nd.array(np.round(x * 200 + 10), dtype="uint8"), (nd.array([200.0]), nd.array([10.0]))
    found = nd.contrib.quantized_rnn(data, flat, state, state, scale, shift, **attrs)
    for ours, whole in zip(found, nd.RNN(nd.array(x), flat, state, state, **attrs), strict=True):
        assert ours.shape == whole.shape and ours.dtype == np.float32
        difference = abs(ours - whole).max().asscalar()
        assert 0 < difference < 0.02 * abs(whole).max().asscalar()
    # Of weights that are whole 127ths of their rows' largest nothing is lost.
    one = {**attrs, "num_layers": 1}
    numbers = np.round(rng.uniform(-127, 127, (4 * hidden * directions, 4 + hidden)))
    numbers[:, 0], numbers[:, 4] = 127, -127
    weights = [part.ravel() for rows in np.split(numbers, directions) for part in np.split(rows, [4], axis=1)]
    exact = nd.array(np.concatenate([*weights, rng.randn(8 * hidden * directions)]) / 256)
    state = state[:directions]
    found = nd.contrib.quantized_rnn(data, exact, state, state, scale, shift, **one)
    seen = (data.astype("float32") - 10) / 200
    for ours, whole in zip(found, nd.RNN(seen, exact, state, state, **one), strict=True):
        np.testing.assert_allclose(ours.asnumpy(), whole.asnumpy(), rtol=1e-5, atol=1e-6)


def test_the_quantized_lstm_says_what_it_lacks() -> None:
    x, p, s = nd.zeros((3, 2, 4), dtype="uint8"), nd.zeros(rnn_param_size("gru", 4, 5)), nd.zeros((1, 2, 5))
    with pytest.raises(ArgumentError, match="got gru"):
        nd.contrib.quantized_rnn(x, p, s, s, nd.ones(1), nd.ones(1), state_size=5, num_layers=1, mode="gru")
    symbol = mx.sym.contrib.quantized_rnn(mx.sym.var("data"), name="q", state_size=5, num_layers=1, mode="lstm")
    assert symbol.list_arguments() == ["data", "q_parameters", "q_state", "q_state_cell", "q_data_scale", "q_data_shift"]
    shapes, outputs, _ = symbol.infer_shape(data=(3, 2, 4))
    assert outputs == [(3, 2, 5)] and shapes[1] == (rnn_param_size("lstm", 4, 5),) and shapes[4:] == [(1,), (1,)]
    assert [np.dtype(t).name for t in symbol.infer_type(data="uint8")[0]] == ["uint8", *["float32"] * 5]


def test_gradients_that_have_names() -> None:
    rng = np.random.RandomState(3)
    old, new, head = nd.array(rng.randn(4, 2)), nd.array(rng.randn(2, 2)), nd.array(rng.randn(4, 2))
    for x in (old, new):
        x.attach_grad()
    rows = nd.array([0, 2])
    with mx.autograd.record():
        y = nd.contrib.index_copy(nd.contrib.quadratic(old, a=2.0, b=0.5, c=3.0), rows, new)
    y.backward(head)
    of_old, of_new = nd.contrib.backward_index_copy(head, old, rows, new)
    np.testing.assert_array_equal(of_new.asnumpy(), new.grad.asnumpy())
    np.testing.assert_allclose(nd.contrib.backward_quadratic(of_old, old, a=2.0, b=0.5, c=3.0).asnumpy(), old.grad.asnumpy(), rtol=1e-6)
