"""The functions of the emulated CuPy: NumPy's, under CuPy's names and signatures.

``tests/data/cupy_14_2.json`` (written by ``names.py``) lists the public names of CuPy 14.2, with the parameters of its
functions and the element types of its ufuncs; what is not in there is not here, and a keyword that CuPy lacks is a TypeError.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import scipy.special

from . import names, streams
from .arrays import launch, launch_with_out, ndarray, refuse_numpy, update, wrapped_key
from .differences import AT

TABLE = json.loads(names.TABLE.read_text())

#: Functions that wait, since the shape of their results, or an answer on the host, follows from values.
_WAITING = (
    "allclose argwhere array_equal array_equiv bincount compress corrcoef cov delete extract flatnonzero histogram histogram2d "
    "histogramdd intersect1d nonzero polyfit roots setdiff1d setxor1d trim_zeros union1d unique"
)
WAITING = set(_WAITING.split())
#: Functions that a capture refuses, since they use cuBLAS; and modules, whose libraries (cuSOLVER, cuFFT) get memory of their own.
PRODUCTS = {"dot", "einsum", "inner", "matmul", "tensordot", "vdot"}
LIBRARIES = {"cupy.fft", "cupy.linalg"}


def _typed(characters: str) -> tuple[np.dtype[Any], ...]:
    """The dtypes of a ufunc's routine; NumPy does not know bfloat16 by its character."""
    return tuple(np.dtype(ml_dtypes.bfloat16 if c == "E" else c) for c in characters)


def _kinds(*values: Any) -> int:
    order = {"b": 0, "u": 1, "i": 1, "f": 2, "V": 2, "c": 3}
    return max((order[np.dtype(v).kind] for v in values), default=-1)


