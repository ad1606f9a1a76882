"""A norm with the residual sum before it, and its gradient with the residual's: on a GPU one pass over memory each.

In a transformer a block's result is added to the stream of residuals, and the sum is normed for the next block; backward the norm's
gradient is added to the stream's, and the sum goes on as it is and, in mixed precision, in 16 bits. The operators here are made by a
program's lowering alone (:mod:`hybridnet.lowering.residuals`), so they are in no registry. The kernels are those of
``kernels/layer_norm.cu``, with other ways in and out of a row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hybridnet.core import Kind, Op, Spec, on_cuda
from hybridnet.core.kernel import HandKernels, is_half, stored_type
from hybridnet.dtypes import Dtype
from hybridnet.ops.nn.common import narrow, wide
from hybridnet.ops.nn.row_norm import LAYER_NORM, LAYER_NORM_GRAD, RMS_NORM, RMS_NORM_GRAD, grad_launches, norm_launch

#: Of each norm, and of each gradient, the operator without a residual.
_PLAIN = {True: (LAYER_NORM, LAYER_NORM_GRAD), False: (RMS_NORM, RMS_NORM_GRAD)}

#: Of how many arrays what comes to a norm may be the sum: kernels/layer_norm.cu has as many addresses.
SUMMED = 4


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


class _Operands(NamedTuple):
    """What a norm's gradient with residuals reads: of the plain operator its operands, what else comes to x, and more summands of g."""

    plain: tuple[Any, ...]
    added: tuple[Any, ...]
    summands: tuple[Any, ...]


def _operands(given: tuple[Any, ...], added: bool, summands: int) -> _Operands:
    last = len(given) - summands
    return _Operands(given[: last - added], given[last - added : last], given[last:])


def _infer_grad(*given: Spec, axis: int, eps: float, added: bool, summands: int, dtype: Dtype | None) -> tuple[Spec, ...]:
    plain = _operands(given, added, summands).plain
    _, grad = _PLAIN[len(plain) == 5]
    _, *of_parameters = grad.infer(*plain, axis=axis, eps=eps)
    x = plain[1]
    return (x, *([] if dtype is None else [Spec(x.shape, dtype)]), *of_parameters)


def _residual_norm_grad(*given: Any, axis: int, eps: float, added: bool, summands: int, dtype: Dtype | None) -> tuple[Any, ...]:
    (g, x, *rest), more, others = _operands(given, added, summands)
    _, grad = _PLAIN[len(rest) == 3]
    assert grad.decomposition is not None
    for other in others:
        g = narrow(g, x.dtype) + narrow(other, x.dtype)
    dx, *of_parameters = grad.decomposition(g, x, *rest, axis=axis, eps=eps)
    if added:
        dx = narrow(wide(more[0]) + wide(dx), x.dtype)
    return (dx, *([] if dtype is None else [narrow(dx, dtype)]), *of_parameters)


def _grad_kernels(
    num_sms: int,
    inputs: tuple[Spec, ...],
    outputs: tuple[Spec, ...],
    *,
    axis: int,
    eps: float,
    added: bool,
    summands: int,
    dtype: Dtype | None,
) -> HandKernels | None:
    operands, _, others = _operands(inputs, added, summands)
    g, x = operands[:2]
    if summands >= SUMMED or any(other != g for other in others) or (summands and is_half(x.dtype)):
        return None
    centred, first = len(operands) == 5, 1 if dtype is None else 2
    of = ("x2", "x3", "x4") if centred else ("nullptr", "x2", "x3")
    at, end = len(operands), len(inputs)
    more = [f"x{i}" for i in range(end - summands, end)] + ["nullptr"] * (SUMMED - 1 - summands)
    arrays = ("x0", *more, "x1", *of, f"x{at}" if added else "nullptr", "y0", "nullptr" if dtype is None else "y1")
    results = (f"y{first}", f"y{first + 1}" if centred else "nullptr")
    flags = ", ".join([stored_type(dtype or x.dtype), str(added).lower(), str(dtype is not None).lower(), str(1 + summands)])
    # A thread stores where it has loaded.
    over = [("x1", "y0"), ("x0", "y0"), *([(f"x{at}", "y0")] if added else []), *([("x0", "y1")] if dtype is not None else [])]
    pairs = tuple((a, b) for a, b in over if inputs[int(a[1:])] == outputs[int(b[1:])])
    return grad_launches(num_sms, f"hn_residual_norm_grad<{flags}, ", operands, arrays, results, pairs, axis, eps)


#: What the norm's gradient takes, then if ``added`` what else comes to x, then ``summands`` more arrays, of which with the first the sum in
#: the type of x is what comes to the norm. It gives the gradient of x with what else comes, then that in ``dtype`` too if that is one, then
#: the gradients of the parameters.
RESIDUAL_NORM_GRAD = on_cuda(Op("residual_norm_grad", Kind.OPAQUE, _infer_grad, decomposition=_residual_norm_grad), kernels=_grad_kernels)
