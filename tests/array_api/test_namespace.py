"""The array API standard's namespace: its names, defaults, keywords and named results, on a sample; the public suite is run by hand."""

import inspect
from typing import Any

import numpy as np
import pytest

import hybridnet as hn
import hybridnet.array_api as xp
from hybridnet import nd
from hybridnet.errors import ArgumentError, DtypeError, HybridnetError, ShapeError

NAMES = """
    abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh bitwise_and bitwise_invert
    bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor bool broadcast_arrays broadcast_to can_cast ceil clip complex128 complex64
    concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide e empty empty_like equal exp expand_dims expm1
    eye finfo flip float32 float64 floor floor_divide from_dlpack full full_like greater greater_equal hypot iinfo imag inf int16 int32
    int64 int8 isdtype isfinite isinf isnan less less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or
    logical_xor matmul matrix_transpose max maximum mean meshgrid min minimum moveaxis multiply nan negative newaxis nextafter nonzero
    not_equal ones ones_like permute_dims pi positive pow prod real reciprocal remainder repeat reshape result_type roll round
    searchsorted sign signbit sin sinh sort sqrt square squeeze stack std subtract sum take take_along_axis tan tanh tensordot tile tril
    triu trunc uint16 uint32 uint64 uint8 unique_all unique_counts unique_inverse unique_values unstack var vecdot where zeros zeros_like
    __array_api_version__ __array_namespace_info__
"""
LINALG = """
    cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank matrix_transpose outer pinv qr slogdet solve
    svd svdvals tensordot trace vecdot vector_norm
"""
FFT = "fft fftfreq fftn fftshift hfft ifft ifftn ifftshift ihfft irfft irfftn rfft rfftfreq rfftn"


def test_every_name_is_there() -> None:
    for namespace, names in ((xp, NAMES), (xp.linalg, LINALG), (xp.fft, FFT)):
        assert not [name for name in names.split() if not hasattr(namespace, name)]
    assert set(LINALG.split()) == set(xp.linalg.__all__) and set(FFT.split()) == set(xp.fft.__all__)


def test_arrays_give_their_namespace() -> None:
    for x in (hn.np.ones(2), nd.ones(2), hn.np.ones(2) + 1j):
        assert x.__array_namespace__() is xp
        assert x.__array_namespace__(api_version="2023.12") is xp
    with pytest.raises(ArgumentError, match=r"up to 2024\.12"):
        hn.np.ones(2).__array_namespace__(api_version="2031.12")


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1, "int64"),
        (1.5, "float32"),
        (1j, "complex64"),
        (True, "bool"),
        ([1, 2], "int64"),
        ([[1.0], [2]], "float32"),
        ([1j, 2], "complex64"),
    ],
)
def test_default_types(value: Any, dtype: str) -> None:
    assert str(xp.asarray(value).dtype) == str(hn.np.asarray(value).dtype) == dtype
    if not isinstance(value, list):
        assert str(xp.full(3, value).dtype) == dtype
    assert hn.np.array([1, 2]).dtype == hn.np.float32 == hn.np.arange(3).dtype  # MXNet's


def test_ranges() -> None:
    assert (xp.arange(3).dtype, xp.arange(3).tolist()) == (np.int64, [0, 1, 2])
    assert (xp.arange(1, 4, 1.5).dtype, xp.arange(1, 4, 1.5).tolist()) == (np.float32, [1, 2.5])
    np.testing.assert_allclose(xp.linspace(0, 1 + 2j, 5).asnumpy(), np.linspace(0, 1 + 2j, 5), rtol=1e-6)


KINDS = ("bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric")


@pytest.mark.parametrize("name", [str(t) for t in xp.__array_namespace_info__().dtypes().values()])
def test_kinds_are_numpys(name: str) -> None:
    for kind in (*KINDS, ("bool", "integral"), (np.dtype("int8"), "real floating")):
        assert xp.isdtype(np.dtype(name), kind) == np.isdtype(np.dtype(name), kind)
    info = xp.__array_namespace_info__()
    for kind in KINDS:
        assert (name in info.dtypes(kind=kind)) == np.isdtype(np.dtype(name), kind)
    with pytest.raises(ArgumentError, match="one of bool"):
        xp.isdtype(np.dtype(name), "float")


