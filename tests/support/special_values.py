"""Values on which a rewrite that is not exact is found out, in every dtype; and equality to the bit."""

from typing import Any

import ml_dtypes
import numpy as np

from hybridnet import dtypes

Data = np.ndarray[Any, Any]


def values_of(dtype: Any) -> list[Any]:
    """Both zeros, infinities, NaN, the ends of the type's range and its smallest numbers, among ordinary ones."""
    if dtype == dtypes.bool_:
        return [False, True]
    if dtypes.is_complex(dtype):
        parts = values_of(dtypes.real_of(dtype))
        return [complex(a, b) for a, b in zip(parts, [*parts[7:], *parts[:7]], strict=True)]
    if not dtypes.is_floating(dtype):
        limits = np.iinfo(dtype)
        return [0, 1, 2, 3, 7, limits.max, limits.min, limits.max - 1, limits.max // 2, *((-1, -2, -5) if limits.min else ())]
    info = ml_dtypes.finfo(dtype)
    largest, smallest, tiny = float(info.max), float(info.smallest_subnormal), float(info.smallest_normal)
    numbers = [
        0.0,
        1.0,
        0.5,
        3.0,
        0.1,
        2.0,
        1e-3,
        100.0,
        largest,
        largest / 2,
        largest**0.5,
        smallest,
        3 * smallest,
        tiny,
        tiny**0.5,
        np.inf,
    ]
    return [*numbers, *(-n for n in numbers), np.nan]


def special(shape: tuple[int, ...], dtype: Any, seed: int) -> Data:
    """An array of such values, another mixture for each seed."""
    rng = np.random.default_rng([seed, *shape])
    values = values_of(dtype)
    chosen = [values[i] for i in rng.integers(0, len(values), int(np.prod(shape)))]
    with np.errstate(all="ignore"):
        wide = np.float64 if dtypes.is_floating(dtype) else np.complex128 if dtypes.is_complex(dtype) else dtype
        return np.array(chosen, wide).astype(dtype).reshape(shape)


def same_bits(found: Data, expected: Data, what: object = "", tolerance: float = 0) -> None:
    """The same dtype, shape and bits, but for what a NaN carries. With a tolerance, finite numbers may differ by that much.

    ``what`` is shown when they are not, and printed only then.
    """
    try:
        _same_bits(found, expected, tolerance)
    except AssertionError as error:
        raise AssertionError(f"{what}\n{error}") from None


def _same_bits(found: Data, expected: Data, tolerance: float) -> None:
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    if not dtypes.is_floating(expected.dtype):
        np.testing.assert_array_equal(found, expected)
        return
    y, e = (v.astype(np.float64) for v in (found, expected))
    if tolerance:
        scale = np.abs(e[np.isfinite(e)]).max(initial=1e-300)
        np.testing.assert_allclose(y, e, rtol=tolerance, atol=tolerance * scale)
        return
    np.testing.assert_array_equal(y, e)
    np.testing.assert_array_equal(np.signbit(y) & ~np.isnan(y), np.signbit(e) & ~np.isnan(e), "signs of zero")
