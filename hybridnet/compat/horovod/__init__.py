"""``import horovod.mxnet as hvd`` in programs that were written for Horovod: with ``mxnet``'s alias it is :mod:`hybridnet.compat.horovod.mxnet`."""
