"""Layer norm and root mean square norm as operators, with gradients that are operators too.

On a GPU each of the four is one pass over memory where rows lie along the last axis and fit into a block's
registers (``kernels/layer_norm.cu``); on a CPU oneDNN computes layer norm along the last axis; elsewhere, and where not, each is written
out in its parts and fused.
Statistics of 16-bit data are float32. The kernels also give a float32 array's norm as a 16-bit one (attribute ``dtype``), and
take its gradient as such: a residual stream is float32, and the products that read its norms are not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hybridnet.core import Kind, Op, Sample, Spec, apply, call, local, on_cpu, on_cuda, register
from hybridnet.core.kernel import HandKernels, Launch, stored_type
from hybridnet.dtypes import Dtype
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import by_parts, normal, uniform
from hybridnet.ops.kernels.places import pack_width
from hybridnet.ops.nn import rows_host
from hybridnet.ops.nn.common import along, narrow, wide, wide_dtype
from hybridnet.ops.nn.moments import add_partials, count, moments, moments_slope, root_of

# -- in other operators ---------------------------------------------------------------------------


def _layer_norm(x: Any, gamma: Any, beta: Any, *, axis: int, eps: float, dtype: Dtype | None = None) -> tuple[Any, Any, Any]:
    a = wide(x)
    mean, var = moments(a, axis=(axis,))
    unit = (a - mean) * root_of(var, eps)
    y = unit * along(wide(gamma), axis, x.ndim) + along(wide(beta), axis, x.ndim)
    return narrow(y, dtype or x.dtype), mean, var


def _layer_norm_grad(g: Any, x: Any, mean: Any, var: Any, gamma: Any, *, axis: int, eps: float) -> tuple[Any, Any, Any]:
    """Two sums over each row and one pointwise expression; two sums over the rows."""
    g, a, mean, var = wide(g), wide(x), wide(mean), wide(var)
    root = root_of(var, eps)
    scale = root * along(wide(gamma), axis, x.ndim)
    moved, product = g * scale, g * (a - mean)
    of_mean = -call("sum", moved, axis=(axis,), keepdims=True)
    of_var = call("sum", product * scale, axis=(axis,), keepdims=True) * (-0.5 / (var + eps))
    dgamma, dbeta = _over_rows(product * root, axis), _over_rows(g, axis)
    dx = moved + moments_slope(a, mean, of_mean, of_var, count(x, (axis,)))
    return narrow(dx, x.dtype), narrow(dgamma, gamma.dtype), narrow(dbeta, gamma.dtype)


def _rms_norm(x: Any, gamma: Any, *, axis: int, eps: float, dtype: Dtype | None = None) -> tuple[Any, Any]:
    a = wide(x)
    square = call("sum", a * a, axis=(axis,), keepdims=True) / count(x, (axis,))
    return narrow(a * root_of(square, eps) * along(wide(gamma), axis, x.ndim), dtype or x.dtype), square


def _rms_norm_grad(g: Any, x: Any, square: Any, gamma: Any, *, axis: int, eps: float) -> tuple[Any, Any]:
    """One sum over each row and one pointwise expression; one sum over the rows."""
    g, square = wide(g), wide(square)
    root = root_of(square, eps)
    unit = wide(x) * root
    product, scale = g * unit, along(wide(gamma), axis, x.ndim)
    mean = call("sum", product * scale, axis=(axis,), keepdims=True) / count(x, (axis,))
    return narrow(g * scale * root - unit * (mean * root), x.dtype), narrow(_over_rows(product, axis), gamma.dtype)


def _over_rows(x: Any, axis: int) -> Any:
    axes = tuple(i for i in range(x.ndim) if i != axis)
    return call("sum", x, axis=axes, keepdims=False) if axes else call("copy", x)  # a result is no operand


# -- shapes and gradients -------------------------------------------------------------------------


def _small(name: str, x: Spec, axis: int, *parameters: Spec) -> Spec:
    """The row statistics' spec, once the parameters have been seen to fit."""
    if any(p.shape != (x.shape[axis],) for p in parameters):
        fail(ShapeError, name, expected=f"parameters of shape ({x.shape[axis]},)", got=" and ".join(str(p.shape) for p in parameters))
    return Spec((*x.shape[:axis], 1, *x.shape[axis + 1 :]), wide_dtype(x.dtype))


def _infer(x: Spec, gamma: Spec, *beta: Spec, axis: int, eps: float, dtype: Dtype | None = None) -> tuple[Spec, ...]:
    name = "layer_norm" if beta else "rms_norm"
    small = _small(name, x, axis, gamma, *beta)
    y = Spec(x.shape, dtype or x.dtype)
    return (y, small, small) if beta else (y, small)


def _infer_grad(g: Spec, x: Spec, *rest: Spec, axis: int, eps: float) -> tuple[Spec, ...]:
    *statistics, gamma = rest
    name = "layer_norm_grad" if len(statistics) == 2 else "rms_norm_grad"
    small = _small(name, x, axis, gamma)
    if g.shape != x.shape or any(s.shape != small.shape for s in statistics):
        got = ", ".join(str(s.shape) for s in (g, *statistics))
        fail(ShapeError, name, expected=f"a gradient of shape {x.shape}, statistics of shape {small.shape}", got=got)
    return (x, *[gamma] * len(statistics))


