"""``import mxnet as mx`` in programs that were written for Apache MXNet 1.x: it is hybridnet, with MXNet's rules.

Three ways, of which none changes a line of the program::

    python -m hybridnet.compat.mxnet train.py --epochs 3     # runs a script

    import hybridnet.compat.mxnet                            # in a program's first lines
    hybridnet.compat.mxnet.install()

    pip install "$(python -m hybridnet.compat.mxnet --distribution)"   # a package mxnet 1.9.1 that does no more than that

What they do is in :mod:`hybridnet.compat.mxnet.alias`.
"""

from hybridnet.compat.mxnet.alias import MissingModuleError, install

__all__ = ["MissingModuleError", "install"]
