"""CuPy 14.2 on the CPU: the module that stands for ``cupy`` in tests, with the modules beside it that hybridnet uses.

Names are those of CuPy (``functions.TABLE``); arrays, memory, streams and kernels are the emulated device's.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

from . import differences, functions, loading, memory, nccl, runtime, streams
from .arrays import Data, checked_dtype, launch, ndarray, refuse_numpy, update
from .sparse import sparse

__version__ = functions.TABLE["version"]
_module = sys.modules[__name__]


def _submodule(name: str, **names: Any) -> ModuleType:
    made = ModuleType(name)
    for key, value in names.items():
        setattr(made, key, value)
    return made


_NUMPY = (
    "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128 bool_ dtype "
    "pi e inf nan newaxis euler_gamma integer floating number generic finfo iinfo"
)
for _name in _NUMPY.split():
    setattr(_module, _name, getattr(np, _name))

functions.fill(_module, functions.TABLE["cupy"], differences, np)
ufunc = functions.Ufunc
linalg = _submodule("cupy.linalg", LinAlgError=np.linalg.LinAlgError)
functions.fill(linalg, functions.TABLE["cupy.linalg"], np.linalg)
fft = _submodule("cupy.fft")
functions.fill(fft, functions.TABLE["cupy.fft"], np.fft)
special = _submodule("cupyx.scipy.special")
functions.fill(special, functions.TABLE["cupyx.scipy.special"], *functions.special_sources())


# -- creation and copies, which NumPy's functions would do elsewhere -----------------------------------


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return ndarray(shape, dtype, order=order)


def _filled(shape: Any, value: Any, dtype: Any, order: str) -> ndarray:
    made = empty(shape, dtype, order)
    made.fill(value)
    return made


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _filled(shape, 0, dtype, order)


def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _filled(shape, 1, dtype, order)


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    if isinstance(fill_value, ndarray):
        made = empty(shape, fill_value.dtype if dtype is None else dtype, order)
        made[...] = fill_value
        return made
    return _filled(shape, fill_value, np.asarray(fill_value).dtype if dtype is None else dtype, order)


def empty_like(prototype: ndarray, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return empty(prototype.shape if shape is None else shape, prototype.dtype if dtype is None else dtype)


def zeros_like(a: ndarray, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return zeros(a.shape if shape is None else shape, a.dtype if dtype is None else dtype)


def ones_like(a: ndarray, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return ones(a.shape if shape is None else shape, a.dtype if dtype is None else dtype)


def full_like(a: ndarray, fill_value: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    return full(a.shape if shape is None else shape, fill_value, a.dtype if dtype is None else dtype)


def _device_parts(obj: Any) -> bool:
    return isinstance(obj, ndarray) or (isinstance(obj, (list, tuple)) and any(map(_device_parts, obj)))


def _from_other_device(a: ndarray) -> ndarray:
    made = ndarray(a.shape, a.dtype)
    source, target = a._raw, made._raw
    streams.enqueue(streams.handle(), lambda: np.copyto(target, source))
    return made


def array(
    obj: Any, dtype: Any = None, copy: bool = True, order: str = "K", subok: bool = False, ndmin: int = 0, *, blocking: bool = False
) -> ndarray:
    if isinstance(obj, ndarray) and obj.data.device_id != streams.current.device:
        obj, copy = _from_other_device(obj), False
    if _device_parts(obj):
        if copy:
            return launch(lambda a: np.array(a, dtype, order=order, ndmin=ndmin), obj)
        return launch(lambda a: np.asarray(a, dtype, order=order), obj)
    host = np.array(obj, dtype=dtype, ndmin=ndmin, copy=None)
    host = host.astype(checked_dtype(host.dtype), copy=False)
    made = ndarray(host.shape, host.dtype, order="F" if host.flags.fnc and order in "KAF" else "C")
    if not host.ndim:
        made.fill(host[()])
        return made
    streams.refuse("a copy of pageable host memory")
    made.set(host)
    if memory.is_pinned(host.ctypes.data):
        streams.enqueue(streams.handle(), lambda: host.size)  # CuPy keeps the array until it is read
    return made


def asarray(a: Any, dtype: Any = None, order: Any = None, *, blocking: bool = False) -> ndarray:
    return array(a, dtype, copy=False, order=order or "K", blocking=blocking)


asanyarray = asarray


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    return launch(lambda x: np.ascontiguousarray(x, dtype), asarray(a))


def asfortranarray(a: Any, dtype: Any = None) -> ndarray:
    return launch(lambda x: np.asfortranarray(x, dtype), asarray(a))


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Data | None = None, *, blocking: bool = True) -> Data:
    return a.get(stream, order, out, blocking) if isinstance(a, ndarray) else np.asarray(a, order=order)  # type: ignore[call-overload]


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    host = np.arange(start, None, 1, dtype) if stop is None else np.arange(start, stop, step, dtype)
    return launch(lambda: host.copy())


def copyto(dst: ndarray, src: Any, casting: Any = "same_kind", where: Any = None) -> None:
    refuse_numpy(src, where)
    if not isinstance(dst, ndarray):
        raise TypeError("dst must be cupy.ndarray")
    update(lambda d, s, w: np.copyto(d, s, casting, True if w is None else w), dst, src, where)


_TYPES = tuple("?bBhHiIlLqQefd")  # CuPy has no loops for bfloat16 in these two: results are float32
_where = functions.Ufunc("where", np.where, [f"?{t}{t}->{t}" for t in (*_TYPES, "F", "D")], at=False)
_clip = functions.Ufunc("clip", np.clip, [f"{t}{t}{t}->{t}" for t in _TYPES], at=False)


def where(condition: ndarray, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        return condition.nonzero()
    return _where(condition.astype(bool, copy=False), x, y)


def clip(a: ndarray, a_min: Any, a_max: Any, out: ndarray | None = None) -> ndarray:
    low, high = (a_min, a_max) if a.dtype.kind != "f" else (-np.inf if a_min is None else a_min, np.inf if a_max is None else a_max)
    return _clip(a, low, high, out)


def size(a: Any, axis: int | None = None) -> int:
    return int(a.size if axis is None else a.shape[axis])


def from_dlpack(array: Any, *, device: Any = None, copy: Any = None) -> ndarray:
    return array.view() if isinstance(array, ndarray) else asarray(np.from_dlpack(array))


def get_array_module(*args: Any) -> ModuleType:
    return _module if any(isinstance(a, ndarray) for a in args) else np


def get_default_memory_pool() -> memory.MemoryPool:
    return memory.pool


class _PinnedPool:
    def free_all_blocks(self) -> None:
        pass


def get_default_pinned_memory_pool() -> _PinnedPool:
    return _PinnedPool()


lib = _submodule("cupy.lib", stride_tricks=_submodule("cupy.lib.stride_tricks"))


def _as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    return ndarray(x.shape if shape is None else shape, x.dtype, x.data, x.strides if strides is None else strides)


lib.stride_tricks.as_strided = _as_strided

# -- cupy.cuda ------------------------------------------------------------------------------------------

cuda = _submodule(
    "cupy.cuda",
    Device=runtime.Device,
    Stream=runtime.Stream,
    Event=runtime.Event,
    Graph=runtime.Graph,
    get_current_stream=runtime.get_current_stream,
    get_elapsed_time=runtime.get_elapsed_time,
    runtime=runtime.runtime,
    nvrtc=loading.nvrtc,
    nccl=nccl.module,
    nvtx=_submodule("cupy.cuda.nvtx", RangePush=runtime.ranges.push, RangePop=runtime.ranges.pop, available=True),
    Module=loading.Module,
    Function=loading.Function,
    alloc=memory.alloc,
    alloc_pinned_memory=memory.alloc_pinned_memory,
    MemoryPointer=memory.MemoryPointer,
    Memory=memory.Memory,
    UnownedMemory=memory.UnownedMemory,
    MemoryPool=memory.MemoryPool,
    PinnedMemoryPointer=memory.PinnedMemoryPointer,
    memory=_submodule(
        "cupy.cuda.memory", OutOfMemoryError=memory.OutOfMemoryError, MemoryPointer=memory.MemoryPointer, UnownedMemory=memory.UnownedMemory
    ),
    function=_submodule("cupy.cuda.function", Module=loading.Module, Function=loading.Function),
    driver=_submodule("cupy.cuda.driver", CUDADriverError=loading.CUDADriverError),
    is_available=lambda: True,
)

#: What ``import`` finds while the device is emulated.
MODULES = {
    "cupy": _module,
    "cupy.cuda": cuda,
    "cupy.cuda.runtime": runtime.runtime,
    "cupy.cuda.nvrtc": loading.nvrtc,
    "cupy.cuda.nccl": nccl.module,
    "cupy.cuda.memory": cuda.memory,
    "cupy.fft": fft,
    "cupy.linalg": linalg,
    "cupy.lib": lib,
    "cupyx": _submodule("cupyx", empty_pinned=runtime.empty_pinned),
    "cupyx.scipy": _submodule("cupyx.scipy", special=special, sparse=sparse),
    "cupyx.scipy.sparse": sparse,
    "cupyx.scipy.special": special,
}
