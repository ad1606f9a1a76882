"""The README: its Python runs, its commands name what is there, its table is the one that ``hybridnet.config`` gives."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT

import hybridnet as hn
from hybridnet.config import SETTINGS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[tuple[int, str]]:
    """The fenced blocks of a language, each with the line it begins on."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [(README[: m.start(1)].count("\n"), m[1]) for m in found]


def test_the_python_runs_from_top_to_bottom(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # where it may write files
    names: dict[str, Any] = {"__name__": "readme"}
    hn.random.seed(0)
    for line, text in blocks("python"):
        exec(compile("\n" * line + text, str(ROOT / "README.md"), "exec"), names)
    printed = capsys.readouterr().out
    assert len(blocks("python")) >= 8, "the tour and what shows the inside"
    (shown,) = (text for _, text in blocks("text"))
    assert shown in re.sub(r"  # README\.md:\d+ in .+", "", printed), (
        "the graph that the README shows is not what print(net.graph(x)) gives"
    )
    # What the prose beside the blocks claims.
    assert "[ 3. 12. 27.] [ 6. 12. 18.]" in printed.replace("array(", "").replace(")", "").replace(",", "")
    assert names["losses"][-1] < names["losses"][0]
    assert re.search(r"^cpu\(0\): copies [\d.]+ \wB/s, products in float32 ", printed, re.MULTILINE)
    assert {path.name for path in tmp_path.glob("*.json")} == {"profile.json", "trace.json"}
    assert re.search(r"^[\d.]+ [\d.e-]+ \[\]$", printed, re.MULTILINE), "a changed learning rate needs no new trace"


def test_the_table_of_switches() -> None:
    rows = [f"| `{setting.variable}` | {setting.help} |" for setting in SETTINGS.values()]
    assert re.findall(r"^\| `(?:HYBRIDNET|MXNET)_.*$", README, re.MULTILINE) == rows, "the table is that of hybridnet.config.SETTINGS"


def test_the_commands() -> None:
    commands = [text.strip() for _, text in blocks("sh")]
    assert commands == [
        'pip install -e ".[examples]" && python examples/digits.py',
        'pip install -e ".[test]" && python -m pytest -n auto --dist loadfile',
        "tests/gpu.sh results",
        'pip install -e ".[docs]" && python -m sphinx -W --keep-going docs build/site',
        "mpirun -n 2 python examples/distributed_digits.py",
    ]


def test_files_and_folders_that_it_names_exist() -> None:
    named = set(re.findall(r"`((?:hybridnet|tests|examples|kernels)/[\w/.]*)`", README)) | set(re.findall(r"`(\w+\.md|LICENSE)`", README))
    named |= {
        f"examples/{name}" for name in re.findall(r"`(\w+_?\w*\.py)`", README.partition("More in `examples/`")[2].partition("\n## ")[0])
    }
    assert len(named) > 12
    missing = sorted(name for name in named if not (ROOT / name).exists())
    assert not missing
    shown = {name.removeprefix("examples/") for name in named if name.startswith("examples/") and name.endswith(".py")}
    assert shown == {path.name for path in (ROOT / "examples").glob("*.py")}


def test_every_package_has_its_place_in_the_table() -> None:
    table = README.partition("## Where things are")[2].partition("## Licence")[0]
    for folder in ("device", "core", "ops", "graph", "codegen", "runtime", "numpy", "numpy_extension", "ndarray", "gluon", "keras"):
        assert f"{folder}/" in table
