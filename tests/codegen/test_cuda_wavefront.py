"""Recurrent layers upon one another on a GPU: the layer above begins when the first steps below are done, and computes the same."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy
import pytest
from emulator.emulator import COMPILER
from support.cuda_steps import longest_chain

import hybridnet as hn
from hybridnet import autograd, gluon, np
from hybridnet.config import config
from hybridnet.device import hardware
from hybridnet.graph.backend import CUDA

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here"),
    pytest.mark.usefixtures("emulated_gpu"),
]

STEPS = 3


@pytest.fixture(autouse=True)
def short_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CUDA, "limits", replace(CUDA.limits, wavefront_steps=STEPS))
    monkeypatch.setattr(hardware, "RECURRENT_BYTES", 0)  # so few units would be one launch a layer


class Trained:
    """A step of training through recurrent layers: its program on a device, and what a run of it gives."""

    def __init__(self, layer: str, device: hn.Device, time: int, **settings: Any) -> None:
        rng = numpy.random.default_rng(0)
        hn.random.seed(1)
        net = getattr(gluon.rnn, layer)(4, input_size=3, **settings)
        net.initialize(hn.init.Uniform(0.5), ctx=hn.cpu())
        net.collect_params().reset_ctx(device)
        x = np.array(rng.normal(size=(time, 2, 3)).astype("float32"), device=device)
        head = np.array(rng.normal(size=net(x).shape).astype("float32"), device=device)
        parameters = net.collect_params().values()

        @hn.jit
        def step(x: Any) -> Any:
            with autograd.record():
                y = net(x)
            y.backward(head)
            return y

        self.program = step._inspect((x,), {}).program
        self.run = lambda: [step(x).asnumpy(), *(p.grad().asnumpy() for p in parameters)]


@pytest.mark.parametrize(
    ("layer", "num_layers", "time"), [("LSTM", 2, 7), ("GRU", 3, 6), pytest.param("RNN", 2, 9, marks=pytest.mark.slow)]
)
def test_layers_run_one_behind_the_other(layer: str, num_layers: int, time: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Trained(layer, hn.cpu(), time, num_layers=num_layers)
    found = Trained(layer, hn.gpu(), time, num_layers=num_layers)
    found.run(), found.run()  # by hand, captured
    for y, e in zip(found.run(), expected.run(), strict=True):
        numpy.testing.assert_allclose(y, e, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(config, "disabled_passes", frozenset({"cut_products", "side_by_side"}))
    before = Trained(layer, hn.gpu(), time, num_layers=num_layers).program.source
    cut = -(-time // STEPS) - 1  # further products of each direction of each layer but the first
    assert len(found.program.source.steps) <= len(before.steps) + 2 * cut * (num_layers - 1)
    # Forward and backward, of each layer but one: all its steps but those that it is behind, of two launches at least.
    assert longest_chain(found.program.source) <= longest_chain(before) - 2 * 2 * (time - STEPS - 1) * (num_layers - 1)


def test_steps_side_by_side_have_memory_of_their_own() -> None:
    """Else the layer above would wait for the one below to read what it is about to write over; products of the two are neighbours."""
    source = Trained("LSTM", hn.gpu(), 9, num_layers=2).program.source
    products = [s for s in source.steps if "matmul_bias" in str(s) and "4×2 " in str(s)]
    recurrent = [s.pointers[-1] for s in products]  # type: ignore[union-attr]
    neighbours = pairwise(recurrent)
    assert len(recurrent) == 18
    assert sum(a != b for a, b in neighbours) >= 2 * (9 - STEPS - 1)


@pytest.mark.parametrize("settings", [{"bidirectional": True}, {"dropout": 0.5}])
def test_what_needs_all_steps_or_has_something_between_is_left_as_it_is(settings: dict[str, Any]) -> None:
    lowered = Trained("LSTM", hn.gpu(), 7, num_layers=2, **settings).program.source.lowered
    assert not any(n.op.name == "concatenate" and n.output.shape[0] == STEPS for n in lowered.nodes)


def test_few_steps_are_not_cut() -> None:
    lowered = Trained("LSTM", hn.gpu(), 2 * STEPS - 1, num_layers=2).program.source.lowered
    assert not any(n.op.name == "concatenate" and n.output.shape[0] == STEPS for n in lowered.nodes)
