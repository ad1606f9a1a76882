"""The update of all parameters is one sweep over four arrays, weights, gradients and both moments, whatever the gradients come from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import autograd
from hybridnet.config import config
from hybridnet.gluon import HybridBlock, nn, rnn

RNG = np.random.default_rng(1)


def images() -> Any:
    return RNG.normal(size=(3, 4, 8, 8)).astype("float32")


def words() -> Any:
    return RNG.integers(0, 11, (3, 5)).astype("int32")


def convolutions() -> HybridBlock:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, in_channels=4, use_bias=False))  # a bias there has no gradient but noise
    net.add(nn.BatchNorm(in_channels=8), nn.Conv2D(6, (3, 2), in_channels=8), nn.Dense(3, in_units=6 * 4 * 5))
    return net


def depthwise() -> HybridBlock:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3, groups=4, in_channels=4), nn.PReLU(), nn.InstanceNorm(in_channels=4))
    net.add(nn.Conv2DTranspose(2, 3, in_channels=4, use_bias=False))
    return net


def embeddings() -> HybridBlock:
    net = nn.HybridSequential()
    net.add(nn.Embedding(11, 6), nn.LayerNorm(in_channels=6), nn.Dense(4, flatten=False, in_units=6), nn.GroupNorm(1, in_channels=5))
    return net


def recurrences() -> HybridBlock:
    net = nn.HybridSequential()
    net.add(nn.Embedding(11, 6), rnn.LSTM(4, layout="NTC", input_size=6), rnn.GRU(3, layout="NTC", input_size=4, bidirectional=True))
    return net


NETWORKS = {convolutions: images, depthwise: images, embeddings: words, recurrences: words}


@pytest.mark.parametrize("libraries", [True, False], ids=["libraries", "numpy"])
@pytest.mark.parametrize("made", NETWORKS)
def test_all_parameters_are_updated_as_one_array(made: Callable[[], HybridBlock], libraries: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not libraries:
        monkeypatch.setattr(config, "disabled_libraries", frozenset({"oneDNN", "numba"}))
    data = NETWORKS[made]()

    def trained(is_compiled: bool) -> tuple[list[Any], list[Any], Any]:
        hn.random.seed(3)
        net = made()
        net.initialize(hn.init.Xavier())
        trainer = hn.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})

        def step(x: Any) -> Any:
            with autograd.record():
                loss = (net(x) ** 2).sum()
            loss.backward()
            trainer.step(3)
            return loss

        compiled: Any = hn.jit(step) if is_compiled else step
        losses = [float(compiled(hn.np.array(data)).item()) for _ in range(4)]
        parameters = net.collect_params().values()
        values = [p.data().asnumpy() for p in parameters] + [p.grad().asnumpy() for p in parameters if p.grad_req != "null"]
        return losses, values, compiled

    (found, values, compiled), (losses, expected, _) = trained(True), trained(False)
    assert found == pytest.approx(losses, rel=1e-4)
    for a, b in zip(values, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * max(1, abs(b).max()))
    ((program,),) = (c.programs for c in compiled.cache.values())
    assert len(program.source.flats) == 4


@pytest.mark.parametrize("axes", [(0, 2, 3, 1), (0, 1, 3, 2), (3, 2, 1, 0)], ids=str)
def test_what_lies_turned_in_a_state_is_not_read_as_it_lies(axes: tuple[int, ...]) -> None:
    """A library computes a result right where a state becomes its transpose; a sweep over several then reads the result itself."""

    def trained(is_compiled: bool) -> list[Any]:
        rng = np.random.default_rng(0)
        xs, ws = ([hn.np.array(rng.normal(size=shape).astype("float32")) for _ in range(3)] for shape in ((8, 8, 8, 8), (8, 8, 3, 3)))
        states, moments = [hn.np.zeros((8, 8, 8, 8)) for _ in range(3)], [hn.np.ones((8, 8, 8, 8)) for _ in range(3)]

        def step(*arrays: Any) -> None:
            for x, w, state, moment in zip(arrays[:3], arrays[3:], states, moments, strict=True):
                y = hn.npx.convolution(x, w, kernel=(3, 3), num_filter=8, no_bias=True, pad=(1, 1))
                state[...] = y.transpose(*axes)
                moment[...] = moment * 0.5 + y * 2

        run: Any = hn.jit(step) if is_compiled else step
        for _ in range(3):
            run(*xs, *ws)
        return [*states, *moments]

    for found, expected in zip(trained(True), trained(False), strict=True):
        np.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), rtol=1e-3, atol=1e-4)
