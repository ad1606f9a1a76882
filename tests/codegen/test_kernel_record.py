"""The record of kernel text in ``data/kernels``: a change of code generation shows what it changed. Each program's kernels against NumPy.

After a change that is meant:
``python -m pytest tests/codegen/test_kernel_record.py tests/codegen/test_cuda_nvrtc.py --renew``, and read ``git diff``.
"""

import difflib
from collections.abc import Iterator

import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from emulator.suite import Suite, Work
from support.kernel_cases import CASES, Case, made
from support.paths import DATA

from hybridnet.lowering.fuse import fuse
from hybridnet.lowering.multi_tensor import multi_tensor
from hybridnet.lowering.recompute import recompute

FOLDER = DATA / "kernels"
#: Its numbers differ from device to device; see test_cuda_random.py.
RANDOM = {"dropout"}


@pytest.fixture(scope="module")
def cases() -> Iterator[dict[str, Case]]:
    with emulated_gpu():
        yield {name: made(name) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_text(name: str, cases: dict[str, Case], request: pytest.FixtureRequest) -> None:
    path, text = FOLDER / f"{name}.cu", cases[name].text
    if request.config.getoption("--renew"):
        path.write_text(text, encoding="utf-8")
    recorded = path.read_text(encoding="utf-8") if path.exists() else ""
    if text != recorded:
        changes = difflib.unified_diff(recorded.splitlines(), text.splitlines(), "recorded", "written now", lineterm="", n=2)
        pytest.fail(
            "\n".join([*changes, "", "If that is meant: python -m pytest tests/codegen/test_kernel_record.py --renew"]), pytrace=False
        )


def test_nothing_else_is_recorded() -> None:
    assert {p.stem for p in FOLDER.glob("*.cu")} == set(CASES)
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 200_000


@pytest.fixture(scope="module")
def works(cases: dict[str, Case]) -> tuple[Suite, dict[str, list[Work]]]:
    suite, found = Suite(), {}
    for name in CASES.keys() - RANDOM:
        graph = fuse(recompute(multi_tensor(cases[name].compiled.graph)))
        found[name] = suite.add_graph(graph, [x.asnumpy() for x in cases[name].arrays])
    return suite.build(), found


@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
@pytest.mark.parametrize("name", [name for name in CASES if name not in RANDOM])
def test_against_numpy(name: str, works: tuple[Suite, dict[str, list[Work]]]) -> None:
    suite, found = works
    assert found[name]
    for work in found[name]:
        suite.check(work, tolerance=8.0)
