"""Recurrent layers of few units on a GPU: a launch for a whole sequence, forward and backward; larger ones step by step."""

from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER
from emulator.suite import Suite
from support.hand_kernels import node_of

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.codegen.cuda_region import Tuning
from hybridnet.codegen.cuda_steps import KernelStep
from hybridnet.device import hardware
from hybridnet.graph.backend.cuda import kernels_for
from hybridnet.graph.interpret import run_node
from hybridnet.ops.nn.recurrence import GATES, KEPT, SEQUENCE, SEQUENCE_GRAD, STATES

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

#: Blocks of several sequences, of which the last has fewer; more pairs of sequence and unit than threads; threads without a row.
SHAPES = [("lstm", 4, 5, 24), ("gru", 3, 7, 11), ("rnn_tanh", 5, 9, 64), ("rnn_relu", 4, 20, 3)]


def drawn(rng: Any, *shape: int) -> Any:
    return (rng.normal(size=shape) * 0.5).astype("float32")


def operands(mode: str, time: int, batch: int, units: int, masked: bool) -> list[Any]:
    rng = np.random.default_rng(0)
    rows = GATES[mode] * units
    arrays = [drawn(rng, time, batch, rows), drawn(rng, rows, units), drawn(rng, rows)]
    arrays += [drawn(rng, batch, units) for _ in range(1 + (mode == "lstm"))]
    return [*arrays, *([rng.random((time, batch, 1)) < 0.7] if masked else [])]


@pytest.mark.parametrize("masked", [False, True])
def test_blocks_of_several_sequences(masked: bool) -> None:
    """In several orders of threads, against NumPy; by random masks, which also begin with steps that are left out."""
    suite, works = Suite(Tuning(num_sms=2)), []
    for mode, *shape in SHAPES:
        xs = operands(mode, *shape, masked)
        attrs = {"mode": mode, "reverse": masked, **({"keep": True} if mode in KEPT else {})}
        forward = node_of(SEQUENCE, xs, attrs)
        ys = run_node(forward, xs)
        heads = [drawn(np.random.default_rng(1), *y.shape) for y in ys[: STATES[mode]]]
        given = [*heads, *ys, *xs]
        works += [suite.add(forward, xs), suite.add(node_of(SEQUENCE_GRAD, given, attrs), given)]
        assert all(len(work.launches.kernels) == 1 for work in works)
    suite.build()
    for work in works:
        suite.check(work, tolerance=4.0)


def test_which_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of up to 256 bytes, that are all of one floating type; of a gradient, where the gates were kept."""

    def taken(units: int, dtype: str = "float32", mode: str = "lstm", **attrs: Any) -> bool:
        xs = [x.astype(dtype) for x in operands(mode, 2, 3, units, False)]
        return kernels_for(node_of(SEQUENCE, xs, {"mode": mode, "reverse": False, **attrs}), 132) is not None

    assert taken(64) and taken(64, "float16") and taken(32, "float64")
    assert not taken(65) and not taken(33, "float64")
    xs = operands("gru", 2, 3, 4, False)
    state = run_node(node_of(SEQUENCE, xs, {"mode": "gru", "reverse": False}), xs)[0]
    grad = node_of(SEQUENCE_GRAD, [state, state, *xs], {"mode": "gru", "reverse": False})
    assert kernels_for(grad, 132) is None
    monkeypatch.setattr(hardware, "RECURRENT_BYTES", 0)
    assert not taken(4)


class Trained:
    """A step of training through recurrent layers: its results, and its program."""

    def __init__(self, layer: str, device: hn.Device, **settings: Any) -> None:
        rng = np.random.default_rng(0)
        hn.random.seed(1)
        net = getattr(gluon.rnn, layer)(6, input_size=4, **settings)
        net.initialize(hn.init.Uniform(0.5), ctx=hn.cpu())
        net.collect_params().reset_ctx(device)
        x = hn.np.array(drawn(rng, 5, 3, 4), device=device)
        lengths = [hn.np.array([5, 2, 3], device=device)] if settings.get("use_sequence_length") else []

        @hn.jit
        def step(x: Any, *lengths: Any) -> Any:
            with autograd.record():
                y = net(x, sequence_length=lengths[0]) if lengths else net(x)
                loss = (y * y).sum()
            loss.backward()
            return y

        found = [step(x, *lengths) for _ in range(3)][-1]
        self.results = [found.asnumpy(), *(p.grad().asnumpy() for p in net.collect_params().values())]
        self.program = step._inspect((x, *lengths), {}).program

    def sequences(self) -> int:
        """How many launches go through a whole sequence."""
        return sum(isinstance(s, KernelStep) and "hn_recurrence" in s.kernel.text for s in self.program.source.steps)


@pytest.mark.usefixtures("emulated_gpu")
@pytest.mark.parametrize(
    ("layer", "settings", "launches"),
    [
        ("LSTM", {"num_layers": 2}, 4),
        ("GRU", {"bidirectional": True}, 4),
        ("RNN", {"use_sequence_length": True, "bidirectional": True}, 4),
        ("LSTM", {"projection_size": 3}, 0),
    ],
)
def test_layers_train_alike(layer: str, settings: dict[str, Any], launches: int) -> None:
    """Both directions, lengths, layers; what is projected is computed step by step."""
    expected, found = (Trained(layer, device, **settings) for device in (hn.cpu(), hn.gpu()))
    for y, e in zip(found.results, expected.results, strict=True):
        np.testing.assert_allclose(y, e, rtol=1e-4, atol=1e-5)
    assert found.sequences() == launches
