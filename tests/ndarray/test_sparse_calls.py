"""Arrays of csr and row_sparse storage as MXNet 1.9.1 answered calls of them: a sample of those of ``tests/mxnet/compare_sparse.py``."""

import gzip
import warnings
from typing import Any

import numpy
import pytest
from support.sparse_agreement import SAMPLE, storages, unpacked, verdict
from support.sparse_answers import answer

import hybridnet
from hybridnet import nd
from hybridnet.core import OPS
from hybridnet.core.storage import StorageFallbackWarning, told
from hybridnet.core.stored import index_dtype
from hybridnet.errors import ArgumentError

CALLS = unpacked(gzip.decompress(SAMPLE.read_bytes()).decode())
FAMILIES = sorted({call["family"] for call, _ in CALLS})


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore")
def test_answers_are_mxnets(family: str) -> None:
    for call, expected in CALLS:
        if call["family"] == family:
            with numpy.errstate(all="ignore"):
                found = verdict(expected, answer(hybridnet, call))
            assert found == ("agrees", ""), f"{call['text']} {storages(call)}"


def test_a_verdict_sees_values_storage_and_refusals() -> None:
    call: dict[str, Any] = {"text": "x * 2", "arrays": {"x": ["csr", [3, 4], 0.5, 1]}, "gradients": {"x": None}}
    right = answer(hybridnet, call)
    assert verdict(right, right) == ("agrees", "")
    for text in ("x * 3", "x.todense() * 2", "x * 2 if 0 else nosuch", "(x * 2)[1:]"):
        assert verdict(right, answer(hybridnet, {**call, "text": text}))[0] == "differs"
    assert verdict({"error": "no"}, right) == ("more", "no")


def test_a_gradient_of_no_rows_changes_nothing() -> None:
    none = nd.sparse.zeros("row_sparse", (3, 2))
    for storage in ("default", "row_sparse"):
        weight, state = nd.ones((3, 2)).tostype(storage), nd.ones((3, 2)).tostype(storage)
        assert nd.sparse.sgd_mom_update(weight, none, state, lr=1, momentum=0.5, wd=1, out=weight) is weight
        assert (weight.asnumpy() == 1).all()
        assert (state.asnumpy() == 1).all()


def test_an_update_leaves_the_weight_that_is_no_out_alone() -> None:
    gradient = nd.sparse.row_sparse_array((numpy.ones((1, 2), "float32"), [1]), shape=(3, 2))
    for storage in ("default", "row_sparse"):
        weight = nd.ones((3, 2)).tostype(storage)
        made = nd.sparse.sgd_update(weight, gradient, lr=0.5)
        assert made.stype == storage
        assert (weight.asnumpy() == 1).all()
        assert made.asnumpy().tolist() == [[1, 1], [0.5, 0.5], [1, 1]]
    with pytest.raises(ArgumentError, match=r"wd=0; got 0\.1"):
        nd.sparse.adagrad_update(weight, gradient, weight.copy(), lr=0.1, wd=0.1)


def test_a_dense_computation_is_told_once_for_each_operator() -> None:
    x = nd.array([[0, 1], [2, 0]]).tostype("csr")
    told.discard(OPS["exp"])
    with pytest.warns(StorageFallbackWarning, match=r"exp at .*test_sparse_calls.py.* \(csr\)"):
        first = nd.exp(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = nd.exp(x)
    assert first.stype == second.stype == "default"
    assert (first.asnumpy() == second.asnumpy()).all()
    assert (first.asnumpy() == numpy.exp(x.asnumpy())).all()


def test_more_than_int32_holds() -> None:
    """Columns beyond 2**31, and the index type of as many values."""
    wide = 2**33
    x = nd.sparse.csr_matrix(([1.0, 2.0, 3.0], [5, wide - 1, wide - 2], [0, 2, 3]), shape=(2, wide))
    assert x.indices.asnumpy().tolist() == [5, wide - 1, wide - 2]
    assert x.data.asnumpy().tolist() == [1, 2, 3]
    product = nd.dot(x, nd.array([[1.0], [10.0]]), transpose_a=True)
    assert product.stype == "row_sparse"
    assert product.shape == (wide, 1)
    assert product.indices.asnumpy().tolist() == [5, wide - 2, wide - 1]
    assert product.data.asnumpy().reshape(-1).tolist() == [1, 30, 2]
    assert nd.dot(x, product).asnumpy().reshape(-1).tolist() == [5, 90]
    assert (x + x)[1].data.asnumpy().tolist() == [6]
    assert nd.sum(x).asscalar() == 6
    with pytest.raises(ArgumentError, match=f"column indices from 0 to {wide - 1}"):
        nd.sparse.csr_matrix(([1.0], [wide], [0, 1]), shape=(1, wide))
    assert index_dtype((3, 3), 2**31 - 1) == numpy.int32
    assert index_dtype((3, 3), 2**31) == numpy.int64


def test_what_a_matrix_knows_of_its_places_is_not_taken_for_its_values() -> None:
    dense = numpy.array([[0, 1.5, 0], [2, 0, 0], [0, 4, 0]], "float32")
    x = nd.array(dense).tostype("csr")
    b = nd.array(numpy.arange(6, dtype="float32").reshape(3, 2))
    for y, expected in ((x, dense), (x * 2, dense * 2), (nd.square(x), dense**2), (x.astype("float64"), dense), (x, dense)):
        numpy.testing.assert_allclose(nd.dot(y, b.astype(y.dtype)).asnumpy(), expected @ b.asnumpy())
        turned = nd.dot(y, b.astype(y.dtype), transpose_a=True)
        numpy.testing.assert_allclose(turned.asnumpy(), expected.T @ b.asnumpy())
        assert turned.indices.asnumpy().tolist() == [0, 1]
    x[:] = nd.array(dense[::-1].copy()).tostype("csr")
    numpy.testing.assert_allclose(nd.dot(x, b, transpose_a=True).asnumpy(), dense[::-1].T @ b.asnumpy())
