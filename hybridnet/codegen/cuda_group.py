"""The kernels of a ``group``: one computation on the arrays of many members, in one launch.

Members are cut into chunks, a block each. A table in device memory says where the members' arrays lie and,
for each chunk, whose it is and where it starts; so the launch does not depend on how many arrays there are.
Within a chunk a thread handles packs of neighbours as in any pointwise kernel, one by one at a member's end.
Where there are sums over all elements, each chunk's go to memory, and a second launch adds them up member by
member, in a fixed order.

Bytes moved: every slot once, every output once, 16 bytes an access; Adam on float32 28 bytes an element, which
at 4.8 TB/s is a limit of 171 elements a nanosecond. Measured share of the copy bandwidth: still to be measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from hybridnet import dtypes
from hybridnet.codegen.cuda_index import Layout, Space
from hybridnet.codegen.cuda_pointwise import Element
from hybridnet.codegen.cuda_stages import Region
from hybridnet.codegen.cuda_text import Kernel, Table, indented, monoid, parameters
from hybridnet.core import Kind, Spec
from hybridnet.core.kernel import computed_dtype, computed_type, stored_type
from hybridnet.device.hardware import BLOCKS_PER_SM, THREADS
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import CAST

SHORTEST, LONGEST = 2048, 8192  # elements of a chunk, powers of two
CHUNK_WAVES = 4  # of blocks, where chunks can be shorter: the last one ends soon after the others
COMBINING = 64  # threads that add up a member's chunks


class GroupKernels:
    """The kernels of a ``group`` node that has elements; ``name`` stands for their functions' names in the texts.

    ``table`` is what they read, ``partials`` the sums of each chunk.
    """

    def __init__(self, node: Node, name: str, num_sms: int) -> None:
        self.node = node
        self.name = name
        self.members: int = node.attrs["members"]
        self.slots: int = node.attrs["slots"]
        self.device = node.outputs[0].device
        self.shared = node.inputs[self.slots * self.members :]
        self.chunk = _chunk(sum(v.size for v in node.inputs[: self.members]), num_sms)
        self.body, self.sums = _flat(node.attrs["body"], self.chunk)
        # A member in the table: its length, its first chunk, the addresses of its slots and outputs.
        arrays = [self._of_all(node.inputs, s) for s in range(self.slots)]
        arrays += [self._of_all(node.outputs, o) for o in range(len(node.outputs) // self.members)]
        self.row = 2 + len(arrays)
        chunks: list[int] = []
        entries: list[int | Value] = []
        for m in range(self.members):
            entries += [arrays[0][m].size, len(chunks) // 2, *(a[m] for a in arrays)]
            chunks += [e for start in range(0, arrays[0][m].size, self.chunk) for e in (m, start)]
        self.blocks = len(chunks) // 2
        self.table = Table(Value((len(entries) + len(chunks),), dtypes.int64, self.device), (*entries, *chunks))
        self.partials = [Value((self.blocks,), computed_dtype(n.output.dtype), self.device) for n in self.sums.values()]

    def _of_all(self, values: Sequence[Value], which: int) -> Sequence[Value]:
        """One slot's, or one output's, arrays."""
        return values[which * self.members : (which + 1) * self.members]

    def kernels(self) -> list[Kernel]:
        """In the order in which they run."""
        return [*([self._elements()] if self.blocks else []), *([self._combination()] if self.sums else [])]

    # -- the elements -----------------------------------------------------------------------------

    def _elements(self) -> Kernel:
        inputs, outputs = self.body.inputs, self.body.outputs
        region = Region(self.body)
        shapes = {v: v.shape for v in (*inputs, *outputs)}
        space = Space(region.domain, frozenset(), shapes, {v: Layout((1,) * v.ndim) for v in shapes})
        stored = [v for v in outputs if v not in self.sums]
        width = space.width([v for v in inputs if v.shape], stored, whole=False)
        _, pointers = parameters(inputs, outputs)
        totals = {v: f"t{i}" for i, v in enumerate(self.sums)}
        adding = {v: f"{t} = {monoid(self.sums[v])}::combine({t}, {{}});" for v, t in totals.items()}
        scalars = {v: f"s{pointers[v][1:]}" for v in inputs if not v.shape}
        element = Element(region, space, f"{self.name}_element", pointers, scalars, adding)
        places = {v: f"member[{i + 2}]" for i, v in enumerate((*inputs[: self.slots], *outputs)) if v not in self.sums}
        body = [*self._place(pointers, places, stored), *element.scalar_loads()]
        body += [f"{computed_type(v.dtype)} {t} = {monoid(self.sums[v])}::start<{computed_type(v.dtype)}>();" for v, t in totals.items()]
        rest = "threadIdx.x"
        if width > 1:
            # Arrays may be views that begin anywhere; then all elements go one by one.
            addresses = " | ".join(p for v, p in places.items() if v.shape)
            body.append(f"const int packs = ({addresses}) % 16 == 0 ? count / {width} : 0;")
            body += element.loop("threadIdx.x", "packs", str(THREADS), width, 2 if self.slots == 1 else 1)
            rest = f"packs * {width} + threadIdx.x"
        body += element.loop(rest, "count", str(THREADS), 1)
        for i, (v, t) in enumerate(totals.items()):
            body += [
                f"{t} = hn_reduce_block<{monoid(self.sums[v])}, {THREADS}>({t}, scratch);",
                f"if (threadIdx.x == 0) p{i}[blockIdx.x] = {t};",
            ]
        listed = [f"const {stored_type(v.dtype)}* {pointers[v]}" for v in inputs[self.slots :]]
        listed += [f"{stored_type(p.dtype)}* p{i}" for i, p in enumerate(self.partials)]
        return self._kernel(element.function(), listed, body, self.blocks, THREADS, self.shared, self._in_place())

    def _kernel(
        self,
        functions: list[str],
        listed: list[str],
        body: list[str],
        blocks: int,
        threads: int,
        shared: Sequence[Value] = (),
        in_place: tuple[tuple[Value, Value], ...] = (),
    ) -> Kernel:
        scratch = max((p.dtype.itemsize for p in self.partials), default=0) * threads // 32
        body = ["HN_SHARED(scratch);", *body] if scratch else body
        words = ", ".join(["const long long* table", *listed])
        head = f'extern "C" __global__ void __launch_bounds__({threads}) {self.name}({words})'
        text = "\n".join([*functions, head, "{", *indented(body, 1), "}", ""])
        arguments = (self.table.value, *shared, *self.partials)
        return Kernel(self.name, text, (blocks, 1), threads, scratch, arguments, in_place)

    def _place(self, pointers: dict[Value, str], places: dict[Value, str], stored: Sequence[Value]) -> list[str]:
        """Find the block's chunk: how many elements it has, and where they lie. ``places``: where the table says that an array begins."""
        lines = [
            f"const long long* const chunk = table + {self.members * self.row} + 2 * blockIdx.x;",
            f"const long long* const member = table + chunk[0] * {self.row};",
            "const long long start = chunk[1], left = member[0] - start;",
            f"const int count = left < {self.chunk} ? static_cast<int>(left) : {self.chunk};",
        ]
        for v, p in places.items():
            pointer = f"{'' if v in stored else 'const '}{stored_type(v.dtype)}*"
            lines.append(f"{pointer} const {pointers[v]} = reinterpret_cast<{pointer}>({p}){' + start' if v.shape else ''};")
        return lines

    def _in_place(self) -> tuple[tuple[Value, Value], ...]:
        """A member's output may lie where one of its slots does: a thread loads a pack before it stores it."""
        pairs = [
            (s, o)
            for o, y in enumerate(self.body.outputs)
            for s, x in enumerate(self.body.inputs[: self.slots])
            if x.shape and y not in self.sums and x.dtype == y.dtype
        ]
        return tuple(p for s, o in pairs for p in zip(self._of_all(self.node.inputs, s), self._of_all(self.node.outputs, o), strict=True))

    # -- the sums ---------------------------------------------------------------------------------

    def _combination(self) -> Kernel:
        """A block for each member adds up its chunks' sums."""
        body = [
            f"const long long* const member = table + blockIdx.x * {self.row};",
            f"const long long first = member[1], end = first + (member[0] + {self.chunk - 1}) / {self.chunk};",
        ]
        for i, (v, n) in enumerate(self.sums.items()):
            kind, result = computed_type(v.dtype), stored_type(n.output.dtype)
            place = f"member[{2 + self.slots + self.body.outputs.index(v)}]"
            body += [
                f"{kind} t{i} = {monoid(n)}::start<{kind}>();",
                f"for (long long c = first + threadIdx.x; c < end; c += {COMBINING}) t{i} = {monoid(n)}::combine(t{i}, p{i}[c]);",
                f"t{i} = hn_reduce_block<{monoid(n)}, {COMBINING}>(t{i}, scratch);",
                f"if (threadIdx.x == 0) *reinterpret_cast<{result}*>({place}) = hn_type<{result}>::store(t{i});",
            ]
        listed = [f"const {stored_type(p.dtype)}* p{i}" for i, p in enumerate(self.partials)]
        return self._kernel([], listed, body, self.members, COMBINING)


