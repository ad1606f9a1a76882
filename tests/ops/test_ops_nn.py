"""Neural network operators against their definitions, written out here: products, activations, softmax, losses, norms.

First and second gradients, dtypes and layouts of each operator are the contract test's; this is what
the operators mean, and what the public functions make of their arguments.
"""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from support.nn_values import Data, close, gradients, normal

from hybridnet import autograd, dtypes
from hybridnet.compile import jit
from hybridnet.core import array
from hybridnet.core import random as state
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.ops.nn import activation, batch_norm, convolution, dropout, embedding, linear, loss, norm, pooling, rnn, softmax

# -- products -------------------------------------------------------------------------------------


def test_fully_connected() -> None:
    x, w, b = normal(2, 3, 4), normal(5, 12, seed=1), normal(5, seed=2)
    close(linear.fully_connected(array(x), array(w), array(b)), x.reshape(2, 12) @ w.T + b)
    close(linear.fully_connected(array(x), array(w), array(b), no_bias=True), x.reshape(2, 12) @ w.T)
    w = normal(5, 4, seed=1)
    close(linear.fully_connected(array(x), array(w), array(b), num_hidden=5, flatten=False), x @ w.T + b)
    close(linear.fully_connected(array(x[0, 0]), array(w), flatten=False), x[0, 0] @ w.T)
    assert linear.fully_connected(array(x[:0]), array(normal(5, 12))).shape == (0, 5)


@pytest.mark.parametrize(("x", "w", "b"), [((2, 3), (5, 4), None), ((2, 4), (5, 4), (4,)), ((2, 4), (5, 2, 2), None), ((), (5, 4), None)])
def test_fully_connected_refuses(x: Any, w: Any, b: Any) -> None:
    with pytest.raises(ShapeError, match=r"\[fully_connected\] expected"):
        linear.fully_connected(array(normal(*x)), array(normal(*w)), None if b is None else array(normal(*b)))


def test_batch_dot() -> None:
    a, b = normal(3, 4, 2), normal(3, 5, 4, seed=1)
    close(linear.batch_dot(array(a), array(b), transpose_a=True, transpose_b=True), np.einsum("bij,bki->bjk", a, b))
    with pytest.raises(ShapeError, match="batches of as many"):
        linear.batch_dot(array(a), array(b[:2]))


# -- activations ----------------------------------------------------------------------------------

