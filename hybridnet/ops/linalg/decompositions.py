"""The operators behind ``np.linalg``: inverse, solve, determinants and the matrix factorisations.

LAPACK (cuSOLVER on a device) works in float32 and float64; 16-bit floats are computed in float32.
Leading axes are batches. The gradients are the usual ones; for symmetric input see ``linalg``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, array, broadcast_shapes, call, local, register
from hybridnet.errors import ArgumentError, AutogradError, ShapeError, fail
from hybridnet.ops.array.gather import positions
from hybridnet.ops.array.rearrange import swapaxes, tril
from hybridnet.ops.array.shape import concatenate, expand_dims, slice_axis
from hybridnet.ops.common import normal
from hybridnet.ops.math import reduction
from hybridnet.ops.math.wide import wide


def _t(x: Any) -> Any:
    """The matrices transposed."""
    return swapaxes(x, -1, -2)


def adjoint(x: Any) -> Any:
    """The matrices transposed, complex ones conjugated too."""
    return _t(call("conjugate", x) if dtypes.is_complex(x.dtype) else x)


def _mm(a: Any, b: Any, *, ta: bool = False, tb: bool = False) -> Any:
    return call("matmul", a, b, transpose_a=ta, transpose_b=tb)


def _adjoint_mm(a: Any, b: Any) -> Any:
    """The adjoint of ``a`` times ``b``."""
    return _mm(call("conjugate", a) if dtypes.is_complex(a.dtype) else a, b, ta=True)


def _mm_adjoint(a: Any, b: Any) -> Any:
    """``a`` times the adjoint of ``b``."""
    return _mm(a, call("conjugate", b) if dtypes.is_complex(b.dtype) else b, tb=True)


def matrices(op: str, x: Spec, square: bool = True) -> None:
    """Raise unless ``x`` is a (square) matrix or a batch of them."""
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        fail(ShapeError, op, expected="a square matrix, or a batch of them" if square else "a matrix, or a batch of them", got=str(x.shape))


def _wide(compute: Callable[..., Any]) -> Callable[..., Any]:
    """``compute`` in float32 at least; results in the dtype of the inputs (real ones of complex inputs in that of parts), contiguous."""

    def typed(xp: Any, found: Any, dtype: dtypes.Dtype) -> Any:
        return found.astype(dtype if found.dtype.kind == "c" else dtypes.real_of(dtype), copy=False)

    def wrapped(xp: Any, *xs: Any, **attrs: Any) -> Any:
        dtype = xs[0].dtype
        half = dtype.itemsize == 2
        found = compute(xp, *[x.astype(dtypes.float32) for x in xs] if half else xs, **attrs)
        if isinstance(found, tuple):
            results = [typed(xp, xp.asarray(f), dtype) for f in found]
            return tuple(xp.ascontiguousarray(f) if f.ndim else f.copy() for f in results)
        return typed(xp, xp.asarray(found), dtype)

    return wrapped


def _well(n: int, *batch: int) -> np.ndarray[Any, Any]:
    """A sample far from singular."""
    return normal(*batch, n, n) + 3 * np.eye(n)


def _definite(n: int, *batch: int) -> np.ndarray[Any, Any]:
    """A symmetric sample with distinct positive eigenvalues."""
    a = normal(*batch, n, n)
    return np.matmul(a, a.swapaxes(-1, -2)) + np.diag(np.arange(1.0, n + 1))


# -- inverse, solve, determinants -----------------------------------------------------------------


def _same_square(op: str) -> Callable[..., Spec]:
    def infer(a: Spec) -> Spec:
        matrices(op, a)
        return a

    return infer


INV = register(
    Op(
        "inv",
        Kind.OPAQUE,
        _same_square("inv"),
        complex="holomorphic",
        compute=_wide(lambda xp, a: xp.linalg.inv(a)),
        grad=(lambda g, y, a: -_mm(_mm(y, g, ta=True), y, tb=True),),
        saves=("y",),
        promote="float",
        precision="float32",
        sample=lambda: [Sample((_well(3),)), Sample((_well(2, 2),)), Sample((normal(2, 3),), error=ValueError)],
    )
)


def _infer_solve(a: Spec, b: Spec) -> Spec:
    matrices("solve", a)
    if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
        fail(ShapeError, "solve", expected=f"right-hand sides of {a.shape[-1]} rows", got=str(b.shape))
    return Spec((*broadcast_shapes("solve", a.shape[:-2], b.shape[:-2]), *b.shape[-2:]), b.dtype)


def _solve_rule(needs: tuple[bool, ...], g: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
    back = call("solve", _t(a), g)
    return (-_mm(back, y, tb=True) if needs[0] else None, back)


SOLVE = register(
    Op(
        "solve",
        Kind.OPAQUE,
        _infer_solve,
        complex="holomorphic",
        compute=_wide(lambda xp, a, b: xp.linalg.solve(a, b)),
        grad=_solve_rule,
        saves=(0, "y"),
        promote="float",
        precision="float32",
        sample=lambda: [
            Sample((_well(3), normal(3, 2))),
            Sample((_well(2, 2), normal(2, 1))),
            Sample((_well(2), normal(3, 1)), error=ValueError),
        ],
    )
)


#: Of rank 1 of 2, and of rank 2 of 3.
_SINGULAR = (Sample((np.array([[1.0, 2.0], [2.0, 4.0]]),)), Sample((np.matmul(normal(2, 3, 2), normal(2, 2, 3, seed=1)),)))


def _infer_det(a: Spec) -> Spec:
    matrices("det", a)
    return Spec(a.shape[:-2], a.dtype)


DET = register(
    Op(
        "det",
        Kind.OPAQUE,
        _infer_det,
        complex="holomorphic",
        compute=_wide(lambda xp, a: xp.linalg.det(a)),
        grad=(lambda g, y, a: _as_factor(wide(g)) * call("cofactors", wide(a)),),
        saves=(0,),
        promote="float",
        precision="float32",
        sample=lambda: [
            Sample((_well(3),)),
            Sample((_well(2, 2),)),
            *_SINGULAR,
            Sample((np.eye(3),)),
            Sample((normal(2, 3),), error=ValueError),
        ],
    )
)


def _cofactors(xp: Any, a: Any) -> Any:
    """det(a) times the inverse's transpose; by singular values, which need not be divided by, where a matrix is near to singular."""
    if xp is np and a.size:  # a GPU would have to wait for the answer
        try:
            inverse = np.linalg.inv(a)
            condition = np.linalg.norm(a, axis=(-2, -1)) * np.linalg.norm(inverse, axis=(-2, -1))
            if (condition < 100).all():
                return np.linalg.det(a)[..., None, None] * inverse.swapaxes(-1, -2)
        except np.linalg.LinAlgError:
            pass
    u, s, vh = xp.linalg.svd(a)
    n = s.shape[-1]
    others = xp.where(xp.eye(n, dtype=bool), xp.ones((), s.dtype), s[..., None, :]).prod(-1)
    sign = xp.linalg.det(u) * xp.linalg.det(vh)
    return sign[..., None, None] * xp.matmul(u.conj() * others[..., None, :], vh.conj())


