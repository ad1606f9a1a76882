"""Hand-written kernels on the emulator: every operator that has any, on all its samples in every floating dtype, against NumPy."""

import re

import pytest
from emulator.emulator import COMPILER, kernel_sources
from emulator.suite import Suite, Work
from support.hand_kernels import WRITTEN, sample_nodes

from hybridnet import dtypes
from hybridnet.codegen.cuda_region import Tuning
from hybridnet.core import OPS, Op

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")]


@pytest.fixture(scope="module")
def samples() -> tuple[Suite, dict[str, list[Work]]]:
    suite = Suite(Tuning(num_sms=2, min_chunk=32, min_column=2, share=0))
    works = {op.name: [suite.add(node, data) for node, data, _ in sample_nodes(op, dtypes.FLOATS, 2)] for op in WRITTEN}
    return suite.build(), works


@pytest.mark.parametrize("op", WRITTEN, ids=lambda op: op.name)
def test_samples(op: Op, samples: tuple[Suite, dict[str, list[Work]]]) -> None:
    suite, works = samples
    assert works[op.name], f"no sample of {op.name} has hand-written kernels"
    for work in works[op.name]:
        suite.check(work, tolerance=4.0)


def test_the_registry_is_known() -> None:
    assert all(OPS[op.name] is op for op in WRITTEN)


def entries(sources: dict[str, str]) -> dict[str, str]:
    """The functions that are there to be launched, and their files: those without a result that no other calls."""
    code = {name: re.sub("//.*", "", text) for name, text in sources.items()}
    whole = "\n".join(code.values())
    defined = {f: name for name, text in code.items() for f in re.findall(r"^(?:template .*)?__device__ inline void (\w+)\(", text, re.M)}
    return {f: name for f, name in defined.items() if len(re.findall(rf"\b{f}\b", whole)) == 1}


def test_every_kernel_is_launched_by_a_sample() -> None:
    """And so runs on the emulator."""
    written = [w for op in WRITTEN for _, _, w in sample_nodes(op, [dtypes.float32], 2)]
    launched = {launch.function.partition("<")[0] for w in written for launch in w.launches}
    offered = entries(kernel_sources())
    assert {"hn_layer_norm", "hn_add_partials", "hn_gather"} <= offered.keys()
    of_lowering = {f for f in offered if re.match("hn_((moments_parts|gated_sums)_over|residual_norm)", f)}  # test_cuda_norm.py
    missing = {f: file for f, file in offered.items() if f not in launched | of_lowering}
    assert not missing, f"no sample of an operator launches {missing}"
