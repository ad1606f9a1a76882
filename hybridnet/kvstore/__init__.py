"""``mx.kvstore``: arrays under keys, summed over devices. ``gluon.Trainer`` sums gradients by one; programs may use it by themselves.

On one machine: ``local`` and ``device``. Stores of several machines are not there yet.
"""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.kvstore.base import KVStoreBase, create
from hybridnet.kvstore.kvstore import KVStore
from hybridnet.kvstore.kvstore_server import KVStoreServer

__all__ = ["KVStore", "KVStoreBase", "KVStoreServer", "create"]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
