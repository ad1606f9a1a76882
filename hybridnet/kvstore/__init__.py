"""``mx.kvstore``: arrays under keys, summed over devices. ``gluon.Trainer`` sums gradients by one; programs may use it by themselves.

On one machine: ``local`` and ``device``; over the processes of a training ``dist_sync``, ``dist_device_sync``, ``nccl`` and ``horovod``.
"""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.kvstore.base import KVStoreBase, create
from hybridnet.kvstore.dist import DistKVStore
from hybridnet.kvstore.kvstore import KVStore
from hybridnet.kvstore.kvstore_server import KVStoreServer

__all__ = ["DistKVStore", "KVStore", "KVStoreBase", "KVStoreServer", "create"]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
