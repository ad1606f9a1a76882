"""Whether arrays are the same, or nearly: tolerances by dtype, and assertions that say where the difference is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.core import Array

Host = numpy.ndarray[Any, Any]
#: A number, or one for each dtype; ``None`` for the default.
Tolerance = float | Mapping[Any, float] | None

_EXACT = {numpy.dtype(name): 0 for name in ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")}


def default_rtols() -> dict[Any, float]:
    """The relative tolerance of each dtype."""
    return {**_floats(1e-2, 1e-4, 1e-5, 3e-2), **_EXACT}


def default_atols() -> dict[Any, float]:
    """The absolute tolerance of each dtype."""
    return {**_floats(1e-1, 1e-3, 1e-20, 1e-1), **_EXACT}


def default_numeric_eps() -> dict[Any, float]:
    """The step for differences that stand for gradients, for each floating dtype."""
    return _floats(2**-6, 2**-9, 2**-14, 2**-4)


def _floats(half: float, single: float, double: float, brain: float) -> dict[Any, float]:
    kinds = ("float16", "float32", "float64")
    return {**dict(zip(map(numpy.dtype, kinds), (half, single, double), strict=True)), dtypes.bfloat16: brain}


def get_rtol(rtol: float | None = None, dtype: Any = "float64") -> float:
    """``rtol``, or the relative tolerance of a dtype."""
    return default_rtols()[numpy.dtype(dtype)] if rtol is None else rtol


def get_atol(atol: float | None = None, dtype: Any = "float64") -> float:
    """``atol``, or the absolute tolerance of a dtype."""
    return default_atols()[numpy.dtype(dtype)] if atol is None else atol


def get_etol(etol: float | None = None) -> float:
    """``etol``, or the part of all elements that may differ: none."""
    return 0 if etol is None else etol


def effective_dtype(dat: Any) -> Any:
    """The dtype as precisely as which an array was computed: float16 for float32 on a GPU whose products are in TF32."""
    dtype = dat._data.dtype if isinstance(dat, Array) else numpy.asarray(dat).dtype
    on_gpu = isinstance(dat, Array) and dat._device.is_gpu
    return numpy.dtype("float16") if on_gpu and config.tf32 and dtype == numpy.float32 else numpy.dtype(dtype)


def get_tolerance(dat: Any, tol: Tolerance, default_tol: Mapping[Any, float]) -> float:
    """The tolerance for an array: ``tol`` if it is a number, that of the array's dtype if it is a dict, else the default of its dtype."""
    if tol is not None and not isinstance(tol, Mapping):
        return tol
    dtype = effective_dtype(dat)
    chosen = {numpy.dtype(key): value for key, value in (tol or {}).items()}
    if dtype in chosen:
        return chosen[dtype]
    return default_tol[numpy.zeros(0, dtype).real.dtype if dtype.kind == "c" else dtype]


def get_tols(x: Any, y: Any, rtol: Tolerance, atol: Tolerance) -> tuple[float, float]:
    """The relative and the absolute tolerance for two arrays: the larger of what each of them would have."""
    relative = max(get_tolerance(each, rtol, default_rtols()) for each in (x, y))
    return relative, max(get_tolerance(each, atol, default_atols()) for each in (x, y))


def host(x: Any) -> Host:
    """An array, number or nested list as an array of NumPy."""
    return x.asnumpy() if isinstance(x, Array) else numpy.asarray(x)  # type: ignore[attr-defined]


def same(a: Any, b: Any) -> bool:
    """Whether two arrays have the same shape and elements; NaN is not the same as NaN."""
    return numpy.array_equal(host(a), host(b))


def checkShapes(a: Any, b: Any) -> None:
    """Fail unless two arrays have the same shape."""
    if numpy.shape(a) != numpy.shape(b):
        _fail(f"a.shape = {numpy.shape(a)} and b.shape = {numpy.shape(b)} are not equal", host(a), host(b))


def almost_equal(
    a: Any, b: Any, rtol: Tolerance = None, atol: Tolerance = None, equal_nan: bool = False, use_broadcast: bool = True
) -> bool:
    """Whether ``|a - b| <= atol + rtol * |b|`` everywhere. ``use_broadcast=False`` fails where the shapes are not the same.

    Without tolerances they are 1e-5 and 1e-20 for every dtype, as in MXNet; :func:`assert_almost_equal` goes by the dtypes.
    """
    if not use_broadcast:
        checkShapes(a, b)
    rtol, atol = get_tols(a, b, get_rtol() if rtol is None else rtol, get_atol() if atol is None else atol)
    return bool(_close(host(a), host(b), rtol, atol, equal_nan).all())


