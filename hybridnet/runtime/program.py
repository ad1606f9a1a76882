"""The program of a graph: NumPy's on a CPU, CUDA's on a GPU. Both are called alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hybridnet.errors import DeviceError, fail
from hybridnet.graph.ir import Graph
from hybridnet.runtime.cuda_program import CudaProgram
from hybridnet.runtime.numpy_program import NumpyProgram

Program = NumpyProgram | CudaProgram


def make_program(
    graph: Graph,
    donate: Mapping[int, int] | None = None,
    resident: frozenset[int] = frozenset(),
    states: Mapping[int, Any] | None = None,
    name: str = "program",
    after: Any = None,
    fixed: frozenset[int] = frozenset(),
) -> Program:
    """Compile a graph for the device that its values are on.

    ``donate`` maps positions of outputs to positions of inputs, into whose arrays they are written. Outputs in
    ``resident`` stay in the arena. ``states``: the state arrays by their positions among the inputs. ``after``: the
    program whose resident outputs are this one's first inputs, and in whose arena it runs. ``fixed``: inputs
    besides the states whose arrays are expected to be the same at every call.
    """
    devices = dict.fromkeys(v.device for v in (*graph.inputs, *(v for n in graph.nodes for v in n.outputs)))
    if len({d if d.is_gpu else None for d in devices}) > 1:
        got = " and ".join(map(str, devices))
        fail(DeviceError, name, expected="arrays on one device in a compiled function", got=got, fix="moving them before the call")
    if any(d.is_gpu for d in devices):
        return CudaProgram(graph, donate, resident, states, name, after, fixed)
    return NumpyProgram(graph, donate, resident, states, name, after)
