"""What the device's own compiler makes of our kernels: no spills, and a report of their registers in ``data/kernels/registers.tsv``.

The programs of the record, and every hand-written kernel as the operators' samples launch it. The report is compared where it is
of this version of NVRTC; ``--renew`` writes it anew.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from emulator import nvrtc
from emulator.device import emulated_gpu
from emulator.nvrtc import ARCHITECTURES, Usage
from kernel_cases import CASES, made
from test_cuda_written import WRITTEN, sample_nodes

from hybridnet import dtypes
from hybridnet.codegen.cuda_program import KernelStep
from hybridnet.codegen.cuda_region import Unit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(nvrtc.library() is None, reason="needs NVRTC: pip install nvidia-cuda-nvrtc"),
]

REPORT = Path(__file__).with_name("data") / "kernels" / "registers.tsv"


class Row(NamedTuple):
    """A line of the report: bytes of shared memory a block, and by architecture what a thread takes."""

    shared: int
    usage: dict[str, Usage]

    def joined(self, other: "Row") -> "Row":
        """The most of each, of two instances of one function."""
        most = {a: Usage(*map(max, self.usage[a], other.usage[a])) for a in ARCHITECTURES}
        return Row(max(self.shared, other.shared), most)


def program_rows() -> Iterator[tuple[str, Row]]:
    with emulated_gpu():
        cases = {name: made(name) for name in CASES}
    for name, usage in zip(cases, nvrtc.compile_all([c.program.source.text for c in cases.values()]), strict=True):
        shared = {s.kernel.name: s.kernel.shared_bytes for s in cases[name].program.source.steps if isinstance(s, KernelStep)}
        for kernel, known in cases[name].names.items():
            yield f"{name}: {known}", Row(shared[kernel], usage[kernel])


def written_rows() -> Iterator[tuple[str, Row]]:
    """Each function of ``kernels/*.cu`` in single precision and in bfloat16: the most that its instances take."""
    units: dict[str, Unit] = defaultdict(Unit)
    kernels: dict[tuple[str, str], tuple[str, int]] = {}
    for op in WRITTEN:
        for node, _, written in sample_nodes(op, (dtypes.float32, dtypes.bfloat16), 132):
            types = {v.dtype for v in (*node.inputs, *node.outputs)}
            precision = dtypes.bfloat16 if dtypes.bfloat16 in types else dtypes.float32
            for launch, kernel in zip(written.launches, units[written.header].add(node).kernels, strict=True):
                function = f"{written.header}: {launch.function.partition('<')[0]} {precision}"
                kernels[written.header, kernel.name] = function, launch.shared_bytes
    for header, usage in zip(units, nvrtc.compile_all([u.text for u in units.values()]), strict=True):
        for name, by_architecture in usage.items():
            function, shared = kernels[header, name]
            yield function, Row(shared, by_architecture)


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    found: dict[str, Row] = {}
    for name, row in (*program_rows(), *written_rows()):
        found[name] = found[name].joined(row) if name in found else row
    return found


def test_no_spills(rows: dict[str, Row]) -> None:
    spilled = {name: row.usage for name, row in rows.items() if any(u.spilled for u in row.usage.values())}
    assert not spilled


def test_report(rows: dict[str, Row], request: pytest.FixtureRequest) -> None:
    columns = [f"{a} {word}" for a in ARCHITECTURES for word in ("registers", "spilled")]
    lines = [f"NVRTC {nvrtc.version()}", "\t".join(["kernel", "shared", *columns])]
    for name, row in sorted(rows.items()):
        numbers = [n for a in ARCHITECTURES for n in (row.usage[a].registers, row.usage[a].spilled)]
        lines.append("\t".join([name, str(row.shared), *map(str, numbers)]))
    if request.config.getoption("--renew"):
        REPORT.write_text("\n".join([*lines, ""]), encoding="utf-8")
    recorded = REPORT.read_text(encoding="utf-8").splitlines()
    if recorded[0] != lines[0]:
        pytest.skip(f"the report is of {recorded[0]}, this is {lines[0]}")
    changes = sorted({*recorded} ^ {*lines})
    assert not changes, "\n".join([*changes, "If that is meant: python -m pytest tests/test_cuda_nvrtc.py --renew"])
