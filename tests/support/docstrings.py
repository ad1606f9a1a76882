"""What the package's public functions say of themselves, read from their source: for tests/project/test_docstrings.py."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from support.paths import ROOT

PACKAGE = ROOT / "hybridnet"
#: The folders whose functions take arrays.
OF_ARRAYS = ("ops", "numpy", "numpy_extension", "ndarray")
#: Parameters that speak of dimensions.
OF_DIMENSIONS = {"axis", "axes", "shape", "newshape", "kernel", "stride", "pad", "pad_width", "repeats", "reps", "num_hidden"}
#: Words for dimensions, and layouts: (batch, channels, *kernel), (..., n).
DIMENSIONS = re.compile(
    r"shape|\baxis|\baxes|length|dimension|broadcast|element by element|\brows?\b|\bcolumns?\b|matri|vector|flat|\([\w.*·]+, [^()]*\)",
    re.IGNORECASE,
)
#: Words for what is refused.
REFUSALS = re.compile(r"error|raise|must|\bonly\b|at least|refuse|no more than|at most|\bif not\b", re.IGNORECASE)


@cache
def trees() -> dict[Path, ast.Module]:
    """The package's files as syntax trees."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def classes() -> dict[str, list[ast.ClassDef]]:
    """The package's classes by name; a few names are of several, as ``SGD`` is Keras' and Gluon's."""
    found: dict[str, list[ast.ClassDef]] = {}
    for tree in trees().values():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


def forget() -> None:
    """Let go of the trees, which are a million objects, through all of which the collector of cycles would go in later tests."""
    trees.cache_clear()
    classes.cache_clear()


class Function(NamedTuple):
    """A public function, or a public method of a public class."""

    where: str
    name: str
    node: ast.FunctionDef
    owner: ast.ClassDef | None

    @property
    def doc(self) -> str:
        """Its docstring, or that of the method that it overrides."""
        return ast.get_docstring(self.node) or (inherited(self.owner, self.node.name) if self.owner else "")

    @property
    def fails(self) -> bool:
        """Whether it raises the user's errors itself."""
        return any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "fail" for n in ast.walk(self.node))

    @property
    def arrays(self) -> int:
        """How many of its parameters may be arrays, as far as their annotations tell."""
        args = self.node.args
        given = [*args.posonlyargs, *args.args]
        defaults: list[ast.expr | None] = [None] * (len(given) - len(args.defaults)) + list(args.defaults)
        count = sum(_may_be_array(a, d) for a, d in zip(given, defaults, strict=True))
        return count + (2 if args.vararg is not None and _may_be_array(args.vararg, None) else 0)

    @property
    def has_shapes(self) -> bool:
        """Whether its parameters have more than one role among dimensions: several arrays, or an array and axes or a shape."""
        args = self.node.args
        names = {a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
        return self.arrays > 1 or (self.arrays == 1 and bool(names & OF_DIMENSIONS))


def _may_be_array(arg: ast.arg, default: ast.expr | None) -> bool:
    if arg.arg in OF_DIMENSIONS or arg.arg in NOT_ARRAYS:
        return False
    return default is None and arg.annotation is not None and ast.unparse(arg.annotation) in ("Any", "Array", "ArrayLike")


#: Parameters of any type that are no arrays.
NOT_ARRAYS = {
    "self",
    "cls",
    "xp",
    "op",
    "dtype",
    "name",
    "key",
    "value",
    "choices",
    "size",
    "number",
    "n",
    "q",
    "device",
    "ctx",
    "args",
    "hint",
    "default",
}


def inherited(owner: ast.ClassDef, name: str, seen: tuple[ast.ClassDef, ...] = ()) -> str:
    """The docstring of the method of this name in the first base class of the package that has one."""
    seen = (*seen, owner)
    for base in owner.bases:
        target = base.value if isinstance(base, ast.Subscript) else base
        for cls in classes().get(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""), ()):
            if cls in seen:
                continue
            own = next((n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == name), None)
            if doc := (ast.get_docstring(own) if own else None) or inherited(cls, name, seen):
                return doc
    return ""


def _is_setter(method: ast.FunctionDef) -> bool:
    """Whether it is the second half of a property, whose first half has the docstring."""
    return any(isinstance(d, ast.Attribute) and d.attr == "setter" for d in method.decorator_list)


def public_functions() -> Iterator[Function]:
    """All of the package, in the order of its files."""
    for path, tree in trees().items():
        where = str(path.relative_to(PACKAGE))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield Function(where, node.name, node, None)
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and not method.name.startswith("_") and not _is_setter(method):
                        yield Function(where, f"{node.name}.{method.name}", method, node)
