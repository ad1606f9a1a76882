"""Which rules new arrays follow: NumPy's (the default) or MXNet 1.x's, as ``mx.util`` and ``npx`` switch them.

There are three switches, as in MXNet 2, and they are each thread's own. That of arrays decides the class of the arrays that Gluon makes
(parameters, batches): ``np.ndarray`` under NumPy's rules, ``nd.NDArray`` otherwise; arrays keep their class from then on. That of
shapes says whether 0 is a dimension or an unknown one; MXNet's programs ask for it, and here it is always a dimension of an array.
That of default types says whether arrays of ``np`` for which no dtype is given are float32, as in MXNet, or int64, float64 and complex128,
as in NumPy; nobody has it on unless asked.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from hybridnet import dtypes
from hybridnet import ndarray as nd
from hybridnet import numpy as np
from hybridnet.config import environment_of, set_environment
from hybridnet.device import Device, cuda_capability, gpu_memory_info, num_gpus
from hybridnet.errors import ArgumentError, DeviceError, DtypeError, fail

F = TypeVar("F", bound=Callable[..., Any])


class _Rules(threading.local):
    """The rules of a thread, which begins with those of the process."""

    at_start = True

    def __init__(self) -> None:
        self.array = self.shape = _Rules.at_start


_rules = _Rules()


def start_with(numpy: bool) -> None:
    """Have this thread, and all that begin later, start with NumPy's rules (``True``, as it is unless told) or with MXNet 1.x's."""
    _Rules.at_start = _rules.array = _rules.shape = numpy


def is_np_array() -> bool:
    """Whether new arrays follow NumPy's rules."""
    return _rules.array


def is_np_shape() -> bool:
    """Whether arrays of zero dimensions and of zero elements are meant literally."""
    return _rules.shape


def is_np_default_dtype() -> bool:
    """Whether arrays of ``np`` have NumPy's default types: float64 and int64 in place of float32."""
    return dtypes.defaults.numpy


def set_np_shape(active: bool) -> bool:
    """Switch the rules of shapes in this thread; what they were before."""
    before, _rules.shape = _rules.shape, bool(active)
    return before


def set_np_default_dtype(is_np_default_dtype: bool = True) -> bool:
    """Switch NumPy's default types on or off in this thread; what was before.

    With them Python's numbers become int64, float64 and complex128, also in ``arange`` and ``full``; ``zeros``, ``linspace`` and the like
    are float64, as is what is computed of integers (a quotient, a mean, a sine); continuous distributions draw float64, discrete
    ones int64. What has a dtype keeps it, parameters of networks too. A function under ``jit`` is compiled once for either.
    """
    before, dtypes.defaults.numpy = dtypes.defaults.numpy, bool(is_np_default_dtype)
    return before


def set_np(shape: bool = True, array: bool = True, dtype: bool = False) -> None:
    """Make this thread's new arrays follow NumPy's rules from now on; this is so from the start.

    ``dtype``: with NumPy's default types too, as :func:`set_np_default_dtype` says. ArgumentError for rules of arrays without those of
    shapes, as in MXNet.
    """
    if array and not shape:
        fail(ArgumentError, "set_np", expected="shape=True where array=True", got="shape=False", fix="set_np_shape(False)")
    _rules.shape, _rules.array, dtypes.defaults.numpy = bool(shape), bool(array), bool(dtype)


def reset_np() -> None:
    """Make this thread's new arrays follow MXNet 1.x's rules from now on."""
    _rules.shape = _rules.array = dtypes.defaults.numpy = False


class _Scope:
    """A block, or a decorated function, in which a switch stands as given."""

    rules: Any = _rules
    switch = ""

    def __init__(self, active: bool = True) -> None:
        self.active = bool(active)
        self.before: list[bool] = []

    def __enter__(self) -> Any:
        self.before.append(getattr(self.rules, self.switch))
        setattr(self.rules, self.switch, self.active)
        return self

    def __exit__(self, *exc: object) -> None:
        setattr(self.rules, self.switch, self.before.pop())

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.active):
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]


class np_array(_Scope):
    """A block, or a decorated function, in which arrays follow NumPy's rules (or 1.x's, with ``False``)."""

    switch = "array"


class np_shape(_Scope):
    """A block, or a decorated function, in which shapes follow NumPy's rules (or 1.x's, with ``False``)."""

    switch = "shape"


class np_default_dtype(_Scope):
    """A block, or a decorated function, in which arrays of ``np`` have NumPy's default types (or MXNet's, with ``False``)."""

    rules = dtypes.defaults
    switch = "numpy"