def _cofactors_rule(g: Any, y: Any, a: Any) -> Any:
    """In the basis of the singular vectors, where all that is left are products of the other singular values.

    With h = Uᵀ g V and p_ij the product of all singular values but i and j: at (i, i) the sum over j of p_ij h_jj, at (i, j) -p_ij h_ji.
    """
    u, s, vh = call("svd", a, full_matrices=False)
    n = s.shape[-1]
    which = np.arange(n)
    off = which[:, None] != which
    left_out = (which[:, None, None] == which) | (which[:, None] == which)  # (i, j, k): k is i or j
    like = s.device
    pairs = call("where", array(left_out, None, like), 1, call("reshape", s, shape=(*s.shape[:-1], 1, 1, n)))
    products = call("where", array(off, None, like), reduction.prod(pairs, -1), 0)
    h = _mm_adjoint(_adjoint_mm(u, g), vh)
    diagonal = array(~off, None, like)
    of_diagonal = call("sum", products * expand_dims(reduction.sum(call("where", diagonal, h, 0), -1), -2), axis=(s.ndim,), keepdims=True)
    inner = call("where", diagonal, of_diagonal, -products * _t(h))
    sign = call("det", u) * call("det", vh)
    if dtypes.is_complex(a.dtype):  # back by transposes, as all rules of holomorphic operators; the inverse of u is its adjoint
        u, vh = call("conjugate", u), call("conjugate", vh)
    return _as_factor(sign) * _mm(u, _mm(inner, vh))


