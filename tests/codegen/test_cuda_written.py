"""Hand-written kernels on the emulator: every operator that has any, on all its samples in every floating dtype, against NumPy."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER, kernel_sources
from emulator.suite import Suite, Work
from support.samples import ALL_OPS, as_arrays, samples_of

from hybridnet import dtypes
from hybridnet.codegen.cuda_region import Tuning
from hybridnet.core import OPS, NDArray, Op, cuda_rule
from hybridnet.core.kernel import HandKernels
from hybridnet.device import cpu
from hybridnet.graph.backend.cuda import kernels_for
from hybridnet.graph.ir import Node, Value, infer_node

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")]

WRITTEN = [op for op in ALL_OPS if cuda_rule(op).kernels is not None]


def node_of(op: Op, data: list[Any], attrs: dict[str, Any]) -> Node:
    """A node on arrays like ``data``."""
    inputs = [Value(x.shape, x.dtype, cpu()) for x in data]
    return Node(op, inputs, attrs, infer_node(op, inputs, attrs), cpu())


def sample_nodes(op: Op, of: Sequence[Any], num_sms: int) -> Iterator[tuple[Node, list[Any], HandKernels]]:
    """The operator's samples that have hand-written kernels, in these floating dtypes, with their data."""
    for sample in samples_of(op):
        if sample.error is None and all(isinstance(x, np.ndarray) for x in sample.inputs):
            for dtype in of:
                data = [x._data for x in as_arrays(sample.inputs, dtype) if isinstance(x, NDArray)]
                node = node_of(op, data, sample.attrs)
                written = kernels_for(node, num_sms)
                if written is not None:
                    yield node, data, written


@pytest.fixture(scope="module")
def samples() -> tuple[Suite, dict[str, list[Work]]]:
    suite = Suite(Tuning(num_sms=2, min_chunk=32, min_column=2))
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
    missing = {f: file for f, file in offered.items() if f not in launched}
    assert not missing, f"no sample of an operator launches {missing}"
