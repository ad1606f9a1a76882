"""hybridnet under the name ``mxnet``: this package takes its place in ``sys.modules`` when it is imported."""

from hybridnet.compat.mxnet import install

install()
