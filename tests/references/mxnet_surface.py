"""The public names of MXNet 1.9.1, a module a line: run where MXNet is, ``python mxnet_surface.py tests/data/mxnet_1_9_1_surface.tsv``.

A name is public if it does not begin with an underscore; counted where it is defined, not where it is imported too.
"""

import importlib
import sys

MODULES = [
    "mxnet.ndarray",
    "mxnet.ndarray.contrib",
    "mxnet.ndarray.linalg",
    "mxnet.ndarray.random",
    "mxnet.ndarray.sparse",
    "mxnet.ndarray.image",
    "mxnet.symbol",
    "mxnet.symbol.contrib",
    "mxnet.numpy",
    "mxnet.numpy.linalg",
    "mxnet.numpy.random",
    "mxnet.numpy_extension",
    "mxnet.autograd",
    "mxnet.gluon",
    "mxnet.gluon.nn",
    "mxnet.gluon.rnn",
    "mxnet.gluon.loss",
    "mxnet.gluon.data",
    "mxnet.gluon.data.vision",
    "mxnet.gluon.data.vision.transforms",
    "mxnet.gluon.model_zoo.vision",
    "mxnet.gluon.utils",
    "mxnet.gluon.contrib.nn",
    "mxnet.gluon.contrib.rnn",
    "mxnet.gluon.contrib.estimator",
    "mxnet.optimizer",
    "mxnet.lr_scheduler",
    "mxnet.initializer",
    "mxnet.metric",
    "mxnet.kvstore",
    "mxnet.io",
    "mxnet.recordio",
    "mxnet.image",
    "mxnet.module",
    "mxnet.model",
    "mxnet.callback",
    "mxnet.monitor",
    "mxnet.operator",
    "mxnet.profiler",
    "mxnet.visualization",
    "mxnet.random",
    "mxnet.context",
    "mxnet.util",
    "mxnet.test_utils",
    "mxnet.rnn",
    "mxnet.engine",
    "mxnet.contrib.amp",
    "mxnet.contrib.quantization",
    "mxnet.contrib.text.vocab",
    "mxnet.contrib.text.embedding",
]


def names(module):
    """What a module has for users: public classes and functions that are defined in it, or in what its package consists of."""
    home = module.__name__
    homes = (home, home.replace("mxnet.", ""))  # generated operators of nd and sym say "ndarray" and "symbol"
    found = []
    for name in sorted(vars(module)):
        value = getattr(module, name)
        where = getattr(value, "__module__", None) or ""
        inside = where in homes or (hasattr(module, "__path__") and where.startswith(home + "."))
        if not name.startswith("_") and inside and callable(value):
            found.append(name)
    return found


def main(path):
    """Write the record."""
    with open(path, "w", encoding="utf-8") as file:
        for module in MODULES:
            file.write("\t".join([module, *names(importlib.import_module(module))]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
