"""The classic vocabulary against what MXNet 1.9.1 gave, and the rules of its arrays.

``data/mxnet_1_9_1_classic.tsv`` holds, a line each: a Python expression, the dtype of its value
(``shape`` where the value is a shape) and the value, as MXNet 1.9.1 on NumPy 1.23 computed it.
"""

import ast
from typing import Any

import numpy as np
import pytest
from support.paths import DATA

from hybridnet import autograd, gluon
from hybridnet import ndarray as nd
from hybridnet import numpy as hnp
from hybridnet.compile import jit
from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, DtypeError, ShapeError

LINES = (DATA / "mxnet_1_9_1_classic.tsv").read_text(encoding="utf-8").splitlines()


def grad(f: Any, a: Any = None) -> Any:
    """The gradient of ``f`` (times 3) at ``a``, or at the usual matrix."""
    a = nd.array([[1, 2, 3], [4, 5, 6.5]]) if a is None else a
    a.attach_grad()
    with autograd.record():
        y = f(a)
    y.backward(nd.ones_like(y) * 3)
    return a.grad


def names() -> dict[str, Any]:
    """What the expressions are about; new arrays for each, since some are written to."""
    return {
        "nd": nd,
        "np": np,
        "grad": grad,
        "x": nd.array([[1, 2, 3], [4, 5, 6]]),
        "b": nd.array([[7, 8, 9], [1, 1, 1]]),
        "i": nd.array([1, 2, 3], dtype="int32"),
        "j": nd.array([2, 2, 2], dtype="int32"),
        "u8": nd.array([200, 100], dtype="uint8"),
    }


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("\t")[0])
def test_as_mxnet(line: str) -> None:
    expression, dtype, text = line.split("\t")
    result, expected = eval(expression, names()), ast.literal_eval(text)  # the expressions are in this repository
    if dtype == "shape":
        assert result == expected
        return
    parts = result if isinstance(result, list) else [result]
    wanted = expected if isinstance(result, list) else [expected]
    assert len(parts) == len(wanted)
    assert np.dtype(parts[0].dtype) == dtype
    for y, z in zip(parts, wanted, strict=True):
        assert type(y) is nd.NDArray
        assert y.shape == np.shape(z)
        np.testing.assert_allclose(y.asnumpy(), z, rtol=2e-4, atol=2e-5)


def test_the_table_is_large() -> None:
    assert len(LINES) > 300


# -- arrays ---------------------------------------------------------------------------------------


def test_printing() -> None:
    x = nd.array([[1, 2, 3], [4, 5, 6]])
    assert repr(x) == "\n[[1. 2. 3.]\n [4. 5. 6.]]\n<NDArray 2x3 @cpu(0)>"
    assert str(x[0]) == "\n[1. 2. 3.]\n<NDArray 3 @cpu(0)>"


def test_operators_with_numbers_and_arrays() -> None:
    x = nd.array([1, 2])
    assert (3 - x).tolist() == [2, 1]
    assert (np.float32(3) * x).tolist() == [3, 6]
    assert (x + np.array([1.0, 1.0], np.float32)).tolist() == [2, 3]
    assert type(hnp.array([1.0, 2.0]) * x) is nd.NDArray
    assert type(x * hnp.array([1.0, 2.0])) is nd.NDArray
    assert (nd.array([1], dtype="int32") + nd.array([1.5])).tolist() == [2.5]
    with pytest.raises(TypeError):
        x + "a"
    y = x
    y += 1
    assert x.tolist() == [2, 3]


def test_large_integers_divide_exactly() -> None:
    x = nd.array([123456789], dtype="int32")
    assert (x / 3).tolist() == [41152263]
    assert (nd.array([-7], dtype="int32") / 2).tolist() == [-3]


def test_no_zero_dimensions() -> None:
    x = nd.array([[1, 2], [3, 4]])
    for y in (x.sum(), x[0, 1], nd.dot(x[0], x[0]), x.max(), nd.random.uniform(), nd.array(5) + 1):
        assert y.shape == (1,)
    assert nd.array(5).shape == ()  # MXNet's, from a number
    assert repr(nd.array(5)) == "\n5.0\n<NDArray  @cpu(0)>"
    assert nd.sum(hnp.ones((2,))).shape == ()  # of NumPy's arrays NumPy's rules


