"""The operators that have hand-written kernels, and nodes of their samples that these compute."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from support.samples import ALL_OPS, as_arrays, samples_of

from hybridnet.core import NDArray, Op, cuda_rule
from hybridnet.core.kernel import HandKernels
from hybridnet.device import cpu
from hybridnet.graph.backend.cuda import kernels_for
from hybridnet.graph.ir import Node, Value, infer_node

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