def _layer_norm_rule(
    needs: tuple[bool, ...], g: Any, y: Any, x: Any, gamma: Any, beta: Any, *, axis: int, eps: float, dtype: Dtype | None = None
) -> tuple[Any, Any, Any]:
    (of_y, of_mean, of_var), (_, mean, var) = g, y
    dx, dgamma, dbeta = apply(LAYER_NORM_GRAD, (of_y, x, mean, var, gamma), {"axis": axis, "eps": eps})
    if any(local.propagation.reached[1:]):
        dx = dx + moments_slope(wide(x), mean, of_mean, of_var, count(x, (axis,)))
    return dx, dgamma, dbeta


def _rms_norm_rule(
    needs: tuple[bool, ...], g: Any, y: Any, x: Any, gamma: Any, *, axis: int, eps: float, dtype: Dtype | None = None
) -> tuple[Any, Any]:
    dx, dgamma = apply(RMS_NORM_GRAD, (g[0], x, y[1], gamma), {"axis": axis, "eps": eps})
    if local.propagation.reached[1]:
        dx = dx + wide(x) * (g[1] * (2 / count(x, (axis,))))
    return dx, dgamma


# -- kernels --------------------------------------------------------------------------------------


class _Team(NamedTuple):
    """``lanes`` threads share a row, each takes ``steps`` packs of ``width`` elements; ``threads`` make a block."""

    threads: int
    lanes: int
    width: int
    steps: int


_REGISTERS = 65536  # of 32 bits, that a multiprocessor has
_WARP_BLOCK = 128  # threads of a block in which each warp, or part of one, has rows of its own


