"""What MXNet 1.9.1's Gluon library has, and what each of it takes: ``tests/data/mxnet_1_9_1_library.tsv``, a name a line.

Run by a Python that has MXNet 1.9.1 (and no hybridnet): ``python tests/support/mxnet_library.py``. The tests ask hybridnet the same, by
the same function. A line has a module, a function, class or method of it, and the names of its parameters; a class takes what its bases
take as well, as far as it hands over what it does not know.
"""

import importlib
import inspect
from pathlib import Path

PATH = Path(__file__).resolve().parent.parent / "data" / "mxnet_1_9_1_library.tsv"

MODULES = [
    "gluon", "gluon.contrib.cnn", "gluon.contrib.data", "gluon.contrib.data.text", "gluon.contrib.estimator", "gluon.contrib.nn",
    "gluon.contrib.rnn", "gluon.data", "gluon.data.vision", "gluon.data.vision.transforms", "gluon.loss", "gluon.model_zoo.vision",
    "gluon.nn", "gluon.rnn", "gluon.utils", "contrib.text.embedding", "contrib.text.utils", "contrib.text.vocab", "initializer",
    "lr_scheduler", "metric", "optimizer",
]  # fmt: skip


def parameters(function):
    """The names that may be given by name, and whether any other may."""
    given = inspect.signature(function).parameters.values()
    names = {p.name for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return names - {"self", "cls"}, any(p.kind is p.VAR_KEYWORD for p in given)


def taken_by(cls):
    """What a class takes when it is made."""
    found, more = set(), True
    for base in cls.__mro__:
        own = vars(base).get("__init__")
        if more and inspect.isfunction(own):
            names, more = parameters(own)
            found |= names
    return found


def public(root, module):
    """Names and objects of a module that are defined in it, or in a module of it."""
    for name, x in sorted(vars(importlib.import_module(f"{root}.{module}")).items()):
        if not name.startswith("_") and f"{getattr(x, '__module__', '')}.".startswith(f"{root}.{module}."):
            yield name, x


def library(root, modules=MODULES):
    """(module, name, parameters) of everything."""
    for module in modules:
        for name, x in public(root, module):
            if inspect.isclass(x):
                yield module, name, taken_by(x)
                methods = [(k, f) for k, f in sorted(vars(x).items()) if inspect.isfunction(f) and not k.startswith("_")]
                for key, f in methods:
                    yield module, f"{name}.{key}", parameters(f)[0]
            elif inspect.isfunction(x):
                yield module, name, parameters(x)[0]


if __name__ == "__main__":
    lines = ["\t".join([module, name, " ".join(sorted(taken))]) for module, name, taken in library("mxnet")]
    PATH.write_text("\n".join(lines) + "\n", encoding="utf-8")