_sigmoid = np.vectorize(lambda v: 1 / (1 + math.exp(-v)) if v > -700 else 0.0)
DEFINITIONS = {
    "relu": lambda x: np.where(x > 0, x, 0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "softrelu": lambda x: np.logaddexp(x, 0),
    "softsign": lambda x: x / (1 + abs(x)),
    "log_sigmoid": lambda x: -np.logaddexp(-x, 0),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "silu": lambda x: x * _sigmoid(x),
    "gelu": np.vectorize(lambda v: v * 0.5 * (1 + math.erf(v / math.sqrt(2)))),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_activation(name: str) -> None:
    x = np.concatenate([normal(20) * 3, [0.0, -40.0, 40.0, -800.0, 800.0]])
    close(activation.activation(array(x), name), DEFINITIONS[name](x))
    single = x.astype(np.float32)
    close(activation.activation(array(single), name), DEFINITIONS[name](single.astype(np.float64)), 1e-5)
    assert activation.activation(array(x.astype(np.float16)), name).dtype == dtypes.float16


def test_small_sigmoids_keep_their_digits() -> None:
    x = np.array([-20.0, -60.0], np.float32)
    np.testing.assert_allclose(activation.sigmoid(array(x)).asnumpy(), np.exp(x.astype(np.float64)), rtol=1e-5)


def test_activations_take_integers() -> None:
    assert activation.sigmoid(array(np.arange(3))).dtype == dtypes.default_float()


@pytest.mark.parametrize("name", [*DEFINITIONS, "leaky", "elu", "selu"])
def test_activation_gradient_is_finite_far_out(name: str) -> None:
    call = activation.leaky_relu if name in ("leaky", "elu", "selu") else activation.activation
    (g,) = gradients(lambda x: call(x, act_type=name), np.array([-500.0, -90.0, 90.0, 500.0], np.float32))
    assert np.isfinite(g).all()


def test_leaky_relu() -> None:
    x = normal(2, 3, 4)
    a = array(x)
    close(activation.leaky_relu(a, slope=0.1), np.where(x > 0, x, 0.1 * x))
    close(activation.leaky_relu(a, slope=-2.0), np.where(x > 0, x, -2 * x))
    close(activation.leaky_relu(a, act_type="elu", slope=0.5), np.where(x > 0, x, 0.5 * np.expm1(x)))
    close(activation.leaky_relu(a, act_type="selu"), 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)))
    gamma = normal(3, seed=1)
    close(activation.leaky_relu(a, array(gamma), act_type="prelu"), np.where(x > 0, x, gamma[:, None] * x))
    close(activation.leaky_relu(a, act_type="rrelu", lower_bound=0.1, upper_bound=0.3), np.where(x > 0, x, 0.2 * x))
    with autograd.train_mode():
        drawn = activation.leaky_relu(a, act_type="rrelu", lower_bound=0.1, upper_bound=0.3).asnumpy() / x
    assert ((drawn[x < 0] >= 0.1) & (drawn[x < 0] <= 0.3)).all() and np.ptp(drawn[x < 0]) > 0.01
    np.testing.assert_allclose(drawn[x > 0], 1)
    with pytest.raises(ArgumentError, match="gamma"):
        activation.leaky_relu(a, act_type="prelu")
    with pytest.raises(ArgumentError, match="act_type"):
        activation.leaky_relu(a, act_type="softplus")


def test_other_activations() -> None:
    x = normal(7) * 3
    close(activation.hard_sigmoid(array(x), 0.3, 0.4), np.clip(0.3 * x + 0.4, 0, 1))
    close(activation.swish(array(x), 2.0), x * _sigmoid(2 * x))
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    close(activation.gelu(array(x), "tanh"), 0.5 * x * (1 + np.tanh(inner)))


@pytest.mark.parametrize("name", ["gelu", "silu", "sigmoid", "softrelu"])
def test_activations_of_16_bit_numbers_are_rounded_once(name: str) -> None:
    x = np.linspace(-3, 3, 61).astype(dtypes.bfloat16)
    exact = getattr(activation, name)(array(x.astype("float64"), dtype="float64")).asnumpy()
    found = getattr(activation, name)(array(x, dtype=dtypes.bfloat16)).asnumpy().astype("float64")
    np.testing.assert_allclose(found, exact, rtol=2**-8)  # half of the last place of 8 bits, at most


# -- softmax and losses ---------------------------------------------------------------------------