def test_views_write_through() -> None:
    x = nd.zeros((2, 3))
    x[0][:] = 5
    x[1, 1] = 7
    assert x.tolist() == [[5, 5, 5], [0, 7, 0]]
    row = x[1]
    row += 1
    assert x[1].tolist() == [1, 8, 1]


def test_class_changes_share_the_data() -> None:
    x = nd.array([1, 2])
    y = x.as_np_ndarray()
    assert type(y) is NDArray
    y[0] = 9
    assert x.tolist() == [9, 2]
    assert x.tostype("default") is not x  # a copy, as in MXNet


def test_gradient_passes_between_the_classes() -> None:
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = (x.as_np_ndarray() ** 2).sum()
    y.backward()
    assert x.grad.tolist() == [2, 4]


def test_writes_after_class_change_leave_the_gradient_right() -> None:
    x = nd.array([1.0, 2.0])
    w = nd.array([3.0, 4.0])
    x.attach_grad()
    with autograd.record():
        y = nd.broadcast_mul(x, w)
    w[:] = 0
    y.backward()
    assert x.grad.asnumpy().tolist() == [3, 4]


def test_out_and_name() -> None:
    x, y = nd.array([1.0, -2.0]), nd.zeros((2,))
    assert nd.relu(x, out=y, name="relu0") is y
    assert y.tolist() == [1, 0]
    assert nd.random.normal(0, 1, (2,), out=y) is y
    first, second = nd.zeros((1,)), nd.zeros((1,))
    nd.split(x, 2, axis=0, out=[first, second])
    assert (first.asscalar(), second.asscalar()) == (1, -2)


def test_errors() -> None:
    x = nd.zeros((2, 3))
    with pytest.raises(ShapeError, match="elemwise_add"):
        nd.elemwise_add(x, nd.zeros((1, 3)))
    with pytest.raises(ShapeError, match="codes"):
        x.reshape((0, 0, 0))
    with pytest.raises(ShapeError, match="factors"):
        x.reshape((-4, 2, 2, 0))
    with pytest.raises(ArgumentError, match="mode"):
        nd.pad(nd.zeros((1, 1, 2, 2)), mode="wrap", pad_width=(0, 0, 0, 0, 1, 1, 1, 1))
    with pytest.raises(ArgumentError, match="ret_typ"):
        x.topk(ret_typ="best")
    with pytest.raises(ShapeError, match="window"):
        nd.Crop(nd.zeros((1, 1, 2, 2)), h_w=(3, 3))
    with pytest.raises(ArgumentError, match="triangle"):
        nd.linalg.maketrian(nd.zeros((2,)))
    with pytest.raises(ShapeError, match="one element"):
        x.asscalar()
    with pytest.raises(DtypeError):
        nd.array(["a"])


def test_batch_norm_moves_its_statistics() -> None:
    x = nd.array(np.arange(6).reshape(3, 2))
    mean, var = nd.zeros((2,)), nd.ones((2,))
    with autograd.record():
        y = nd.BatchNorm(x, nd.ones((2,)), nd.zeros((2,)), mean, var, momentum=0.5, fix_gamma=False)
    np.testing.assert_allclose(mean.asnumpy(), [1, 1.5])
    np.testing.assert_allclose(y.asnumpy().mean(0), [0, 0], atol=1e-6)
    nd.BatchNorm(x, nd.ones((2,)), nd.zeros((2,)), mean, var, momentum=0.5)
    np.testing.assert_allclose(mean.asnumpy(), [1, 1.5])


def test_batch_norm_moves_its_statistics_compiled() -> None:
    mean, var = nd.zeros((2,)), nd.ones((2,))

    def step(x: Any) -> Any:
        with autograd.record():
            return nd.BatchNorm(x, nd.ones((2,)), nd.zeros((2,)), mean, var, momentum=0.5, fix_gamma=False)

    compiled = jit(step)
    for expected in ([1, 1.5], [1.5, 2.25]):
        compiled(nd.array(np.arange(6).reshape(3, 2)))
        np.testing.assert_allclose(mean.asnumpy(), expected)