#: What each element of a matrix is multiplied by in its determinant: the determinant's gradient.
COFACTORS = register(
    Op(
        "cofactors",
        Kind.OPAQUE,
        _same_square("cofactors"),
        complex="holomorphic",
        compute=_wide(_cofactors),
        grad=(_cofactors_rule,),
        saves=(0,),
        promote="float",
        precision="float32",
        sample=lambda: [Sample((_well(3),)), Sample((_well(2, 2),)), *_SINGULAR, Sample((normal(2, 3),), error=ValueError)],
    )
)


def _as_factor(x: Any) -> Any:
    """Numbers, one a matrix, as factors of the matrices."""
    return expand_dims(x, (-1, -2))


def _infer_slogdet(a: Spec) -> tuple[Spec, Spec]:
    matrices("slogdet", a)
    return Spec(a.shape[:-2], a.dtype), Spec(a.shape[:-2], dtypes.real_of(a.dtype))


def _slogdet_rule(g: Any, y: Any, a: Any) -> Any:
    """The sign of a real determinant is constant; a complex one turns with the imaginary part of trace(a⁻¹ da)."""
    share = g[1]
    if dtypes.is_complex(a.dtype):
        turned = call("imag", call("conjugate", g[0]) * y[0])
        share = share - turned * 1j
    return _as_factor(share) * adjoint(call("inv", a))


SLOGDET = register(
    Op(
        "slogdet",
        Kind.OPAQUE,
        _infer_slogdet,
        complex="direct",
        compute=_wide(lambda xp, a: tuple(xp.linalg.slogdet(a))),
        grad=(_slogdet_rule,),
        saves=(0, "y0"),
        promote="float",
        precision="float32",
        sample=lambda: [Sample((_well(3),)), Sample((_well(2, 2),))],
    )
)