def assert_almost_equal(
    a: Any,
    b: Any,
    rtol: Tolerance = None,
    atol: Tolerance = None,
    names: tuple[str, str] = ("a", "b"),
    equal_nan: bool = False,
    use_broadcast: bool = True,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """Fail unless ``|a - b| <= atol + rtol * |b|`` everywhere.

    Tolerances are numbers, dicts by dtype, or ``None`` for the larger default of the two dtypes. The message says how many elements
    differ, by what multiple of the tolerance, and shows the ``mismatches[0]`` worst.
    """
    if not use_broadcast:
        checkShapes(a, b)
    rtol, atol = get_tols(a, b, rtol, atol)
    _assert_close(host(a), host(b), rtol, atol, 0, names, equal_nan, mismatches[0])


def assert_almost_equal_with_err(
    a: Any,
    b: Any,
    rtol: Tolerance = None,
    atol: Tolerance = None,
    etol: float | None = None,
    names: tuple[str, str] = ("a", "b"),
    equal_nan: bool = False,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """As :func:`assert_almost_equal`, but a part of ``etol`` of all elements may differ."""
    rtol, atol = get_tols(a, b, rtol, atol)
    _assert_close(host(a), host(b), rtol, atol, get_etol(etol), names, equal_nan, mismatches[0])


def assert_almost_equal_ignore_nan(
    a: Any, b: Any, rtol: Tolerance = None, atol: Tolerance = None, names: tuple[str, str] = ("a", "b")
) -> None:
    """As :func:`assert_almost_equal`, leaving out where either is NaN."""
    left, right = numpy.broadcast_arrays(host(a), host(b))
    known = ~(numpy.isnan(left) | numpy.isnan(right))
    assert_almost_equal(numpy.where(known, left, 0), numpy.where(known, right, 0), *get_tols(a, b, rtol, atol), names=names)


def assert_allclose(a: Any, b: Any, rtol: float = 1e-07, atol: float = 0, equal_nan: bool = True) -> None:
    """As :func:`assert_almost_equal`, with NumPy's ``assert_allclose``'s tolerances."""
    assert_almost_equal(a, b, rtol, atol, equal_nan=equal_nan)


def locationError(a: Host, b: Host, index: tuple[Any, ...], names: tuple[str, str], maxError: bool = False) -> str:
    """The text that says which elements of two arrays differ."""
    what = "maximum error" if maxError else "error"
    return f"Location of {what}: {tuple(int(i) for i in index)}, {names[0]}={a[index]:.8f}, {names[1]}={b[index]:.8f}"


def compare_ndarray_tuple(t1: Any, t2: Any, rtol: Tolerance = None, atol: Tolerance = None) -> None:
    """Fail unless two nested tuples hold nearly the same arrays; ``None`` stands for no array."""
    if t1 is None or t2 is None:
        return
    if isinstance(t1, tuple):
        for one, other in zip(t1, t2, strict=True):
            compare_ndarray_tuple(one, other, rtol, atol)
    else:
        assert_almost_equal(t1, t2, rtol=rtol, atol=atol)


def _wide(x: Host) -> Host:
    """In a dtype in which a difference is what it should be: not that of bytes, nor that of bfloat16."""
    return x if x.dtype.kind in "c" else x.astype(numpy.float64)


def _close(a: Host, b: Host, rtol: float, atol: float, equal_nan: bool) -> Any:
    if a.dtype.kind in "biu" and b.dtype.kind in "biu" and rtol == atol == 0:
        return a == b  # float64 does not tell all int64 apart
    return numpy.isclose(_wide(a), _wide(b), rtol, atol, equal_nan)


def _assert_close(a: Host, b: Host, rtol: float, atol: float, part: float, names: tuple[str, str], equal_nan: bool, shown: int) -> None:
    wrong = ~_close(a, b, rtol, atol, equal_nan)
    if not wrong.any() or numpy.count_nonzero(wrong) <= part * wrong.size:
        return
    left, right = (_wide(x) for x in numpy.broadcast_arrays(a, b))
    with numpy.errstate(all="ignore"):
        errors = numpy.where(wrong, abs(left - right) / (atol + rtol * abs(right) + 1e-20), -1)
    errors[numpy.isnan(errors)] = numpy.inf
    worst = numpy.argsort(-errors, axis=None, kind="stable")[: min(max(shown, 1), numpy.count_nonzero(wrong))]
    places = [numpy.unravel_index(at, wrong.shape) for at in worst]
    share = 100 * numpy.count_nonzero(wrong) / wrong.size
    lines = [
        f"Error {errors[places[0]]:f} exceeds tolerance rtol={rtol:e}, atol={atol:e} (mismatch {share:f}%).",
        locationError(left, right, places[0], names, maxError=True),
        *(f"  {n}: Error {errors[at]:f}  {locationError(left, right, at, names)}" for n, at in enumerate(places, 1) if len(places) > 1),
    ]
    _fail("\n".join(lines), a, b)


def _fail(text: str, a: Host, b: Host) -> NoReturn:
    with numpy.printoptions(threshold=100):
        raise AssertionError(f"Items are not equal:\n{text}\n ACTUAL: {a!r}\n DESIRED: {b!r}")