class Ufunc:
    """``cupy.ufunc``: a NumPy ufunc with CuPy's element types, and no arguments but ``out``, ``dtype`` and ``casting``."""

    def __init__(self, name: str, function: Any, types: list[str], at: bool) -> None:
        self.__name__, self.name = name, f"cupy_{name}"
        self.types, self._function, self._at = types, function, at
        self._routines = [tuple(map(_typed, t.split("->"))) for t in types]
        self.nin, self.nout = (len(part) for part in types[0].split("->"))
        self.nargs = self.nin + self.nout

    def __repr__(self) -> str:
        return f"<ufunc {self.name!r}>"

    def _routine(self, args: Any, dtype: Any) -> tuple[tuple[np.dtype[Any], ...], tuple[np.dtype[Any], ...]]:
        """CuPy's choice: the first routine to which the operands can be cast without loss; Python's numbers adapt."""
        if dtype is not None:
            found = [r for r in self._routines if all(t == np.dtype(dtype) for t in r[1])]
        else:
            weak = [type(a) if type(a) in (bool, int, float, complex) else None for a in args]
            weak = [None if w is bool else w for w in weak]
            given = [a.dtype if isinstance(a, (ndarray, np.generic)) else np.dtype(type(a)) for a in args]
            strong = [g for g, w in zip(given, weak, strict=True) if w is None]
            adapting = [w for w in weak if w is not None]
            if not strong or not adapting or _kinds(*strong) < _kinds(*adapting):
                weak = [None] * len(args)
            found = [r for r in self._routines if all(map(_fits, given, r[0], weak))]
        if not found:
            raise TypeError(f"Wrong type ({dtype or given}) of arguments for {self.name}")
        return found[0]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        out, dtype, casting = (kwargs.pop(k, d) for k, d in (("out", None), ("dtype", None), ("casting", "same_kind")))
        if kwargs:
            raise TypeError(f"Wrong arguments {kwargs}")
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(f"Wrong number of arguments for {self.name!r}. It must be either {self.nin} or {self.nargs} (with outputs)")
        args, outs = args[: self.nin], args[self.nin :] or (() if out is None else out if isinstance(out, tuple) else (out,))
        outs = () if outs and outs[0] is None else outs
        for a in (*args, *outs):
            if not isinstance(a, (ndarray, np.generic, bool, int, float, complex)):
                raise TypeError(f"Unsupported type {type(a)}")
        taken, given = self._routine(args, dtype)

        def run(*raw: Any) -> Any:
            cast = [np.asarray(a).astype(t, copy=False) for a, t in zip(raw, taken, strict=True)]
            result = self._function(*cast)
            results = result if isinstance(result, tuple) else (result,)
            typed = tuple(np.asarray(r).astype(t, copy=False) for r, t in zip(results, given, strict=True))
            # A fresh array even where NumPy gives an operand itself.
            return tuple(np.array(t) if any(t is r for r in raw) else t for t in typed) if self.nout > 1 else typed[0]

        if not outs:
            return launch(run, *args)
        shape = np.broadcast_shapes(*(getattr(a, "shape", ()) for a in (*args, *outs)))
        for o, t in zip(outs, given, strict=True):
            if o.shape != shape:
                raise ValueError(f"Out shape is mismatched: {o.shape} for {shape}")
            if not np.can_cast(t, o.dtype, casting):
                raise TypeError(f"output (typecode {t!r}) could not be coerced to provided output parameter ({o.dtype}) by {casting!r}")

        def write(targets: Any, raw: Any) -> None:
            results = run(*raw)
            for target, r in zip(targets, results if self.nout > 1 else (results,), strict=True):
                target[...] = r

        update(write, list(outs), list(args))
        return outs[0] if self.nout == 1 else tuple(outs)

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        if not self._at:
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        refuse_numpy(b)
        if a.dtype.char not in AT[self.__name__]:
            raise TypeError(f"cupy.{self.__name__}.at does not support {a.dtype}")
        update(lambda x, k, v: self._function.at(x, wrapped_key(x.shape, k), v), a, indices, b)

    def outer(self, a: ndarray, b: ndarray, **kwargs: Any) -> Any:
        return self(a.reshape(a.shape + (1,) * b.ndim), b, **kwargs)

    def reduce(self, array: ndarray, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        method = {"add": "sum", "multiply": "prod"}.get(self.__name__)
        if method is None:
            raise NotImplementedError(f"`{self.name}.reduce` is not supported yet")
        return getattr(array, method)(axis, dtype, out, keepdims)

    def accumulate(self, array: ndarray, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        method = {"add": "cumsum", "multiply": "cumprod"}.get(self.__name__)
        if method is None:
            raise NotImplementedError(f"`{self.name}.accumulate` is not supported yet")
        return getattr(array, method)(axis, dtype, out)

    def reduceat(self, array: ndarray, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        if self.__name__ != "add":
            raise NotImplementedError(f"`{self.name}.reduceat` is not supported yet")
        return launch_with_out(np.add.reduceat, array, indices, axis, dtype, out=out)


def _fits(given: np.dtype[Any], taken: np.dtype[Any], weak: Any) -> bool:
    return np.can_cast(given, taken) or (weak is not None and np.result_type(weak(0), taken) == taken)


def _holds_numpy(x: Any) -> bool:
    return isinstance(x, np.ndarray) or (isinstance(x, (list, tuple)) and any(map(_holds_numpy, x)))


def function(name: str, implementation: Callable[..., Any], parameters: list[str] | None, library: bool) -> Callable[..., Any]:
    """CuPy's function of that name and those parameters, computed by ``implementation``."""
    star = inspect.Parameter.VAR_KEYWORD
    known = None if parameters is None else [p.lstrip("*") for p in parameters]
    open_ended = parameters is None or any(p.startswith("*") for p in parameters)
    try:
        theirs = inspect.signature(implementation).parameters
        accepted = None if any(p.kind is star for p in theirs.values()) else set(theirs)
    except (TypeError, ValueError):
        accepted = None

    def run(*args: Any, **kwargs: Any) -> Any:
        if not open_ended and known is not None:
            if len(args) > len(known):
                raise TypeError(f"{name}() takes {len(known)} positional arguments but {len(args)} were given")
            for k in kwargs:
                if k not in known:
                    raise TypeError(f"{name}() got an unexpected keyword argument {k!r}")
        for a in (*args, *kwargs.values()):
            if _holds_numpy(a):
                raise TypeError(f"{name}: Unsupported type {np.ndarray}")
        if name in WAITING:
            streams.wait(name)
        elif library or name in PRODUCTS:
            streams.refuse(name)
        if accepted is not None:
            kwargs = {k: v for k, v in kwargs.items() if k in accepted or v is not None}
        if isinstance(kwargs.get("out"), ndarray):
            return launch_with_out(implementation, *args, **kwargs)
        kwargs.pop("out", None)
        return launch(implementation, *args, **kwargs)

    run.__name__ = run.__qualname__ = name
    return run


def fill(module: Any, table: dict[str, Any], *sources: Any) -> None:
    """Give a module the functions that CuPy's has, from the NumPy and SciPy modules that compute them."""
    for name, what in table.items():
        implementation = next((getattr(s, name) for s in sources if hasattr(s, name)), None)
        if implementation is None or not callable(implementation):
            continue
        if "types" in what:
            setattr(module, name, Ufunc(name, implementation, what["types"], what.get("at", False)))
        else:
            setattr(module, name, function(name, implementation, what.get("parameters"), module.__name__ in LIBRARIES))


def special_sources() -> tuple[Any, ...]:
    return scipy.special, np
