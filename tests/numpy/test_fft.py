"""``np.fft`` against NumPy's: every function with lengths, axes and norms, in both precisions, eagerly and compiled; and its gradients."""

from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import autograd
from hybridnet import np as hnp
from hybridnet.errors import AxisError, DtypeError, HybridnetError

ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
MANY = ("fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2")
OF_REAL = {"rfft", "ihfft", "rfftn", "rfft2"}


def given(name: str, seed: int, dtype: str, *shape: int) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).astype(dtype)
    return x if name in OF_REAL else (x + 1j * rng.normal(size=shape).astype(dtype)).astype(np.result_type(x, np.complex64))


def calls() -> list[tuple[str, tuple[int, ...], dict[str, Any]]]:
    """Two dozen calls of each function: shapes with 1, lengths shorter and longer, each axis, each norm."""
    found: list[tuple[str, tuple[int, ...], dict[str, Any]]] = []
    rng = np.random.default_rng(5)
    for name in (*ONE, *MANY):
        for _ in range(12):
            shape = tuple(int(n) for n in rng.integers(2 if name in ("irfft", "hfft", "irfftn", "irfft2") else 1, 7, rng.integers(2, 4)))
            kwargs: dict[str, Any] = {"norm": [None, "backward", "ortho", "forward"][rng.integers(4)]}
            if name in ONE:
                kwargs["axis"] = int(rng.integers(-len(shape), len(shape)))
                kwargs["n"] = [None, 1, 4, 9][rng.integers(4)]
            else:
                axes = rng.permutation(len(shape))[:2].tolist()
                kwargs["axes"] = axes if name.endswith("2") or rng.integers(2) else None
                kwargs["s"] = rng.integers(1, 8, 2).tolist() if kwargs["axes"] is not None and rng.integers(2) else None
            found.append((name, shape, kwargs))
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_transform_is_numpys(dtype: str) -> None:
    for i, (name, shape, kwargs) in enumerate(calls()):
        x = given(name, i, dtype, *shape)
        expected = getattr(np.fft, name)(x, **kwargs)

        def function(a: Any, name: str = name, kwargs: dict[str, Any] = kwargs) -> Any:
            return getattr(hnp.fft, name)(a, **kwargs)

        found = [function(hnp.array(x)), getattr(np.fft, name)(hnp.array(x), **kwargs)]
        if i % 3 == 0:
            found.append(hn.jit(function)(hnp.array(x)))
        for y in found:
            assert isinstance(y, hnp.ndarray)
            assert (y.dtype, y.shape) == (expected.dtype, expected.shape), (name, kwargs)
            tolerance = 1e-5 if dtype == "float32" else 1e-12
            np.testing.assert_allclose(y.asnumpy(), expected, tolerance, tolerance * 30, err_msg=f"{name} {shape} {kwargs}")


@pytest.mark.parametrize("name", [*ONE, *MANY])
def test_gradients_are_slopes(name: str) -> None:
    x = given(name, 3, "float64", 4, 6)
    function = getattr(hnp.fft, name)
    rng = np.random.default_rng(1)
    options: dict[str, Any] = {"n": 5, "axis": 0, "norm": "ortho"} if name in ONE else {"s": (5, 7), "axes": (1, 0), "norm": "forward"}
    y = function(hnp.array(x), **options)
    weights = rng.normal(size=y.shape) + (1j * rng.normal(size=y.shape) if y.dtype.kind == "c" else 0)
    along = rng.normal(size=x.shape) + (1j * rng.normal(size=x.shape) if x.dtype.kind == "c" else 0)

    def value(a: Any) -> float:
        return float((np.conj(weights) * function(hnp.array(a), **options).asnumpy()).real.sum())

    a = hnp.array(x)
    a.attach_grad()
    with autograd.record():
        y = function(a, **options)
    y.backward(hnp.array(weights))
    slope = (value(x + 1e-4 * along) - value(x - 1e-4 * along)) / 2e-4
    assert a.grad.dtype == x.dtype
    assert float((np.conj(a.grad.asnumpy()) * along).real.sum()) == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_frequencies_and_shifts(n: int) -> None:
    for name in ("fftfreq", "rfftfreq"):
        np.testing.assert_allclose(getattr(hnp.fft, name)(n, 0.5).asnumpy(), getattr(np.fft, name)(n, 0.5), rtol=1e-6)
    x = np.arange(3.0 * n).reshape(3, n)
    for name in ("fftshift", "ifftshift"):
        for axes in (None, 0, (1,), (0, -1)):
            np.testing.assert_array_equal(getattr(hnp.fft, name)(hnp.array(x), axes).asnumpy(), getattr(np.fft, name)(x, axes))


def test_integers_become_floating_and_wrong_calls_are_refused() -> None:
    assert hnp.fft.fft(hnp.array([1, 2, 3], dtype="int32")).dtype == hnp.complex64
    assert hnp.fft.rfft([1.0, 2, 3]).shape == (2,)
    x = hnp.ones((2, 3))
    for call, error in (
        (lambda: hnp.fft.fft(x, norm="both"), ValueError),
        (lambda: hnp.fft.fft(x, n=0), ValueError),
        (lambda: hnp.fft.fft(x, axis=2), AxisError),
        (lambda: hnp.fft.fftn(x, axes=(0, 0)), AxisError),
        (lambda: hnp.fft.fftn(x, s=(1, 2, 3), axes=(0, 1)), ValueError),
        (lambda: hnp.fft.rfft(x + 1j), DtypeError),
        (lambda: hnp.fft.irfft(hnp.ones((3, 1))), ValueError),
        (lambda: hnp.fft.fftfreq(0), ValueError),
    ):
        with pytest.raises(error) as caught:
            call()
        assert isinstance(caught.value, HybridnetError)
