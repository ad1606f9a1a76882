"""``poly1d``: a polynomial of one variable as an object, by NumPy's names, over the functions of coefficients."""

from __future__ import annotations

from typing import Any

from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.numpy.functions import FUNCTIONS as _np


class poly1d:
    """A polynomial of its coefficients, the highest power first, or with ``r`` of its roots; zeros in front are left out.

    It is called with numbers, arrays or another polynomial; ``+``, ``-``, ``*``, ``**`` and ``/`` (quotient and rest, as :func:`polydiv`)
    are those of polynomials, ``p[k]`` is the coefficient of the power k. ``variable``: its name in print. Where the zeros in front end
    depends on values, so it is made outside compiled functions; calling it compiles, and has gradients. ShapeError for coefficients of
    more than one dimension.
    """

    def __init__(self, c_or_r: Any, r: bool = False, variable: str | None = None) -> None:
        if isinstance(c_or_r, poly1d):
            self.coeffs: Any = c_or_r.coeffs
            self.variable: str = variable or c_or_r.variable
            return
        found = _np["atleast_1d"](_np["poly"](c_or_r) if r else _np["asarray"](c_or_r))
        if found.ndim > 1:
            fail(ShapeError, "poly1d", expected="coefficients of one dimension", got=str(found.shape))
        found = _np["trim_zeros"](found, "f")
        self.coeffs = found if found.size else _np["zeros"](1, found.dtype)
        self.variable = variable or "x"

    @property
    def c(self) -> Any:
        """The coefficients, the highest power first; ``coef`` and ``coefficients`` too."""
        return self.coeffs

    coef = coefficients = c

    @property
    def order(self) -> int:
        """The highest power; ``o`` too."""
        return len(self.coeffs) - 1

    o = order

    @property
    def roots(self) -> Any:
        """Where it is 0; ``r`` too."""
        return _np["roots"](self.coeffs)

    r = roots

    def deriv(self, m: int = 1) -> poly1d:
        """Its ``m``-th derivative."""
        return poly1d(_np["polyder"](self.coeffs, m), variable=self.variable)

    def integ(self, m: int = 1, k: Any = 0) -> poly1d:
        """Integrated ``m`` times, with the constants ``k``."""
        return poly1d(_np["polyint"](self.coeffs, m, k), variable=self.variable)

    def __call__(self, val: Any) -> Any:
        if isinstance(val, poly1d):  # Horner's rule, of polynomials
            result = poly1d([0])
            for coefficient in self.coeffs:
                result = result * val + coefficient
            return result
        return _np["polyval"](self.coeffs, val)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.coeffs.__array__(dtype, copy)

    def __len__(self) -> int:
        return self.order

    def __iter__(self) -> Any:
        return iter(self.coeffs)

    def __getitem__(self, power: int) -> Any:
        return self.coeffs[self.order - power] if 0 <= power <= self.order else 0

    def __neg__(self) -> poly1d:
        return poly1d(-self.coeffs, variable=self.variable)

    def __pos__(self) -> poly1d:
        return self

    def _beside(self, other: Any) -> Any:
        """The coefficients of the other operand; a number is the polynomial of that value."""
        return other.coeffs if isinstance(other, poly1d) else other

    def _with(self, function: str, *operands: Any) -> poly1d:
        return poly1d(_np[function](*(_np["atleast_1d"](_np["asarray"](x)) for x in operands)), variable=self.variable)

    def __add__(self, other: Any) -> poly1d:
        return self._with("polyadd", self.coeffs, self._beside(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> poly1d:
        return self._with("polysub", self.coeffs, self._beside(other))

    def __rsub__(self, other: Any) -> poly1d:
        return self._with("polysub", self._beside(other), self.coeffs)

    def __mul__(self, other: Any) -> poly1d:
        return self._with("polymul", self.coeffs, self._beside(other))

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> poly1d:
        if int(exponent) != exponent or exponent < 0:
            fail(ArgumentError, "poly1d", expected="a whole power of 0 or more", got=repr(exponent))
        result = poly1d([1], variable=self.variable)
        for _ in range(int(exponent)):
            result = result * self
        return result

    def __truediv__(self, other: Any) -> Any:
        if not isinstance(other, poly1d) and not (isinstance(other, NDArray) and other.ndim):
            return poly1d(self.coeffs / other, variable=self.variable)
        return tuple(poly1d(x, variable=self.variable) for x in _np["polydiv"](self.coeffs, self._beside(other)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, poly1d) and self.coeffs.shape == other.coeffs.shape and bool((self.coeffs == other.coeffs).all())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"poly1d({self.coeffs.tolist()})"

    def __str__(self) -> str:
        terms = [(self.coeffs[i].item(), self.order - i) for i in range(len(self.coeffs))]
        powers = ["", f" {self.variable}", *(f" {self.variable}^{n}" for n in range(2, self.order + 1))]
        shown = [f"{value:.4g}{powers[power]}" for value, power in terms if value]
        return " + ".join(shown).replace("+ -", "- ") or "0"
