"""``cupy.ndarray`` on emulated memory, and the one way in which functions run on such arrays.

:func:`launch` unwraps the arrays to NumPy views of their raw memory, runs NumPy's function, and puts what came in new memory.
While the current stream captures, the function is kept and runs when the graph is launched, on what lies at the
addresses then; likewise where work is asynchronous. The views hold no memory: one that is freed before is found poisoned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import differences, memory, streams

Data = np.ndarray[Any, Any]


class Flags:
    """``cupy.ndarray.flags``: CuPy's have no ``writeable``."""

    def __init__(self, raw: Data, owndata: bool) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = raw.flags.c_contiguous, raw.flags.f_contiguous, owndata
        self.fnc, self.forc = raw.flags.fnc, raw.flags.forc

    def __getitem__(self, name: str) -> bool:
        return bool(getattr(self, name.lower()))


class ndarray:
    """``cupy.ndarray``."""

    __slots__ = ("__weakref__", "_raw", "base", "data")
    __array_priority__ = 100
    _raw: Data
    data: memory.MemoryPointer
    base: Any

    def __new__(
        cls,
        shape: Any,
        dtype: Any = float,
        memptr: memory.MemoryPointer | None = None,
        strides: Sequence[int] | None = None,
        order: str = "C",
    ) -> ndarray:
        shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
        dtype = checked_dtype(dtype)
        if memptr is None:
            assert strides is None, "strides without memptr"
            size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            memptr = memory.alloc(size)
        made = object.__new__(cls)
        made.data, made.base = memptr, None
        made._raw = raw_view(memptr, shape, dtype, strides, order)
        return made

    # -- what it is -----------------------------------------------------------------------------

    shape = property(lambda self: self._raw.shape, lambda self, shape: setattr(self, "_raw", self._raw.reshape(shape)))
    dtype = property(lambda self: self._raw.dtype)
    ndim = property(lambda self: self._raw.ndim)
    size = property(lambda self: self._raw.size)
    strides = property(lambda self: self._raw.strides)
    itemsize = property(lambda self: self._raw.itemsize)
    nbytes = property(lambda self: self._raw.nbytes)
    device = property(lambda self: self.data.device)
    flags = property(lambda self: Flags(self._raw, self.base is None))
    T = property(lambda self: self.transpose())
    mT = property(lambda self: self.swapaxes(-1, -2))
    real = property(lambda self: launch(np.real, self))
    imag = property(lambda self: launch(np.imag, self))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        strides = None if self._raw.flags.c_contiguous else self.strides
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.data.ptr, False),
            "version": 3,
            "strides": strides,
            "stream": 1,
        }

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[ndarray]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    __hash__ = None  # type: ignore[assignment]

    # -- to and from the host -------------------------------------------------------------------

    def get(self, stream: Any = None, order: str = "C", out: Data | None = None, blocking: bool = True) -> Data:
        if blocking:
            streams.refuse("ndarray.get", stream)
        if out is not None:
            if not isinstance(out, np.ndarray):
                raise TypeError("Only numpy.ndarray can be obtained fromcupy.ndarray")
            if out.dtype != self.dtype:
                raise TypeError(f"{out.dtype} array cannot be obtained from {self.dtype} array")
            if out.shape != self.shape:
                raise ValueError(f"Shape mismatch. Expected shape: {self.shape}, actual shape: {out.shape}")
        target, raw = np.empty(self.shape, self.dtype, order=order) if out is None else out, self._raw  # type: ignore[call-overload]
        memory.may_copy(target.ctypes.data, self.data.ptr, stream, 2)
        streams.enqueue(streams.handle(stream), lambda: np.copyto(target, raw))
        if blocking or not memory.is_pinned(target.ctypes.data):
            streams.synchronize(stream)
        return target

    def set(self, arr: Data, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self._raw.flags.c_contiguous or self._raw.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        raw = self._raw
        memory.may_copy(self.data.ptr, arr.ctypes.data, stream, 1)
        pinned = arr.flags.c_contiguous and memory.is_pinned(arr.ctypes.data)
        host = memory.at(arr.ctypes.data, arr.nbytes).view(arr.dtype).reshape(arr.shape) if pinned else arr.copy()
        streams.enqueue(streams.handle(stream), lambda: np.copyto(raw, host))

    def item(self, *args: Any) -> Any:
        return self.get().item(*args)

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return self.get().tobytes(order)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __index__(self) -> int:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Data:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly.")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from . import cupy

        function = getattr(cupy, ufunc.__name__, None)
        if function is None or method not in ("__call__", "outer", "at", "reduce", "accumulate", "reduceat"):
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        return (function if method == "__call__" else getattr(function, method))(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from . import cupy

        found: Any = cupy
        for name in (*function.__module__.split(".")[1:], function.__name__):
            found = getattr(found, name, None)
        if found is None or not all(issubclass(t, (ndarray, np.ndarray)) for t in types):
            return NotImplemented
        return found(*args, **kwargs)

    def __reduce__(self) -> Any:
        from . import cupy

        return cupy.array, (self.get(),)

    # -- copies, views --------------------------------------------------------------------------

    def astype(self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True) -> ndarray:
        dtype = checked_dtype(dtype)
        if not copy and dtype == self.dtype and (order == "K" or self.flags.c_contiguous):
            return self
        return launch(lambda a: np.array(a, dtype, order=order, copy=True), self)

    def copy(self, order: str = "C") -> ndarray:
        return launch(lambda a: np.array(a, order=order, copy=True), self)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> ndarray:
        return self.copy()

    def fill(self, value: Any) -> None:
        refuse_numpy(value)
        if isinstance(value, ndarray):
            raise TypeError("fill takes a scalar")
        update(lambda a: a.fill(value), self)

    def view(self, dtype: Any = None, type: Any = None) -> ndarray:
        return launch(lambda a: a.view() if dtype is None else a.view(dtype), self)

    def __getitem__(self, key: Any) -> Any:
        reading(key)
        return launch(lambda a, k: a[wrapped_key(a.shape, k)], self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        reading(key)
        refuse_numpy(value)
        update(lambda a, k, v: a.__setitem__(wrapped_key(a.shape, k), v), self, key, value)

    def scatter_add(self, slices: Any, value: Any) -> None:
        reading(slices)
        refuse_numpy(value)
        update(lambda a, k, v: np.add.at(a, wrapped_key(a.shape, k), v), self, slices, value)

    def sort(self, axis: int = -1, kind: Any = None) -> None:
        if not self.flags.c_contiguous:
            raise NotImplementedError("Sorting non-contiguous array is not supported.")
        update(lambda a: np.copyto(a, differences.sort(a, axis, kind)), self)

    def nonzero(self) -> Any:
        streams.wait("nonzero")
        return launch(np.nonzero, self)

    def __dlpack__(self, **kwargs: Any) -> Any:
        streams.synchronize()
        return self._raw.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)


#: Methods of CuPy's arrays that are NumPy's, run by ``launch``.
_METHODS = (
    "all any argmax argmin argpartition argsort choose clip compress conj conjugate cumprod cumsum diagonal dot flatten max mean min "
    "prod ravel repeat reshape round searchsorted squeeze std sum swapaxes take trace transpose var"
)
_BINARY = "add sub mul truediv floordiv mod pow and or xor lshift rshift lt le gt ge eq ne matmul divmod"
_UFUNCS = {
    "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide", "mod": "remainder", "pow": "power",
    "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift", "lt": "less",
    "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal", "neg": "negative",
    "pos": "positive", "abs": "absolute", "invert": "invert",
}  # fmt: skip


def _attach() -> None:
    def ufunc(name: str) -> Any:
        from . import cupy

        return getattr(cupy, _UFUNCS.get(name, name))

    def method(name: str) -> Any:
        function = getattr(differences, name, getattr(np.ndarray, name))

        def run(self: ndarray, *args: Any, **kwargs: Any) -> Any:
            refuse_numpy(*args, *kwargs.values())
            if unknown := kwargs.keys() & {"where", "initial", "casting", "subok"}:
                raise TypeError(f"{name}() got an unexpected keyword argument {unknown.pop()!r}")
            if any(isinstance(a, ndarray) for a in args[2:3]):
                raise TypeError(f"{name}: the emulator takes out by its name")
            return launch_with_out(function, self, *args, **kwargs)

        return run

    def binary(name: str, reflected: bool = False) -> Any:
        def run(self: ndarray, other: Any) -> Any:
            if not isinstance(other, (ndarray, np.ndarray, np.generic, int, float, complex, bool)):
                return NotImplemented
            return ufunc(name)(other, self) if reflected else ufunc(name)(self, other)

        return run

    def inplace(name: str) -> Any:
        return lambda self, other: ufunc(name)(self, other, self)

    for name in _METHODS.split():
        setattr(ndarray, name, method(name))
    for name in _BINARY.split():
        setattr(ndarray, f"__{name}__", binary(name))
        if name not in ("lt", "le", "gt", "ge", "eq", "ne"):
            setattr(ndarray, f"__r{name}__", binary(name, reflected=True))
            setattr(ndarray, f"__i{name}__", inplace(name))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(ndarray, f"__{name}__", lambda self, name=name: ufunc(name)(self))


_attach()


# -- running functions -----------------------------------------------------------------------------


def checked_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype, which CuPy must have."""
    dtype = np.dtype(float if dtype is None else dtype)
    if dtype.char not in "?bhilqBHILQefdFDE":
        raise ValueError(f"Unsupported dtype {dtype}")
    return dtype


def raw_view(memptr: memory.MemoryPointer, shape: tuple[int, ...], dtype: Any, strides: Any = None, order: str = "C") -> Data:
    """Memory as a NumPy array that holds its bytes, but not the allocation."""
    if not all(shape):
        return np.empty(shape, dtype, order=order)  # type: ignore[call-overload]
    return np.ndarray(shape, dtype, memptr.mem.bytes.data, memptr.ptr - memptr.mem.ptr, strides, order)  # type: ignore[arg-type]


def refuse_numpy(*values: Any) -> None:
    """CuPy takes no NumPy arrays where it wants its own: they would be copied to the device unnoticed."""
    for x in values:
        if isinstance(x, np.ndarray):
            raise TypeError(f"Unsupported type {type(x)}")


def reading(key: Any) -> None:
    """Masks have results of a size that must be read first: a wait."""
    for k in key if isinstance(key, tuple) else (key,):
        if isinstance(k, (ndarray, np.ndarray)) and k.dtype == bool:
            streams.wait("a boolean mask")


def wrapped_key(shape: tuple[int, ...], key: Any) -> Any:
    """A key whose integer arrays count from 0 up: CuPy takes indices that are out of range modulo the axis."""
    items = list(key) if isinstance(key, tuple) else [key]
    if not any(isinstance(k, (np.ndarray, list)) for k in items):
        return key
    used = sum(k.ndim if isinstance(k, np.ndarray) and k.dtype == bool else k is not None and k is not Ellipsis for k in items)
    axis = 0
    for i, k in enumerate(items):
        if k is Ellipsis:
            axis += len(shape) - used
        elif isinstance(k, (np.ndarray, list)):
            k = np.asarray(k)
            if k.dtype == bool:
                axis += k.ndim
                continue
            if shape[axis]:
                items[i] = k.astype(np.int64) % shape[axis] if k.dtype.kind in "iu" else k
            axis += 1
        elif k is not None:
            axis += 1
    return tuple(items)


def unwrapped(x: Any, sources: list[ndarray]) -> Any:
    """Arrays in a nest of arguments as NumPy's; they are added to ``sources``."""
    if isinstance(x, ndarray):
        sources.append(x)
        return x._raw
    if type(x) in (list, tuple):
        return type(x)(unwrapped(v, sources) for v in x)
    return x


def wrapped(result: Any, sources: Sequence[ndarray]) -> Any:
    """NumPy's result as CuPy's: views of a source's memory stay views, all else is copied to new memory."""
    if isinstance(result, (list, tuple)):
        made = [wrapped(r, sources) for r in result]
        return type(result)(*made) if hasattr(result, "_fields") else type(result)(made)
    if isinstance(result, np.generic):
        result = np.asarray(result)
    if not isinstance(result, np.ndarray):
        return result
    view = _as_view(result, sources)
    if view is not None:
        return view
    made = _like(result)
    made._raw[...] = result
    return made


def _like(result: Data) -> ndarray:
    """New memory for a result, in its order of axes."""
    order = "F" if result.flags.fnc else "C"
    return ndarray(result.shape, result.dtype, order=order)


def _as_view(result: Data, sources: Sequence[ndarray]) -> ndarray | None:
    for source in sources:
        if result is source._raw:
            return source
        start, mem = result.__array_interface__["data"][0], source.data.mem
        if result.size and mem.ptr <= start < mem.ptr + mem.size:
            made = ndarray(result.shape, result.dtype, memory.MemoryPointer(mem, start - mem.ptr), result.strides)
            made.base = source if source.base is None else source.base
            return made
    return None


def _on_current_device(sources: Sequence[ndarray]) -> None:
    """CuPy computes on the current device, wherever the arrays lie: always a mistake here."""
    for source in sources:
        if source.data.device_id != streams.current.device:
            raise RuntimeError(f"an array of device {source.data.device_id} while {streams.current.device} is current")


def launch(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a function of NumPy arrays on arrays of the device, now or when the graph is launched."""
    sources: list[ndarray] = []
    raw = [unwrapped(a, sources) for a in args]
    options = {k: unwrapped(v, sources) for k, v in kwargs.items()}
    _on_current_device(sources)

    def run() -> Any:
        with np.errstate(all="ignore"):
            return function(*raw, **options)

    if not streams.capturing(streams.handle()) and not streams.is_asynchronous():
        with streams.lock:
            return wrapped(run(), sources)
    with streams.lock:
        try:
            probe = run()  # on what lies there now: for shapes and dtypes
        except Exception:
            streams.wait("what must know values")
            probe = run()
    results = [np.asarray(r) if isinstance(r, np.generic) else r for r in (probe if isinstance(probe, (list, tuple)) else [probe])]
    made: list[Any] = []
    fresh: list[tuple[int, Data]] = []
    for i, result in enumerate(results):
        found = _as_view(result, sources) if isinstance(result, np.ndarray) else result
        if found is None:
            found = _like(result)
            fresh.append((i, found._raw))
        made.append(found)

    def replay() -> None:
        again = run()
        parts = again if isinstance(again, (list, tuple)) else [again]
        for i, target in fresh:
            target[...] = parts[i]

    if fresh:
        streams.enqueue(streams.handle(), replay)
    return type(probe)(made) if isinstance(probe, (list, tuple)) else made[0]


def update(function: Callable[..., Any], *args: Any) -> None:
    """Run a function that writes to its arrays and gives nothing."""
    sources: list[ndarray] = []
    raw = [unwrapped(a, sources) for a in args]
    _on_current_device(sources)

    def run() -> None:
        with np.errstate(all="ignore"):
            function(*raw)

    streams.enqueue(streams.handle(), run)


def launch_with_out(function: Callable[..., Any], *args: Any, out: Any = None, **kwargs: Any) -> Any:
    """``launch`` of a function that may be given where to put its result."""
    if out is None:
        return launch(function, *args, **kwargs)
    refuse_numpy(out)

    def write(target: Data, raw: Any) -> None:
        target[...] = function(*raw, **kwargs)

    update(write, out, list(args))
    return out
