"""The program of a graph: NumPy's on a CPU, CUDA's on a GPU. Both are made from the same description and called alike."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from hybridnet.errors import DeviceError, fail
from hybridnet.runtime.cuda_program import CudaProgram
from hybridnet.runtime.numpy_program import NumpyProgram
from hybridnet.runtime.spec import ProgramSpec

Program = NumpyProgram | CudaProgram

#: All programs that there are, and what is done with each that is made from now on.
programs: weakref.WeakSet[Program] = weakref.WeakSet()
tell_new: list[Callable[[Program], None]] = []


def make_program(spec: ProgramSpec) -> Program:
    """Compile a graph for the device that its values are on. DeviceError if there are several."""
    graph = spec.graph
    devices = dict.fromkeys(v.device for v in (*graph.inputs, *(v for n in graph.nodes for v in n.outputs)))
    if len({d if d.is_gpu else None for d in devices}) > 1:
        got = " and ".join(map(str, devices))
        fail(DeviceError, spec.name, expected="arrays on one device in a compiled function", got=got, fix="moving them before the call")
    program = CudaProgram(spec) if any(d.is_gpu for d in devices) else NumpyProgram(spec)
    programs.add(program)
    for tell in tell_new:
        tell(program)
    return program
