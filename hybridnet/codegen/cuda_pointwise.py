"""The kernel of a region without reductions: one function of an element, and a grid that strides over all of them.

A thread handles packs of neighbours, so that operands move in accesses of 16 bytes; where only one
operand is long it handles two packs at a time, so that two loads are under way.
"""

from __future__ import annotations

from collections.abc import Mapping

from hybridnet.codegen.cuda_index import Axis, Space
from hybridnet.codegen.cuda_stages import Region
from hybridnet.codegen.cuda_text import Kernel, declared, guarded, indented, parameters, statements
from hybridnet.core.kernel import computed_type, stored_type
from hybridnet.device.hardware import BLOCKS_PER_SM, THREADS, WAVES
from hybridnet.graph.ir import Value


def write_pointwise(region: Region, space: Space, name: str, num_sms: int) -> Kernel:
    """The kernel for ``region`` on a device with ``num_sms`` multiprocessors."""
    inputs, outputs = region.graph.inputs, region.graph.outputs
    width = space.width(inputs, outputs, whole=len(space.axes) > 1)
    packs, tail = divmod(space.size, width)
    listed, pointers = parameters(inputs, outputs)
    scalars = {v: f"s{pointers[v][1:]}" for v in inputs if not any(a.strides[v] for a in space.axes)}
    resident = num_sms * BLOCKS_PER_SM
    unroll = 2 if len(inputs) - len(scalars) == 1 and packs >= 2 * resident * THREADS else 1
    element = Element(region, space, f"{name}_element", pointers, scalars)

    index, first = space.index, f"{space.wide('blockIdx.x')} * {THREADS} + threadIdx.x"
    body = [f"const {index} step = {space.wide('gridDim.x')} * {THREADS}, first = {first};"]
    body += element.loop("first", str(packs), "step", width, unroll)
    if tail:  # the domain has one axis
        at = dict.fromkeys(space.axes, "i")
        inner = [f"const {index} i = {packs * width} + first;", *element.loads(at, 1), *element.results(at, 1)]
        body += [f"if (first < {tail}) {{", *indented(inner, 1), "}"]
    head = f'extern "C" __global__ void __launch_bounds__({THREADS}) {name}({listed})'
    lines = [*element.function(), head, "{", *indented([*element.scalar_loads(), *body], 1), "}", ""]
    blocks = min(-(-packs // (THREADS * unroll)), resident * WAVES)
    in_place = tuple((x, y) for y in outputs for x in inputs if space.same_places(x, y))
    return Kernel(name, "\n".join(lines), (blocks, 1), THREADS, 0, (*inputs, *outputs), in_place)


class Element:
    """The function of an element, and the text that calls it for packs of them.

    ``at`` in the methods gives each axis's coordinate by the name of a variable, ``width`` how many
    elements of the inner axis that stands for. ``sums``: outputs that are not stored, and the
    statement that adds an element (``{}``) up.
    """

    def __init__(
        self,
        region: Region,
        space: Space,
        name: str,
        pointers: dict[Value, str],
        scalars: dict[Value, str],
        sums: Mapping[Value, str] | None = None,
    ) -> None:
        self.region = region
        self.space = space
        self.name = name
        self.pointers = pointers
        self.scalars = scalars
        self.packs = {v: f"a{pointers[v][1:]}" for v in region.graph.inputs if v not in scalars}
        self.outputs = {v: pointers[v][1:] for v in region.graph.outputs}
        self.sums = sums or {}
        self.numbers = {v: f"n{i}" for i, v in enumerate(region.random)}

    def function(self) -> list[str]:
        """The text of a device function that computes one element."""
        graph = self.region.graph
        names = {v: self.pointers[v] for v in graph.inputs}
        words = [f"{computed_type(v.dtype)} {names[v]}" for v in graph.inputs]
        words += [f"{self.space.number_type} {n}" for n in self.numbers.values()]
        words += [f"{computed_type(v.dtype)}& {self.pointers[v]}" for v in graph.outputs]
        body = statements(graph.nodes, names, self.numbers)
        body += [f"{self.pointers[v]} = {names[v]};" for v in graph.outputs]
        return [f"static __device__ inline void {self.name}({', '.join(words)})", "{", *indented(body, 1), "}", ""]

    def scalar_loads(self) -> list[str]:
        """Load the operands that are the same for all elements."""
        return [f"const {computed_type(v.dtype)} {s} = hn_load<1>({self.pointers[v]})[0];" for v, s in self.scalars.items()]

    def loop(self, first: str, end: str, step: str, width: int, unroll: int = 1) -> list[str]:
        """Handle the packs ``first``, ``first + step`` … below ``end``, ``unroll`` of them at a time."""
        space, index = self.space, self.space.index
        # No load can be moved over the stores before it, so that repeating the body would only take registers and time to compile.
        lines = ["#pragma unroll 1", f"for ({index} i = {first}; i < {end}; i += {f'{unroll} * ' if unroll > 1 else ''}{step}) {{"]
        if unroll == 1:
            place, at = space.coordinates("i", space.axes, width)
            lines += indented(declared(place, [*self.loads(at, width), *self.results(at, width)]), 1)
        else:
            lines += indented([f"{self.pack(v, width)} {a}[{unroll}];" for v, a in self.packs.items()], 1)
            place, at = space.coordinates("j", space.axes, width)
            for part in (self.loads(at, width, "[u]"), self.results(at, width, "[u]")):
                inner = [f"const {index} j = i + u * {step};", f"if (j < {end}) {{", *indented(declared(place, part), 1), "}"]
                lines += indented(["#pragma unroll", f"for (int u = 0; u < {unroll}; ++u) {{", *indented(inner, 1), "}"], 1)
        return [*lines, "}"]

    def width(self, value: Value, width: int) -> int:
        """How many elements of an operand belong to a pack: one of those that the inner axis leaves where they are."""
        return width if self.space.inner is not None and self.space.inner.strides[value] else 1

    def pack(self, value: Value, width: int) -> str:
        """The C++ type of as many neighbouring elements of a value as one access has."""
        return f"hn_pack<{stored_type(value.dtype)}, {self.width(value, width)}>"

    def address(self, value: Value, at: dict[Axis, str], width: int) -> str:
        """The text of the address of a value's element, or pack of ``width``, at an index."""
        return " + ".join(filter(None, (self.pointers[value], self.space.offset(value, at, width))))

    def loads(self, at: dict[Axis, str], width: int, which: str = "") -> list[str]:
        """Load a pack of every operand, into the elements ``which`` of arrays if that is given."""
        return [
            f"{'' if which else f'const {self.pack(v, width)} '}{a}{which} = hn_load<{self.width(v, width)}>({self.address(v, at, width)});"
            for v, a in self.packs.items()
        ]

    def results(self, at: dict[Axis, str], width: int, which: str = "") -> list[str]:
        """Compute the elements of every output's pack, and store them or add them up."""
        stored = {v: n for v, n in self.outputs.items() if v not in self.sums}
        e = "e" if width > 1 else "0"
        arguments = [
            self.scalars.get(v) or f"{self.packs[v]}{which}[{e if self.width(v, width) > 1 else '0'}]" for v in self.region.graph.inputs
        ]
        arguments += [self.space.number(v, at, width) for v in self.numbers]
        lines = [f"{computed_type(v.dtype)} r{n};" for v, n in self.outputs.items()]
        lines += [f"{self.name}({', '.join([*arguments, *(f'r{n}' for n in self.outputs.values())])});"]
        lines += [f"b{n}.set_exact({e}, r{n});" for n in stored.values()]
        lines += [statement.format(f"r{self.outputs[v]}") for v, statement in self.sums.items()]
        if width > 1:
            lines = ["#pragma unroll", f"for (int e = 0; e < {width}; ++e) {{", *indented(lines, 1), "}"]
        lines = [f"{self.pack(v, width)} b{n};" for v, n in stored.items()] + lines
        for v, n in stored.items():
            lines.append(guarded(self.space.first_only(v, at), f"hn_store({self.address(v, at, width)}, b{n});"))
        return lines
