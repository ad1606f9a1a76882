"""A fused region, or a single pointwise operator or reduction, as CUDA kernels: which, and in what order.

Relies on the region being cut into stages (``cuda_stages``); each stage is a pointwise kernel (in tiles, where
it transposes), a row kernel, or, where rows are few and long, a reduction split over blocks: partial results,
then one small kernel that combines them in a fixed order. No floating-point atomics: results are the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hybridnet.codegen.cuda_ended import write_ended
from hybridnet.codegen.cuda_group import GroupKernels
from hybridnet.codegen.cuda_index import Layout, Space
from hybridnet.codegen.cuda_pointwise import write_pointwise
from hybridnet.codegen.cuda_reduce import Shape, Team, column_width, row_width, write_rows
from hybridnet.codegen.cuda_stages import Region, by_axes, by_level
from hybridnet.codegen.cuda_text import Kernel, Table, translation_unit
from hybridnet.codegen.cuda_tiled import tiling_of, write_tiled
from hybridnet.codegen.cuda_written import write_launches
from hybridnet.core.kernel import HandKernels, computed_dtype, contiguous
from hybridnet.device.compiler import Origin
from hybridnet.device.hardware import NUM_SMS, THREADS
from hybridnet.graph.backend.cuda import kernels_for
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import FULL
from hybridnet.lowering.fuse import FUSED
from hybridnet.lowering.last_block import ENDED
from hybridnet.lowering.multi_tensor import GROUP


@dataclass(frozen=True)
class Tuning:
    """What the shapes of kernels follow from. The defaults of all but the first are first guesses.

    min_chunk: the fewest elements of a row that are worth a block of their own.
    min_column: the same where rows lie as columns in memory, for each of the block's threads.
    share: bytes that one block of many reads in about the time that two more launches take: up to so many it reads its columns to their
        end. A guess: 32 loads of 4 bytes by each of its threads, a few of them at a time.
    """

    num_sms: int = NUM_SMS
    min_chunk: int = 4096
    min_column: int = 8
    share: int = 1 << 15


@dataclass(frozen=True)
class Launches:
    """Kernels in the order in which they run, the temporary arrays between them, and what they look up.

    ``counters``: arrays of zeros that no other launch has, whose numbers kernels change and bring back to 0.
    """

    kernels: tuple[Kernel, ...]
    temporaries: tuple[Value, ...]
    tables: tuple[Table, ...] = ()
    counters: tuple[Value, ...] = ()

    def in_place(self) -> list[tuple[Value, Value]]:
        """Pairs of an input and an output that may lie in the same memory, each pair for itself."""
        last = {v: i for i, k in enumerate(self.kernels) for v in k.arguments}
        return [(x, y) for i, k in enumerate(self.kernels) for x, y in k.in_place if last.get(x, -1) <= i]


class Unit:
    """The kernels of a graph: one translation unit; kernels of the same text are one function."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self.tuning = tuning or Tuning()
        self._names: dict[str, str] = {}  # text with a neutral name -> name
        self.texts: dict[str, str] = {}  # by name
        self.headers: dict[str, None] = {}  # files of hand-written kernels, in the order in which they came

    @property
    def text(self) -> str:
        """The source, to be compiled with ``kernels/`` among the include folders."""
        return translation_unit(self.texts, self.headers)

    def add(self, node: Node, layouts: Mapping[Value, Layout] | None = None) -> Launches:
        """The launches that compute a node. ``layouts``: of operands and results that are not contiguous or aligned, if generated.

        A node of no lowered graph, for which nothing is chosen, gets kernels for the multiprocessors of ``tuning``.
        """
        by_hand = kernels_for(node, self.tuning.num_sms) if node.implementation is None else node.implementation
        if isinstance(by_hand, HandKernels):
            self.headers[by_hand.header] = None
            launches, temporaries = write_launches(node, by_hand, _NAME)
            return Launches(tuple(self._named(k, Graph(node.inputs, (node,), node.outputs)) for k in launches), tuple(temporaries))
        if node.op is GROUP:
            return self._add_group(node, layouts or {})
        if node.op is ENDED:
            return self._add_ended(node)
        graph, outer = _graph_of(node)
        inner = {v: Layout(contiguous(v.shape)) for v in (*graph.inputs, *graph.outputs)}
        inner |= {
            v: layouts[outer.get(v, v)] for v in (*graph.inputs, *graph.outputs) if layouts is not None and outer.get(v, v) in layouts
        }
        writer = _Writer(self.tuning, inner)
        writer.write(graph)
        kernels = tuple(self._named(k, graph).renamed(outer) for k in writer.kernels)
        return Launches(kernels, tuple(writer.temporaries))

    def _add_group(self, node: Node, layouts: Mapping[Value, Layout]) -> Launches:
        # Members lie in one go, wherever they begin: the plan copies what has gaps.
        for v in node.inputs:
            steps = zip(v.shape, layouts[v].strides if v in layouts else contiguous(v.shape), contiguous(v.shape), strict=True)
            assert all(step == needed for n, step, needed in steps if n > 1), f"an operand of a group with gaps: {v.spec}"
        if not any(v.size for v in node.outputs):
            return Launches((), ())
        group = GroupKernels(node, _NAME, self.tuning.num_sms)
        kernels = tuple(self._named(k, node.attrs["body"]) for k in group.kernels())
        return Launches(kernels, tuple(group.partials), (group.table,))

    def _add_ended(self, node: Node) -> Launches:
        body: Graph = node.attrs["body"]
        first = body.nodes[0]
        by_hand = kernels_for(first, self.tuning.num_sms) if first.implementation is None else first.implementation
        assert isinstance(by_hand, HandKernels), "a launch that leaves parts"
        self.headers[by_hand.header] = None
        kernel, parts, counter = write_ended(node, by_hand, _NAME)
        return Launches((self._named(kernel, body),), parts, counters=(counter,))

    def _named(self, kernel: Kernel, graph: Graph) -> Kernel:
        name = self._names.get(kernel.text)
        if name is None:
            words = dict.fromkeys(n.op.name for n in graph.nodes if n.output.constant is None)
            name = self._names[kernel.text] = f"{'_'.join(words)[:40]}_{len(self._names)}"
            self.texts[name] = kernel.text.replace(_NAME, name)
        return replace(kernel, name=name, text=self.texts[name])


