"""Random arguments of NumPy's functions: arrays of all dtypes and shapes with 0 and 1, axes, masks, and values of keywords by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

FLOATS = ("float32", "float64", "float16")
INTEGERS = ("int64", "int32", "int8", "uint8", "int16", "uint16", "uint32", "uint64")
DTYPES = (*FLOATS, *INTEGERS, "bool")


class Draws:
    """Arguments of one call, drawn from a seed; the first array drawn is what axes, masks and further arrays go by."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.first = np.zeros(())
        self.count = 0

    # -- plain values -----------------------------------------------------------------------------

    def chance(self, part: float) -> bool:
        return bool(self.rng.random() < part)

    def integer(self, low: int, high: int) -> int:
        """One from ``low`` to ``high``, both included."""
        return int(self.rng.integers(low, high + 1))

    def number(self) -> float:
        return [0, 1, -2, 0.5, -1.25, 3][self.integer(0, 5)]

    def one(self, *choices: Any) -> Any:
        return choices[self.integer(0, len(choices) - 1)]

    # -- shapes -----------------------------------------------------------------------------------

    def shape(self, low: int = 0, high: int = 3) -> tuple[int, ...]:
        return tuple(int(self.rng.choice([0, 1, 2, 3, 4], p=[0.07, 0.2, 0.3, 0.28, 0.15])) for _ in range(self.integer(low, high)))

    def beside(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts with ``shape``."""
        kept = shape[self.integer(0, len(shape)) if self.chance(0.3) else 0 :]
        return tuple(1 if self.chance(0.2) else n for n in kept)

    # -- arrays -----------------------------------------------------------------------------------

    def dtype(self, kinds: str = "fiub") -> np.dtype[Any]:
        kind = self.one(*kinds)
        names = {"f": FLOATS, "i": INTEGERS[:3] + INTEGERS[4:5], "u": ("uint8", "uint16", "uint32", "uint64"), "b": ("bool",)}[kind]
        return np.dtype(self.one(*names))

    def values(self, shape: tuple[int, ...], dtype: Any, low: float = -6, high: float = 6, odd: float = 0.1) -> Any:
        """``odd``: how often an array of floats holds NaN, infinities and -0.0."""
        dtype = np.dtype(dtype)
        if dtype.kind == "f":
            made = np.asarray(self.rng.uniform(low, high, shape))
            made = np.asarray(np.round(made * 4) / 4) if self.chance(0.3) else made
            if made.size and self.chance(odd):
                made[self.rng.random(shape) < 0.3] = self.one(np.nan, np.inf, -np.inf, -0.0)
        else:
            made = self.rng.integers(int(max(low, 0)) if dtype.kind in "ub" else int(low), int(high) + 1, shape)
        return np.asarray(made > 0 if dtype.kind == "b" else made).astype(dtype)

    def array(
        self, low: int = 0, high: int = 3, *, kinds: str = "ffiub", shape: Any = None, span: tuple[float, float] = (-6, 6), odd: float = 0.1
    ) -> Any:
        """An array of ``low`` to ``high`` dimensions, or of a shape, with values in ``span``."""
        shape = self.shape(low, high) if shape is None else shape
        made = self.values(shape, self.dtype(kinds), *span, odd)
        if made.ndim > 1 and self.chance(0.15):  # one whose elements do not lie in order
            made = np.asfortranarray(made)
        if not self.count:
            self.first = made
        self.count += 1
        return made

    def like(self, **kwargs: Any) -> Any:
        """An array that broadcasts with the first one."""
        return self.array(shape=self.beside(self.first.shape), **kwargs)

    def operand(self, **kwargs: Any) -> Any:
        """An array that broadcasts with the first one, or a Python number."""
        if self.chance(0.2):
            return self.one(2, 1, 0.5, -1.5, 3) if kwargs.get("kinds", "f")[0] == "f" else self.one(1, 2, 3)
        return self.like(**kwargs)

    def several(self, low: int = 0, high: int = 3, **kwargs: Any) -> list[Any]:
        """From one to three arrays of one shape."""
        shape = self.shape(low, high)
        return [self.array(shape=shape, **kwargs) for _ in range(self.integer(1, 3))]

    def quarters(self, x: Any) -> Any:
        """An operand with floats rounded to quarters, so that quotients are exact in every dtype."""
        return np.asarray(np.round(x * 4) / 4).astype(x.dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x

    def whole(self, n: int, first: float | None = None) -> Any:
        """A vector of whole floating numbers, which begins with ``first``."""
        made = self.rng.integers(-5, 6, n).astype(self.one("float32", "float64"))
        made[:1] = made[:1] if first is None else first
        return made

    def square(self, dominant: bool = True, symmetric: bool = False, lead: int = 1, kinds: str = "ff") -> Any:
        """Square matrices (..., n, n), far from singular."""
        n = self.integer(1, 4)
        shape = (*self.shape(0, lead), n, n)
        made = self.rng.uniform(-1, 1, shape)
        if symmetric:
            made = (made + np.swapaxes(made, -1, -2)) / 2
        if dominant:
            made = made + np.eye(n) * (n + 1)
        made = made.astype("float64" if kinds == "f" else self.one("float32", "float64"))
        if not self.count:
            self.first = made
        self.count += 1
        return made

    def sorted_vector(self, **kwargs: Any) -> Any:
        made = np.sort(self.array(1, 1, odd=0, **kwargs))
        self.first = made
        return made

    # -- what goes by the first array --------------------------------------------------------------

    def axis(self) -> int:
        """An axis, from either end; now and then one that is not there."""
        n = self.first.ndim
        return self.integer(-n - 1, n) if self.chance(0.05) or not n else self.integer(-n, n - 1)

    def axis_or_none(self) -> Any:
        return None if self.chance(0.2) else self.axis()

    def axes(self) -> Any:
        """An axis, several, or none of them."""
        n = self.first.ndim
        if n and self.chance(0.35):
            chosen = self.rng.permutation(n)[: self.integer(0, n)]
            return tuple(int(a) - (n if self.chance(0.3) else 0) for a in chosen)
        return self.axis_or_none()

    def mask(self) -> Any:
        return self.values(self.beside(self.first.shape), "bool", -1, 2)


Value = Callable[[Draws], Any]


#: The optional keywords of functions in C, which before NumPy 2.4 do not tell them.
_UNTOLD = {
    "arange": "stop step dtype device like",
    "array": "dtype copy order subok ndmin like",
    "asanyarray": "dtype order device copy like",
    "asarray": "dtype order device copy like",
    "ascontiguousarray": "dtype like",
    "asfortranarray": "dtype like",
    "bincount": "weights minlength",
    "concatenate": "axis out dtype casting",
    "dot": "out",
    "empty": "dtype order device like",
    "empty_like": "dtype order subok shape device",
    "lexsort": "axis",
    "may_share_memory": "max_work",
    "packbits": "axis bitorder",
    "ravel_multi_index": "mode order",
    "shares_memory": "max_work",
    "unpackbits": "axis count bitorder",
    "unravel_index": "order",
    "zeros": "dtype order device like",
}


def keywords_of(function: Any) -> list[str]:
    """The optional keywords of a function of NumPy's."""
    if isinstance(function, np.ufunc):
        return ["where", "dtype", "casting", "order", "out"]
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return _UNTOLD.get(function.__name__, "").split()
    return [p.name for p in parameters if p.default is not p.empty and p.kind is not p.POSITIONAL_ONLY]