def _chunk(total: int, num_sms: int) -> int:
    """How many elements a block handles."""
    chunk = SHORTEST
    while chunk < LONGEST and chunk * num_sms * BLOCKS_PER_SM * CHUNK_WAVES < total:
        chunk *= 2
    return chunk


def _flat(body: Graph, length: int) -> tuple[Graph, dict[Value, Node]]:
    """The computation on arrays of that length; in place of a sum over all elements, what is added up, and of each such output the sum."""
    replacement = {v: Value((length,) if v.shape else (), v.dtype, v.device) for v in body.inputs}
    nodes = []
    sums: dict[Value, Node] = {}
    for node in body.nodes:
        op, attrs, result = node.op, dict(node.attrs), node.output
        spec = Spec((length,) if result.shape else (), result.dtype)
        if op.kind is Kind.REDUCTION:
            spec = Spec((length,), computed_dtype(result.dtype))
            op, attrs = CAST, {"dtype": spec.dtype}
        new = Node(op, [replacement[v] for v in node.inputs], attrs, [spec], result.device)
        nodes.append(new)
        replacement[result] = new.output
        if node.op.kind is Kind.REDUCTION:
            sums[new.output] = node
    return Graph([replacement[v] for v in body.inputs], nodes, [replacement[v] for v in body.outputs]), sums
