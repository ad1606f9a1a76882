"""The rules that keep the package readable, checked on its source: layers, no cycles, short documented modules."""

import ast
import fnmatch
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from support.paths import ROOT

PACKAGE = ROOT / "hybridnet"
TOP_LEVEL = {
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "hybridnet",
    "kernels",
    "docs",
    "tests",
    "examples",
    ".ci",
    ".gitignore",
    ".git",
}
MAX_LINES = 500

#: A module imports from its own row and the rows above it; see "The layers" in CONTRIBUTING.md.
LAYERS = (
    "errors absent config dtypes exact opencv owned registry libinfo log",
    "device base error",
    "core",
    "ops autograd serialization",
    "graph",
    "lowering",
    "codegen",
    "runtime",
    "traced retrace compiled compile",
    "numpy numpy_extension ndarray name attribute symbol executor random context util hooks engine",
    "amp contrib gluon optimizer lr_scheduler initializer metric image io kvstore recordio checkpoint callback monitor module model rnn "
    "profiler library misc test_utils",
    "compat onnx keras visualization tools",
    "",  # hybridnet/__init__.py, which nothing may import from
)
LAYER = {name: number for number, row in enumerate(LAYERS) for name in row.split()}

MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in sorted(PACKAGE.rglob("*.py"))}


def layer_of(module: str) -> int:
    _, _, inside = module.partition(".")
    return LAYER[inside.split(".")[0]] if inside else len(LAYERS) - 1


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"), str(MODULES[module]))


