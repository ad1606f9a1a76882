"""The kernel of a region without reductions whose operands run along another axis than its results: transposes, and what is fused to them.

A block takes a square of the two axes. Operands that run along the other axis come in as they lie, go through shared
memory, and leave it as the results lie: all accesses to memory are of neighbours. All loads of a thread are under way
before the first is used. Bytes moved: every operand and every result once. Measured share of the copy bandwidth: still to be measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hybridnet.codegen.cuda_index import Axis, Space
from hybridnet.codegen.cuda_pointwise import Element
from hybridnet.codegen.cuda_stages import Region
from hybridnet.codegen.cuda_text import Kernel, declared, indented, parameters
from hybridnet.core.kernel import stored_type
from hybridnet.device.hardware import SHARED_BYTES, THREADS, WARP
from hybridnet.graph.ir import Value

WARPS = THREADS // WARP
SHORTEST = 16  # of the two axes: where one is shorter, most of a tile would be empty
LARGE_OPERANDS = 2  # with more a large tile's loads would take too many registers
BANK_BYTES = 4


@dataclass(frozen=True)
class Tiling:
    """``turned``: the operands that run along ``other`` while results run along the space's inner axis; tiles have ``side`` elements."""

    turned: tuple[Value, ...]
    other: Axis
    side: int

    def pitch(self, value: Value) -> int:
        """From one line of a tile to the next, in elements: a bank further on than a multiple of all banks."""
        return self.side + max(1, BANK_BYTES // value.dtype.itemsize)

    def shared_bytes(self, value: Value) -> int:
        """The shared memory that a value's tile takes, in bytes, a multiple of 16."""
        return -(-self.side * self.pitch(value) * value.dtype.itemsize // 16) * 16


def tiling_of(region: Region, space: Space) -> Tiling | None:
    """How a pointwise region is to be cut into tiles; None where all runs along one axis anyway, or the axes are too short."""
    inner = space.inner
    if inner is None or inner.extent < SHORTEST or any(inner.strides[v] != 1 for v in region.graph.outputs):
        return None
    varying = [v for v in region.graph.inputs if any(a.strides[v] for a in space.axes)]
    for other in space.axes[:-1]:
        turned = [v for v in varying if other.strides[v] == 1 and inner.strides[v] not in (0, 1)]
        if not turned or other.extent < SHORTEST:
            continue
        large = min(inner.extent, other.extent) >= 2 * WARP and len(varying) <= LARGE_OPERANDS
        side = 2 * WARP if large and all(v.dtype.itemsize <= 4 for v in varying) else WARP
        most = SHARED_BYTES // Tiling((), other, side).shared_bytes(max(turned, key=lambda v: v.dtype.itemsize))
        return Tiling(tuple(turned[:most]), other, side)
    return None


def write_tiled(region: Region, space: Space, tiling: Tiling, name: str) -> Kernel:
    """The kernel for ``region``."""
    inputs, outputs = region.graph.inputs, region.graph.outputs
    inner, other, side = space.axes[-1], tiling.other, tiling.side
    listed, pointers = parameters(inputs, outputs)
    scalars = {v: f"s{pointers[v][1:]}" for v in inputs if not any(a.strides[v] for a in space.axes)}
    element = Element(region, space, f"{name}_element", pointers, scalars)
    rest = [a for a in space.axes if a is not inner and a is not other]
    place, at = space.coordinates("rest", rest)
    at = {inner: "i", other: "j"} | at
    tiles = [-(-a.extent // side) for a in (inner, other)]
    block = space.wide("blockIdx.x")

    def each(along: str, across: str, lines: list[str]) -> list[str]:
        """``lines`` for all of a thread's places ``u``: the threads of a warp stand side by side along one axis."""
        start = {along: f"lane + u % {side // WARP} * {WARP}", across: f"warp + u / {side // WARP} * {WARPS}"}
        begin = [f"const int {c} = {start[c]};" for c in ("in_i", "in_j")]
        begin += [f"const {space.index} i = left + in_i;", f"const {space.index} j = top + in_j;"]
        inside = [f"{n} < {a.extent}" for n, a in (("i", inner), ("j", other)) if a.extent % side]
        body = [f"if ({' && '.join(inside)}) {{", *indented(lines, 1), "}"] if inside else lines
        return ["#pragma unroll", f"for (int u = 0; u < {side * side // THREADS}; ++u) {{", *indented(declared(begin, body), 1), "}"]

    body, shared = ["HN_SHARED(scratch);"], 0
    for v in tiling.turned:
        kind = stored_type(v.dtype)
        body.append(f"{kind}* const tile{pointers[v][1:]} = reinterpret_cast<{kind}*>(scratch + {shared});")
        shared += tiling.shared_bytes(v)
    body += ["const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;"]
    body += [
        f"const {space.index} left = {block} % {tiles[0]} * {side};",
        f"const {space.index} top = {block} / {tiles[0]} % {tiles[1]} * {side};",
    ]
    arrays = [f"{element.pack(v, 1)} {a}[{side * side // THREADS}];" for v, a in element.packs.items()]
    loads = {v: f"{a}[u] = hn_load<1>({element.address(v, at, 1)});" for v, a in element.packs.items()}
    cells = {v: f"tile{pointers[v][1:]}[in_j * {tiling.pitch(v)} + in_i]" for v in tiling.turned}
    there = [f"{cells[v]} = {element.packs[v]}[u].at[0];" for v in tiling.turned]
    back = [f"{element.packs[v]}[u].at[0] = {cells[v]};" for v in tiling.turned]
    inside = [*element.scalar_loads(), *arrays, *each("in_j", "in_i", [loads[v] for v in tiling.turned])]
    inside += each("in_i", "in_j", direct) if (direct := [t for v, t in loads.items() if v not in tiling.turned]) else []
    inside += [*each("in_j", "in_i", there), "__syncthreads();", *each("in_i", "in_j", [*back, *element.results(at, 1, "[u]")])]
    body += declared([f"const {space.index} rest = {block} / {tiles[0] * tiles[1]};", *place], inside)
    head = f'extern "C" __global__ void __launch_bounds__({THREADS}) {name}({listed})'
    lines = [*element.function(), head, "{", *indented(body, 1), "}", ""]
    in_place = tuple((x, y) for y in outputs for x in inputs if space.same_places(x, y))
    blocks = math.prod([*tiles, *(a.extent for a in rest)])
    return Kernel(name, "\n".join(lines), (blocks, 1), THREADS, shared, (*inputs, *outputs), in_place)
