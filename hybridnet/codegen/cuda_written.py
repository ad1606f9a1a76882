"""Hand-written kernels (``CudaRule.kernels``) as kernels of a graph: each launch gets a ``__global__`` function of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hybridnet.codegen.cuda_text import Kernel
from hybridnet.core.kernel import HandKernels, Launch, stored_type
from hybridnet.graph.ir import Node, Value

_POINTER = re.compile(r"[xyt]\d+")


def write_launches(node: Node, by_hand: HandKernels, name: str) -> tuple[list[Kernel], list[Value]]:
    """The kernels of a node, and their temporaries. ``name`` stands for the functions' names in the texts."""
    temporaries = [Value(s.shape, s.dtype, node.outputs[0].device) for s in by_hand.temporaries]
    values: dict[str, Value] = {f"x{i}": v for i, v in enumerate(node.inputs)}
    values |= {f"y{i}": v for i, v in enumerate(node.outputs)} | {f"t{i}": v for i, v in enumerate(temporaries)}
    pairs = tuple((values[x], values[y]) for x, y in by_hand.in_place)
    return [_kernel(launch, values, pairs, name) for launch in by_hand.launches], temporaries


def passed(launch: Launch, values: Mapping[str, Value], names: Mapping[Value, str]) -> str:
    """The arguments of a launch's function in a kernel that has other ``names`` for its arrays."""
    return ", ".join(names[values[a]] if a in values else a for a in launch.arguments)


def _kernel(launch: Launch, values: dict[str, Value], pairs: tuple[tuple[Value, Value], ...], name: str) -> Kernel:
    pointers = [a for a in dict.fromkeys(launch.arguments) if _POINTER.fullmatch(a)]
    listed = ", ".join(f"{'const ' if p[0] == 'x' else ''}{stored_type(values[p].dtype)}* {p}" for p in pointers)
    bounds = f"{launch.block}, {launch.resident}" if launch.resident else str(launch.block)
    head = f'extern "C" __global__ void __launch_bounds__({bounds}) {name}({listed})'
    text = f"{head}\n{{\n    {launch.function}({', '.join(launch.arguments)});\n}}\n"
    arguments = tuple(values[p] for p in pointers)
    mine = tuple((x, y) for x, y in pairs if y in arguments and arguments.count(x) == 1)  # not if it is another operand too
    return Kernel(name, text, launch.grid, launch.block, launch.shared_bytes, arguments, mine)
