"""The documentation: every program in it runs, what it shows is what comes, its commands, links and counts are right, the site builds."""

import os
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.pages import DOCS, PAGES, Code, blocks, links
from support.paths import ROOT
from support.surface import PAGE, page_with, table

import hybridnet as hn

#: Pages that change what holds for the whole process run in one of their own.
ALONE = {"from-mxnet.md"}
#: For a process of its own: this checkout, whatever is installed.
HERE = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
PROGRAMS = [page for page in PAGES if any(code.language == "python" for code in blocks(page))]


def run(page: Path, codes: list[Code], capsys: pytest.CaptureFixture[str]) -> None:
    """The programs of a page, from top to bottom; a block of text after one is a part of what it prints."""
    names: dict[str, Any] = {"__name__": page.stem}
    printed = ""
    for code in codes:
        if code.language == "python":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of what a page does on purpose
                exec(compile("\n" * code.line + code.text, str(code.file), "exec"), names)
            printed += capsys.readouterr().out
        elif code.language == "text":
            without_sites = re.sub(r"  # README\.md:\d+ in .+", "", printed)
            assert code.text in without_sites, f"{code.file.name}:{code.line}: this is not what is printed"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where programs may write files


#: What is run elsewhere in the default suite: the README, and the page that includes the longer part of it.
LONG = {"inside.md"}
SOON = [p for p in PROGRAMS if p.name not in ALONE | {"README.md"}]


@pytest.mark.parametrize("page", [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] * (p.name in LONG)) for p in SOON])
def test_programs_run(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hn.random.seed(0)
    run(page, list(blocks(page)), capsys)


@pytest.mark.parametrize("name", sorted(ALONE))
def test_programs_run_alone(name: str) -> None:
    (page,) = (p for p in PROGRAMS if p.name == name)
    text = "\n".join(code.text for code in blocks(page) if code.language == "python")
    done = subprocess.run([sys.executable, "-W", "error", "-c", text], env=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1.9.1" in done.stdout and "not there yet" in done.stdout


def test_all_code_is_of_a_kind_that_is_tested() -> None:
    found = [code for page in PAGES for code in blocks(page)]
    assert {code.language for code in found} == {"python", "text", "sh", "yaml"}  # yaml: for a cluster
    assert len(found) > 60


def commands() -> Iterator[str]:
    for page in PAGES:
        for code in blocks(page):
            if code.language == "sh":
                yield from (part.partition("  #")[0].strip() for line in code.text.splitlines() for part in line.split(" && "))


def test_commands_name_what_is_there() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for command in {c for c in commands() if c}:
        if asked := re.fullmatch(r'pip install -e (?:\.|"\.\[(.*)\]")', command):
            assert {*(asked[1] or "test").split(",")} <= {*extras}, command
        elif script := re.match(r"(?:python )?((?:tests|examples)/\S+)", command):
            assert (ROOT / script[1]).exists(), command
        else:
            program = r"(?:pip install \"\$\()?(?:python -m (?:pytest|sphinx|hybridnet\.compat\.mxnet) |mpirun -n 2 python examples/)"
            assert re.match(program, command), command
    rows = re.findall(r"^\| (`.*?`) \|", (DOCS / "install.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {*extras}, "the table of extras is that of pyproject.toml"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = [target for target in links(page) if target and not (page.parent / target).exists()]
    assert not missing


def test_a_newcomer_finds_the_way() -> None:
    """From the README: the tour, from MXNet, from PyTorch, recipes, how it works, the reference."""
    found = {*links(ROOT / "README.md")}
    assert {
        f"docs/{page}" for page in ("tour.md", "from-mxnet.md", "from-pytorch.md", "recipes/index.md", "how-it-works.md", "api/index.md")
    } <= found


def test_the_machine_has_300_lines() -> None:
    text = "".join(code.text for code in blocks(DOCS / "how-it-works.md") if code.language == "python")
    assert 200 < sum(1 for line in text.splitlines() if line.strip()) <= 300


def test_the_names_of_mxnet_are_counted() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with(table()), "python -m support.surface, in tests/, counts again"


def test_the_reference_has_the_public_modules() -> None:
    named = {m for page in (DOCS / "api").glob("*.md") for m in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))}
    public = {
        "np",
        "npx",
        "nd",
        "gluon",
        "optimizer",
        "metric",
        "autograd",
        "io",
        "image",
        "onnx",
        "profiler",
        "hooks",
        "module",
        "operator",
    }
    assert {getattr(hn, name).__name__ for name in public} <= named
    assert {"hybridnet.gluon.nn", "hybridnet.gluon.rnn", "hybridnet.gluon.loss", "hybridnet.gluon.data"} <= named


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("sphinx") and "CI" not in os.environ, reason='needs pip install -e ".[docs]"')
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(tmp_path / "read"), str(DOCS), str(tmp_path / "site")]
    done = subprocess.run(command, env=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    index = (tmp_path / "site" / "objects.inv").read_bytes()
    assert len(index) > 10_000
    for page in ("tour", "from-mxnet", "how-it-works", "api/np", "recipes/speed"):
        text = (tmp_path / "site" / f"{page}.html").read_text(encoding="utf-8")
        assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]*\.(?:js|css)', text), "the site needs nothing from the net"
    reference = (tmp_path / "site" / "api" / "np.html").read_text(encoding="utf-8")
    assert "hybridnet.numpy.einsum" in reference and "[source]" in reference
