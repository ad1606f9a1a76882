"""A norm with the residual sum before it, and its gradient with the residual's: on a GPU one pass over memory each.

In a transformer a block's result is added to the stream of residuals, and the sum is normed for the next block; backward the norm's
gradient is added to the stream's, and the sum goes on as it is and, in mixed precision, in 16 bits. The operators here are made by a
program's lowering alone (:mod:`hybridnet.lowering.residuals`), so they are in no registry. The kernels are those of
``kernels/layer_norm.cu``, with other ways in and out of a row.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import Kind, Op, Spec, on_cuda
from hybridnet.core.kernel import HandKernels, stored_type
from hybridnet.dtypes import Dtype
from hybridnet.ops.nn.common import narrow, wide
from hybridnet.ops.nn.row_norm import LAYER_NORM, LAYER_NORM_GRAD, RMS_NORM, RMS_NORM_GRAD, grad_launches, norm_launch

#: Of each norm, and of each gradient, the operator without a residual.
_PLAIN = {True: (LAYER_NORM, LAYER_NORM_GRAD), False: (RMS_NORM, RMS_NORM_GRAD)}


def _infer(h: Spec, r: Spec, *parameters: Spec, axis: int, eps: float, dtype: Dtype | None = None) -> tuple[Spec, ...]:
    norm, _ = _PLAIN[len(parameters) == 2]
    return (r, *norm.infer(r, *parameters, axis=axis, eps=eps, dtype=dtype))


def _residual_norm(h: Any, r: Any, *parameters: Any, axis: int, eps: float, dtype: Dtype | None = None) -> tuple[Any, ...]:
    norm, _ = _PLAIN[len(parameters) == 2]
    x = narrow(wide(r) + wide(h), r.dtype)
    assert norm.decomposition is not None
    return (x, *norm.decomposition(x, *parameters, axis=axis, eps=eps, dtype=dtype))


def _kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int, eps: float, dtype: Dtype | None = None
) -> HandKernels | None:
    h, r, gamma, *beta = inputs
    if any(b.dtype != gamma.dtype for b in beta):
        return None
    own = ("x3", "y0", "y1", "y2", "y3") if beta else ("nullptr", "y0", "y1", "nullptr", "y2")
    launch = norm_launch("hn_residual_norm", (h, r, outputs[1], gamma), ("x0", "x1", "x2", *own), r, axis, eps, bool(beta))
    if launch is None:
        return None
    over = (("x1", "y0"), ("x0", "y0"), ("x0", "y1"), ("x1", "y1"))  # a thread stores where it has loaded
    pairs = tuple((x, y) for x, y in over if inputs[int(x[1])] == outputs[int(y[1])])
    return HandKernels("layer_norm.cu", (launch,), in_place=pairs)


#: h, r, gamma, and of a layer norm beta: r + h in the type of r, then what the norm of it gives.
RESIDUAL_NORM = on_cuda(Op("residual_norm", Kind.OPAQUE, _infer, decomposition=_residual_norm), kernels=_kernels)


def _infer_grad(g: Spec, x: Spec, *rest: Spec, axis: int, eps: float, added: bool, dtype: Dtype | None) -> tuple[Spec, ...]:
    operands = rest[:-1] if added else rest
    _, grad = _PLAIN[len(operands) == 3]
    _, *of_parameters = grad.infer(g, x, *operands, axis=axis, eps=eps)
    return (x, *([] if dtype is None else [Spec(x.shape, dtype)]), *of_parameters)


def _residual_norm_grad(g: Any, x: Any, *rest: Any, axis: int, eps: float, added: bool, dtype: Dtype | None) -> tuple[Any, ...]:
    operands = rest[:-1] if added else rest
    _, grad = _PLAIN[len(operands) == 3]
    assert grad.decomposition is not None
    dx, *of_parameters = grad.decomposition(g, x, *operands, axis=axis, eps=eps)
    if added:
        dx = narrow(wide(rest[-1]) + wide(dx), x.dtype)
    return (dx, *([] if dtype is None else [narrow(dx, dtype)]), *of_parameters)


def _grad_kernels(
    num_sms: int,
    inputs: tuple[Spec, ...],
    outputs: tuple[Spec, ...],
    *,
    axis: int,
    eps: float,
    added: bool,
    dtype: Dtype | None,
) -> HandKernels | None:
    operands = inputs[:-1] if added else inputs
    g, x = operands[:2]
    centred, first = len(operands) == 5, 1 if dtype is None else 2
    of = ("x2", "x3", "x4") if centred else ("nullptr", "x2", "x3")
    arrays = ("x0", "x1", *of, f"x{len(operands)}" if added else "nullptr", "y0", "nullptr" if dtype is None else "y1")
    results = (f"y{first}", f"y{first + 1}" if centred else "nullptr")
    flags = ", ".join([stored_type(dtype or x.dtype), str(added).lower(), str(dtype is not None).lower()])
    over = [("x1", "y0"), ("x0", "y0"), *([(f"x{len(operands)}", "y0")] if added else []), *([("x0", "y1")] if dtype is not None else [])]
    pairs = tuple((a, b) for a, b in over if inputs[int(a[1:])] == outputs[int(b[1:])])
    return grad_launches(num_sms, f"hn_residual_norm_grad<{flags}, ", operands, arrays, results, pairs, axis, eps)


#: What the norm's gradient takes, and if ``added`` what else comes to x: the gradient of x with that, then in ``dtype`` too if that is one,
#: then the gradients of the parameters.
RESIDUAL_NORM_GRAD = on_cuda(Op("residual_norm_grad", Kind.OPAQUE, _infer_grad, decomposition=_residual_norm_grad), kernels=_grad_kernels)
