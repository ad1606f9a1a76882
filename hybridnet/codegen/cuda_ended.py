"""The kernel of an ``ended`` node: a hand-written launch that leaves parts, and the region that joins them, by the last block.

The region is written as a row kernel's body is, for blocks that have the same channels as the launch's: a function of its own in the text,
called by the block that finds that all others of its ``blockIdx.x`` have stored their parts. How many have is counted in memory, in
numbers that are 0 before each launch and behind it.
"""

from __future__ import annotations

from hybridnet.codegen.cuda_index import Layout, Space
from hybridnet.codegen.cuda_reduce import Shape, Team, write_end
from hybridnet.codegen.cuda_stages import Region
from hybridnet.codegen.cuda_text import Kernel, parameters
from hybridnet.codegen.cuda_written import passed
from hybridnet.core.kernel import HandKernels, Launch, contiguous
from hybridnet.dtypes import int32
from hybridnet.graph.ir import Graph, Node, Value

_REGISTERS = 65536  # of 32 bits, that a multiprocessor has
_OWN = 64  # of them that a thread may have, of 64-bit parts twice as many: no launch that leaves parts takes more by itself


def write_ended(node: Node, by_hand: HandKernels, name: str) -> tuple[Kernel, tuple[Value, ...], Value]:
    """The kernel, the parts between its two halves, and the counters, which are zeros; ``by_hand``: the launch that leaves the parts."""
    body: Graph = node.attrs["body"]
    (launch,) = by_hand.launches
    first, rest = body.nodes[0], body.nodes[1:]
    parts = first.outputs
    operands = [v for v in body.inputs if any(v in n.inputs for n in rest)]
    region = Region(Graph((*parts, *operands), rest, body.outputs))
    text, scratch = write_end(region, _space(region), f"{name}_end", _team(launch))
    counter = Value(launch.grid[:1], int32, node.device)
    listed, pointers = parameters(body.inputs, (*parts, *body.outputs, counter))
    given = passed(launch, {**_numbered("x", first.inputs), **_numbered("y", parts)}, pointers)
    last = ", ".join(pointers[v] for v in (*parts, *operands, *body.outputs))
    resident = max(launch.resident, _REGISTERS // (_OWN * (parts[0].dtype.itemsize // 4) * launch.block))
    whole = [
        text,
        f'extern "C" __global__ void __launch_bounds__({launch.block}, {resident}) {name}({listed})',
        "{",
        f"    {launch.function}({given});",
        f"    if (hn_is_last({pointers[counter]} + blockIdx.x, gridDim.y)) {name}_end({last});",
        "}",
        "",
    ]
    outer = dict(zip((*body.inputs, *body.outputs), (*node.inputs, *node.outputs), strict=True))
    kernel = Kernel(name, "\n".join(whole), launch.grid, launch.block, max(launch.shared_bytes, scratch), tuple(pointers))
    return kernel.renamed(outer), parts, counter


def _numbered(letter: str, values: tuple[Value, ...]) -> dict[str, Value]:
    return {f"{letter}{i}": v for i, v in enumerate(values)}


def _space(region: Region) -> Space:
    layouts = {v: Layout(contiguous(v.shape)) for v in (*region.graph.inputs, *region.graph.outputs)}
    return Space(region.domain, region.reduced, {v: region.shapes[v] for v in layouts}, layouts)


def _team(launch: Launch) -> Team:
    """The launch's block as a team for each of its channels: one by one, since packs of them take registers that the launch needs."""
    assert launch.block % launch.columns == 0, f"{launch.block} threads for {launch.columns} channels"
    return Team(Shape.COLUMN, launch.block // launch.columns, launch.columns)