def origin(kernel: Kernel, node: Node) -> Origin:
    """What a kernel of a node comes from: the operators of a region, or the one that it is."""
    parts = node.attrs["body"].nodes if node.op in (ENDED, FUSED, GROUP) else (node,)
    return Origin(kernel.name, kernel.text, [(n.op.name, n.site) for n in parts if n.op is not FULL])


FEWEST_COLUMNS = 16  # side by side: rows of fewer go one after another
NARROWEST = 8  # packs side by side at least, so that accesses fill whole lines of memory
STEPS = 4  # packs of a row that a thread takes, before rows get more threads

_NAME = "hn_kernel"  # of a kernel until it has one of its own


def _graph_of(node: Node) -> tuple[Graph, dict[Value, Value]]:
    """What a node computes as a graph, and of that graph's inputs and outputs the node's."""
    if node.op is FUSED:
        body: Graph = node.attrs["body"]
        return body, dict(zip((*body.inputs, *body.outputs), (*node.inputs, *node.outputs), strict=True))
    inputs = dict.fromkeys(v for v in node.inputs if v.constant is None)
    constants = dict.fromkeys(v.node for v in node.inputs if v.constant is not None and v.node is not None)
    return Graph(tuple(inputs), (*constants, node), node.outputs), {}


class _Writer:
    """Writes the stages of one region."""

    def __init__(self, tuning: Tuning, layouts: dict[Value, Layout]) -> None:
        self.tuning = tuning
        self.layouts = layouts
        self.kernels: list[Kernel] = []
        self.temporaries: list[Value] = []

    def write(self, graph: Graph) -> None:
        for stage in by_axes(Region(graph)):
            self._stage(stage, one_level=False)

    def _stage(self, graph: Graph, one_level: bool) -> None:
        """A stage as one kernel, or, where a row is split over blocks, level by level."""
        region = self._region(graph)
        space = self._space(region)
        if not any(v.size for v in graph.outputs):
            return
        if not region.reduced:
            tiling = tiling_of(region, space)
            if tiling is not None:
                self.kernels.append(write_tiled(region, space, tiling, _NAME))
            else:
                self.kernels.append(write_pointwise(region, space, _NAME, self.tuning.num_sms))
            return
        team = choose_team(region, space, self.tuning)
        if team.splits == 1:
            self.kernels.append(write_rows(region, space, _NAME, team, {}))
        elif one_level:
            self._split(region, space, team)
        else:
            for level in by_level(region):
                self._stage(level, one_level=True)

    def _region(self, graph: Graph) -> Region:
        """A stage; what it hands to later ones has a place of its own."""
        for v in graph.outputs:
            if v not in self.layouts:
                self._temporary(v)
        return Region(graph)

    def _temporary(self, value: Value) -> Value:
        self.temporaries.append(value)
        self.layouts[value] = Layout(contiguous(value.shape))
        return value

    def _space(self, region: Region) -> Space:
        """The axes to go over. Layouts of reduced outputs gain the axes that ``keepdims`` would have kept."""
        operands = dict.fromkeys((*region.graph.inputs, *region.graph.outputs, *region.random))
        layouts = {}
        for v in operands:
            layout, shape = self.layouts.get(v) or Layout(contiguous(v.shape)), region.shapes[v]
            layouts[v] = layout if len(shape) == v.ndim else Layout(contiguous(shape), layout.alignment)
        return Space(region.domain, region.reduced, {v: region.shapes[v] for v in operands}, layouts)

    def _split(self, region: Region, space: Space, team: Team) -> None:
        """Each split's own result of every reduction, then their combination."""
        outputs = region.graph.outputs
        partials = {v: self._temporary(Value((team.splits, *region.shapes[v]), computed_dtype(v.dtype), v.device)) for v in outputs}
        self.kernels.append(write_rows(region, space, _NAME, team, partials))
        self._combine(partials)

    def _combine(self, partials: Mapping[Value, Value]) -> None:
        """Reduce the splits' results, which lie along a first axis."""
        replacement: dict[Value, Value] = {}
        nodes = []
        for v, partial in partials.items():
            assert v.node is not None
            node = Node(v.node.op, [partial], {"axis": (0,), "keepdims": False}, [v.spec._replace(shape=partial.shape[1:])], v.device)
            replacement[node.output] = v
            self.layouts[node.output] = Layout(contiguous(node.output.shape))
            nodes.append(node)
        region = Region(Graph(tuple(partials.values()), nodes, tuple(replacement)))
        space = self._space(region)
        team = choose_team(region, space, self.tuning, split=False)
        self.kernels.append(write_rows(region, space, _NAME, team, {}).renamed(replacement))