def imported(module: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules that an import statement names; of hybridnet's, the submodule where a name is one."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
        parts = package.split(".")
        base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
    for alias in node.names:
        yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base


@cache
def edges(module: str) -> tuple[tuple[str, int], ...]:
    """What of hybridnet a module imports, anywhere in it, and on which lines."""
    imports = [node for node in ast.walk(tree(module)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return tuple((name, node.lineno) for node in imports for name in imported(module, node) if name.split(".")[0] == "hybridnet")


#: What of tests/ is no mirror of a package: data, scripts that make it with other libraries, what tests share, CUDA C++ on the CPU, and
#: tests of the checkout as a whole.
BESIDE_THE_MIRROR = {"data", "references", "support", "emulator", "benchmarks", "project", "compile"}


def test_operators_are_in_folders_and_tests_mirror_the_package() -> None:
    """What one looks for says where it is: a family of operators in its folder, the tests of a package in the folder of its name."""
    beside = {path.stem for path in (PACKAGE / "ops").glob("*.py")} - {"__init__", "common", "methods", "vocabulary"}
    assert not beside, "a family of operators belongs into a folder of hybridnet/ops"
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - BESIDE_THE_MIRROR <= {path.name for path in PACKAGE.iterdir()}
    assert [path.name for path in (ROOT / "tests").glob("*.py")] == ["conftest.py"], (
        "a test belongs into a folder, what tests share into support"
    )


def test_every_module_has_a_layer() -> None:
    unknown = {name.split(".")[1] for name in MODULES if "." in name} - set(LAYER)
    assert not unknown, f"add {sorted(unknown)} to LAYERS, and say there what they rely on"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    upward = [f"{MODULES[module]}:{line} imports {name}" for name, line in edges(module) if layer_of(name) > layer_of(module)]
    assert not upward, "an import from a higher layer"


def test_no_cycles() -> None:
    state: dict[str, int] = {}  # 1: on the path, 2: done

    def visit(module: str, path: list[str]) -> None:
        state[module] = 1
        for name, _ in edges(module):
            if name == module or name not in MODULES:
                continue
            assert state.get(name) != 1, "a cycle of imports: " + " -> ".join([*path[path.index(name) :], name])
            if name not in state:
                visit(name, [*path, name])
        state[module] = 2

    for module in MODULES:
        if module not in state:
            visit(module, [module])


def test_the_cycle_test_sees_what_packages_reexport() -> None:
    """``from hybridnet.core import tape`` is an import of the module ``tape``, not of the package."""
    node = ast.parse("from hybridnet.core import tape, apply").body[0]
    assert isinstance(node, ast.ImportFrom)
    assert list(imported("hybridnet.autograd", node)) == ["hybridnet.core.tape", "hybridnet.core.apply"]
    relative = ast.parse("from .array import Spec").body[0]
    assert isinstance(relative, ast.ImportFrom)
    assert list(imported("hybridnet.core.apply", relative)) == ["hybridnet.core.array"]


@pytest.mark.parametrize("module", MODULES)
def test_no_import_of_hybridnet_in_a_function(module: str) -> None:
    hidden = [
        f"{MODULES[module]}:{node.lineno}"
        for function in ast.walk(tree(module))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        if any(name.split(".")[0] == "hybridnet" for name in imported(module, node))
    ]
    assert not hidden, "an import in a function dodges the layers"


def _dynamic_imports(module: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in ("import_module", "__import__", "find_spec", "importorskip"):
                yield node.args[0].value, node.lineno


@pytest.mark.parametrize("module", MODULES)
def test_only_device_imports_gpu_libraries(module: str) -> None:
    static = [
        (name, node.lineno)
        for node in ast.walk(tree(module))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in imported(module, node)
    ]
    dynamic = list(_dynamic_imports(module))
    cupy = [f"{MODULES[module]}:{line}" for name, line in (*static, *dynamic) if name.split(".")[0] == "cupy"]
    assert not cupy or module.startswith("hybridnet.device"), f"cupy is imported at {cupy}"
    cudnn = [f"{MODULES[module]}:{line}" for name, line in (*static, *dynamic) if name.split(".")[0] == "cudnn"]
    assert not cudnn or module == "hybridnet.device.dnn", f"cudnn is imported at {cudnn}"
    ours = [f"{MODULES[module]}:{line}" for name, line in dynamic if name.split(".")[0] == "hybridnet"]
    assert not ours, f"hybridnet is imported by name at {ours}"


@pytest.mark.parametrize("module", [m for m in MODULES if m.split(".")[1:2] in (["graph"], ["lowering"], ["codegen"])])
def test_passes_ask_the_back_end_and_never_what_a_device_is(module: str) -> None:
    """``backend_of(device)`` says what it can and what it costs; that is where devices are told apart."""
    kinds = ("is_gpu",) if module == "hybridnet.graph.backend" else ("is_gpu", "device_type")
    uses = [f"{MODULES[module]}:{node.lineno}" for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute) and node.attr in kinds]
    assert not uses, "ask backend_of(device) for its limits and abilities"


def rewrites() -> set[str]:
    """The functions of ``graph/passes`` and ``lowering`` that make graphs of graphs, and the class that they do it with."""
    functions = [
        node
        for module in MODULES
        if module.startswith(("hybridnet.graph.passes.", "hybridnet.lowering."))
        for node in tree(module).body
        if isinstance(node, ast.FunctionDef)
    ]
    return {f.name for f in functions if getattr(f.returns, "id", "") == "Graph" and not f.name.startswith("_")} | {"Rewriter"}


@pytest.mark.parametrize("module", [m for m in MODULES if m.split(".")[1:2] in (["codegen"], ["runtime"], ["compile"], ["traced"])])
def test_graphs_are_rewritten_by_the_listed_passes_alone(module: str) -> None:
    """What comes after the lists plans and writes; it runs both lists whole, and no rewrite beside them."""
    imports = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom)]
    beside = [f"{MODULES[module]}:{node.lineno} {alias.name}" for node in imports for alias in node.names if alias.name in rewrites()]
    assert not beside, "enter it in PASSES (hybridnet/graph/passes) or LOWERING (hybridnet/lowering)"


def test_rewrites_are_seen() -> None:
    assert {"dce", "simplify", "fuse", "recompute", "multi_tensor", "insert_copies", "ungroup"} <= rewrites()
    assert not {"optimize", "lower"} & rewrites()


@pytest.mark.parametrize("module", MODULES)
def test_only_config_reads_the_environment(module: str) -> None:
    if module == "hybridnet.config":
        return
    readers = ("environ", "environb", "getenv", "putenv")
    uses = [node.lineno for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute) and node.attr in readers]
    uses += [
        node.lineno
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom) and node.module == "os" and any(a.name in readers for a in node.names)
    ]
    assert not uses, f"declare the variable in hybridnet/config.py: {MODULES[module]}:{uses}"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(tree(module)), f"{MODULES[module]} has no docstring"


@pytest.mark.parametrize(
    "path",
    [
        p.relative_to(ROOT)
        for folder in ("hybridnet", "tests", "examples", "kernels")
        for p in sorted((ROOT / folder).rglob("*"))
        if p.suffix in (".py", ".cu", ".cuh") and ROOT / "tests" / "data" not in p.parents  # records, which are written by programs
    ],
    ids=str,
)
def test_files_are_short(path: Path) -> None:
    count = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert count <= MAX_LINES, f"{path} has {count} lines; split it by concept"


def test_nothing_else_at_the_top() -> None:
    ignored = [line.strip().strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.strip()]
    entries = {p.name for p in ROOT.iterdir() if not any(fnmatch.fnmatch(p.name, pattern) for pattern in ignored)}
    assert entries <= TOP_LEVEL, f"not at the top level: {sorted(entries - TOP_LEVEL)}"