def plain_softmax(x: Data, axis: int = -1, keep: Data | None = None) -> Data:
    e = np.exp(x - x.max(axis, keepdims=True)) * (1 if keep is None else keep)
    total = e.sum(axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def test_softmax() -> None:
    x = normal(2, 3, 4) * 5
    close(softmax.softmax(array(x), axis=1, temperature=2.0), plain_softmax(x / 2, 1))
    close(softmax.log_softmax(array(x), axis=0), np.log(plain_softmax(x, 0)))
    close(softmax.softmin(array(x)), plain_softmax(-x))
    assert softmax.softmax(array(x), dtype="float32").dtype == dtypes.float32
    large = np.array([[1e4, 1e4 - 1, -1e4]], np.float32)
    close(softmax.softmax(array(large)), plain_softmax(large.astype(np.float64)), 1e-6)


def test_half_precision_softmax_sums_in_single() -> None:
    x = np.zeros((1, 5000), np.float16)
    np.testing.assert_allclose(softmax.softmax(array(x)).asnumpy(), 1 / 5000, rtol=1e-3)


def test_softmax_with_lengths() -> None:
    x = normal(2, 3, 4)
    length = np.array([[1, 2, 3], [0, 4, 1]], np.int32)
    keep = np.arange(4) < length[:, :, None]
    close(softmax.softmax(array(x), array(length), axis=2, use_length=True, temperature=2.0), plain_softmax(x / 2, 2, keep))
    close(softmax.softmax(array(x), array(length), axis=2), plain_softmax(x, 2))
    with np.errstate(divide="ignore"):
        expected = np.log(plain_softmax(x, 2, keep))
    np.testing.assert_allclose(softmax.log_softmax(array(x), axis=2, use_length=True, length=array(length)).asnumpy(), expected)
    with pytest.raises(ShapeError, match="length"):
        softmax.softmax(array(x), array(length[0]), use_length=True)


def test_masked_softmax() -> None:
    x = normal(2, 3, 4)
    mask = np.array([[True, False, True, False], [False] * 4, [True] * 4])
    close(softmax.masked_softmax(array(x), array(mask)), plain_softmax(x, -1, mask))
    logs = softmax.masked_log_softmax(array(x), array(mask.astype(np.float32))).asnumpy()
    close(logs[:, mask], np.log(plain_softmax(x, -1, mask)[:, mask]))
    assert (logs[:, ~mask] == -np.inf).all()
    head = normal(2, 3, 4, seed=1)
    (g,) = gradients(lambda a: softmax.masked_softmax(a, array(mask)), x, head=head)
    y = plain_softmax(x, -1, mask)
    close(g, y * (head - (head * y).sum(-1, keepdims=True)))
    (g,) = gradients(lambda a: softmax.masked_log_softmax(a, array(mask)), x, head=head)
    kept = head * mask
    close(g, kept - y * kept.sum(-1, keepdims=True))


def test_softmax_cross_entropy() -> None:
    x, label = normal(2, 5, 3) * 4, np.array([[0, 4, 2], [1, 1, 3]])
    y = loss.softmax_cross_entropy(array(x), array(label.astype(np.float32)), axis=1)
    logs = np.log(plain_softmax(x, 1))
    expected = [[-logs[n, label[n, k], k] for k in range(3)] for n in range(2)]
    close(y, expected)
    head = normal(2, 3, seed=1)
    (g,) = gradients(lambda a: loss.softmax_cross_entropy(a, array(label), axis=1), x, head=head)
    onehot = (np.arange(5)[None, :, None] == label[:, None]).astype(float)
    close(g, (plain_softmax(x, 1) - onehot) * head[:, None])


def test_softmax_cross_entropy_at_the_edges() -> None:
    x = normal(3, 4)
    out_of_range = loss.softmax_cross_entropy(array(x), array(np.array([-1, 0, 9])))
    close(out_of_range, loss.softmax_cross_entropy(array(x), array(np.array([0, 0, 3]))).asnumpy())
    sure = np.array([[2000.0, 0.0], [0.0, 2000.0]], np.float32)
    close(loss.softmax_cross_entropy(array(sure), array(np.array([0, 0]))), [0, 2000])
    assert loss.softmax_cross_entropy(array(x.astype(np.float16)), array(np.array([0, 1, 2]))).dtype == dtypes.float32
    with pytest.raises(ShapeError, match="labels of shape"):
        loss.softmax_cross_entropy(array(x), array(np.zeros((3, 4))))


def test_smooth_l1() -> None:
    x = np.array([-2.0, -0.1, 0.2, 3.0])
    close(loss.smooth_l1(array(x), 2.0), [abs(v) - 0.125 if abs(v) > 0.25 else 0.5 * 4 * v * v for v in x])


# -- normalisation --------------------------------------------------------------------------------


def plain_norm(x: Data, axes: tuple[int, ...], eps: float) -> Data:
    mean = x.mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + eps)