def _power_of_two(n: int) -> int:
    """The smallest power of two that is not below ``n``."""
    return 1 << max(n - 1, 0).bit_length()


def choose_team(region: Region, space: Space, tuning: Tuning, split: bool = True) -> Team:
    """How threads share the rows of a stage. ``split``: whether blocks may share a row."""
    rows = math.prod(a.extent for a in space.free)
    length = math.prod(a.extent for a in space.reduced)
    if space.inner is not None and not space.inner.reduced and rows >= FEWEST_COLUMNS:
        return _columns(rows, length, column_width(region, space, sum(region.reduces(n) for n in region.graph.nodes)), tuning, split)
    width = row_width(region, space)
    packs = max(1, length // width)
    if split and rows <= 2 * tuning.num_sms and length >= 16 * tuning.min_chunk:  # else some would have a row more
        return Team(Shape.BLOCK, 256, 1, width, min(4 * tuning.num_sms // max(rows, 1), length // tuning.min_chunk))
    if packs <= 32 * STEPS:
        lanes = min(32, _power_of_two(packs))
        return Team(Shape.LANES, lanes, THREADS // lanes, width)
    return Team(Shape.BLOCK, min(512, max(128, _power_of_two(packs) // STEPS)), 1, width)


def _columns(rows: int, length: int, width: int, tuning: Tuning, split: bool) -> Team:
    """Columns side by side, so that a warp reads packs that are neighbours; and few of them where that leaves multiprocessors idle."""
    while width > 1 and rows // width < NARROWEST:
        width //= 2
    if length * NARROWEST * 4 <= tuning.share:  # numbers of 4 bytes, mostly
        split = False
        while length * NARROWEST * width * 4 > tuning.share:
            width //= 2
    packs, threads = rows // width, _power_of_two(length)
    side = min(max(32, THREADS // threads), _power_of_two(packs))
    lanes = min(THREADS // side, threads)
    blocks = -(-packs // side)
    most = length // (lanes * tuning.min_column) if split else 1
    if most <= 1:
        while side > NARROWEST and blocks < tuning.num_sms and lanes < threads:
            side, lanes, blocks = side // 2, lanes * 2, -(-packs // (side // 2))
    return Team(Shape.COLUMN, lanes, side, width, max(1, min(4 * tuning.num_sms // blocks, most)))
