"""``KVStore``: the store of one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hybridnet import disk
from hybridnet.core import Array, call, suspended_trace
from hybridnet.errors import ArgumentError, ShapeError, UninitializedError, fail
from hybridnet.kvstore.base import LOCAL, KVStoreBase
from hybridnet.kvstore.compression import TwoBit, compression
from hybridnet.optimizer import Optimizer
from hybridnet.optimizer.updater import Updater, get_updater


class KVStore(KVStoreBase):
    """Arrays by key (all integers, or all strings). A value may be a list of arrays, one a device: they are summed.

    Keys and values may be lists too: then the values of a key may be a list each.
    """

    def __init__(self, name: str = "local") -> None:
        self._type = name
        self._values: dict[Any, Any] = {}
        self._updater: Callable[[Any, Any, Any], Any] | None = None
        self._compression: TwoBit | None = None

    # -- values ---------------------------------------------------------------------------------

    def init(self, key: Any, value: Any) -> None:
        """Store the first values of new keys."""
        for k, values in _pairs("init", key, value):
            if k in self._values:
                fail(ArgumentError, "KVStore.init", expected="a key that is not there yet", got=repr(k), fix="push, to change its value")
            if self._values and isinstance(k, str) is not isinstance(next(iter(self._values)), str):
                fail(ArgumentError, "KVStore.init", expected="keys that are all integers or all strings", got=repr(k))
            with suspended_trace():
                self._values[k] = values[0].detach().copy()

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """Sum the values of each key over devices; the store's value becomes the sum, or the updater's work on it."""
        for k, values in _pairs("push", key, value):
            stored = self._stored("push", k)
            total = self._total("push", k, self._sent(k, values), stored.shape)
            if self._updater is None:
                self._values[k] = total if total is not values[0] else total.detach().copy()
            else:
                self._updater(k, total.to_device(stored.device), stored)

    def pull(self, key: Any, out: Any = None, priority: int = 0, ignore_sparse: bool = True) -> None:
        """Write the store's values to ``out``: to each array of a list."""
        if out is None:
            fail(ArgumentError, "KVStore.pull", expected="arrays to write to", got="none", fix="pull(key, out=array)")
        for k, outs in _pairs("pull", key, out):
            _write("pull", k, self._stored("pull", k), outs)

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Write to ``out`` (to ``value``, if it is not given) what a push and a pull would give.

        Without an updater that is the sum, and the store's own value stays as it is, as in MXNet.
        """
        if self._updater is not None:
            self.push(key, value, priority)
            self.pull(key, value if out is None else out, priority)
            return
        targets = [outs for _, outs in _pairs("pushpull", key, value if out is None else out)]
        for (k, values), outs in zip(_pairs("pushpull", key, value), targets, strict=True):
            _write("pushpull", k, self._total("pushpull", k, self._sent(k, values), values[0].shape), outs)

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """Store the first values of new keys, and write them to ``out``."""
        self.init(key, value)
        self.pull(key, out, priority)

    def row_sparse_pull(self, key: Any, out: Any = None, priority: int = 0, row_ids: Any = None) -> None:
        """Write to ``out``, arrays of row_sparse storage, those rows of the store's values that ``row_ids`` name.

        ``row_ids``: an array of numbers, in any order and repeated at will; or a list of them, one for each array of a key's ``out``.
        """
        if out is None or row_ids is None:
            fail(
                ArgumentError,
                "KVStore.row_sparse_pull",
                expected="out and row_ids",
                got="none",
                fix="row_sparse_pull(key, out, row_ids=rows)",
            )
        several = isinstance(key, (list, tuple)) and isinstance(row_ids, (list, tuple))
        for at, (k, outs) in enumerate(_pairs("row_sparse_pull", key, out)):
            rows = row_ids[at] if several else row_ids
            chosen = rows if isinstance(rows, (list, tuple)) else [rows] * len(outs)
            if len(chosen) != len(outs):
                fail(ArgumentError, "KVStore.row_sparse_pull", expected=f"row_ids for {len(outs)} arrays", got=str(len(chosen)))
            stored = self._stored("row_sparse_pull", k)
            for x, ids in zip(outs, chosen, strict=True):
                if x.stype != "row_sparse":
                    fail(ArgumentError, "KVStore.row_sparse_pull", expected="out of row_sparse storage", got=x.stype, fix="pull")
                part = call("sparse_retain", stored, ids.reshape((-1,)).to_device(stored.device))
                _write("row_sparse_pull", k, part, [x])

    def _total(self, op: str, key: Any, values: Sequence[Any], shape: tuple[int, ...]) -> Any:
        """The sum of what devices send of a key."""
        return _sum(op, key, values, shape)

    def _sent(self, key: Any, values: Sequence[Any]) -> Sequence[Any]:
        """What devices send of the values of a key; one alone sends nothing."""
        return self._compression(key, values) if self._compression is not None and len(values) > 1 else values

    def _stored(self, op: str, key: Any) -> Any:
        if key not in self._values:
            fail(UninitializedError, f"KVStore.{op}", expected="a key of the store", got=repr(key), fix=f"init({key!r}, value) first")
        return self._values[key]

    # -- updates --------------------------------------------------------------------------------

    def set_optimizer(self, optimizer: Optimizer) -> None:
        """Move the store's values by ``optimizer``: what is pushed is their gradient."""
        if not isinstance(optimizer, Optimizer):
            fail(ArgumentError, "KVStore.set_optimizer", expected="an Optimizer", got=type(optimizer).__name__)
        self._set_updater(get_updater(optimizer))

    def _set_updater(self, updater: Callable[[Any, Any, Any], Any]) -> None:
        """Have ``updater(key, pushed, stored)`` change the store's values."""
        self._updater = updater

    def _states_of(self, op: str) -> Updater:
        if not isinstance(self._updater, Updater):
            fail(ArgumentError, f"KVStore.{op}", expected="a store with an optimizer", got="none", fix="set_optimizer(optimizer) first")
        return self._updater

    def save_optimizer_states(self, fname: str, dump_optimizer: bool = False) -> None:
        disk.write_bytes(fname, self._states_of("save_optimizer_states").get_states(dump_optimizer))

    def load_optimizer_states(self, fname: str) -> None:
        self._states_of("load_optimizer_states").set_states(disk.read_bytes(fname))

    def set_gradient_compression(self, compression_params: Any) -> None:
        """From now on sum what is left of each device's values in two bits: ``{"type": "2bit", "threshold": 0.5}``.

        ArgumentError for another compression, and, as in MXNet, in a ``local`` store. It saves nothing within one process: training with
        it is as on machines that send.
        """
        if self._type != "device":
            got = f"one of type {self._type!r}"
            fail(ArgumentError, "KVStore.set_gradient_compression", expected="a store of type 'device'", got=got)
        self._compression = compression(compression_params)

    # -- what it is -----------------------------------------------------------------------------

    @staticmethod
    def is_capable(capability: str) -> bool:
        """Whether the store can update by an optimizer: yes; of anything else, no."""
        return capability.lower() == KVStoreBase.OPTIMIZER

    @property
    def type(self) -> str:
        return self._type

    @property
    def rank(self) -> int:
        return 0

    @property
    def num_workers(self) -> int:
        return 1


