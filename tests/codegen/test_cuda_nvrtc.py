"""What the device's own compiler makes of our kernels: no spills, and a report of their registers in ``data/kernels/registers.tsv``.

The programs of the record, and every hand-written kernel as the operators' samples launch it, by every version of NVRTC that
matters. The report is of one of them, ``emulator.compilers.REPORTED``; ``--renew`` writes it anew.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from emulator import compilers, emulator, nvrtc
from emulator.compilers import REPORTED, VERSIONS
from emulator.device import emulated_gpu
from emulator.nvrtc import ARCHITECTURES, Usage
from support.hand_kernels import WRITTEN, sample_nodes
from support.kernel_cases import CASES, made
from support.paths import DATA

from hybridnet import dtypes
from hybridnet.codegen.cuda_region import Unit
from hybridnet.codegen.cuda_steps import KernelStep

REPORT = DATA / "kernels" / "registers.tsv"


class Row(NamedTuple):
    """A line of the report: bytes of shared memory a block, and by architecture what a thread takes."""

    shared: int
    usage: dict[str, Usage]

    def joined(self, other: "Row") -> "Row":
        """The most of each, of two instances of one function."""
        most = {a: Usage(*map(max, self.usage[a], other.usage[a])) for a in ARCHITECTURES}
        return Row(max(self.shared, other.shared), most)


class Kernel(NamedTuple):
    """A kernel of a source: what the report calls it, and the bytes of shared memory that a block takes."""

    row: str
    shared: int


class Source(NamedTuple):
    """A translation unit, and its kernels by their names there."""

    text: str
    kernels: dict[str, Kernel]


def programs() -> list[Source]:
    """The small programs of the record of kernels."""
    with emulated_gpu():
        cases = {name: made(name) for name in CASES}
    found = []
    for name, case in cases.items():
        shared = {s.kernel.name: s.kernel.shared_bytes for s in case.program.source.steps if isinstance(s, KernelStep)}
        kernels = {kernel: Kernel(f"{name}: {known}", shared[kernel]) for kernel, known in case.names.items()}
        kernels |= {kernel: Kernel(f"staging: {kernel}", 0) for kernel in case.program.source.kernels.keys() - kernels.keys()}
        found.append(Source(case.program.source.text, kernels))
    return found


def written() -> list[Source]:
    """Each function of ``kernels/*.cu`` in single precision and in bfloat16, as the operators' samples have it."""
    units: dict[str, Unit] = defaultdict(Unit)
    kernels: dict[str, dict[str, Kernel]] = defaultdict(dict)
    for op in WRITTEN:
        for node, _, by_hand in sample_nodes(op, (dtypes.float32, dtypes.bfloat16), 132):
            types = {v.dtype for v in (*node.inputs, *node.outputs)}
            precision = dtypes.bfloat16 if dtypes.bfloat16 in types else dtypes.float32
            for launch, kernel in zip(by_hand.launches, units[by_hand.header].add(node).kernels, strict=True):
                function = f"{by_hand.header}: {launch.function.partition('<')[0]} {precision}"
                kernels[by_hand.header][kernel.name] = Kernel(function, launch.shared_bytes)
    return [Source(unit.text, kernels[header]) for header, unit in units.items()]


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return [*programs(), *written()]


def compiled(sources: Sequence[Source], version: str) -> dict[str, Row]:
    """The report's rows: of instances of one function the most that they take."""
    found: dict[str, Row] = {}
    for source, usage in zip(sources, nvrtc.compile_all([s.text for s in sources], version=version), strict=True):
        for name, by_architecture in usage.items():
            kernel = source.kernels[name]
            row = Row(kernel.shared, by_architecture)
            found[kernel.row] = found[kernel.row].joined(row) if kernel.row in found else row
    return found


@pytest.fixture(scope="module")
def rows(sources: list[Source]) -> dict[str, Row]:
    """By the version that the report is of."""
    return compiled(sources, REPORTED)


@pytest.mark.slow
@pytest.mark.parametrize("version", [v for v in VERSIONS if v != REPORTED])
def test_no_spills_by_other_versions(version: str, sources: list[Source]) -> None:
    no_spills(compiled(sources, version))


@pytest.mark.slow
def test_no_spills(rows: dict[str, Row]) -> None:
    no_spills(rows)


def no_spills(rows: dict[str, Row]) -> None:
    spilled = {name: row.usage for name, row in rows.items() if any(u.spilled for u in row.usage.values())}
    assert not spilled


@pytest.mark.slow
def test_report(rows: dict[str, Row], request: pytest.FixtureRequest) -> None:
    columns = [f"{a} {word}" for a in ARCHITECTURES for word in ("registers", "spilled")]
    lines = [f"NVRTC {REPORTED}", "\t".join(["kernel", "shared", *columns])]
    for name, row in sorted(rows.items()):
        numbers = [n for a in ARCHITECTURES for n in (row.usage[a].registers, row.usage[a].spilled)]
        lines.append("\t".join([name, str(row.shared), *map(str, numbers)]))
    if request.config.getoption("--renew"):
        REPORT.write_text("\n".join([*lines, ""]), encoding="utf-8")
    recorded = REPORT.read_text(encoding="utf-8").splitlines()
    changes = sorted({*recorded} ^ {*lines})
    assert not changes, "\n".join([*changes, "If that is meant: python -m pytest -m slow tests/codegen/test_cuda_nvrtc.py --renew"])


# -- what the other tests rely on ---------------------------------------------------------------------


def test_versions_are_those_that_are_admitted() -> None:
    """The lower bound of each extra is compiled with, and none that is compiled with lies beyond it."""
    project = tomllib.loads((compilers.FOLDER.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [r for extra in project["optional-dependencies"].values() for r in extra if r.startswith("nvidia-cuda-nvrtc")]
    bounds = [re.fullmatch(r"(nvidia-cuda-nvrtc(?:-cu12)?)>=([\d.]+),<(\d+)", r) for r in wanted]
    assert len(bounds) == 3 and all(bounds)
    lowest = {package: version for package, version, _ in (b.groups() for b in bounds if b)}
    assert set(lowest.values()) <= set(compilers.PINNED)
    for version in VERSIONS:
        least = lowest[compilers.package(version)]
        assert [*map(int, version.split("."))] >= [*map(int, least.split("."))] and version.split(".")[0] == least.split(".")[0]


def test_a_missing_version_is_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"NVRTC 1\.2\.3: python tests/emulator/compilers\.py"):
        nvrtc.need("1.2.3")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match=r"NVRTC 1\.2\.3"):
        nvrtc.need("1.2.3")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("__device__ int f() { int unused = 1; return 2; }", "warning #177-D"),
        ('extern "C" __global__ void k(float* y) { y[0] = nowhere; }', "nowhere"),
        ('extern "C" __global__ void k(float* y) { asm volatile("nonsense;"); }', "ptxas.*nonsense"),
    ],
)
def test_warnings_and_errors_are_seen(code: str, words: str) -> None:
    with pytest.raises(RuntimeError, match=rf"(?s)NVRTC {REPORTED} for sm_90.*{words}"):
        nvrtc.compile_all([code], ["sm_90"])


def test_what_compiled_is_kept_and_what_did_not_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(emulator, "CACHE", tmp_path)
    right, wrong = (f'extern "C" __global__ void k(float* y) {{ y[0] = {value}; }}' for value in ("1.0f", "nowhere"))
    found = nvrtc.compile_all([right], ["sm_90"])
    assert found[0]["k"]["sm_90"].registers > 0
    with pytest.raises(RuntimeError, match="nowhere"):
        nvrtc.compile_all([right, wrong], ["sm_90"])
    assert len(list(tmp_path.rglob("*"))) == 2  # the folder, and what is said of one source
    monkeypatch.setattr(nvrtc, "ProcessPoolExecutor", None)  # nothing can be compiled
    assert nvrtc.compile_all([right], ["sm_90"]) == found
    for others in (([wrong], ["sm_90"]), ([right], ["sm_80"])):
        with pytest.raises(TypeError, match="not callable"):
            nvrtc.compile_all(*others)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_version_is_the_one_that_was_asked_for(version: str) -> None:
    parts = zip(("MAJOR", "MINOR", "BUILD"), version.split("."), strict=True)
    same = " && ".join(f"__CUDACC_VER_{part}__ == {number}" for part, number in parts)
    assert nvrtc.compile_all([f'static_assert({same}, "another"); extern "C" __global__ void k() {{}}'], ["sm_90"], version)[0].keys() == {
        "k"
    }
