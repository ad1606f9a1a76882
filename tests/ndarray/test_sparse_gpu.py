"""Arrays of csr and row_sparse storage on a GPU, the emulated one and a real one: they give what they give on the CPU."""

from contextlib import nullcontext
from typing import Any

import numpy
import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from support.sparse_expressions import EXPRESSIONS, arrays, with_gradients

import hybridnet as hn
from hybridnet import autograd, gluon, nd
from hybridnet.errors import ShapeError
from hybridnet.gluon import nn

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
DEVICES = [pytest.param(emulated_gpu, marks=needs_compiler, id="emulated"), pytest.param(nullcontext, marks=pytest.mark.gpu, id="gpu")]
CHUNKS = [EXPRESSIONS[i::8] for i in range(8)]


def answers(text: str, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What an expression gives, and the gradients of its sum."""
    names = with_gradients(text, given)
    with autograd.record():
        found = eval(text, {"nd": nd, **given})
        total = nd.sum(found.tostype("default"))
    total.backward()
    return found, {name: given[name].grad for name in names}


def check(text: str) -> None:
    """An expression on the GPU beside the same on the CPU: values, storage, where it lies, gradients or the error."""
    try:
        expected, slopes = answers(text, arrays(nd))
    except Exception as error:
        with pytest.raises(type(error)), hn.gpu(0):
            answers(text, {name: x.as_in_context(hn.gpu(0)) for name, x in arrays(nd).items()})
        return
    on_gpu = {name: x.as_in_context(hn.gpu(0)) for name, x in arrays(nd).items()}
    with hn.gpu(0):
        found, its_slopes = answers(text, on_gpu)
    for ours, theirs in ((found, expected), *((its_slopes[name], slopes[name]) for name in slopes)):
        assert (ours.device, ours.stype, ours.dtype) == (hn.gpu(0), theirs.stype, theirs.dtype), text
        numpy.testing.assert_allclose(ours.asnumpy(), theirs.asnumpy(), rtol=1e-5, atol=1e-6, err_msg=text)
        data = ours._data if ours.stype == "default" else ours._data.data
        assert data.flags.c_contiguous, f"{text}: the result lies by columns"


@pytest.mark.filterwarnings("ignore::hybridnet.core.storage.StorageFallbackWarning")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # arctanh of 1
@pytest.mark.parametrize("texts", CHUNKS, ids=range(len(CHUNKS)))
def test_results_are_those_of_the_cpu(texts: list[str], device: Any) -> None:
    with device():
        for text in texts:
            check(text)


@pytest.mark.filterwarnings("ignore::hybridnet.core.storage.StorageFallbackWarning")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float16", "float64"])
def test_types_that_the_library_does_not_have(dtype: str, device: Any) -> None:
    def results(place: Any) -> list[Any]:
        given = {name: nd.array(abs(x.asnumpy() * 2), ctx=place, dtype=dtype) for name, x in arrays(nd).items()}
        given |= {name: x.tostype("csr") for name, x in given.items() if name in ("c", "c2", "ct")}
        return [
            eval(text, {"nd": nd, **given}).asnumpy()
            for text in ("nd.dot(c, w)", "nd.dot(c, v, transpose_a=True)", "nd.dot(d, ct)", "nd.dot(c, ct)", "c + c2", "c * c2")
        ]

    expected = results(hn.cpu())
    with device():
        for ours, theirs in zip(results(hn.gpu(0)), expected, strict=True):
            assert ours.dtype == theirs.dtype
            numpy.testing.assert_allclose(ours, theirs, rtol=1e-3 if dtype == "float16" else 1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_rows_that_are_not_there_are_refused(device: Any) -> None:
    with device():
        x = nd.ones((3, 2), ctx=hn.gpu(0)).tostype("row_sparse")
        for rows in ([0, 3], [-1]):
            with pytest.raises(ShapeError, match="rows from 0 to 2"):
                nd.sparse.retain(x, nd.array(rows, ctx=hn.gpu(0)))


@pytest.mark.parametrize("device", DEVICES)
def test_a_matrix_whose_columns_do_not_rise_keeps_its_order(device: Any) -> None:
    """Products want them in order; what they are computed of is a copy."""
    with device():
        x = nd.sparse.csr_matrix(([1.0, 2.0, 3.0], [2, 0, 1], [0, 2, 3]), shape=(2, 3), ctx=hn.gpu(0))
        y = nd.array([[1.0], [10.0], [100.0]], ctx=hn.gpu(0))
        assert nd.dot(x, y).asnumpy().tolist() == [[102], [30]]
        assert (x + x).asnumpy().tolist() == [[4, 0, 2], [0, 6, 0]]
        assert (x.indices.asnumpy().tolist(), x.data.asnumpy().tolist()) == ([2, 0, 1], [1, 2, 3])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["sgd", "adam", "adagrad", "ftrl", "groupadagrad"])
def test_an_embedding_trains_by_rows(name: str, device: Any) -> None:
    def trained(place: Any) -> Any:
        hn.random.seed(0)
        net = nn.Embedding(10, 4, sparse_grad=True)
        net.initialize(ctx=place)
        trainer = gluon.Trainer(net.collect_params(), name, {"learning_rate": 0.1})
        for _ in range(2):
            with autograd.record():
                loss = (net(nd.array([1, 3, 3], ctx=place)) ** 2).sum()
            loss.backward()
            trainer.step(1)
        assert net.weight.grad().indices.asnumpy().tolist() == [1, 3]
        return net.weight.data().asnumpy()

    expected = trained(hn.cpu())
    with device():
        numpy.testing.assert_allclose(trained(hn.gpu(0)), expected, rtol=1e-5)
