"""A convolution with what comes behind it, as a library computes it in one go: a bias, a sum, a function of the sum.

Made by a pass behind differentiation, where a library computes it; so it has no gradient.
"""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.core import Kind, Op, Sample, Spec, apply, call, on_cpu, register
from hybridnet.core.kernel import HostCall
from hybridnet.device import onednn
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import normal
from hybridnet.ops.nn.convolution import CONVOLUTION, flops_of_window, with_bias
from hybridnet.ops.nn.convolution_host import planned

#: What may come last: ``None``; ("relu",); ("clip", low, high).
Activation = tuple[Any, ...] | None


def _infer(x: Spec, w: Spec, *behind: Spec, bias: bool, added: bool, activation: Activation, **attrs: Any) -> Spec:
    y = CONVOLUTION.infer(x, w, **attrs)
    assert isinstance(y, Spec)
    expected = [w.shape[:1]] * bias + [y.shape] * added
    if [v.shape for v in behind] != expected:
        fail(ShapeError, "convolution_joined", expected=f"a bias and a sum of shapes {expected}", got=str([v.shape for v in behind]))
    return y


def _decomposed(x: Any, w: Any, *behind: Any, bias: bool, added: bool, activation: Activation, **attrs: Any) -> Any:
    y = apply(CONVOLUTION, (x, w), attrs)
    y = with_bias("convolution_joined", y, behind[0] if bias else None, attrs["last"])
    y = y + behind[-1] if added else y
    match activation:
        case ("relu",):
            return call("maximum", y, 0)
        case ("clip", low, high):
            return call("clip", y, a_min=low, a_max=high)
    return y


def _library(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, activation: Activation, **attrs: Any) -> HostCall | None:
    if any(v.dtype != dtypes.float32 for v in inputs):
        return None
    if activation is not None and activation[0] == "clip" and not config.fast_math:  # it gives the lower bound for NaN
        return None
    x, w, *_ = inputs
    return planned("result", x, w, outputs[0], activation=None if activation is None else onednn.Activation(*activation), **attrs)


_ATTRS: dict[str, Any] = {"stride": (1, 1), "dilate": (1, 1)}


def _sample(last: bool, bias: bool, added: bool, activation: Activation, groups: int = 1, kernel: int = 3) -> Sample:
    window = (kernel, kernel)
    x, w, y = (2, 4, 5, 4), (8, 4 // groups, *window), (2, 8, 5, 4)
    if last:
        x, w, y = (2, 5, 4, 4), (8, *window, 4 // groups), (2, 5, 4, 8)
    behind = [normal(8, seed=2)] * bias + [normal(*y, seed=3)] * added
    attrs = {**_ATTRS, "pad": (kernel // 2,) * 2, "groups": groups, "last": last, "bias": bias, "added": added, "activation": activation}
    return Sample((normal(*x), normal(*w, seed=1), *behind), attrs)


CONVOLUTION_JOINED = register(
    Op(
        "convolution_joined",
        Kind.CONTRACTION,
        _infer,
        decomposition=_decomposed,
        flops=lambda inputs, outputs, **attrs: flops_of_window(inputs[1], outputs[0]),
        promote="same",
        precision="half",
        sample=lambda: [
            _sample(True, True, False, ("relu",)),
            _sample(True, True, True, ("clip", 0.0, 1.5)),
            _sample(True, False, True, None),
            _sample(False, True, True, ("relu",)),
            _sample(True, True, False, None, groups=4),
            _sample(True, True, False, ("relu",), kernel=1),
            _sample(False, True, True, ("relu",), kernel=1),
            _sample(True, False, True, None, kernel=1),
            Sample((normal(2, 5, 4, 4), normal(8, 3, 3, 4), normal(7)), _sample(True, True, False, None).attrs, error=ValueError),
        ],
    )
)
on_cpu(CONVOLUTION_JOINED, _library)
