"""The rules that keep the package readable, checked on its source: layers, no cycles, short documented modules."""

import ast
import fnmatch
from collections.abc import Iterator
from functools import cache

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
    "errors absent collector config dtypes exact opencv owned registry libinfo log",
    "device base error",
    "core",
    "ops autograd disk safetensors serialization",
    "graph",
    "lowering",
    "codegen",
    "runtime",
    "explain",
    "traced retrace compiled compile",
    "numpy numpy_extension array_api ndarray numpy_operators operator library name attribute symbol executor random context util hooks "
    "engine",
    "amp contrib gluon optimizer lr_scheduler initializer metric image io kvstore recordio checkpoint callback monitor module model rnn "
    "profiler misc test_utils",
    "compat distributed onnx keras visualization tools",
    "",  # hybridnet/__init__.py, which nothing may import from
)
LAYER = {name: number for number, row in enumerate(LAYERS) for name in row.split()}

MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.fixture(scope="module", autouse=True)
def trees_are_let_go_of() -> Iterator[None]:
    """They are a million objects, through all of which the collector of cycles would go in later tests."""
    yield
    nodes.cache_clear()


def layer_of(module: str) -> int:
    _, _, inside = module.partition(".")
    return LAYER[inside.split(".")[0]] if inside else len(LAYERS) - 1


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    """All nodes of a module's syntax tree, the module first."""
    return tuple(ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"), str(MODULES[module]))))


def tree(module: str) -> ast.Module:
    (found, *_) = nodes(module)
    assert isinstance(found, ast.Module)
    return found


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
    imports = [node for node in nodes(module) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return tuple((name, node.lineno) for node in imports for name in imported(module, node) if name.split(".")[0] == "hybridnet")


#: What of tests/ is no mirror of a package: data, scripts that make it with other libraries, what tests share, CUDA C++ on the CPU, and
#: tests of the checkout as a whole.
BESIDE_THE_MIRROR = {"data", "mxnet", "references", "support", "emulator", "benchmarks", "project", "compile"}


def test_operators_are_in_folders_and_tests_mirror_the_package() -> None:
    """What one looks for says where it is: a family of operators in its folder, the tests of a package in the folder of its name."""
    beside = {path.stem for path in (PACKAGE / "ops").glob("*.py")} - {"__init__", "common", "methods", "ufuncs", "vocabulary"}
    assert not beside, "a family of operators belongs into a folder of hybridnet/ops"
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - BESIDE_THE_MIRROR <= {path.name for path in PACKAGE.iterdir()}
    assert [path.name for path in (ROOT / "tests").glob("*.py")] == ["conftest.py"], (
        "a test belongs into a folder, what tests share into support"
    )


def test_every_module_has_a_layer() -> None:
    unknown = {name.split(".")[1] for name in MODULES if "." in name} - set(LAYER)
    assert not unknown, f"add {sorted(unknown)} to LAYERS, and say there what they rely on"


def test_imports_go_down() -> None:
    upward = [
        f"{MODULES[module]}:{line} imports {name}"
        for module in MODULES
        for name, line in edges(module)
        if layer_of(name) > layer_of(module)
    ]
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


def test_no_import_of_hybridnet_in_a_function() -> None:
    hidden = [
        f"{MODULES[module]}:{node.lineno}"
        for module in MODULES
        for function in nodes(module)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        if any(name.split(".")[0] == "hybridnet" for name in imported(module, node))
    ]
    assert not hidden, "an import in a function dodges the layers"


def _dynamic_imports(module: str) -> Iterator[tuple[str, int]]:
    for node in nodes(module):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in ("import_module", "__import__", "find_spec", "importorskip"):
                yield node.args[0].value, node.lineno


def test_only_device_imports_gpu_libraries() -> None:
    found: dict[str, list[str]] = {"cupy": [], "cudnn": [], "mpi4py": [], "hybridnet": []}
    for module in MODULES:
        imports = [node for node in nodes(module) if isinstance(node, (ast.Import, ast.ImportFrom))]
        dynamic = list(_dynamic_imports(module))
        for name, line in (*((name, node.lineno) for node in imports for name in imported(module, node)), *dynamic):
            library = name.split(".")[0]
            if name.startswith("cupy.cuda.nccl"):
                library = "mpi4py"  # one module knows of both
            allowed = {"cupy": module.startswith("hybridnet.device"), "cudnn": module == "hybridnet.device.dnn"}
            allowed["mpi4py"] = module == "hybridnet.device.communicate"
            if not allowed.get(library, True):
                found[library].append(f"{MODULES[module]}:{line}")
        found["hybridnet"] += [f"{MODULES[module]}:{line}" for name, line in dynamic if name.split(".")[0] == "hybridnet"]
    assert not found.pop("hybridnet"), "hybridnet is imported by name"
    assert found == {"cupy": [], "cudnn": [], "mpi4py": []}


def test_passes_ask_the_back_end_and_never_what_a_device_is() -> None:
    """``backend_of(device)`` says what it can and what it costs; that is where devices are told apart."""
    asked = {m: {"is_gpu", "device_type"} for m in MODULES if m.split(".")[1:2] in (["graph"], ["lowering"], ["codegen"])}
    asked["hybridnet.graph.backend"] = {"is_gpu"}
    uses = [
        f"{MODULES[module]}:{node.lineno}"
        for module, kinds in asked.items()
        for node in nodes(module)
        if isinstance(node, ast.Attribute) and node.attr in kinds
    ]
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


def test_graphs_are_rewritten_by_the_listed_passes_alone() -> None:
    """What comes after the lists plans and writes; it runs both lists whole, and no rewrite beside them."""
    after, known = ("codegen", "runtime", "compile", "traced"), rewrites()
    beside = [
        f"{MODULES[module]}:{node.lineno} {alias.name}"
        for module in MODULES
        if module.split(".")[1:2] and module.split(".")[1] in after
        for node in nodes(module)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in known
    ]
    assert not beside, "enter it in PASSES (hybridnet/graph/passes) or LOWERING (hybridnet/lowering)"


def test_rewrites_are_seen() -> None:
    assert {"dce", "simplify", "fuse", "recompute", "multi_tensor", "insert_copies", "ungroup"} <= rewrites()
    assert not {"optimize", "lower"} & rewrites()


READERS = ("environ", "environb", "getenv", "putenv")


def reads_the_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(a.name in READERS for a in node.names)
    return isinstance(node, ast.Attribute) and node.attr in READERS


def test_only_config_reads_the_environment() -> None:
    uses = {module: [node.lineno for node in nodes(module) if reads_the_environment(node)] for module in MODULES}  # type: ignore[attr-defined]
    assert uses.pop("hybridnet.config")
    assert not {str(MODULES[module]): lines for module, lines in uses.items() if lines}, "declare the variable in hybridnet/config.py"


def test_every_module_says_what_it_is_for() -> None:
    assert not [str(MODULES[module]) for module in MODULES if not ast.get_docstring(tree(module))], "no docstring"


def test_files_are_short() -> None:
    files = [
        p
        for folder in ("hybridnet", "tests", "examples", "kernels")
        for p in sorted((ROOT / folder).rglob("*"))
        if p.suffix in (".py", ".cu", ".cuh") and ROOT / "tests" / "data" not in p.parents  # records, which are written by programs
    ]
    lines = {str(p): len(p.read_text(encoding="utf-8").splitlines()) for p in files}
    assert len(lines) > 600
    assert not {path: count for path, count in lines.items() if count > MAX_LINES}, "split it by concept"


def test_nothing_else_at_the_top() -> None:
    ignored = [line.strip().strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.strip()]
    entries = {p.name for p in ROOT.iterdir() if not any(fnmatch.fnmatch(p.name, pattern) for pattern in ignored)}
    assert entries <= TOP_LEVEL, f"not at the top level: {sorted(entries - TOP_LEVEL)}"
