"""How arrays meet other libraries: NumPy's functions on them, NumPy's arrays of them, DLPack."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

#: NumPy function -> ours; filled by ``hybridnet.numpy``.
NUMPY_FUNCTIONS: dict[Any, Callable[..., Any]] = {}
#: Of those that make arrays, which NumPy hands over by ``like=``, the one of ours that takes ``like=`` too.
NUMPY_MAKING: dict[Any, Callable[..., Any]] = {}


class Protocols:
    """The protocols, as a mixin of ``NDArray``."""

    __slots__ = ()

    if TYPE_CHECKING:  # what the array has

        def _concrete(self, asked: str) -> Any: ...

        def storage(self) -> Any: ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        data = self._concrete("numpy.asarray(x)")
        if not isinstance(data, np.ndarray):
            return np.array(data.get(), dtype=dtype, copy=copy)
        given = np.array(data, dtype=dtype, copy=copy)
        if given is data:
            self.storage().share()
        return given

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        data = self._concrete("__dlpack__")
        self.storage().share()
        given = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return data.__dlpack__(**{name: value for name, value in given.items() if value is not None})

    def __dlpack_device__(self) -> Any:
        return self._concrete("__dlpack_device__").__dlpack_device__()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = NUMPY_FUNCTIONS.get(ufunc if method == "__call__" else getattr(ufunc, method, None))
        if function is None and method == "reduce":
            function = NUMPY_FUNCTIONS.get({np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}.get(ufunc))
            kwargs.setdefault("axis", 0)  # a ufunc's reduce is over the first axis, np.sum over all
        if function is None:
            return NotImplemented
        out = kwargs.pop("out", None)
        if out is not None:
            kwargs["out"] = out[0] if len(out) == 1 else out
        return function(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        ours = NUMPY_FUNCTIONS.get(function)
        if ours is None:
            if (making := NUMPY_MAKING.get(function)) is not None:  # NumPy's like= is this array
                return making(*args, like=self, **kwargs)
            return NotImplemented
        return ours(*args, **kwargs)
