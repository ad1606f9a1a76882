"""What every store offers, the stores by name, and how one is made."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from hybridnet.errors import ArgumentError, fail


class KVStoreBase:
    """The base of stores. One of your own is registered by ``@KVStoreBase.register`` and then made by :func:`create` with its name.

    A trainer asks a store for ``broadcast`` (once) and ``pushpull`` (at each step).
    """

    OPTIMIZER = "optimizer"
    kv_registry: ClassVar[dict[str, type[KVStoreBase]]] = {}

    def _missing(self, name: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__}.{name}")

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """Give ``out`` (an array or a list of them) the ``value`` of the first worker."""
        self._missing("broadcast(self, key, value, out, priority=0)")

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Give ``out`` (``value``, if it is not given) the sum of ``value`` over devices and workers."""
        self._missing("pushpull(self, key, value, out=None, priority=0)")

    def set_optimizer(self, optimizer: Any) -> None:
        """Update by ``optimizer`` what is pushed to."""
        self._missing("set_optimizer(self, optimizer)")

    @staticmethod
    def is_capable(capability: str) -> bool:
        """Whether the store can update by an optimizer (``KVStoreBase.OPTIMIZER``)."""
        raise NotImplementedError("is_capable(capability)")

    def save_optimizer_states(self, fname: str, dump_optimizer: bool = False) -> None:
        """Write the states of the store's optimizer to a file."""
        self._missing("save_optimizer_states(self, fname, dump_optimizer=False)")

    def load_optimizer_states(self, fname: str) -> None:
        """Read the states of the store's optimizer from a file."""
        self._missing("load_optimizer_states(self, fname)")

    @property
    def type(self) -> str:
        """The store's name."""
        self._missing("type")

    @property
    def rank(self) -> int:
        """The number of this worker, from 0."""
        self._missing("rank")

    @property
    def num_workers(self) -> int:
        """How many workers there are."""
        self._missing("num_workers")

    @staticmethod
    def register(klass: Any) -> Any:
        """Have :func:`create` make ``klass`` by the name of the class, whatever its case."""
        KVStoreBase.kv_registry[klass.__name__.lower()] = klass
        return klass


#: The stores that are here: MXNet's names, and who makes them (``kvstore.py`` and ``dist.py`` enter themselves).
LOCAL: dict[str, Any] = {}


def create(name: str = "local") -> Any:
    """The store of that name: ``local`` or ``device`` (here the same: sums are made where the first value lies), ``dist_sync``,
    ``dist_device_sync``, ``nccl`` or ``horovod`` (the same, over all ranks), or a registered one.

    ArgumentError for other names, among them ``dist_async``; RankError where ranks were meant and are not there.
    """
    if not isinstance(name, str):
        fail(ArgumentError, "kvstore.create", expected="the name of a store", got=repr(name))
    lower = name.lower()
    if lower not in LOCAL and lower not in KVStoreBase.kv_registry:
        known = ", ".join(sorted({*(n for n in LOCAL if "async" not in n), *KVStoreBase.kv_registry}))
        fail(ArgumentError, "kvstore.create", expected="one of " + known, got=repr(name))
    return KVStoreBase.kv_registry[lower]() if lower in KVStoreBase.kv_registry else LOCAL[lower](lower)
