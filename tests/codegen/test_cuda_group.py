"""Updates of many arrays in one launch: every optimizer's groups as CUDA C++ on the emulator, against NumPy."""

from typing import Any

import numpy as np
import pytest
from emulator import nvrtc
from emulator.emulator import COMPILER
from emulator.suite import Suite, Work, on_gpu

from hybridnet import autograd, dtypes, gluon, optimizer
from hybridnet import numpy as hnp
from hybridnet.codegen.cuda_region import Tuning, Unit
from hybridnet.compile import jit
from hybridnet.core import array, call
from hybridnet.device import Device, cpu, gpu
from hybridnet.gluon import nn
from hybridnet.gluon.utils import clip_global_norm
from hybridnet.graph.passes import optimize
from hybridnet.lowering.fuse import fuse
from hybridnet.lowering.multi_tensor import GROUP, multi_tensor
from hybridnet.lowering.recompute import recompute

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

SHAPES = [(37, 5), (10,), (), (1,), (64, 64), (3, 3000), (2, 3, 4)]
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9, "wd": 1e-2},
    "nag": {"momentum": 0.9, "wd": 1e-2},
    "signum": {"wd_lh": 0.1},
    "adam": {"clip_gradient": 0.5},
    "adamw": {"wd": 0.01},
    "adamax": {},
    "nadam": {},
    "adadelta": {},
    "adagrad": {},
    "rmsprop": {"centered": True, "clip_weights": 3.0},
    "ftrl": {},
    "ftml": {},
}


def update(name: str, dtype: Any, limit: float | None = None, **options: Any) -> tuple[Any, list[Any]]:
    """The graph of one update of weights of all shapes, and its inputs' data; after ``limit`` limits the gradients' norm."""
    rng = np.random.default_rng(4)
    opt = optimizer.create(name, multi_precision=dtype.itemsize == 2, **options)
    weights = [array(rng.normal(size=s).astype(dtype), dtype=dtype) for s in SHAPES]
    grads = [array(rng.normal(size=s).astype(dtype), dtype=dtype) for s in SHAPES]
    states = [opt.create_state_multi_precision(i, w) for i, w in enumerate(weights)]
    lr, t, rescale = (array(x, dtype="float64") for x in (0.1, 3.0, 0.5))

    def step(lr: Any, t: Any, rescale: Any) -> None:
        if limit is not None:
            clip_global_norm(grads, limit)
        opt.update_all(zip(range(len(SHAPES)), weights, grads, states, strict=True), lr, t, rescale)

    compiled = jit(step)
    graph = compiled.graph(lr, t, rescale)
    state = next(iter(compiled.cache.values())).states
    return fuse(recompute(multi_tensor(on_gpu(optimize(graph))))), [x._data for x in (lr, t, rescale, *state)]


@pytest.fixture(scope="module")
def updates() -> tuple[Suite, dict[tuple[str, Any], list[Work]]]:
    suite, works = Suite(Tuning(num_sms=2)), {}
    for name, options in OPTIMIZERS.items():
        for dtype in dtypes.FLOATS:
            works[name, dtype] = [w for w in suite.add_graph(*update(name, dtype, **options)) if w.node.op is GROUP]
    return suite.build(), works


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates(name: str, dtype: Any, updates: tuple[Suite, dict[tuple[str, Any], list[Work]]]) -> None:
    suite, works = updates
    (work,) = works[name, dtype]
    assert len(work.launches.kernels) == 1
    suite.check(work)


# -- norms ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def norms() -> tuple[Suite, dict[tuple[str, Any], list[Work]]]:
    suite, works = Suite(Tuning(num_sms=2)), {}
    for dtype in dtypes.FLOATS:
        graph, data = update("lamb", dtype, wd=0.01, lower_bound=1e-3)
        works["lamb", dtype] = suite.add_graph(graph, data)
        works["limited", dtype] = suite.add_graph(*update("adam", dtype, limit=1.0))
        works["finite", dtype] = suite.add_graph(*finite(dtype))
    return suite.build(), works


def finite(dtype: Any) -> tuple[Any, list[Any]]:
    """Of arrays of all shapes, whether all elements are finite, and the largest."""
    data = [np.random.default_rng(2).normal(size=s).astype(dtype) for s in SHAPES if s]
    data[1][3], data[4][2, 2999] = np.inf, np.nan

    def checks(*xs: Any) -> Any:
        axes = [tuple(range(x.ndim)) for x in xs]
        finite = [call("all", call("isfinite", x), axis=a, keepdims=False) for x, a in zip(xs, axes, strict=True)]
        return *finite, *(call("max", x, axis=a, keepdims=False) for x, a in zip(xs, axes, strict=True))

    xs = [array(x, dtype=dtype) for x in data]
    return fuse(recompute(multi_tensor(on_gpu(optimize(jit(checks).graph(*xs)))))), data


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize("name, launches", [("lamb", 10), ("limited", 5), ("finite", 4)])
def test_norms(name: str, launches: int, dtype: Any, norms: tuple[Suite, dict[tuple[str, Any], list[Work]]]) -> None:
    """In as many launches however many arrays there are."""
    suite, works = norms
    for work in works[name, dtype]:
        suite.check(work, 2.0)
    assert sum(len(w.launches.kernels) for w in works[name, dtype]) == launches


# -- on the device ----------------------------------------------------------------------------------


def trained(device: Device) -> list[Any]:
    """The last loss, the norm, and the parameters, after three compiled steps with limited gradients."""
    rng = np.random.default_rng(0)
    with device:
        net = nn.HybridSequential()
        net.add(nn.Dense(16, activation="relu", in_units=8), nn.Dense(4, in_units=16))
        net.initialize(ctx=device)
        parameters = list(net.collect_params().values())
        for p in parameters:
            p.set_data(hnp.array(rng.normal(size=p.shape).astype("float32")))
        trainer = gluon.Trainer(net.collect_params(), "lamb", {"wd": 0.01})
        x, y = (hnp.array(rng.normal(size=s).astype("float32")) for s in ((32, 8), (32, 4)))

        def step(x: Any, y: Any) -> Any:
            with autograd.record():
                loss = ((net(x) - y) ** 2).mean()
            loss.backward()
            trainer.allreduce_grads()
            norm = clip_global_norm([p.grad() for p in parameters], 0.5)
            trainer.update(1)
            return loss, norm

        compiled = jit(step)
        for _ in range(3):
            results = compiled(x, y)
        return [a.asnumpy() for a in (*results, *(p.data() for p in parameters))]


def test_a_step(emulated_gpu: Any) -> None:
    for found, expected in zip(trained(gpu(0)), trained(cpu(0)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.slow
def test_compiles_without_spills(updates: Any, norms: Any) -> None:
    """But for the few registers that must live through the calls in which a division or a root treats rare operands."""
    unit = Unit()
    for name, dtype in (("sgd", dtypes.float16), ("adam", dtypes.float32), ("adam", dtypes.bfloat16), ("lamb", dtypes.float32)):
        for work in (updates[1] | norms[1])[name, dtype]:
            unit.add(work.node)
    for text, spilled in nvrtc.spills([unit]).items():
        calls = "sqrt(" in text or " / v" in text
        assert spilled <= (24 if calls else 0) or "double" in text, f"{spilled} bytes\n{text}"
