"""Arrays of csr and row_sparse storage on the emulated GPU: what they are made of lies there, and gives what it gives on the CPU."""

from typing import Any

import numpy
import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from support.sparse_expressions import arrays

import hybridnet as hn
from hybridnet import autograd, gluon, nd
from hybridnet.gluon import nn

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

EXPRESSIONS = [
    "c * 2", "r * 2", "c * row", "d + c", "d - r", "r + r2", "r * r2", "nd.relu(c)", "nd.sum(c, axis=0)", "nd.sum(r, axis=1)",
    "nd.norm(c)",
    "nd.dot(c, w)", "nd.dot(c, v, transpose_a=True)", "nd.dot(c, rw)", "nd.dot(c, rv, transpose_a=True)",
    "c[1:3]", "nd.concat(c, c2, dim=0)",
    "nd.cast_storage(d, 'csr')", "nd.cast_storage(d, 'row_sparse')",
]  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_results_are_those_of_the_cpu(text: str) -> None:
    expected = eval(text, {"nd": nd, **arrays(nd)})
    with emulated_gpu():
        given = {name: x.as_in_context(hn.gpu(0)) for name, x in arrays(nd).items()}
        found = eval(text, {"nd": nd, **given})
        assert (found.device, found.stype) == (hn.gpu(0), expected.stype)
        numpy.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), rtol=1e-6)


def test_an_embedding_trains_by_rows() -> None:
    def trained(device: Any) -> Any:
        hn.random.seed(0)
        net = nn.Embedding(10, 4, sparse_grad=True)
        net.initialize(ctx=device)
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
        for _ in range(2):
            with autograd.record():
                loss = (net(nd.array([1, 3, 3], ctx=device)) ** 2).sum()
            loss.backward()
            trainer.step(1)
        assert net.weight.grad().indices.asnumpy().tolist() == [1, 3]
        return net.weight.data().asnumpy()

    expected = trained(hn.cpu())
    with emulated_gpu():
        numpy.testing.assert_allclose(trained(hn.gpu(0)), expected, rtol=1e-5)