def _infer_pinv(a: Spec, *, rcond: float) -> Spec:
    matrices("pinv", a, square=False)
    return Spec((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)


PINV = register(
    Op(
        "pinv",
        Kind.OPAQUE,
        _infer_pinv,
        complex="direct",
        compute=_wide(lambda xp, a, *, rcond: xp.linalg.pinv(a, rcond)),
        grad=(lambda g, y, a, *, rcond: _pinv_gradient(g, y, a),),
        saves=(0, "y"),
        promote="float",
        precision="float32",
        sample=lambda: [Sample((normal(4, 2),), {"rcond": 1e-15}), Sample((normal(2, 2, 3),), {"rcond": 1e-15})],
    )
)


def _pinv_gradient(g: Any, p: Any, a: Any) -> Any:
    """The adjoint of Golub and Pereyra's derivative (1973), valid while the rank stays as it is."""
    gt = adjoint(g)
    left = _mm(gt, _mm_adjoint(p, p))
    right = _mm(_adjoint_mm(p, p), gt)
    return left - _mm(a, _mm(p, left)) + right - _mm(_mm(right, p), a) - _mm_adjoint(_adjoint_mm(p, g), p)


# -- factorisations -------------------------------------------------------------------------------


def _lower(g: Any) -> Any:
    """The gradient for an operator that reads the lower triangle of a symmetric (or Hermitian) matrix alone."""
    return _half_lower(g + adjoint(g)) if dtypes.is_complex(g.dtype) else tril(g) + tril(_t(g), -1)


def _half_lower(x: Any) -> Any:
    """The lower triangle, with half of the diagonal."""
    return (tril(x) + tril(x, -1)) * 0.5


def _cholesky_rule(g: Any, y: Any, a: Any) -> Any:
    """Murray, "Differentiation of the Cholesky decomposition" (2016), equation 10."""
    inner = _half_lower(_adjoint_mm(y, g))
    s = call("solve", adjoint(y), inner + adjoint(inner))
    return _lower(adjoint(call("solve", adjoint(y), adjoint(s))) * 0.5)


CHOLESKY = register(
    Op(
        "cholesky",
        Kind.OPAQUE,
        _same_square("cholesky"),
        complex="direct",
        compute=_wide(lambda xp, a: xp.linalg.cholesky(a)),
        grad=(_cholesky_rule,),
        saves=("y",),
        promote="float",
        precision="float32",
        sample=lambda: [Sample((_definite(3),)), Sample((_definite(2, 2),)), Sample((normal(2, 3),), error=ValueError)],
    )
)


def _infer_qr(a: Spec, *, mode: str) -> tuple[Spec, Spec]:
    matrices("qr", a, square=False)
    batch, (m, n) = a.shape[:-2], a.shape[-2:]
    k = m if mode == "complete" else min(m, n)
    return Spec((*batch, m, k), a.dtype), Spec((*batch, k, n), a.dtype)


def _qr_rule(g: Any, y: Any, a: Any, *, mode: str) -> Any:
    (gq, gr), (q, r) = g, y
    m, n = a.shape[-2:]
    if mode == "complete" and m > n:
        fail(AutogradError, "qr", expected='mode "reduced" for a gradient', got=f'mode "complete" of {a.shape}')
    if m >= n:
        return _tall_qr_gradient(gq, gr, q, r)
    # A = (X, Y), R = (U, V): Q U = X is a square factorisation, and V = Qᵀ Y.
    x_gr, v_gr, y_part = slice_axis(gr, -1, 0, m), slice_axis(gr, -1, m, None), slice_axis(a, -1, m, None)
    square = _tall_qr_gradient(gq + _mm_adjoint(y_part, v_gr), x_gr, q, slice_axis(r, -1, 0, m))
    return concatenate([square, _mm(q, v_gr)], -1)


def _tall_qr_gradient(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    """Walter, Lehmann and Lamour, "On evaluating higher-order derivatives of the QR decomposition of tall matrices" (2012)."""
    m = _mm_adjoint(r, gr) - _adjoint_mm(gq, q)
    lower = _half_lower(m)
    b = gq + _mm(q, lower + adjoint(lower))
    return adjoint(call("solve", r, adjoint(b)))


QR = register(
    Op(
        "qr",
        Kind.OPAQUE,
        _infer_qr,
        complex="direct",
        compute=_wide(lambda xp, a, *, mode: tuple(xp.linalg.qr(a, mode))),
        grad=(_qr_rule,),
        saves=(0, "y"),
        promote="float",
        precision="float32",
        sample=lambda: [
            Sample((normal(4, 3),), {"mode": "reduced"}),
            Sample((normal(2, 3),), {"mode": "reduced"}),
            Sample((normal(2, 2, 2),), {"mode": "complete"}),
            Sample((normal(3, 2),), {"mode": "complete"}, differentiable=False),
        ],
    )
)


def _infer_svd(a: Spec, *, full_matrices: bool) -> tuple[Spec, Spec, Spec]:
    matrices("svd", a, square=False)
    batch, (m, n) = a.shape[:-2], a.shape[-2:]
    k = min(m, n)
    left, right = (m, n) if full_matrices else (k, k)
    return Spec((*batch, m, left), a.dtype), Spec((*batch, k), dtypes.real_of(a.dtype)), Spec((*batch, right, n), a.dtype)


def _one_over_differences(x: Any) -> Any:
    """1 / (x_j - x_i) at (i, j), with 0 on the diagonal."""
    places = positions(x, x.shape[-1])
    identity = call("cast", call("equal", expand_dims(places, 0), expand_dims(places, 1)), dtype=x.dtype)
    return (1 - identity) / (expand_dims(x, -2) - expand_dims(x, -1) + identity)


def _svd_rule(g: Any, y: Any, a: Any, *, full_matrices: bool) -> Any:
    """Ionescu, Vantzos and Sminchisescu (2015); singular values must be distinct and not zero."""
    (gu, gs, gvh), (u, s, vh) = g, y
    reached = local.propagation.reached
    if reached and not (reached[0] or reached[2]):  # of singular values alone, which may then be equal, or 0
        k = min(a.shape[-2:])
        return _mm(slice_axis(u, -1, 0, k) * expand_dims(gs, -2), slice_axis(vh, -2, 0, k))
    m, n = a.shape[-2:]
    if full_matrices and m != n:
        fail(AutogradError, "svd", expected="full_matrices=False for a gradient", got=f"full_matrices=True of {a.shape}")
    over = _one_over_differences(s * s)
    ugu, vgv = _adjoint_mm(u, gu), _mm_adjoint(vh, gvh)
    left, right = over * ugu, over * vgv
    row, column = expand_dims(s, -2), expand_dims(s, -1)
    middle = (left + adjoint(left)) * row + column * (right + adjoint(right))
    if dtypes.is_complex(a.dtype):  # the phase of a pair of vectors is free: what a loss makes of it is the same on both sides
        identity = call("cast", call("equal", over, 0), dtype=s.dtype)
        middle = middle + (ugu - adjoint(ugu)) * identity / (column * 2)
    result = _mm(u, _mm(middle, vh)) + _mm(u * expand_dims(gs, -2), vh)
    if m > n:
        result = result + _mm((gu - _mm(u, ugu)) / row, vh)
    if n > m:
        result = result + _mm(u, (gvh - _adjoint_mm(vgv, vh)) / column)
    return result


SVD = register(
    Op(
        "svd",
        Kind.OPAQUE,
        _infer_svd,
        complex="direct",
        compute=_wide(lambda xp, a, *, full_matrices: tuple(xp.linalg.svd(a, full_matrices))),
        grad=(_svd_rule,),
        saves=("y",),
        promote="float",
        precision="float32",
        sample=lambda: [
            Sample((normal(3, 2),), {"full_matrices": False}),
            Sample((normal(2, 3),), {"full_matrices": False}),
            Sample((normal(2, 2, 2),), {"full_matrices": True}),
            Sample((normal(3, 2),), {"full_matrices": True}, differentiable=False),
        ],
    )
)


def _infer_eigh(a: Spec, *, upper: bool) -> tuple[Spec, Spec]:
    matrices("eigh", a)
    return Spec(a.shape[:-1], dtypes.real_of(a.dtype)), a


def _eigh_rule(g: Any, y: Any, a: Any, *, upper: bool) -> Any:
    """Eigenvalues must be distinct where the eigenvectors' gradient is not zero."""
    (gw, gv), (w, v) = g, y
    if not local.propagation.reached[1]:  # of eigenvalues alone, which may then be equal
        found = _mm_adjoint(v * expand_dims(gw, -2), v)
        return adjoint(_lower(found)) if upper else _lower(found)
    inner = _one_over_differences(w) * _adjoint_mm(v, gv)
    found = _mm(v, _mm_adjoint(inner, v)) + _mm_adjoint(v * expand_dims(gw, -2), v)
    return adjoint(_lower(found)) if upper else _lower(found)


EIGH = register(
    Op(
        "eigh",
        Kind.OPAQUE,
        _infer_eigh,
        complex="direct",
        compute=_wide(lambda xp, a, *, upper: tuple(xp.linalg.eigh(a, "U" if upper else "L"))),
        grad=(_eigh_rule,),
        saves=("y",),
        promote="float",
        precision="float32",
        sample=lambda: [Sample((_definite(3),), {"upper": False}), Sample((_definite(2, 2),), {"upper": True})],
    )
)


def _eig(xp: Any, a: Any) -> tuple[Any, Any]:
    """On the host: CuPy has no general eigenvalues."""
    host = a if xp is np else a.get()
    values, vectors = np.linalg.eig(host)
    if np.iscomplexobj(values) and not np.iscomplexobj(host):
        expected, fix = (
            "a matrix with real eigenvalues, or a complex one: the dtype of results does not follow values",
            "x.astype('complex64')",
        )
        fail(ArgumentError, "eig", expected=expected, got="complex eigenvalues", fix=fix)
    return xp.asarray(values), xp.asarray(vectors)


EIG = register(
    Op(
        "eig",
        Kind.OPAQUE,
        lambda a: (Spec(a.shape[:-1], a.dtype), _same_square("eig")(a)),
        compute=_wide(_eig),
        complex="direct",
        promote="float",
        precision="float32",
        sample=lambda: [Sample((_definite(3),), differentiable=False), Sample((_definite(2, 2),), differentiable=False)],
    )
)
