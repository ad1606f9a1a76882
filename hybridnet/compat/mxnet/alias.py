"""The name ``mxnet``, and those of its submodules, for hybridnet's modules in this process.

``mxnet.gluon.nn`` *is* the module ``hybridnet.gluon.nn``: there is one object of each class and function, whatever name led to it, and
pickles that name ``mxnet.…`` find theirs. Only the outermost module is another: it has ``__version__ == "1.9.1"``, and what MXNet has
under a name of which hybridnet's own is something else. Where hybridnet divides its modules otherwise, :data:`ELSEWHERE` says where
the names of one of MXNet's are. ``horovod.mxnet``, which trains MXNet's networks by several processes, is found as well.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hybridnet import absent, autograd, util
from hybridnet.compat.mxnet import older_numpy, pickles
from hybridnet.compat.mxnet.private import names
from hybridnet.errors import HybridnetError, fail, message

VERSION = "1.9.1"
#: The folder of the distribution, in which processes that this one spawns find ``mxnet``.
DISTRIBUTION = Path(__file__).parent / "distribution"

#: MXNet's modules that have no file of that name here, and the module that has their names; so also for modules within them.
ELSEWHERE = {
    "contrib.ndarray": "ndarray.contrib",
    "contrib.symbol": "symbol.contrib",
    "contrib.amp": "amp",
    "contrib.amp.amp": "amp",
    "executor_manager": "module.executor_group",
    "ndarray.ndarray": "ndarray",
    "ndarray.register": "ndarray.register",
    "ndarray.utils": "ndarray",
    "ndarray.numpy": "numpy",
    "ndarray.numpy_extension": "numpy_extension",
    "numpy.multiarray": "numpy",
    "numpy.function_base": "numpy",
    "numpy.io": "numpy",
    "numpy.utils": "numpy",
    "numpy_extension.utils": "numpy_extension",
    "optimizer.optimizer": "optimizer",
    "symbol.symbol": "symbol",
    "gluon.rnn.rnn_cell": "gluon.rnn",
    "gluon.rnn.rnn_layer": "gluon.rnn",
    "io.utils": "io",
}  # fmt: skip


class MissingModuleError(ModuleNotFoundError, HybridnetError):
    """A module of MXNet's that hybridnet does not have."""


class _Mxnet(ModuleType):
    """The outermost module: hybridnet's names, and the version that MXNet programs ask for."""

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(sys.modules["hybridnet"], name)
        except absent.AbsentError as error:
            if absent.is_import(sys._getframe(1)):
                raise absent.AbsentImportError(*error.args) from None
            raise

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(sys.modules["hybridnet"])})


class _Loader(importlib.abc.Loader):
    """Gives a module that there is already, as it is."""

    def __init__(self, target: ModuleType) -> None:
        self.target = target
        self.spec = target.__spec__

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self.target

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system has set that of the alias
        if module.__name__ in names.OPEN:
            lent = names.borrowed()[module.__name__]
            module.__all__ = list(dict.fromkeys([*module.__all__, *(name for name in lent if not name.startswith("_"))]))  # type: ignore[attr-defined]


class _Finder(importlib.abc.MetaPathFinder):
    """Finds ``mxnet.…``, and Horovod's interface for it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        root, _, inside = fullname.partition(".")
        if fullname in ("horovod", "horovod.mxnet"):
            horovod = importlib.import_module(f"hybridnet.compat.{fullname}")
            return importlib.machinery.ModuleSpec(fullname, _Loader(horovod), is_package=hasattr(horovod, "__path__"))
        if root != "mxnet" or not inside:
            return None
        module = _module(inside)
        return importlib.machinery.ModuleSpec(fullname, _Loader(module), is_package=hasattr(module, "__path__"))


def _module(inside: str) -> ModuleType:
    """hybridnet's module for MXNet's of that path within the package."""
    parts = inside.split(".")
    heads = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    for path in (inside, *(ELSEWHERE[head] + inside.removeprefix(head) for head in heads if head in ELSEWHERE)):
        found = _imported(path)
        if found is not None:
            return found
    text = message(
        f"mxnet.{inside}",
        expected="a module of MXNet 1.9.1 that hybridnet has",
        got="one that is not here, or not yet",
        fix="help('hybridnet.compat.mxnet') for what is",
    )
    raise MissingModuleError(text, name=f"mxnet.{inside}")


def _imported(inside: str) -> ModuleType | None:
    """The module ``hybridnet.inside``, or what a package shows under that name as a namespace; ``None`` if there is neither."""
    name = f"hybridnet.{inside}"
    outer, _, last = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # something that the module itself imports
    package = sys.modules.get(outer)
    shown = getattr(package, last, None)
    return shown if isinstance(shown, ModuleType) else None


def install() -> ModuleType:
    """Make ``mxnet`` and its submodules hybridnet's in this process, and its arrays follow MXNet 1.x's rules; the module ``mxnet``.

    A second call changes nothing. Processes that this one starts anew and that import its main module (``multiprocessing``'s ``spawn``)
    find ``mxnet`` as well. HybridnetError if the Apache package is loaded already: then its classes are in use.
    """
    installed = sys.modules.get("mxnet")
    if isinstance(installed, _Mxnet):
        return installed
    if installed is not None and Path(installed.__file__ or "").parent != DISTRIBUTION / "mxnet" and hasattr(installed, "__version__"):
        fail(
            HybridnetError,
            "hybridnet.compat.mxnet.install",
            expected="a process that has not imported another mxnet",
            got=f"one with {installed.__file__}",
            fix="installing the alias before the first import of mxnet",
        )
    module = _Mxnet("mxnet", sys.modules["hybridnet"].__doc__)
    module.__version__ = VERSION  # type: ignore[attr-defined]
    module.__path__ = []  # a package, whose modules the finder finds
    module.__file__ = str(DISTRIBUTION / "mxnet" / "__init__.py")
    module.__spec__ = importlib.machinery.ModuleSpec("mxnet", None, origin=module.__file__, is_package=True)
    sys.modules["mxnet"] = module
    sys.meta_path.insert(0, _Finder())
    sys.path.append(str(DISTRIBUTION))
    util.start_with(numpy=False)
    autograd.give_lists()
    absent.lend(names.borrowed())
    pickles.teach()
    older_numpy.restore()
    return module