def test_results_of_types() -> None:
    i8, f4, c8 = (xp.zeros(2, dtype=t) for t in ("int8", "float32", "complex64"))
    assert xp.result_type(i8, np.int16) == np.int16
    assert xp.result_type(f4, np.float64, 1j) == np.complex128
    assert xp.result_type(f4, c8, 2) == np.complex64
    assert xp.can_cast(i8, np.int16) and not xp.can_cast(np.float64, np.float32)
    with pytest.raises(DtypeError, match="complex dtype"):
        xp.astype(c8, np.float32)
    assert xp.astype(f4, np.complex128).dtype == np.complex128


def test_sets_take_each_nan_for_itself() -> None:
    x = xp.asarray([[3.0, float("nan"), 1.0], [1.0, float("nan"), 3.0]])
    found = xp.unique_all(x)
    assert found.values.shape == (4,) and found.counts.tolist() == [2, 2, 1, 1]
    assert found.inverse_indices.shape == x.shape and found.indices.tolist()[:2] == [2, 0]
    assert xp.unique_counts(x).counts.tolist() == [2, 2, 1, 1] and xp.unique_inverse(x).inverse_indices.tolist()[0][0] == 1
    assert xp.unique_values(xp.asarray([2, 1, 2])).tolist() == [1, 2]


def test_statistics_have_the_standards_keywords() -> None:
    x = xp.asarray([[1.0, 2, 4], [0, 3, 9]])
    np.testing.assert_allclose(xp.var(x, axis=1, correction=1).asnumpy(), np.var(x.asnumpy(), 1, ddof=1), rtol=1e-6)
    assert xp.cumulative_sum(x, axis=1, include_initial=True).tolist() == [[0, 1, 3, 7], [0, 0, 3, 12]]
    assert xp.cumulative_prod(xp.asarray([2, 3]), include_initial=True).tolist() == [1, 2, 6]
    assert xp.sum(xp.asarray([1, 2], dtype=xp.int8)).dtype == xp.int64
    z = x + 1j * x[::-1, :]
    np.testing.assert_allclose(xp.std(z, axis=0).asnumpy(), np.std(z.asnumpy(), 0), rtol=1e-6)
    assert xp.take(xp.asarray([5, 6, 7]), xp.asarray([2, 0])).tolist() == [7, 5]
    assert xp.clip(xp.asarray([1, 5, 9]), 2, 6).dtype == xp.int64


def test_repeats_of_nothing() -> None:
    assert xp.repeat(xp.ones((0, 2)), xp.asarray([], dtype=xp.int64), axis=0).shape == (0, 2)


def test_one_boolean_indexes() -> None:
    x = xp.asarray([1.0, 2.0])
    assert x[True].tolist() == x[xp.asarray(True)].tolist() == [[1, 2]] and x[np.False_].shape == (0, 2)
    x[xp.asarray(False)] = 5
    assert x.tolist() == [1, 2]
    x[True] = 7
    assert x.tolist() == [7, 7]
    assert xp.ones(())[xp.asarray(True)].shape == (1,)


def test_single_elements() -> None:
    assert xp.round(xp.asarray([1.5 + 2.4j, -0.6 - 2.5j])).tolist() == [2 + 2j, -1 - 2j]
    assert xp.nextafter(xp.asarray(1.0), xp.asarray(2.0)).item() == float(np.nextafter(np.float32(1), np.float32(2)))
    x = xp.asarray([1, 2])
    assert xp.positive(x) is not x and xp.ceil(x).dtype == xp.int64
    assert xp.vecdot(xp.asarray([1j, 2]), xp.asarray([3j, 4])).item() == 11
    with pytest.raises(ShapeError, match="vecdot"):
        xp.vecdot(xp.ones(2), xp.ones(3))