def _decorated(name: str, scopes: tuple[type[_Scope], ...], target: Any) -> Any:
    """A function in the scopes; a class with each of its methods and properties in them."""

    def wrapped(function: Any) -> Any:
        for scope in scopes:
            function = scope()(function)
        return function

    if not isinstance(target, type):
        if not callable(target):
            fail(DtypeError, name, expected="a class or something that can be called", got=f"a {type(target).__name__}")
        return wrapped(target)
    for key, value in list(vars(target).items()):
        if inspect.isfunction(value):
            setattr(target, key, wrapped(value))
        elif isinstance(value, (staticmethod, classmethod)):
            setattr(target, key, type(value)(wrapped(value.__func__)))
        elif isinstance(value, property):
            get, put, delete = (part and wrapped(part) for part in (value.fget, value.fset, value.fdel))
            setattr(target, key, property(get, put, delete, value.__doc__))
    return target


def use_np(func: F) -> F:
    """Decorator: a function, or every method of a class, runs under NumPy's rules."""
    return _decorated("use_np", (np_array, np_shape), func)


def use_np_array(func: F) -> F:
    """Decorator: a function, or every method of a class, runs under NumPy's rules of arrays."""
    return _decorated("use_np_array", (np_array,), func)


def use_np_shape(func: F) -> F:
    """Decorator: a function, or every method of a class, runs under NumPy's rules of shapes."""
    return _decorated("use_np_shape", (np_shape,), func)


def use_np_default_dtype(func: F) -> F:
    """Decorator: a function, or every method of a class, runs with NumPy's default types."""
    return _decorated("use_np_default_dtype", (np_default_dtype,), func)


def set_module(module: str | None) -> Callable[[F], F]:
    """Decorator: the function or class says that it is of ``module``."""

    def decorate(func: F) -> F:
        if module is not None:
            func.__module__ = module
        return func

    return decorate


#: What NumPy's universal functions take by keyword: those values that mean nothing are taken, others are refused.
_UFUNC_DEFAULTS: dict[str, Any] = {"where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True}


def np_ufunc_legal_option(key: str, value: Any) -> bool:
    """Whether a keyword of NumPy's universal functions has a value that functions of ``np`` take too."""
    if key == "where":
        return value is True
    if key == "casting":
        return value in ("no", "equiv", "safe", "same_kind", "unsafe")
    if key == "order":
        return value in ("C", "F", "A", "K")
    if key == "dtype":
        return value is None or str(np.dtype(value)) in ("int8", "uint8", "int32", "int64", "float16", "float32", "float64")
    return key == "subok" and isinstance(value, bool)


def _with_ufunc_options(func: F, operands: int) -> F:
    @functools.wraps(func)
    def inside(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        for key, value in kwargs.items():
            if key not in _UFUNC_DEFAULTS:
                raise TypeError(f"{func.__name__}() got an unexpected keyword argument {key!r}")
            if value != _UFUNC_DEFAULTS[key]:
                told = "is not implemented yet" if np_ufunc_legal_option(key, value) else "is not understood"
                raise (NotImplementedError if np_ufunc_legal_option(key, value) else TypeError)(f"{key}={value!r} {told}")
        return func(*args[:operands], out=out) if len(args) <= operands else func(*args)

    return inside  # type: ignore[return-value]


def wrap_np_unary_func(func: F) -> F:
    """Decorator: ``func(x, out)`` also takes NumPy's keywords (``where``, ``casting`` …) at their defaults; TypeError for others."""
    return _with_ufunc_options(func, 1)


def wrap_np_binary_func(func: F) -> F:
    """Decorator: ``func(x1, x2, out)`` also takes NumPy's keywords (``where``, ``casting`` …) at their defaults; TypeError for others."""
    return _with_ufunc_options(func, 2)


def getenv(name: str) -> str | None:
    """An environment variable's value, ``None`` without one."""
    return environment_of(name)


def setenv(name: str, value: str | None) -> None:
    """Set an environment variable, or take it out with ``None``. hybridnet's own settings are read once, at the import."""
    set_environment({name: value})


def get_cuda_compute_capability(ctx: Any) -> int:
    """A GPU's compute capability: 90 for 9.0. DeviceError for what is no GPU, and where there is none of that number."""
    device = Device(ctx)
    if device.device_type != "gpu":
        fail(DeviceError, "get_cuda_compute_capability", expected="a GPU", got=str(device))
    return cuda_capability(device.device_id)


def get_gpu_count() -> int:
    """How many CUDA devices can be used."""
    return num_gpus()


def get_gpu_memory(gpu_dev_id: int) -> tuple[int, int]:
    """Free and total bytes of a GPU's memory."""
    return gpu_memory_info(gpu_dev_id)


def default_array(source_array: Any, ctx: Any = None, dtype: Any = None) -> Any:
    """A new array under the current rules."""
    from_source = np.array if is_np_array() else nd.array
    return from_source(source_array, dtype=dtype, ctx=None if ctx is None else Device(ctx))
