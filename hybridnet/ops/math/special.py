"""Special functions: the error function, the gamma function, and their kin.

From SciPy on the CPU and CuPy's copy of it on a device, which compute in float32 or float64 alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, apply, call, infer_pointwise, on_cuda, register
from hybridnet.device.scipy_modules import scipy_module
from hybridnet.errors import ArgumentError, fail
from hybridnet.ops.common import public, samples, tensor, uniform
from hybridnet.ops.math.slopes import PRODUCT

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _evaluate(xp: Any, function: str, *args: Any, out: Any = None) -> Any:
    x = args[-1]
    of = getattr(scipy_module(xp, "special"), function)
    if x.dtype.itemsize > 2:
        return of(*args, out=out) if out is not None else of(*args).astype(x.dtype, copy=False)
    result = of(*args[:-1], x.astype(dtypes.float32))
    if out is None:
        return result.astype(x.dtype)
    out[...] = result
    return out


def _special(name: str, doc: str, rule: Any, *, saves: tuple[int | str, ...], cuda: str, domain: tuple[float, float], scipy: str) -> None:
    op = register(
        Op(
            name,
            Kind.POINTWISE,
            infer_pointwise(name),
            compute=lambda xp, x, *, out=None: _evaluate(xp, scipy, x, out=out),
            out=True,
            grad=(rule,),
            saves=saves,
            promote="float",
            precision="float32",
            sample=samples(Sample((uniform(*domain, 2, 3),)), Sample((uniform(*domain, 4, seed=1),))),
        )
    )
    on_cuda(op, functor=cuda)
    FUNCTIONS[name] = public(op, doc, 1)


def _erf_rule(g: Any, y: Any, x: Any) -> Any:
    return g * (call("exp", -x * x) * _TWO_OVER_ROOT_PI)


def _erfc_rule(g: Any, y: Any, x: Any) -> Any:
    return g * (call("exp", -x * x) * -_TWO_OVER_ROOT_PI)


_special("erf", "The error function: 2/√π ∫ exp(-t²) from 0 to x.", _erf_rule, saves=(0,), cuda="erf({0})", domain=(-2, 2), scipy="erf")
_special(
    "erfc",
    "1 - erf(x), exact for large x.",
    _erfc_rule,
    saves=(0,),
    cuda="erfc({0})",
    domain=(-2, 2),
    scipy="erfc",
)
_special(
    "erfinv",
    "The inverse of erf.",
    lambda g, y, x: apply(PRODUCT, (g, call("exp", y * y) / _TWO_OVER_ROOT_PI)),
    saves=("y",),
    cuda="erfinv({0})",
    domain=(-0.8, 0.8),
    scipy="erfinv",
)
_special(
    "gamma",
    "The gamma function: (x - 1)! for whole x.",
    lambda g, y, x: apply(PRODUCT, (g, y * call("digamma", x))),
    saves=(0, "y"),
    cuda="tgamma({0})",
    domain=(0.5, 3),
    scipy="gamma",
)
_special(
    "gammaln",
    "The logarithm of the absolute value of the gamma function.",
    lambda g, y, x: apply(PRODUCT, (g, call("digamma", x))),
    saves=(0,),
    cuda="hn_gammaln({0})",
    domain=(0.5, 3),
    scipy="gammaln",
)
_special(
    "digamma",
    "The derivative of gammaln.",
    lambda g, y, x: apply(PRODUCT, (g, call("polygamma", x, n=1))),
    saves=(0,),
    cuda="hn_digamma({0})",
    domain=(0.5, 3),
    scipy="digamma",
)

POLYGAMMA = register(
    Op(
        "polygamma",
        Kind.POINTWISE,
        infer_pointwise("polygamma"),
        compute=lambda xp, x, *, n: _evaluate(xp, "polygamma", n, x),
        grad=(lambda g, y, x, *, n: apply(PRODUCT, (g, call("polygamma", x, n=n + 1))),),
        saves=(0,),
        promote="float",
        precision="float32",
        sample=samples(Sample((uniform(1, 3, 2, 3),), {"n": 1}), Sample((uniform(1, 3, 4),), {"n": 2})),
    )
)
on_cuda(POLYGAMMA, functor="hn_polygamma({n}, {0})")


def polygamma(n: int, x: ArrayLike) -> Any:
    """The ``n``-th derivative of digamma at ``x``.

    ArgumentError unless ``n`` is an integer of 0 or more.
    """
    if not isinstance(n, int) or n < 0:
        fail(ArgumentError, "polygamma", expected="an integer n of 0 or more", got=repr(n))
    return apply(POLYGAMMA, (tensor(x),), {"n": n}) if n else FUNCTIONS["digamma"](x)


erf, erfc, erfinv = FUNCTIONS["erf"], FUNCTIONS["erfc"], FUNCTIONS["erfinv"]
gamma, gammaln, digamma = FUNCTIONS["gamma"], FUNCTIONS["gammaln"], FUNCTIONS["digamma"]
