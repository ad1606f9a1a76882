"""``np`` and ``npx`` against NumPy: the namespace, dispatch of NumPy's own functions, ``out=``, the array classes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridnet.numpy as hnp
import hybridnet.numpy_extension as npx
from hybridnet import autograd, util
from hybridnet import ndarray as nd
from hybridnet.core import NUMPY_FUNCTIONS, NDArray
from hybridnet.device import Device, cpu
from hybridnet.errors import DtypeError, ShapeError

A = np.array([[1.0, -2.0, 3.0], [0.5, 5.0, -6.0]])
B = np.array([[2.0, 0.5, -1.0], [4.0, 1.0, 2.0]])


def ours(x: Any) -> Any:
    return hnp.array(x)


def same(result: Any, expected: Any) -> None:
    if isinstance(expected, (tuple, list)):
        assert len(result) == len(expected)
        for r, e in zip(result, expected, strict=True):
            same(r, e)
        return
    assert not isinstance(expected, np.ndarray) or isinstance(result, NDArray), "an array of another class"
    np.testing.assert_allclose(np.asarray(result), expected, rtol=1e-6, atol=1e-12)


POSITIVE = "exp expm1 log log2 log10 log1p sqrt cbrt square reciprocal sign floor ceil trunc rint sin"
SMALL = "cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh degrees radians abs fabs negative isnan"
PAIRS = "add subtract multiply divide maximum minimum fmax fmin hypot arctan2 copysign logaddexp equal less"
POSITIVE_PAIRS = "power pow mod remainder fmod floor_divide float_power divmod greater_equal not_equal"
ALONG_AN_AXIS = "sum prod max min mean var std any all argmax argmin cumsum cumprod median ptp amax amin"
WHOLE = "sum ravel transpose flip fliplr flipud squeeze nonzero argwhere diag trace sort argsort unique diff copy ndim size"
JOINING = "concatenate stack vstack hstack dstack column_stack"

#: Calls that NumPy and our namespace must agree on: (function, arguments).
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *((name, (np.abs(A) + 0.1,), {}) for name in POSITIVE.split()),
    *((name, (A / 10,), {}) for name in SMALL.split()),
    *((name, (A, B), {}) for name in PAIRS.split()),
    *((name, (np.abs(A), B), {}) for name in POSITIVE_PAIRS.split()),
    *((name, (A,), {"axis": 1}) for name in ALONG_AN_AXIS.split()),
    *((name, (A,), {}) for name in WHOLE.split()),
    *((name, ((A, B),), {}) for name in JOINING.split()),
    ("reshape", (A, (3, 2)), {}),
    ("expand_dims", (A, 1), {}),
    ("broadcast_to", (A, (4, 2, 3)), {}),
    ("swapaxes", (A, 0, 1), {}),
    ("moveaxis", (A, 0, 1), {}),
    ("roll", (A, 1), {}),
    ("tile", (A, 2), {}),
    ("repeat", (A, 2), {"axis": 0}),
    ("pad", (A, 1), {}),
    ("split", (A, 3), {"axis": 1}),
    ("array_split", (A, 2), {"axis": 1}),
    ("take", (A, [0, 2]), {"axis": 1}),
    ("where", (A > 0, A, B), {}),
    ("clip", (A, -1.0, 1.0), {}),
    ("dot", (A, B.T), {}),
    ("matmul", (A, B.T), {}),
    ("tensordot", (A, B), {"axes": ([0, 1], [0, 1])}),
    ("einsum", ("ij,kj->ik", A, B), {}),
    ("outer", (A, B), {}),
    ("inner", (A, B), {}),
    ("kron", (A, B), {}),
    ("meshgrid", (A[0], B[0]), {}),
    ("tril", (A,), {}),
    ("percentile", (A, 30.0), {}),
    ("average", (A,), {"weights": np.abs(B)}),
    ("searchsorted", (np.sort(A[0]), B[0]), {}),
    ("histogram", (A, 4), {}),
    ("nan_to_num", (np.array([np.nan, np.inf, 1.0]),), {"posinf": 9.0, "nan": 3.0}),
    ("isposinf", (np.array([np.inf, -np.inf, 1.0]),), {}),
    ("isneginf", (np.array([np.inf, -np.inf, 1.0]),), {}),
    ("sinc", (np.array([0.0, 0.5, 2.0]),), {}),
    ("heaviside", (np.array([-1.0, 0.0, 2.0]), 0.5), {}),
    ("modf", (A,), {}),
    ("ldexp", (A, np.array([1, 2, 3])), {}),
    ("polyval", (np.array([1.0, 2.0, 3.0]), A), {}),
    ("vander", (A[0],), {"N": 4}),
    ("select", ([A > 2, A < 0], [A, B]), {"default": 7.0}),
    ("round", (A * 1.237, 1), {}),
    ("allclose", (A, A + 1e-9), {}),
    ("array_equal", (A, B), {}),
]


def _wrapped(args: Any) -> Any:
    if isinstance(args, np.ndarray):
        return ours(args)
    return type(args)(map(_wrapped, args)) if isinstance(args, (tuple, list)) else args


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS, ids=lambda x: x if isinstance(x, str) else "")
def test_as_numpy_does(name: str, args: Any, kwargs: Any) -> None:
    expected = getattr(np, name)(*args, **kwargs)
    kwargs = {key: _wrapped(value) for key, value in kwargs.items()}
    same(getattr(hnp, name)(*_wrapped(args), **kwargs), expected)
    same(getattr(np, name)(*_wrapped(args), **kwargs), expected)


@pytest.mark.parametrize("name", ["cholesky", "inv", "det", "slogdet", "eigvalsh", "norm", "qr", "matrix_power"])
def test_linalg(name: str) -> None:
    m = np.array([[4.0, 1.0], [1.0, 3.0]])
    extra = (2,) if name == "matrix_power" else ()
    expected = getattr(np.linalg, name)(m, *extra)
    same(getattr(hnp.linalg, name)(ours(m), *extra), tuple(expected) if isinstance(expected, tuple) else expected)
    same(getattr(np.linalg, name)(ours(m), *extra), tuple(expected) if isinstance(expected, tuple) else expected)


def test_apply_along_axis() -> None:
    same(hnp.apply_along_axis(lambda v: v.sum(), 0, ours(A)), A.sum(0))
    same(hnp.apply_along_axis(lambda v: v * 2, 0, ours(A)), A * 2)


# -- making arrays --------------------------------------------------------------------------------


def test_creation() -> None:
    assert hnp.array([1.0, 2]).dtype == np.float32
    assert hnp.zeros((2, 3)).dtype == np.float32
    assert hnp.arange(3).dtype == np.float32
    assert hnp.full((2,), 7, dtype="int32").tolist() == [7, 7]
    x = hnp.ones((2,))
    assert hnp.asarray(x) is x
    same(hnp.linspace(0, 1, 5), np.linspace(0, 1, 5))
    np.testing.assert_allclose(hnp.logspace(0, 2, 3).asnumpy(), [1, 10, 100], rtol=1e-5)
    np.testing.assert_allclose(hnp.hanning(6).asnumpy(), np.hanning(6), atol=1e-6)
    np.testing.assert_allclose(hnp.blackman(6).asnumpy(), np.blackman(6), atol=1e-6)
    assert hnp.hamming(1).tolist() == [1]
    assert np.zeros_like(hnp.ones((2,))).tolist() == [0, 0]


def test_constants_and_dtypes() -> None:
    assert (hnp.pi, hnp.e, hnp.inf, hnp.newaxis) == (np.pi, np.e, np.inf, None)
    assert hnp.array([1], dtype=hnp.float16).dtype == np.float16
    assert hnp.ndarray is NDArray


# -- dispatch, out=, where= -----------------------------------------------------------------------


def test_numpys_ufuncs_and_reductions() -> None:
    x = ours(A)
    same(np.add(x, 1), A + 1)
    same(np.add.reduce(x), A.sum(0))
    same(np.maximum.reduce(x, axis=1), A.max(1))
    same(A + x, A + A)
    same(np.float64(2) * x, 2 * A)
    y = hnp.zeros((2, 3), dtype="float64")
    assert np.multiply(x, 2, out=y) is y
    same(y, A * 2)
    with pytest.raises(TypeError):
        np.busday_count(x, x)


def test_out_and_where() -> None:
    x, y = ours(A), hnp.zeros((2, 3), dtype="float64")
    assert hnp.exp(x, out=y) is y
    same(y, np.exp(A))
    z = hnp.zeros((3,))
    assert hnp.sum(x, axis=0, out=z) is z
    np.testing.assert_allclose(z.asnumpy(), A.sum(0), rtol=1e-6)
    whole, fraction = hnp.zeros((2, 3)), hnp.zeros((2, 3))
    hnp.modf(x, out=(fraction, whole))
    np.testing.assert_allclose((whole + fraction).asnumpy(), A, rtol=1e-6)
    y[...] = 9
    hnp.negative(x, out=y, where=x > 0)
    same(y, np.where(A > 0, -A, 9))
    same(hnp.negative(x, where=x > 0), np.where(A > 0, -A, 0))
    with pytest.raises(DtypeError, match="out"):
        hnp.exp(x, out=np.zeros((2, 3)))


def test_every_dispatched_function_is_of_the_namespace() -> None:
    named = set(hnp.FUNCTIONS.values()) | {getattr(m, n) for m in (hnp.linalg, hnp.fft) for n in m.__all__}
    assert set(NUMPY_FUNCTIONS.values()) <= named
    assert len(NUMPY_FUNCTIONS) > 200


def test_writing_functions() -> None:
    x = hnp.zeros((3, 3))
    hnp.fill_diagonal(x, 2.0)
    assert x.tolist() == (np.eye(3) * 2).tolist()
    hnp.copyto(x, hnp.ones((3,)))
    assert x.tolist() == np.ones((3, 3)).tolist()
    hnp.put_along_axis(x, hnp.array([[1], [0], [2]]), 5.0, 1)
    assert x.tolist() == [[1, 5, 1], [5, 1, 1], [1, 1, 5]]
    x.fill(3)
    assert x.sum() == 27
    y = hnp.array([3.0, 1.0, 2.0])
    y.sort()
    assert y.tolist() == [1, 2, 3]


def test_methods() -> None:
    x = ours(A)
    same(x.reshape(3, 2), A.reshape(3, 2))
    same(x.reshape((3, -1)), A.reshape(3, -1))
    same(x.reshape(-1, order="F"), A.reshape(-1, order="F"))
    same(x.transpose(1, 0), A.T)
    same(x.transpose(), A.T)
    same(x.flatten(), A.flatten())
    same(x.tile(2), np.tile(A, 2))
    same(x.std(axis=0, ddof=1), A.std(axis=0, ddof=1))
    same(x.clip(-1, 1), A.clip(-1, 1))
    same(x.dot(x.T), A @ A.T)
    assert x.sum().shape == ()
    assert x.argmax().dtype == np.int64


# -- the other vocabulary's arrays ----------------------------------------------------------------


def test_results_keep_the_class() -> None:
    x = nd.array([[1.0, -2.0]])
    assert type(hnp.exp(x)) is type(npx.relu(x)) is type(hnp.concatenate([x, x])) is nd.NDArray
    assert type(hnp.split(x, 2, axis=1)[0]) is nd.NDArray
    assert type(hnp.add(ours(A[:, :2]), x)) is nd.NDArray
    assert npx.leaky_relu(x).tolist() == [[1.0, -0.5]]
    assert type(hnp.exp(ours(A))) is NDArray


def test_gradients_keep_the_class() -> None:
    x = nd.array([[1.0, -2.0]])
    x.attach_grad()
    with autograd.record():
        y = npx.leaky_relu(x * 2).clip(-0.5, 3) ** 2
        (g,) = autograd.grad([y], [x], create_graph=True)
    assert type(y) is type(g) is nd.NDArray
    y.backward()
    assert type(x.grad) is nd.NDArray
    assert x.grad.tolist() == g.tolist() == [[8.0, 0.0]]


def test_custom_functions_see_the_class() -> None:
    class Double(autograd.Function):
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, dy: Any) -> Any:
            assert type(dy) is nd.NDArray
            return dy * 2

    x = nd.array([1.0])
    x.attach_grad()
    with autograd.record():
        y = Double()(x)
    y.backward()
    assert x.grad.asscalar() == 2


# -- npx ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "codes", "reverse", "expected"),
    [
        ((2, 3, 8), (-2, -2, 2, -1), False, (2, 3, 2, 4)),
        ((8, 3, 3, 3, 4, 4), (-6, 2, -1, -4), False, (2, 4, 3, 3, 3, 4, 4)),
        ((8, 3, 3, 3, 4, 4), (-5, -4), False, (24, 3, 3, 4, 4)),
        ((8, 1, 1, 1, 3), (-2, -3, -3, -3, -2), False, (8, 3)),
        ((8, 3, 3, 3, 3, 8), (-4, -5), True, (8, 3, 3, 3, 24)),
        ((8, 3, 2, 4, 8), (-4, -1, 2, -6), True, (8, 3, 2, 4, 4, 2)),
        ((8, 3), (-6, 3, -1, -4), False, None),
        ((2, 3), (3, -1), False, (3, 2)),
        ((2, 3), (-3, -1), False, None),
        ((2, 3), (-2, -2, -2), False, None),
    ],
)
def test_npx_reshape(shape: Any, codes: Any, reverse: bool, expected: Any) -> None:
    x = hnp.zeros(shape)
    if expected is None:
        with pytest.raises(ShapeError, match="reshape"):
            npx.reshape(x, codes, reverse)
    else:
        assert npx.reshape(x, codes, reverse).shape == expected


def test_npx_updates_by_index() -> None:
    x, at = hnp.zeros((2, 3)), hnp.array([[0, 1, 0], [2, 0, 2]])
    assert npx.index_update(x, at, hnp.array([5.0, 6.0, 7.0])).tolist() == [[0, 0, 7], [6, 0, 0]]
    assert npx.index_add(x, at, hnp.array([5.0, 6.0, 7.0])).tolist() == [[0, 0, 12], [6, 0, 0]]
    assert npx.index_add(x, hnp.array([[1, 1]]), hnp.array([1.0, 2.0, 3.0])).tolist() == [[0, 0, 0], [2, 4, 6]]
    assert not x.any()


def test_npx_small_functions() -> None:
    assert npx.batch_flatten(hnp.zeros((2, 3, 4))).shape == (2, 12)
    assert npx.nonzero(hnp.array([[0, 1], [1, 0]])).tolist() == [[0, 1], [1, 0]]
    assert npx.random.uniform_n(hnp.zeros((2,)), 1.0, batch_shape=(3,)).shape == (3, 2)
    assert npx.random.normal_n(batch_shape=(3,)).shape == (3,)
    assert npx.constraint_check(hnp.array([True, True]), "no")
    with pytest.raises(ValueError, match="negative"):
        npx.constraint_check(hnp.array([True, False]), "negative")
    npx.waitall()
    assert npx.cpu() == cpu() and npx.current_device() == Device("cpu", 0)


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "a.params"
    npx.save(file, {"x": ours(A), "n": hnp.array(np.array([1, 2]))})
    loaded = npx.load(file)
    assert type(loaded["x"]) is NDArray
    same(loaded["x"], A)
    assert loaded["n"].dtype == np.int64
    nd.save(file, [nd.array([1.0]), nd.array([2.0])])
    assert [type(x) for x in nd.load(file)] == [nd.NDArray] * 2
    assert nd.load_frombuffer(file.read_bytes())[1].asscalar() == 2
    npx.savez(file, ours(A), b=ours(B))
    assert sorted(npx.load(file)) == ["arr_0", "b"]


# -- the switch -----------------------------------------------------------------------------------


def test_np_switch() -> None:
    assert util.is_np_array() and util.is_np_shape() and not util.is_np_default_dtype()
    try:
        util.reset_np()
        assert not util.is_np_array()
        assert type(util.default_array([1.0])) is nd.NDArray
        with util.np_array():
            assert util.is_np_array()
            assert type(util.default_array([1.0])) is NDArray
            with util.np_array(False):
                assert not util.is_np_array()
            assert util.is_np_array()
        assert not util.is_np_array()

        @util.use_np
        def inside() -> bool:
            return util.is_np_array()

        @util.use_np
        class Model:
            def forward(self) -> bool:
                return util.is_np_array()

        assert inside() and Model().forward()
    finally:
        util.set_np()
    assert util.is_np_array()


def test_from_dlpack_shares_memory() -> None:
    data = np.arange(4, dtype="float32")
    x = hnp.from_dlpack(data)
    data[0] = 7
    assert isinstance(x, hnp.ndarray)
    np.testing.assert_array_equal(x.asnumpy(), [7, 1, 2, 3])
    np.testing.assert_array_equal(np.from_dlpack(x), data)
    assert hnp.from_dlpack(np.ones(2, "complex64")).dtype == np.complex64


def test_npx_has_the_classic_operators_that_mxnet_has_there() -> None:
    boxes = npx.multibox_prior(hnp.ones((1, 3, 4, 4)), sizes=[0.5, 0.25], ratios=[1, 2])
    assert type(boxes) is type(hnp.ones(1)) and boxes.shape == (1, 48, 4)
    pooled = npx.roi_pooling(hnp.arange(16.0).reshape(1, 1, 4, 4), hnp.array([[0, 0, 0, 2, 2]]), pooled_size=(2, 2), spatial_scale=1.0)
    assert pooled.tolist() == [[[[5.0, 6.0], [9.0, 10.0]]]]
    assert npx.shape_array(hnp.ones((2, 3))).tolist() == [2, 3]
    assert {"multibox_detection", "multibox_target", "rnn"} <= set(dir(npx))
