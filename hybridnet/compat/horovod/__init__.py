"""``import horovod.mxnet as hvd`` in programs that were written for Horovod: found with the alias of ``mxnet`` (``alias.py`` there)."""