@pytest.mark.parametrize("axis", [1, -1])
def test_batch_norm(axis: int) -> None:
    x = normal(4, 3, 2, 5) * 2 + 1
    n = x.shape[axis]
    others = tuple(i for i in range(4) if i != axis % 4)
    column = tuple(n if i == axis % 4 else 1 for i in range(4))
    gamma, beta, mean, var = normal(n, seed=1), normal(n, seed=2), normal(n, seed=3), np.abs(normal(n, seed=4))
    running = array(mean), array(var)
    arrays = array(x), array(gamma), array(beta), *running

    def run(**options: Any) -> Any:
        return batch_norm.batch_norm(*arrays, eps=1e-3, momentum=0.8, axis=axis, **options)

    def used(m: Data, v: Data, g: Data) -> Data:
        return (x - m.reshape(column)) / np.sqrt(v.reshape(column) + 1e-3) * g.reshape(column) + beta.reshape(column)

    close(run(fix_gamma=False), used(mean, var, gamma))
    close(run(), used(mean, var, np.ones(n)))
    with autograd.record():
        close(run(fix_gamma=False, use_global_stats=True), used(mean, var, gamma))
    close(running[0], mean)
    with autograd.record():
        y, used_mean, used_root = run(fix_gamma=False, output_mean_var=True)
    close(y, plain_norm(x, others, 1e-3) * gamma.reshape(column) + beta.reshape(column))
    close(used_mean, x.mean(others))
    close(used_root, 1 / np.sqrt(x.var(others) + 1e-3))
    close(running[0], 0.8 * mean + 0.2 * x.mean(others))
    close(running[1], 0.8 * var + 0.2 * x.var(others))


def test_batch_norm_holds_far_from_zero() -> None:
    x = (normal(64, 2) * 0.5 + 3000).astype(np.float32)
    one, zero = array(np.ones(2, np.float32)), array(np.zeros(2, np.float32))
    with autograd.record():
        y, _, root = batch_norm.batch_norm(
            array(x), one, zero, array(np.zeros(2, np.float32)), array(np.ones(2, np.float32)), output_mean_var=True
        )
    np.testing.assert_allclose(root.asnumpy(), 1 / np.sqrt(x.astype(np.float64).var(0) + 1e-3), rtol=1e-3)
    assert np.abs(y.asnumpy().mean(0)).max() < 5e-3


def test_half_precision_norms_use_single_precision_statistics() -> None:
    x = (normal(2000, 2) * 20 + 100).astype(np.float16)
    parameters = [array(np.full(2, v, np.float32)) for v in (1, 0, 0, 1)]
    with autograd.record():
        y, mean, _ = batch_norm.batch_norm(array(x), *parameters, output_mean_var=True)
    assert y.dtype == dtypes.float16 and mean.dtype == dtypes.float32
    close(mean, x.astype(np.float64).mean(0), 1e-5)
    close(y, plain_norm(x.astype(np.float64), (0,), 1e-3), 5e-3)


def test_layer_norm() -> None:
    x, gamma, beta = normal(3, 4, 5), normal(5, seed=1), normal(5, seed=2)
    y, mean, std = norm.layer_norm(array(x), array(gamma), array(beta), eps=1e-2, output_mean_var=True)
    close(y, plain_norm(x, (2,), 1e-2) * gamma + beta)
    close(mean, x.mean(2, keepdims=True))
    close(std, np.sqrt(x.var(2, keepdims=True) + 1e-2))
    close(
        norm.layer_norm(array(x), array(gamma[:4]), array(beta[:4]), axis=1), plain_norm(x, (1,), 1e-5) * gamma[:4, None] + beta[:4, None]
    )