def _team(packs: int, width: int, most: int, widest: int) -> _Team | None:
    """How threads share a row of so many packs, ``most`` a thread: a warp or part of one, or a block, of ``widest`` threads at most."""
    if packs <= 32 * most:
        lanes = min(32, 1 << (packs - 1).bit_length())
        return _Team(_WARP_BLOCK, lanes, width, -(-packs // lanes))
    lanes = -(-packs // (32 * most)) * 32
    return _Team(lanes, lanes, width, -(-packs // lanes)) if lanes <= widest else None


def _rows_of(x: Spec, axis: int) -> tuple[int, int, int] | None:
    """Rows, length, and how many elements of a row one access takes; None where rows do not lie along the last axis."""
    length = x.shape[axis]
    if any(n != 1 for n in x.shape[axis + 1 :]):
        return None
    return x.size // length, length, pack_width(x.dtype, length)


def _words(dtype: Any, width: int) -> int:
    """Registers for a pack."""
    return max(1, width * dtype.itemsize // 4)


def _kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int, eps: float, dtype: Dtype | None = None
) -> HandKernels | None:
    x, gamma, *beta = inputs
    if any(b.dtype != gamma.dtype for b in beta):
        return None
    mean = ("x2", "y0", "y1", "y2") if beta else ("nullptr", "y0", "nullptr", "y1")
    launch = norm_launch("hn_layer_norm", (x, outputs[0], gamma), ("x0", "x1", *mean), x, axis, eps, bool(beta))
    if launch is None:
        return None
    return HandKernels("layer_norm.cu", (launch,), in_place=(("x0", "y0"),) if outputs[0] == x else ())


def norm_launch(
    function: str, types: tuple[Spec, ...], arrays: tuple[str, ...], x: Spec, axis: int, eps: float, centred: bool
) -> Launch | None:
    """The launch of a function of ``layer_norm.cu`` over the rows of ``x``."""
    found = _rows_of(x, axis)
    if found is None:
        return None
    rows, length, width = found
    team = _team(length // width, width, 16 // _words(x.dtype, width), 1024)
    if team is None:
        return None
    arguments = (*arrays, str(rows), str(length), repr(eps))
    grid, scratch = (-(-rows * team.lanes // team.threads), 1), team.threads // 32 * wide_dtype(x.dtype).itemsize
    return Launch(_function(function, types, team, centred), arguments, grid, team.threads, scratch)


def _grad_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int, eps: float) -> HandKernels | None:
    g, x, *statistics, gamma = inputs
    of, to = (("x2", "x3", "x4"), ("y1", "y2")) if len(statistics) == 2 else (("nullptr", "x2", "x3"), ("y1", "nullptr"))
    in_place = (("x1", "y0"), *((("x0", "y0"),) if g.dtype == x.dtype else ()))
    return grad_launches(num_sms, "hn_layer_norm_grad<", (g, x, *statistics, gamma), ("x0", "x1", *of, "y0"), to, in_place, axis, eps)


def grad_launches(
    num_sms: int,
    function: str,
    operands: tuple[Spec, ...],
    arrays: tuple[str, ...],
    results: tuple[str, str],
    in_place: tuple[tuple[str, str], ...],
    axis: int,
    eps: float,
) -> HandKernels | None:
    """The launches of a norm's gradient: a function of ``layer_norm.cu`` with its first template arguments, and the one that adds parts.

    ``operands``: a gradient, data, statistics, and gamma; ``results``: where the gradients of gamma and beta go.
    """
    g, x, *statistics, gamma = operands
    found = _rows_of(x, axis)
    if found is None or g.dtype != x.dtype != wide_dtype(g.dtype) or len({s.dtype for s in statistics}) > 1:
        return None
    rows, length, width = found
    sums, wide_type = len(statistics), wide_dtype(x.dtype)
    # A step's registers: both operands' packs, and a sum for each column and parameter.
    step = 2 * _words(x.dtype, width) + 2 * width * wide_type.itemsize // 4
    most = (96 if wide_type.itemsize == 4 else 64) // step
    team = _team(length // width, width, most, 512)
    if team is None:
        return None
    teams = team.threads // team.lanes
    # The registers of a step, and some for all else.
    resident = _REGISTERS // (team.threads * (8 * wide_type.itemsize + team.steps * step))
    blocks = min(-(-rows // teams), num_sms * resident)
    text = function + _function("", (g, x, statistics[0], gamma), team, sums == 2)[1:]
    partial = ("t0", "t1") if sums == 2 else ("t0", "nullptr")
    arguments = (*arrays, *partial, str(rows), str(length), repr(eps))
    scratch = team.threads * width if teams > 1 else 2 * team.threads // 32
    launch = Launch(text, arguments, (blocks, 1), team.threads, scratch * wide_type.itemsize, resident)
    add = add_partials((*partial, *results), Spec((length,), wide_type), gamma, sums, blocks)
    return HandKernels("layer_norm.cu", (launch, add), (Spec((blocks, length), wide_type),) * sums, in_place)


def _function(name: str, types: tuple[Spec, ...], team: _Team, centred: bool) -> str:
    return f"{name}<{', '.join(stored_type(s.dtype) for s in types)}, {', '.join(map(str, team))}, {str(centred).lower()}>"


# -- records --------------------------------------------------------------------------------------

_CASES = (  # part of a warp, its elements one by one; packs; another axis; several packs, several rows of blocks; a block
    ((2, 3, 5), 2),
    ((5, 8), 1),
    ((3, 4), 0),
    ((9, 264, 1), 1),
    ((3, 601), 1),
    ((7,), 0),
)


def _sample(shape: tuple[int, ...], axis: int, wanted: str) -> Sample:
    """Of ``wanted``: g, x, mean m, var v, gamma w, beta b."""
    n, small = shape[axis], tuple(1 if i == axis else k for i, k in enumerate(shape))
    made = {
        "g": lambda: normal(*shape, seed=4),
        "x": lambda: normal(*shape),
        "m": lambda: normal(*small, seed=5, scale=0.3),
        "v": lambda: uniform(0.5, 2, *small, seed=6),
        "w": lambda: uniform(0.5, 2, n, seed=1),
        "b": lambda: normal(n, seed=2),
    }
    return Sample(tuple(made[k]() for k in wanted), {"axis": axis, "eps": 1e-3})


def _record(name: str, wanted: str, **fields: Any) -> Op:
    def samples() -> list[Sample]:
        wrong = Sample((*_sample((2, 3), 1, wanted).inputs[:-1], normal(4)), {"axis": 1, "eps": 1e-3}, error=ValueError)
        return [*(_sample(shape, axis, wanted) for shape, axis in _CASES), wrong]

    return register(Op(name, Kind.OPAQUE, sample=samples, **fields))


LAYER_NORM = _record(
    "layer_norm",
    "xwb",
    infer=_infer,
    decomposition=_layer_norm,
    grad=_layer_norm_rule,
    saves=(0, 1, "y1", "y2"),
)
on_cuda(LAYER_NORM, kernels=_kernels, casts=("y",))
on_cpu(LAYER_NORM, rows_host.layer_norm)
LAYER_NORM_GRAD = _record(
    "layer_norm_grad",
    "gxmvw",
    infer=_infer_grad,
    decomposition=_layer_norm_grad,
    grad=by_parts(_layer_norm_grad),
    saves=(0, 1, 2, 3, 4),
)
on_cuda(LAYER_NORM_GRAD, kernels=_grad_kernels, casts=(0,))
on_cpu(LAYER_NORM_GRAD, rows_host.layer_norm_grad)
RMS_NORM = _record("rms_norm", "xw", infer=_infer, decomposition=_rms_norm, grad=_rms_norm_rule, saves=(0, 1, "y1"))
on_cuda(RMS_NORM, kernels=_kernels, casts=("y",))
RMS_NORM_GRAD = _record(
    "rms_norm_grad",
    "gxvw",
    infer=_infer_grad,
    decomposition=_rms_norm_grad,
    grad=by_parts(_rms_norm_grad),
    saves=(0, 1, 2, 3),
)
on_cuda(RMS_NORM_GRAD, kernels=_grad_kernels, casts=(0,))
