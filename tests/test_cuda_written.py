"""Hand-written kernels on the emulator: every operator that has any, on all its samples in every floating dtype, against NumPy."""

from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER
from emulator.suite import Suite, Work
from samples import ALL_OPS, as_arrays, samples_of

from hybridnet import dtypes
from hybridnet.codegen.cuda_region import Tuning
from hybridnet.core import OPS, NDArray, Op
from hybridnet.device import cpu
from hybridnet.graph.accelerated import written_for
from hybridnet.graph.ir import Node, Value, infer_node

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

WRITTEN = [op for op in ALL_OPS if op.kernels is not None]


def node_of(op: Op, data: list[Any], attrs: dict[str, Any]) -> Node:
    """A node on arrays like ``data``."""
    inputs = [Value(x.shape, x.dtype, cpu()) for x in data]
    return Node(op, inputs, attrs, infer_node(op, inputs, attrs), cpu())


@pytest.fixture(scope="module")
def samples() -> tuple[Suite, dict[str, list[Work]]]:
    suite = Suite(Tuning(sms=2, min_chunk=32, min_column=2))
    works: dict[str, list[Work]] = {op.name: [] for op in WRITTEN}
    for op in WRITTEN:
        for sample in samples_of(op):
            if sample.error is not None or not all(isinstance(x, np.ndarray) for x in sample.inputs):
                continue
            for dtype in dtypes.FLOATS:
                data = [x._data for x in as_arrays(sample.inputs, dtype) if isinstance(x, NDArray)]
                node = node_of(op, data, sample.attrs)
                if written_for(node, 2) is not None:
                    works[op.name].append(suite.add(node, data))
    return suite.build(), works


@pytest.mark.parametrize("op", WRITTEN, ids=lambda op: op.name)
def test_samples(op: Op, samples: tuple[Suite, dict[str, list[Work]]]) -> None:
    suite, works = samples
    assert works[op.name], f"no sample of {op.name} has hand-written kernels"
    for work in works[op.name]:
        suite.check(work, tolerance=4.0)


def test_the_registry_is_known() -> None:
    assert all(OPS[op.name] is op for op in WRITTEN)
