"""``nd.sparse``: how arrays are made, looked at, changed, copied, pickled and refused. Elements of operators: ``test_sparse_mxnet.py``."""

import pickle
from typing import Any

import numpy
import pytest
import scipy.sparse
from support.paths import DATA
from support.sparse_expressions import values

import hybridnet as hn
from hybridnet import nd
from hybridnet.errors import ArgumentError, DtypeError, HybridnetError, ShapeError
from hybridnet.ndarray.sparse import CSRNDArray, RowSparseNDArray

X = numpy.array([[0, 1.5, 0], [2, 0, 0], [0, 0, 0], [0, 0, -3]], "float32")


def csr() -> CSRNDArray:
    return nd.sparse.csr_matrix(X)


def rows() -> RowSparseNDArray:
    return nd.sparse.row_sparse_array(X)


@pytest.mark.parametrize(
    "source",
    [
        (numpy.array([1.5, 2, -3], "float32"), [1, 0, 2], [0, 1, 2, 2, 3]),
        (nd.array([1.5, 2, -3]), nd.array([1, 0, 2]), nd.array([0, 1, 2, 2, 3])),
        ([1.5, 2, -1, -2], ([0, 1, 3, 3], [1, 0, 2, 2])),
        ([-3, 2, 1.5], (numpy.array([3, 1, 0]), numpy.array([2, 0, 1]))),
        X,
        X.tolist(),
        nd.array(X),
        scipy.sparse.csr_matrix(X),
        scipy.sparse.coo_matrix(X),
        scipy.sparse.coo_matrix(([1.5, 2, -1, -2], ([0, 1, 3, 3], [1, 0, 2, 2]))).astype("float32"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_matrix_is_made_of_its_parts_and_of_others(source: Any) -> None:
    for shape in (None, (4, 3)):
        x = nd.sparse.csr_matrix(source, shape=shape)
        assert (type(x), x.stype, x.shape, x.dtype) == (CSRNDArray, "csr", (4, 3), numpy.float32)
        assert (x.asnumpy() == X).all()
        assert [a.asnumpy().tolist() for a in (x.data, x.indices, x.indptr)] == [[1.5, 2, -3], [1, 0, 2], [0, 1, 2, 2, 3]]
        assert x.indices.dtype is x.indptr.dtype is numpy.int64


def test_rows_are_made_of_their_parts_and_of_others() -> None:
    parts = (X[[0, 1, 3]], [0, 1, 3])
    for x in (
        rows(),
        nd.sparse.row_sparse_array(parts),
        nd.sparse.row_sparse_array(parts, shape=(4, 3)),
        nd.array(X).tostype("row_sparse"),
    ):
        assert (type(x), x.stype, x.shape, x.dtype) == (RowSparseNDArray, "row_sparse", (4, 3), numpy.float32)
        assert (x.asnumpy() == X).all()
        assert x.indices.asnumpy().tolist() == [0, 1, 3]
        assert (x.data.asnumpy() == X[[0, 1, 3]]).all()
    tall = nd.sparse.row_sparse_array((numpy.ones((2, 2, 3)), [1, 4]), shape=(6, 2, 3), dtype="float16")
    assert (tall.shape, tall.dtype, tall.asnumpy().sum()) == ((6, 2, 3), numpy.float16, 12)


def test_zeros_hold_nothing() -> None:
    for x in (
        nd.sparse.zeros("csr", (2, 3)),
        nd.sparse.empty("csr", (2, 3)),
        nd.zeros((2, 3), stype="csr"),
        nd.sparse.csr_matrix((2, 3)),
        nd.zeros_like(nd.sparse.csr_matrix(numpy.ones((2, 3), "float32"))),
    ):
        assert (x.stype, x.shape, x.dtype) == ("csr", (2, 3), numpy.float32)
        assert not x.asnumpy().any()
    for x in (nd.sparse.zeros("row_sparse", (2, 3), dtype="float64"), nd.sparse.row_sparse_array((2, 3), dtype="float64")):
        assert (x.stype, x.data.shape, x.indices.shape, x.dtype) == ("row_sparse", (0, 3), (0,), numpy.float64)
    assert type(nd.sparse.zeros("default", (2,))) is nd.NDArray


def test_dtypes_are_those_of_the_source() -> None:
    for dtype in ("float16", "float32", "float64", "int32", "int64"):
        x = X.astype(dtype)
        assert nd.sparse.csr_matrix(x).dtype == nd.sparse.row_sparse_array(x).dtype == numpy.dtype(dtype)
        assert nd.sparse.csr_matrix(x.tolist()).dtype is numpy.float32
        product = nd.dot(nd.sparse.csr_matrix(x), nd.array(x.T, dtype=dtype))
        assert product.dtype == numpy.dtype(dtype)
        numpy.testing.assert_allclose(product.asnumpy(), (x @ x.T), rtol=1e-3)
    half = nd.array(X).astype("bfloat16").tostype("csr")
    assert str((half + half)._data.dtype) == "bfloat16"
    assert ((half + half).astype("float32").asnumpy() == 2 * X).all()


def test_an_array_shows_its_kind_and_shape() -> None:
    assert repr(csr()) == str(csr()) == "\n<CSRNDArray 4x3 @cpu(0)>"
    assert repr(rows()) == "\n<RowSparseNDArray 4x3 @cpu(0)>"
    assert (len(csr()), csr().ndim, csr().size) == (4, 2, 12)


def test_a_matrix_gives_rows() -> None:
    x = csr()
    for key in (0, -1, slice(1, 3), slice(None), slice(2), slice(-2, None), slice(2, 2), slice(3, 1)):
        found = x[key]
        assert found.stype == "csr"
        expected = X[key] if isinstance(key, slice) else X[[key]]
        assert (found.asnumpy() == expected).all()
        assert found.shape == expected.shape
    assert [r.asnumpy().tolist() for r in x] == [[row] for row in X.tolist()]
    with pytest.raises(IndexError):
        x[4]
    with pytest.raises(ArgumentError, match="steps of 1"):
        x[::2]
    with pytest.raises(ArgumentError, match=r"expected x\[:\]"):
        rows()[0]


def test_an_array_is_assigned_to_as_a_whole() -> None:
    for make in (csr, rows):
        x = make()
        x[:] = nd.array(X * 2)
        assert (x.stype, x.asnumpy().tolist()) == (make().stype, (X * 2).tolist())
        x[:] = X
        x[:] = make() * 3
        assert (x.asnumpy() == X * 3).all()
        x[:] = 1
        assert (x.asnumpy() == 1).all()
        with pytest.raises(ArgumentError, match="all of it"):
            x[0] = 1


def test_copies() -> None:
    for make in (csr, rows):
        x = make()
        for y in (x.copy(), x.copyto(nd.zeros((4, 3))), x.copyto(make() * 0), x.as_in_context(hn.cpu(1)), x.copyto(hn.cpu(1))):
            assert (y.asnumpy() == X).all()
        assert x.as_in_context(hn.cpu(0)) is x
        assert x.as_in_context(hn.cpu(1)).stype == x.stype
        assert nd.array(X).copyto(make() * 0).stype == x.stype
        assert nd.sparse.array(x).stype == x.stype
        assert x.tostype("default").stype == "default"
        assert x.tostype(x.stype) is not x
        assert x.astype("float32", copy=False) is x
        again = pickle.loads(pickle.dumps(x))
        assert type(again) is type(x)
        assert (again.asnumpy() == X).all()
        x.data[:] = 7  # of a copy
        assert (x.asnumpy() == X).all()
    assert type(csr().asscipy()) is scipy.sparse.csr_matrix
    assert (csr().asscipy().toarray() == X).all()
    assert (csr().todense().asnumpy() == X).all()


def test_files_are_mxnets() -> None:
    """MXNet's own file holds what the arrays are, and ours is the same to the byte."""
    path = DATA / "mxnet_1_9_1_sparse.params"
    found, expected = nd.load(path), values()
    for name, stype in (("c", "csr"), ("r", "row_sparse"), ("d", "default")):
        assert found[name].stype == stype
        assert (found[name].asnumpy() == expected[name]).all()
    assert (found["none"].stype, found["none"].shape) == ("csr", (2, 3))
    assert hn.serialization.encode(found) == path.read_bytes()


def test_an_order_that_is_not_that_of_columns_is_kept() -> None:
    x = nd.sparse.csr_matrix(([1, 2, 3, 4], [2, 0, 1, 0], [0, 2, 4]), shape=(2, 3))
    dense = numpy.array([[2, 0, 1], [4, 3, 0]], "float32")
    assert x.indices.asnumpy().tolist() == [2, 0, 1, 0]
    with pytest.raises(ArgumentError, match="column indices that rise, none twice; got 0 behind 2"):
        x.check_format()
    x.check_format(full_check=False)
    ours = nd.sparse.csr_matrix(dense)
    for found, expected in (
        (x, dense), (x + ours, 2 * dense), (x * ours, dense * dense), (nd.dot(x, ours.todense().T), dense @ dense.T), (x[1:], dense[1:]),
        (nd.sum(x, axis=0), dense.sum(0)), (nd.slice(x, begin=(0, 1), end=(2, 3)), dense[:, 1:]),
        (nd.take(x, nd.array([1, 0])), dense[::-1]),
    ):  # fmt: skip
        numpy.testing.assert_allclose(found.asnumpy(), expected)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda s: s.csr_matrix(([1, 2], [0, 3], [0, 2]), shape=(1, 3)), ArgumentError, "column indices from 0 to 2; got from 0 to 3"),
        (lambda s: s.csr_matrix(([1, 2], [-1, 1], [0, 2]), shape=(1, 3)), ArgumentError, "column indices from 0 to 2; got from -1 to 1"),
        (lambda s: s.csr_matrix(([1, 2], [1, 1], [0, 2]), shape=(1, 3)), ArgumentError, "none twice; got 1 behind 1"),
        (lambda s: s.csr_matrix(([1, 2, 3], [1, 0, 1], [0, 3]), shape=(1, 3)), ArgumentError, "none twice; got 1 behind 1"),
        (lambda s: s.csr_matrix(([1, 2], [0, 1], [0, 3]), shape=(1, 3)), ArgumentError, "indptr that rises from 0 to 2"),
        (lambda s: s.csr_matrix(([1, 2], [0, 1], [0, 2, 1, 2]), shape=(3, 3)), ArgumentError, "indptr that rises from 0 to 2"),
        (lambda s: s.csr_matrix(([1, 2], [0, 1], [0, 2]), shape=(2, 3)), ShapeError, r"indptr of shape \(3,\)"),
        (lambda s: s.csr_matrix(([1], [0, 1], [0, 2]), shape=(1, 3)), ShapeError, "as many indices as values"),
        (lambda s: s.csr_matrix(([1, 2], [0.5, 1], [0, 2]), shape=(1, 3)), DtypeError, "indices of whole numbers"),
        (lambda s: s.csr_matrix(([1, 2], [0, 1], [0, 2]), shape=(1, 3, 1)), ShapeError, "two dimensions"),
        (lambda s: s.csr_matrix(([1, 2], ([0, 4], [0, 1])), shape=(2, 2)), ArgumentError, "row indices from 0 to 1; got from 0 to 4"),
        (lambda s: s.csr_matrix(([1, 2], ([0], [0, 1])), shape=(2, 2)), ShapeError, "as many rows and columns as values"),
        (lambda s: s.csr_matrix(X, shape=(3, 4)), ShapeError, r"shape \(3, 4\)"),
        (lambda s: s.csr_matrix(numpy.ones(3)), ShapeError, "a matrix for csr storage"),
        (lambda s: s.csr_matrix(numpy.ones((2, 2, 2))), ShapeError, "a matrix for csr storage"),
        (lambda s: s.row_sparse_array((X[:2], [1, 0]), shape=(4, 3)), ArgumentError, "row indices that rise, none twice; got 0 behind 1"),
        (lambda s: s.row_sparse_array((X[:2], [1, 1]), shape=(4, 3)), ArgumentError, "row indices that rise, none twice; got 1 behind 1"),
        (lambda s: s.row_sparse_array((X[:2], [1, 4]), shape=(4, 3)), ArgumentError, "row indices from 0 to 3; got from 1 to 4"),
        (lambda s: s.row_sparse_array((X[:2], [1]), shape=(4, 3)), ShapeError, r"data of shape \(1, 3\)"),
        (lambda s: s.row_sparse_array((X[:2], [0, 1], [0])), ArgumentError, "a tuple of 3"),
        (lambda s: s.zeros("coo", (2, 3)), ArgumentError, "csr or row_sparse; got 'coo'"),
        (lambda s: s.zeros("csr", (2, 3, 4)), ShapeError, "two dimensions"),
        (lambda s: s.empty("default", (2, 3)), ArgumentError, "nd.empty"),
        (lambda s: s.array([[1, 2]]), ArgumentError, "nd.array"),
        (lambda s: s.array(nd.ones((2, 2))), ArgumentError, "nd.array"),
        (lambda s: csr().tostype("row_sparse"), ArgumentError, "default or csr"),
        (lambda s: rows().tostype("csr"), ArgumentError, "default or row_sparse"),
        (lambda s: nd.ones((2, 2)).tostype("coo"), ArgumentError, "stype default, csr or row_sparse"),
        (lambda s: csr().reshape((3, 4)), ArgumentError, "a dense array"),
        (lambda s: csr() + s.zeros("csr", (3, 4)), HybridnetError, "shapes that broadcast"),
        (lambda s: nd.dot(csr(), nd.ones((4, 2))), ShapeError, "inner dimensions that agree"),
        (lambda s: rows().retain(nd.array([4])), ShapeError, "rows from 0 to 3"),
        (lambda s: csr().attach_grad(stype="coo"), ArgumentError, "stype default, csr or row_sparse"),
    ],
)
def test_refusals(make: Any, error: type[HybridnetError], text: str) -> None:
    with pytest.raises(error, match=text):
        make(nd.sparse)


@pytest.mark.parametrize("storage", ["csr", "row_sparse"])
def test_the_own_storage_is_a_copy(storage: str) -> None:
    x = nd.array([[1, 0], [0, 2]]).tostype(storage)
    for y in (x.tostype(storage), nd.cast_storage(x, storage)):
        assert y is not x and y.stype == storage
        y.data[:] = 9
        assert x.asnumpy().tolist() == [[1, 0], [0, 2]]
