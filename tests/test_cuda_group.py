"""Updates of many arrays in one launch: every optimizer's groups as CUDA C++ on the emulator, against NumPy."""

from typing import Any

import numpy as np
import pytest
from emulator import nvrtc
from emulator.emulator import COMPILER
from emulator.suite import Suite, Work, on_gpu

from hybridnet import dtypes, optimizer
from hybridnet.codegen.cuda_region import Tuning
from hybridnet.compile import jit
from hybridnet.core import array
from hybridnet.graph.passes import optimize
from hybridnet.graph.passes.fuse import fuse
from hybridnet.graph.passes.group import GROUP, group

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


def update(name: str, dtype: Any, **options: Any) -> tuple[Any, list[Any]]:
    """The graph of one update of weights of all shapes, and its inputs' data."""
    rng = np.random.default_rng(4)
    opt = optimizer.create(name, multi_precision=dtype.itemsize == 2, **options)
    weights = [array(rng.normal(size=s).astype(dtype), dtype=dtype) for s in SHAPES]
    grads = [array(rng.normal(size=s).astype(dtype), dtype=dtype) for s in SHAPES]
    states = [opt.create_state_multi_precision(i, w) for i, w in enumerate(weights)]
    lr, t, rescale = (array(x, dtype="float64") for x in (0.1, 3.0, 0.5))

    def step(lr: Any, t: Any, rescale: Any) -> None:
        opt.update_all(zip(range(len(SHAPES)), weights, grads, states, strict=True), lr, t, rescale)

    compiled = jit(step)
    graph = compiled.graph(lr, t, rescale)
    state = next(iter(compiled.cache.values()))[1].state
    return fuse(group(on_gpu(optimize(graph)))), [x._data for x in (lr, t, rescale, *state)]


@pytest.fixture(scope="module")
def updates() -> tuple[Suite, dict[tuple[str, Any], list[Work]]]:
    suite, works = Suite(Tuning(sms=2)), {}
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
def norms() -> tuple[Suite, dict[Any, list[Work]]]:
    suite, works = Suite(Tuning(sms=2)), {}
    for dtype in dtypes.FLOATS:
        graph, data = update("lamb", dtype, wd=0.01, lower_bound=1e-3)
        works[dtype] = suite.add_graph(graph, data)
    return suite.build(), works


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
def test_norms(dtype: Any, norms: tuple[Suite, dict[Any, list[Work]]]) -> None:
    suite, works = norms
    for work in works[dtype]:
        suite.check(work, 2.0)


@pytest.mark.slow
@pytest.mark.skipif(nvrtc.library() is None, reason="needs NVRTC: pip install nvidia-cuda-nvrtc")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
def test_compiles_without_spills(architecture: str, updates: Any) -> None:
    """But for the few registers that must live through the calls in which a division or a root treats rare operands."""
    for unit in updates[0].units:
        for name, usage in nvrtc.compile_for(architecture, unit.text).items():
            text = unit.texts[name]
            calls = "sqrt(" in text or " / v" in text
            assert usage.spilled <= (24 if calls else 0) or "double" in text, f"{usage}\n{text}"