def test_other_ways_to_the_same_functions() -> None:
    x = nd.array([1.0, -2.0])
    assert nd.op.relu(x).tolist() == [1, 0]
    assert nd._internal._mul_scalar(x, scalar=2).tolist() == [2, -4]
    sums, last = nd.contrib.foreach(lambda a, s: (a + s, a + s), x, nd.zeros((1,)))
    assert type(sums) is nd.NDArray and sums.tolist() == [[1], [-1]] and last.tolist() == [-1]


# -- traced ---------------------------------------------------------------------------------------


def classic_network(x: Any, w: Any) -> Any:
    F = nd
    h = F.FullyConnected(x, w, no_bias=True, num_hidden=4).reshape((0, 2, -1))
    h = F.concat(h, F.broadcast_mul(h, h.mean(axis=1, keepdims=True)), dim=2)
    h = F.where(h > 0, h, F.zeros_like(h)).reshape((-3, 0))
    h = F.SequenceMask(h, F.arange(4) % 3 + 1, True) + F.ones((1, 4))
    chosen = F.pick(F.log_softmax(h), F.argmax(h, axis=1))
    return F.stack(chosen, h.slice_axis(axis=1, begin=0, end=1).flatten().squeeze(axis=1)).transpose().sum()


def test_eager_is_compiled() -> None:
    rng = np.random.default_rng(0)
    x, w = nd.array(rng.normal(size=(3, 5))), nd.array(rng.normal(size=(4, 5)))
    y = jit(classic_network)(x, w)
    expected = classic_network(x, w)
    assert type(y) is nd.NDArray and y.shape == expected.shape == (1,)
    np.testing.assert_allclose(y.asnumpy(), expected.asnumpy(), rtol=1e-5)


class Classic(gluon.HybridBlock):
    def __init__(self) -> None:
        super().__init__()
        self.dense = gluon.nn.Dense(4)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        h = F.relu(self.dense(x)).reshape((0, -4, 2, -1))
        return F.broadcast_div(h, F.sum(h, axis=(1, 2), keepdims=True) + 1).sum(axis=0, exclude=True)


@pytest.mark.parametrize("hybridize", [False, True])
def test_hybrid_forward(hybridize: bool) -> None:
    net = Classic()
    net.initialize()
    if hybridize:
        net.hybridize()
    x = nd.array(np.random.default_rng(1).normal(size=(3, 5)))
    y = net(x)
    assert type(y) is nd.NDArray and y.shape == (3,)
    plain = np.maximum(x.asnumpy() @ net.dense.weight.data().asnumpy().T + net.dense.bias.data().asnumpy(), 0).sum(1)
    np.testing.assert_allclose(y.asnumpy(), plain / (plain + 1), rtol=1e-4)


def test_rounding_near_halves_and_where_numbers_lie_a_whole_one_apart() -> None:
    """As MXNet: ``round`` takes halves away from zero, ``rint`` downwards."""
    x = [0.49999997, -0.49999997, 8388609.0, 8388607.5, 0.5, 1.5, -0.5, -1.5, 0.50000006, -8388609.0, 1e30, np.inf, -np.inf, np.nan]
    away = [0, 0, 8388609, 8388608, 1, 2, -1, -2, 1, -8388609, np.float32(1e30), np.inf, -np.inf, np.nan]
    down = [0, 0, 8388609, 8388607, 0, 1, -1, -2, 1, -8388609, np.float32(1e30), np.inf, -np.inf, np.nan]
    np.testing.assert_array_equal(nd.round(nd.array(x)).asnumpy(), away)
    np.testing.assert_array_equal(nd.rint(nd.array(x)).asnumpy(), down)
    eager = nd.array([-1.5, -0.5, 0.5, 2.5], dtype="float16")
    np.testing.assert_array_equal(eager.round().asnumpy(), [-2, -1, 1, 3])
