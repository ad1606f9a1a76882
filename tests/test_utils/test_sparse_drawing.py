"""Random arrays of csr and row_sparse storage."""

import numpy
import pytest

from hybridnet import test_utils as tu
from hybridnet.errors import ArgumentError, ShapeError


@pytest.fixture(autouse=True)
def _seeded() -> None:
    numpy.random.seed(0)


def test_rows() -> None:
    array, (values, rows) = tu.rand_sparse_ndarray((400, 30), "row_sparse", density=0.3)
    assert array.stype == "row_sparse" and array.shape == (400, 30) and values.dtype == numpy.float32
    assert array.indices.asnumpy().tolist() == rows.tolist() and 0.2 < len(rows) / 400 < 0.4
    assert 0 <= values.min() < 0.01 and 0.99 < values.max() < 1
    assert (array.data.asnumpy() == values).all()
    chosen = tu.create_sparse_array((4, 3), "row_sparse", data_init=2, rsp_indices=numpy.array([3, 1]), modifier_func=lambda x: x + 1)
    assert chosen.asnumpy().tolist() == [[0] * 3, [3] * 3, [0] * 3, [3] * 3]
    assert tu.create_sparse_array_zd((4, 3), "row_sparse", density=1).asnumpy().any() == 0
    assert tu.rand_ndarray((5, 2), "row_sparse", density=1, dtype="float64").dtype == numpy.float64


def test_matrices_by_rows() -> None:
    array, (indptr, indices, data) = tu.rand_sparse_ndarray((40, 30), "csr", density=0.3)
    assert array.stype == "csr" and len(data) == len(indices) == 360 == indptr.asnumpy()[-1]
    array.check_format()
    filled = tu.create_sparse_array((4, 5), "csr", data_init=3, density=0.5)
    assert sorted(set(filled.asnumpy().ravel())) == [0, 3] and (filled.asnumpy() == 3).sum() == 10
    shuffled = tu.rand_sparse_ndarray((3, 30), "csr", density=1, shuffle_csr_indices=True)[0]
    columns = shuffled.indices.asnumpy().reshape(3, 30)
    assert (columns != numpy.arange(30)).any() and (numpy.sort(columns) == numpy.arange(30)).all()
    assert tu.rand_ndarray((2, 3), "csr", density=0).asnumpy().tolist() == [[0] * 3] * 2


def test_each_row_has_twice_as_many() -> None:
    """The counts are MXNet's."""
    for density, counts in ((0.5, [2, 4, 8, 16, 10]), (0.3, [2, 4, 8, 9, 1])):
        array = tu.rand_sparse_ndarray((5, 16), "csr", density=density, distribution="powerlaw")[0]
        assert numpy.diff(array.indptr.asnumpy()).tolist() == counts
        assert 1 < array.data.asnumpy().min() < array.data.asnumpy().max() < 3
    with pytest.raises(ArgumentError, match=r"have room; got 0.9 for \(5, 16\)"):
        tu.rand_sparse_ndarray((5, 16), "csr", density=0.9, distribution="powerlaw")


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match="stype csr or row_sparse; got 'rows'"):
        tu.rand_sparse_ndarray((2, 2), "rows")
    with pytest.raises(ShapeError, match="two dimensions for csr"):
        tu.rand_sparse_ndarray((2, 2, 2), "csr")
    with pytest.raises(ArgumentError, match="a density from 0 to 1; got 2"):
        tu.rand_sparse_ndarray((2, 2), "csr", density=2)
    with pytest.raises(ArgumentError, match="distribution uniform or powerlaw; got 'normal'"):
        tu.rand_sparse_ndarray((2, 2), "csr", distribution="normal")
    with pytest.raises(ArgumentError, match="distribution uniform for row_sparse"):
        tu.rand_sparse_ndarray((2, 2), "row_sparse", distribution="powerlaw")
    with pytest.raises(ArgumentError, match="at most 2 rsp_indices"):
        tu.create_sparse_array((2, 2), "row_sparse", rsp_indices=[0, 1, 1])