for _name in ("local", "device", "local_update_cpu", "local_allreduce_cpu", "local_allreduce_device"):
    LOCAL[_name] = KVStore


def _pairs(op: str, key: Any, value: Any) -> Iterator[tuple[Any, Sequence[Any]]]:
    """Each key with its arrays, one a device."""
    several = isinstance(key, (list, tuple))
    keys, values = (key, value) if several else ([key], [value])
    if len({isinstance(k, str) for k in keys}) > 1 or not all(isinstance(k, (str, int)) for k in keys):
        fail(ArgumentError, f"KVStore.{op}", expected="keys that are all integers or all strings", got=repr(key))
    if not isinstance(values, (list, tuple)) or len(values) != len(keys):
        got = f"{len(values)} of them" if isinstance(values, (list, tuple)) else type(values).__name__
        fail(ArgumentError, f"KVStore.{op}", expected=f"a value for each of {len(keys)} keys", got=got)
    for k, one in zip(keys, values, strict=True):
        arrays = one if isinstance(one, (list, tuple)) else [one]
        if not arrays or not all(isinstance(x, Array) for x in arrays):
            got = ", ".join(type(x).__name__ for x in arrays) or "none"
            fail(ArgumentError, f"KVStore.{op}", expected=f"arrays for key {k!r}", got=got)
        yield k, arrays


def _sum(op: str, key: Any, values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """The sum of arrays, on the device of the first, in the order in which they stand."""
    for x in values:
        if x.shape != shape:
            fail(ShapeError, f"KVStore.{op}", expected=f"values of shape {shape} for key {key!r}", got=str(x.shape))
    return sum((x.detach().to_device(values[0].device) for x in values[1:]), values[0].detach())


def _write(op: str, key: Any, value: Any, outs: Sequence[Any]) -> None:
    for x in outs:
        if x.shape != value.shape:
            fail(ShapeError, f"KVStore.{op}", expected=f"arrays of shape {value.shape} for key {key!r}", got=str(x.shape))
    for x in outs:
        x._assign(value.to_device(x.device).astype(x.dtype, copy=False))