def test_linear_algebra_names_its_results() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2, 3, 3)) + 1j * rng.normal(size=(2, 3, 3))
    hermitian = a @ a.conj().swapaxes(-1, -2) + 3 * np.eye(3)
    x, h = xp.asarray(a), xp.asarray(hermitian)
    np.testing.assert_allclose(xp.linalg.cholesky(h, upper=True).asnumpy(), np.linalg.cholesky(hermitian, upper=True), atol=1e-12)
    values, vectors = xp.linalg.eigh(h).eigenvalues, xp.linalg.eigh(h).eigenvectors
    np.testing.assert_allclose((h @ vectors).asnumpy(), (vectors * values[:, None, :]).asnumpy(), atol=1e-12)
    svd = xp.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(((svd.U * svd.S[:, None, :]) @ svd.Vh).asnumpy(), a, atol=1e-12)
    qr = xp.linalg.qr(x)
    np.testing.assert_allclose((qr.Q @ qr.R).asnumpy(), a, atol=1e-12)
    found = xp.linalg.slogdet(x)
    np.testing.assert_allclose((found.sign * xp.exp(found.logabsdet)).asnumpy(), np.linalg.det(a), rtol=1e-12)
    assert svd.S.dtype == values.dtype == found.logabsdet.dtype == xp.float64
    for rtol in (None, 0.3):
        assert xp.linalg.matrix_rank(x, rtol=rtol).tolist() == np.linalg.matrix_rank(a, rtol=rtol).tolist()
        np.testing.assert_allclose(xp.linalg.pinv(x, rtol=rtol).asnumpy(), np.linalg.pinv(a, rtol=rtol), atol=1e-10)
    np.testing.assert_allclose(xp.linalg.matrix_norm(x, ord="nuc").asnumpy(), np.linalg.matrix_norm(a, ord="nuc"), rtol=1e-12)
    np.testing.assert_allclose(xp.linalg.vector_norm(x, axis=-1, ord=3).asnumpy(), np.linalg.vector_norm(a, axis=-1, ord=3), rtol=1e-12)
    np.testing.assert_allclose(xp.linalg.trace(x, offset=1).asnumpy(), np.linalg.trace(a, offset=1), rtol=1e-12)
    np.testing.assert_array_equal(x.mT.asnumpy(), a.swapaxes(-1, -2))


def test_transforms() -> None:
    x = xp.asarray([[1.0, 2, 0], [4, 1, 1]])
    np.testing.assert_allclose(xp.fft.rfftn(x, s=(2, 4), axes=(0, 1)).asnumpy(), np.fft.rfftn(x.asnumpy(), (2, 4), (0, 1)), rtol=1e-5)
    with pytest.raises(DtypeError, match="floating or complex"):
        xp.fft.fft(xp.asarray([1, 2]))


def test_devices_and_memory() -> None:
    info = xp.__array_namespace_info__()
    x = xp.ones(3, device=info.default_device())
    assert x.device in info.devices() and x.to_device(x.device) is x
    assert info.default_dtypes()["real floating"] == xp.asarray(1.0).dtype
    assert info.capabilities()["boolean indexing"] is True
    y = xp.from_dlpack(x)
    y[0] = 5
    assert x.tolist() == [5, 1, 1]
    np.testing.assert_array_equal(np.from_dlpack(x, copy=True), x.asnumpy())
    with pytest.raises(HybridnetError, match="stream"):
        x.to_device(x.device, stream=1)
    assert xp.asarray(x) is x and xp.asarray(x, copy=True) is not x
    with pytest.raises(ArgumentError, match="copy"):
        xp.asarray(x, dtype=xp.float64, copy=False)


def test_gradients_flow_through_it_and_programs_are_made_of_it() -> None:
    def loss(x: Any) -> Any:
        return xp.sum(xp.abs(xp.fft.fft(xp.cumulative_sum(x))) ** 2)

    x = xp.asarray([1.0, -2, 3])
    x.attach_grad()
    with hn.autograd.record():
        y = loss(x)
    y.backward()
    sums = np.cumsum([1.0, -2, 3])
    np.testing.assert_allclose(x.grad.asnumpy(), 6 * np.cumsum(sums[::-1])[::-1], rtol=1e-5)
    np.testing.assert_allclose(hn.jit(loss)(x).asnumpy(), y.asnumpy(), rtol=1e-6)


def test_arguments_are_named_as_the_standard_names_them() -> None:
    for function, names in (
        (xp.arange, "start stop step dtype device"),
        (xp.linalg.svd, "x full_matrices"),
        (xp.std, "x axis correction keepdims"),
        (xp.searchsorted, "x1 x2 side sorter"),
        (xp.fft.irfftn, "x s axes norm"),
    ):
        assert list(inspect.signature(function).parameters) == names.split()


@pytest.mark.parametrize("name", ["empty_like", "zeros_like", "ones_like", "full_like"])
def test_arrays_like_others_have_their_shape_and_the_device_that_is_told(name: str) -> None:
    x, more = xp.asarray([[1, 2]]), (3,) if name == "full_like" else ()
    make = getattr(xp, name)
    assert (made := make(x, *more)).dtype == xp.int64 and made.shape == (1, 2) and made.device == x.device
    assert make(x, *more, dtype=xp.float64).dtype == xp.float64
    assert make(x, *more, device=hn.cpu(1)).device == hn.cpu(1)