@pytest.mark.parametrize("count", [6, 2], ids=["a channel", "a group"])
def test_group_norm(count: int) -> None:
    x, gamma, beta = normal(2, 6, 3, 2), normal(count, seed=1), normal(count, seed=2)
    y, mean, std = norm.group_norm(array(x), array(gamma), array(beta), num_groups=2, eps=1e-3, output_mean_var=True)
    grouped = x.reshape(2, 2, -1)
    each = np.repeat(gamma, 6 // count)[:, None, None], np.repeat(beta, 6 // count)[:, None, None]
    close(y, plain_norm(grouped, (2,), 1e-3).reshape(x.shape) * each[0] + each[1])
    close(mean, grouped.mean(2))
    close(std, np.sqrt(grouped.var(2) + 1e-3))


def test_other_norms() -> None:
    x, gamma, beta = normal(2, 3, 4), normal(3, seed=1), normal(3, seed=2)
    close(norm.instance_norm(array(x), array(gamma), array(beta)), plain_norm(x, (2,), 1e-3) * gamma[:, None] + beta[:, None])
    for mode, axes in (("instance", (1, 2)), ("channel", (1,)), ("spatial", (2,))):
        close(norm.l2_normalization(array(x), mode=mode), x / np.sqrt((x * x).sum(axes, keepdims=True) + 1e-10))
    weight = normal(4, seed=3)
    close(norm.rms_norm(array(x), array(weight)), x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * weight)


@pytest.mark.parametrize("name", ["batch_norm", "frozen_batch_norm", "group_norm", "instance_norm", "prelu"])
def test_gradients_that_are_not_needed(name: str) -> None:
    """Whichever inputs are variables, each gets the gradient that it gets when all are."""
    function: Any = {
        "batch_norm": lambda *x: batch_norm.batch_norm(*x, fix_gamma=False),
        "frozen_batch_norm": lambda *x: batch_norm.batch_norm(*x, fix_gamma=False, use_global_stats=True),
        "group_norm": lambda *x: norm.group_norm(*x, num_groups=2),
        "instance_norm": norm.instance_norm,
        "prelu": activation.prelu,
    }[name]
    count = {"batch_norm": 5, "frozen_batch_norm": 5, "prelu": 2}.get(name, 3)
    inputs = [normal(3, 4, 5), *(np.abs(normal(4, seed=i)) + 0.5 for i in range(1, count))]
    learnt = 3 if name == "batch_norm" else count  # nothing flows to running statistics that are only moved

    def gradients_of(chosen: tuple[int, ...]) -> list[Data]:
        arrays = [array(x) for x in inputs]
        for i in chosen:
            arrays[i].attach_grad()
        with autograd.record():
            y = function(*arrays)
        y.backward(array(normal(*y.shape, seed=9)))
        return [arrays[i].grad.asnumpy() for i in chosen]

    whole = gradients_of(tuple(range(learnt)))
    for size in range(1, learnt):
        for chosen in itertools.combinations(range(learnt), size):
            for found, i in zip(gradients_of(chosen), chosen, strict=True):
                close(found, whole[i])


@pytest.mark.parametrize("train", [False, True])
def test_norms_take_empty_batches(train: bool) -> None:
    x = array(np.zeros((0, 3, 2), np.float32))
    one = [array(np.ones(3, np.float32)) for _ in range(4)]
    with autograd.train_mode() if train else autograd.predict_mode():
        assert batch_norm.batch_norm(x, *one).shape == (0, 3, 2)
    assert norm.layer_norm(x, *one[:2], axis=1).shape == (0, 3, 2)


def test_norms_refuse_parameters_of_another_size() -> None:
    two, three = array(np.ones(2)), array(np.ones(3))
    x = array(normal(2, 3, 4))
    with pytest.raises(ShapeError, match="gamma of shape"):
        batch_norm.batch_norm(x, two, three, three, three)
    with pytest.raises(ShapeError, match="running_var of shape"):
        batch_norm.batch_norm(x, three, three, three, two)
    with pytest.raises(ShapeError, match="beta of shape"):
        norm.layer_norm(x, array(np.ones(4)), three)
    with pytest.raises(ShapeError, match="groups divide"):
        norm.group_norm(x, three, three, num_groups=2)


# -- embedding and dropout ------------------------------------------------------------------------


def test_embedding() -> None:
    w = normal(5, 3)
    index = np.array([[0, 4, 4], [-1, 9, 2]], np.float32)
    rows = np.clip(index.astype(int), 0, 4)
    close(embedding.embedding(array(index), array(w), 5, 3), w[rows])
    head = normal(2, 3, 3, seed=1)
    (g,) = gradients(lambda a: embedding.embedding(array(index), a), w, head=head)
    expected = np.zeros_like(w)
    for place in np.ndindex(*rows.shape):
        expected[rows[place]] += head[place]
    close(g, expected)
    assert embedding.embedding(array(index), array(w), dtype="float32").dtype == dtypes.float32
    with pytest.raises(ShapeError, match=r"\[embedding\]"):
        embedding.embedding(array(index), array(w), 6, 3)


def test_dropout() -> None:
    x = np.ones((200, 300), np.float32)
    np.testing.assert_array_equal(dropout.dropout(array(x), 0.3).asnumpy(), x)
    state.seed(5)
    with autograd.train_mode():
        y, z = dropout.dropout(array(x), 0.3).asnumpy(), dropout.dropout(array(x), 0.3).asnumpy()
        state.seed(5)
        again = dropout.dropout(array(x), 0.3).asnumpy()
    np.testing.assert_array_equal(y, again)
    assert (y != z).any()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    for event, chance in ((y != 0, 0.7), ((y != 0) & (z != 0), 0.49), ((y[1:] != 0) & (y[:-1] != 0), 0.49)):
        assert abs(event.mean() - chance) < 5 * math.sqrt(0.25 / event.size)


def test_dropout_options() -> None:
    x = np.ones((50, 4, 6), np.float32)
    shared = dropout.dropout(array(x), 0.5, mode="always", axes=(0, 2)).asnumpy()
    np.testing.assert_array_equal(shared, np.broadcast_to(shared[:1, :, :1], x.shape))
    with autograd.train_mode():
        assert not dropout.dropout(array(x), 1.0).asnumpy().any()
        assert dropout.dropout(array(x), 0.0).asnumpy().all()
    a = array(x)
    a.attach_grad()
    with autograd.record():
        y = dropout.dropout(a, 0.5)
    y.backward()
    np.testing.assert_array_equal(a.grad.asnumpy(), y.asnumpy())
    with pytest.raises(ArgumentError, match="probability"):
        dropout.dropout(a, 1.5)


# -- compiled -------------------------------------------------------------------------------------


def small_network(x: Any, w: Any, gamma: Any, running: Any, flat: Any) -> Any:
    """Layers with state and randomness, one after the other."""
    h = convolution.convolution(x, w, pad=(1, 1))
    h = batch_norm.batch_norm(h, gamma, gamma, *running, fix_gamma=False)
    h = pooling.pooling(activation.relu(h), (2, 2), (2, 2))
    h = dropout.dropout(h, 0.5).reshape((2, 3, 4))
    h = rnn.rnn(h, flat, array(np.zeros((2, 3, 5))), array(np.ones((2, 3, 5))), state_size=5, bidirectional=True)
    return loss.softmax_cross_entropy(norm.layer_norm(h, *[array(np.ones(10))] * 2), array(np.zeros((2, 3))))


def test_a_compiled_network_is_the_eager_one() -> None:
    """Losses, gradients, running statistics and random numbers of two steps."""
    results = []
    for compiled in (False, True):
        state.seed(3)
        x = array(normal(2, 2, 4, 4))
        weights = [
            array(v) for v in (normal(3, 2, 3, 3, seed=1), normal(3, seed=2), normal(rnn.rnn_param_size("lstm", 4, 5, 1, True), seed=3))
        ]
        running = array(np.zeros(3)), array(np.ones(3))
        for v in weights:
            v.attach_grad()

        def step(x: Any, weights: Any = weights, running: Any = running) -> Any:
            with autograd.record():
                y = small_network(x, *weights[:2], running, weights[2])
            y.backward()
            return y

        run = jit(step) if compiled else step
        found = [run(x).asnumpy(), run(x).asnumpy()]
        results.append([*found, *(v.grad.asnumpy() for v in weights), *(r.asnumpy() for r in running)])
    assert (results[0][0] != results[0][1]).any(), "the second step drops other elements"
    for eager, compiled_value in zip(*results, strict=True):
        close(compiled_value, eager)
