"""Products, einsum and linear algebra against NumPy (values) and finite differences (gradients)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.against_numpy import Data, check_gradient, rand, same, same_eager_and_compiled

from hybridnet import autograd, dtypes
from hybridnet.core import array
from hybridnet.errors import AutogradError, HybridnetError, ShapeError
from hybridnet.ops.linalg import numpy_linalg as linalg
from hybridnet.ops.linalg import products
from hybridnet.ops.linalg.einsum import einsum
from hybridnet.ops.math import reduction

A, B, V = rand(3, 4), rand(4, 5, seed=1), rand(6, seed=2)
C = rand(2, 3, 4, seed=3)
W = rand(3, 3, seed=4) + 3 * np.eye(3)
S = W @ W.T
INTS = np.array([[3, 1, 2], [0, 3, 1]])


def _cross(a: Data, b: Data) -> Data:
    """NumPy's cross product of vectors of 2 components is on its way out: with their third component written as 0."""
    wide = [np.pad(x, ((0, 0), (0, 3 - x.shape[1]))) for x in (a, b)]
    found = np.cross(*wide)
    return found[:, 2] if a.shape[1] == b.shape[1] == 2 else found


CASES: list[tuple[str, Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = [
    # products
    *[
        (f"dot-{x.ndim}{y.ndim}", products.dot, np.dot, (x, y))
        for x, y in [(V, V), (A, B), (A, A[0]), (C, B), (C, rand(2, 4, 3)), (np.array(2.0), A), (B, rand(5)), (rand(3), rand(2, 3, 4))]
    ],
    ("vdot", products.vdot, np.vdot, (A, A * 2)),
    ("inner", products.inner, np.inner, (C, A)),
    ("outer", products.outer, np.outer, (A, V)),
    ("tensordot", lambda x, y: products.tensordot(x, y, 1), lambda x, y: np.tensordot(x, y, 1), (C, B)),
    ("tensordot-axes", lambda x, y: products.tensordot(x, y, ([2, 1], [1, 0])), lambda x, y: np.tensordot(x, y, ([2, 1], [1, 0])), (C, A)),
    ("tensordot-0", lambda x, y: products.tensordot(x, y, 0), lambda x, y: np.tensordot(x, y, 0), (A, V)),
    ("kron", products.kron, np.kron, (A, C)),
    ("cross", products.cross, np.cross, (rand(4, 3), rand(4, 3, seed=8))),
    ("cross-axes", lambda x, y: products.cross(x, y, 0, 1, 0), lambda x, y: np.cross(x, y, 0, 1, 0), (rand(3, 4), rand(4, 3, seed=8))),
    *[(f"cross-{m}{n}", products.cross, lambda a, b: _cross(a, b), (rand(4, m), rand(4, n, seed=8))) for m, n in [(2, 3), (3, 2), (2, 2)]],
    ("multi_dot", lambda *x: products.multi_dot(x), lambda *x: np.linalg.multi_dot(x), (A[0], B, rand(5, 2), rand(2, 7))),
    # linalg
    ("inv", linalg.inv, np.linalg.inv, (np.stack([W, S]),)),
    ("pinv", linalg.pinv, np.linalg.pinv, (C,)),
    ("solve-vector", linalg.solve, np.linalg.solve, (W, V[:3])),
    ("solve", linalg.solve, np.linalg.solve, (np.stack([W, S]), rand(2, 3, 4))),
    ("det", linalg.det, np.linalg.det, (np.stack([W, S]),)),
    ("slogdet", linalg.slogdet, lambda x: tuple(np.linalg.slogdet(x)), (np.stack([W, -W]),)),
    ("cholesky", linalg.cholesky, np.linalg.cholesky, (S,)),
    ("cholesky-upper", lambda x: linalg.cholesky(x, upper=True), lambda x: np.linalg.cholesky(x).T, (S,)),
    ("qr", linalg.qr, lambda x: tuple(np.linalg.qr(x)), (C,)),
    ("qr-complete", lambda x: linalg.qr(x, "complete"), lambda x: tuple(np.linalg.qr(x, "complete")), (B,)),
    ("qr-r", lambda x: linalg.qr(x, "r"), lambda x: np.linalg.qr(x, "r"), (B,)),
    ("svd", linalg.svd, lambda x: tuple(np.linalg.svd(x)), (A,)),
    ("svd-thin", lambda x: linalg.svd(x, False), lambda x: tuple(np.linalg.svd(x, False)), (C,)),
    ("svdvals", linalg.svdvals, lambda x: np.linalg.svd(x, compute_uv=False), (C,)),
    ("eigh", linalg.eigh, lambda x: tuple(np.linalg.eigh(x)), (S,)),
    ("eigvalsh", lambda x: linalg.eigvalsh(x, "U"), lambda x: np.linalg.eigvalsh(x, "U"), (S,)),
    ("eig", linalg.eig, lambda x: tuple(np.linalg.eig(x)), (np.array([[2.0, 1.0], [0.0, 3.0]]),)),
    ("matrix_rank", linalg.matrix_rank, np.linalg.matrix_rank, (np.stack([W, np.ones((3, 3))]),)),
    *[
        (f"matrix_power{n}", lambda x, n=n: linalg.matrix_power(x, n), lambda x, n=n: np.linalg.matrix_power(x, n), (W,))
        for n in (-2, 0, 1, 5)
    ],
    ("tensorinv", lambda x: linalg.tensorinv(x, 1), lambda x: np.linalg.tensorinv(x, 1), (rand(6, 2, 3),)),
    ("tensorsolve", linalg.tensorsolve, np.linalg.tensorsolve, (rand(2, 3, 6), rand(2, 3))),
    (
        "tensorsolve-axes",
        lambda a, b: linalg.tensorsolve(a, b, (0,)),
        lambda a, b: np.linalg.tensorsolve(a, b, (0,)),
        (rand(6, 2, 3), rand(2, 3)),
    ),
    *[(f"cond-{p}", lambda x, p=p: linalg.cond(x, p), lambda x, p=p: np.linalg.cond(x, p), (W,)) for p in (None, -2, 1, math.inf, "fro")],
    *[
        (f"norm-vector-{o}", lambda x, o=o: linalg.norm(x, o, 1), lambda x, o=o: np.linalg.norm(x, o, 1), (C,))
        for o in (None, 0, 1, 2, 3, -1, math.inf, -math.inf)
    ],
    *[
        (f"norm-matrix-{o}", lambda x, o=o: linalg.norm(x, o, (2, 0), True), lambda x, o=o: np.linalg.norm(x, o, (2, 0), True), (C,))
        for o in (None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)
    ],
    ("norm", linalg.norm, np.linalg.norm, (C,)),
    ("norm-ints", linalg.norm, lambda x: np.linalg.norm(x).astype(np.float32), (INTS,)),
]


@pytest.mark.parametrize(("ours", "theirs", "inputs"), [pytest.param(*c[1:], id=c[0]) for c in CASES])
def test_values_are_numpys(ours: Callable[..., Any], theirs: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    same_eager_and_compiled(ours, theirs, inputs)


GRADIENTS: list[tuple[str, Callable[..., Any], tuple[Data, ...]]] = [
    ("dot", products.dot, (C, B)),
    ("kron", products.kron, (A[:2, :2], V[:3])),
    ("cross", products.cross, (rand(2, 3), rand(2, 3, seed=8))),
    ("multi_dot", lambda *x: products.multi_dot(x), (A, B, rand(5, 2))),
    ("cholesky", linalg.cholesky, (S,)),
    ("eigh", lambda x: linalg.eigh(x)[1], (S,)),
    ("lstsq", lambda a, b: linalg.matmul(linalg.pinv(a), b), (B.T, rand(5, 2))),
    ("matrix_power", lambda x: linalg.matrix_power(x, -3), (W,)),
    ("norm-3", lambda x: linalg.norm(x, 3, 1), (A,)),
    ("norm-nuclear", lambda x: linalg.norm(x, "nuc"), (A,)),
]


@pytest.mark.parametrize(("function", "points"), [pytest.param(*c[1:], id=c[0]) for c in GRADIENTS])
def test_gradients_of_composites(function: Callable[..., Any], points: tuple[Data, ...]) -> None:
    check_gradient(function, *points)


# -- einsum ---------------------------------------------------------------------------------------

EINSUMS: list[tuple[str, list[tuple[int, ...]]]] = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("bij,bjk->bki", [(2, 3, 4), (2, 4, 5)]),
    ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iij->ji", [(3, 3, 2)]),
    ("ijk->", [(2, 3, 4)]),
    ("ijk->ki", [(2, 3, 4)]),
    ("i,j->ji", [(2,), (3,)]),
    ("ij,ij->ij", [(2, 3), (2, 3)]),
    ("ij,ij->", [(2, 3), (2, 3)]),
    ("ij,kl->k", [(2, 3), (4, 5)]),
    ("ab,bc,cd,de->ae", [(2, 3), (3, 4), (4, 2), (2, 5)]),
    ("abc,bd,cd->ad", [(2, 3, 4), (3, 2), (4, 2)]),
    ("...ij,...jk->...ik", [(5, 1, 2, 3), (4, 3, 2)]),
    ("i...->...", [(2, 3, 4)]),
    ("...i,i", [(2, 3), (3,)]),
    ("ij,jk->ik", [(2, 1), (3, 4)]),
    ("ij,ij->ij", [(2, 1), (1, 3)]),
    (",i->i", [(), (3,)]),
    ("ij,j->i", [(0, 3), (3,)]),
    ("ij,jk->ik", [(2, 0), (0, 3)]),
    ("ijij->ij", [(2, 3, 2, 3)]),
]


@pytest.mark.parametrize(("subscripts", "shapes"), EINSUMS)
def test_einsum(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    arrays = [rand(*s, seed=i) for i, s in enumerate(shapes)]
    for optimize in (True, False):
        same(einsum(subscripts, *map(array, arrays), optimize=optimize), np.einsum(subscripts, *arrays))
    check_gradient(lambda *x: einsum(subscripts, *x), *arrays)


def test_einsum_takes_lists_of_axes_and_says_what_is_wrong() -> None:
    same(einsum(array(A), [0, 1], array(B), [1, 2], [2, 0]), np.einsum(A, [0, 1], B, [1, 2], [2, 0]))
    with pytest.raises(ShapeError, match=r"3 and 4|4 and 3"):
        einsum("ij,ij->i", array(A), array(A.T))
    with pytest.raises(ValueError, match="each label of the result once"):
        einsum("ij->k", array(A))
    with pytest.raises(ValueError, match=r"for 1 operands"):
        einsum("ij,jk", array(A))


def test_lstsq_gives_residuals_rank_and_singular_values() -> None:
    a, b = rand(5, 3), rand(5, 2, seed=1)
    same(linalg.lstsq(array(a), array(b)), np.linalg.lstsq(a, b), 1e-10)
    x, residuals, rank, _ = linalg.lstsq(array(np.ones((4, 2))), array(rand(4)))
    assert residuals.shape == (0,)
    assert rank.item() == 1
    assert x.shape == (2,)


def test_half_precision_factorisations_are_computed_in_float32() -> None:
    x = array(S.astype(np.float16))
    assert linalg.inv(x).dtype == dtypes.float16
    np.testing.assert_allclose(linalg.inv(x).asnumpy(), np.linalg.inv(S), rtol=2e-2, atol=2e-2)
    assert all(part.dtype == dtypes.float16 for part in linalg.svd(x))


def test_full_svd_says_how_to_get_a_gradient() -> None:
    x = array(A)
    x.attach_grad()
    with autograd.record():
        y = reduction.sum(linalg.svd(x)[0])
    with pytest.raises(AutogradError, match="full_matrices=False"):
        y.backward()


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (lambda x: products.tensordot(x, x, 1), ShapeError, "axes of equal lengths"),
        (lambda x: linalg.inv(x), ShapeError, "square"),
        (lambda x: linalg.inv(x[:2, :2] * 0), HybridnetError, "Singular matrix"),
        (lambda x: linalg.eigvals(array(np.array([[0.0, 1], [-1, 0]]))), ValueError, "real eigenvalues"),
        (lambda x: linalg.norm(x, "fro", 1), ValueError, "as ord of vectors"),
    ],
)
def test_errors_say_what_was_expected(wrong: Callable[[Any], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        wrong(array(A))
