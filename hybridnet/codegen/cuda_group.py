"""The kernel of a ``group``: one computation on the arrays of many members, in one launch.

Members are cut into chunks, a block each. A table in device memory says where the members' arrays lie and,
for each chunk, whose it is and where it starts; so the launch does not depend on how many arrays there are.
Within a chunk a thread handles packs of neighbours as in any pointwise kernel, one by one at a member's end.

Bytes moved: every slot once, every output once, 16 bytes an access; Adam on float32 28 bytes an element, which
at 4.8 TB/s is a limit of 171 elements a nanosecond. Measured share of the copy bandwidth: still to be measured.
"""

from __future__ import annotations

from hybridnet import dtypes
from hybridnet.codegen.cuda_index import Layout, Space
from hybridnet.codegen.cuda_pointwise import BLOCKS_PER_SM, THREADS, Element
from hybridnet.codegen.cuda_stages import Region
from hybridnet.codegen.cuda_text import Kernel, Table, indented, parameters
from hybridnet.core import Spec
from hybridnet.core.kernel import stored_type
from hybridnet.graph.ir import Graph, Node, Value

SHORTEST, LONGEST = 2048, 16384  # elements of a chunk, powers of two
WAVES = 4  # of blocks, where chunks can be shorter: the last one ends soon after the others


def write_group(node: Node, name: str, sms: int) -> tuple[Kernel, Table]:
    """The kernel of a ``group`` node that has elements, and the table that it reads."""
    group = _Group(node, sms)
    return group.kernel(name), group.table


class _Group:
    """A group's chunks, its table, its kernel."""

    def __init__(self, node: Node, sms: int) -> None:
        self.node = node
        self.members: int = node.attrs["members"]
        self.slots: int = node.attrs["slots"]
        self.shared = node.inputs[self.slots * self.members :]
        self.chunk = _chunk(sum(v.size for v in node.inputs[: self.members]), sms)
        self.body = _flat(node.attrs["body"], self.chunk)
        # A member in the table: its length, the addresses of its slots and outputs.
        self.arrays = [self._of_all(node.inputs, s) for s in range(self.slots)]
        self.arrays += [self._of_all(node.outputs, o) for o in range(len(self.body.outputs))]
        self.row = 1 + len(self.arrays)
        sizes = [v.size for v in self.arrays[0]]
        self.chunks = [(m, start) for m, size in enumerate(sizes) for start in range(0, size, self.chunk)]
        entries: list[int | Value] = []
        for m, size in enumerate(sizes):
            entries += [size, *(a[m] for a in self.arrays)]
        entries += [e for chunk in self.chunks for e in chunk]
        self.table = Table(Value((len(entries),), dtypes.int64, node.outputs[0].device), tuple(entries))

    def _of_all(self, values: tuple[Value, ...], which: int) -> tuple[Value, ...]:
        """One slot's, or one output's, arrays."""
        return values[which * self.members : (which + 1) * self.members]

    def kernel(self, name: str) -> Kernel:
        inputs, outputs = self.body.inputs, self.body.outputs
        region = Region(self.body)
        shapes = {v: v.shape for v in (*inputs, *outputs)}
        space = Space(region.domain, frozenset(), shapes, {v: Layout((1,) * v.ndim) for v in shapes})
        width = space.width(inputs, outputs, whole=False)
        _, pointers = parameters(inputs, outputs)
        shared = inputs[self.slots :]
        element = Element(region, space, f"{name}_element", pointers, {v: f"s{pointers[v][1:]}" for v in shared})
        body = [*element.scalar_loads(), *self._place(pointers)]
        # Arrays may be views that begin anywhere; then all elements go one by one.
        body += [f"const int packs = all % 16 == 0 ? count / {width} : 0;"] if width > 1 else []
        body += element.loop("threadIdx.x", "packs", str(THREADS), width, 2 if self.slots == 1 else 1) if width > 1 else []
        body += element.loop(f"packs * {width} + threadIdx.x" if width > 1 else "threadIdx.x", "count", str(THREADS), 1)
        listed = ", ".join(["const long long* table", *(f"const {stored_type(v.dtype)}* {pointers[v]}" for v in shared)])
        head = f'extern "C" __global__ void __launch_bounds__({THREADS}) {name}({listed})'
        text = "\n".join([*element.function(), head, "{", *indented(body, 1), "}", ""])
        return Kernel(name, text, (len(self.chunks), 1), THREADS, 0, (self.table.value, *self.shared), self._in_place())

    def _place(self, pointers: dict[Value, str]) -> list[str]:
        """Find the block's chunk: pointers to its elements, how many there are, all addresses in one word."""
        long = [*self.body.inputs[: self.slots], *self.body.outputs]
        lines = [
            f"const long long* const chunk = table + {self.members * self.row} + 2 * blockIdx.x;",
            f"const long long* const member = table + chunk[0] * {self.row};",
            "const long long start = chunk[1], left = member[0] - start;",
            f"const int count = left < {self.chunk} ? static_cast<int>(left) : {self.chunk};",
            f"const long long all = {' | '.join(f'member[{i + 1}]' for i in range(len(long)))};",
        ]
        for i, v in enumerate(long):
            pointer = f"{'const ' if v in self.body.inputs else ''}{stored_type(v.dtype)}*"
            lines.append(f"{pointer} const {pointers[v]} = reinterpret_cast<{pointer}>(member[{i + 1}]) + start;")
        return lines

    def _in_place(self) -> tuple[tuple[Value, Value], ...]:
        """A member's output may lie where one of its slots does: a thread loads a pack before it stores it."""
        slots, outputs = self.arrays[: self.slots], self.arrays[self.slots :]
        return tuple((x, y) for ys in outputs for xs in slots for x, y in zip(xs, ys, strict=True) if x.dtype == y.dtype)


def _chunk(total: int, sms: int) -> int:
    """How many elements a block handles."""
    chunk = SHORTEST
    while chunk < LONGEST and chunk * sms * BLOCKS_PER_SM * WAVES < total:
        chunk *= 2
    return chunk


def _flat(body: Graph, length: int) -> Graph:
    """The computation on arrays of one dimension."""

    def spec(v: Value) -> Spec:
        return Spec((length,) if v.shape else (), v.dtype)

    became = {v: Value(*spec(v), v.device) for v in body.inputs}
    nodes = []
    for node in body.nodes:
        new = Node(node.op, [became[v] for v in node.inputs], node.attrs, [spec(v) for v in node.outputs], node.output.device)
        became.update(zip(node.outputs, new.outputs, strict=True))
        nodes.append(new)
    return Graph([became[v] for v in body.inputs], nodes, [became[v] for v in body.outputs])
