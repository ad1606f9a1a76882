"""Stores of several processes: sums over devices and ranks, by :mod:`hybridnet.device.communicate`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hybridnet.core import spec_of, suspended_trace
from hybridnet.core.conversion import asarray
from hybridnet.device import communicate
from hybridnet.dtypes import Dtype, bfloat16, float16, is_floating
from hybridnet.errors import ArgumentError, fail
from hybridnet.kvstore.base import LOCAL
from hybridnet.kvstore.kvstore import KVStore
from hybridnet.ops.collective.collective import all_reduce
from hybridnet.ops.collective.halves import sum_in_halves

#: In which type sums travel, by the names of Horovod's compression and of its successor.
SENT = {"fp16": float16, "bf16": bfloat16}


class DistKVStore(KVStore):
    """A store that each rank has alike: what is pushed is summed over all ranks, and first values are those of rank 0.

    With an optimizer every rank moves its own copy, by the same sums. There are no servers: ``dist_sync``, ``dist_device_sync``,
    ``nccl`` and ``horovod`` are names of one store, which is that of one machine if there is one rank. RankError as
    :func:`hybridnet.distributed.init` has it.
    """

    def __init__(self, name: str = "dist_sync") -> None:
        super().__init__(name)
        self._ranks = communicate.start()
        self.sent: Dtype | None = None  # in which type sums travel, if not in their own

    def init(self, key: Any, value: Any) -> None:
        """Store rank 0's first values of new keys."""
        before = set(self._values)
        super().init(key, value)
        broadcast_arrays([stored for k, stored in self._values.items() if k not in before])

    def _total(self, op: str, key: Any, values: Sequence[Any], shape: tuple[int, ...]) -> Any:
        total = super()._total(op, key, values, shape)
        if self._ranks.size == 1:
            return total
        return all_reduce(total) if self.sent is None or not is_floating(total.dtype) else sum_in_halves([total], self.sent)[0]

    def set_gradient_compression(self, compression_params: Any) -> None:
        """From now on send sums in 16 bits, and make them in float32: ``{"type": "fp16"}`` or ``{"type": "bf16"}``.

        ArgumentError for another compression.
        """
        kind = compression_params.get("type") if isinstance(compression_params, dict) and len(compression_params) == 1 else None
        if kind not in SENT:
            expected = f"with several ranks {' or '.join(str({'type': name}) for name in SENT)}"
            fail(ArgumentError, "KVStore.set_gradient_compression", expected=expected, got=repr(compression_params))
        self.sent = SENT[kind]

    def barrier(self) -> None:
        """Wait until every rank is here."""
        self._ranks.barrier()

    @property
    def rank(self) -> int:
        return self._ranks.rank

    @property
    def num_workers(self) -> int:
        return self._ranks.size


class _Asynchronous:
    """``dist_async``, which is refused."""

    def __new__(cls, name: str) -> Any:
        got = f"{name!r}, in which each worker moves parameters without waiting for the others"
        fail(ArgumentError, "kvstore.create", expected="a store that sums over all ranks", got=got, fix="'dist_sync'")


#: MXNet's names of stores of several processes.
NAMES = (
    "dist", "dist_sync", "dist_device_sync", "dist_sync_device", "dist_device", "nccl", "horovod",
)  # fmt: skip
for _name in NAMES:
    LOCAL[_name] = DistKVStore
for _name in ("dist_async", "dist_async_device", "dist_device_async"):
    LOCAL[_name] = _Asynchronous


def broadcast_arrays(arrays: Iterable[Any], root: int = 0, ranks: communicate.Communicator | None = None) -> None:
    """Write to arrays, of any device, what rank ``root`` (of all, or of ``ranks``) has in its own, which have the same shapes."""
    ranks = ranks or communicate.world()
    if ranks.size == 1:
        return
    with suspended_trace():
        for x in arrays:
            data = np.array(x.asnumpy(), order="C")
            ranks.broadcast(data.reshape(-1).view(np.uint8), root)
            if ranks.rank != root:
                x._assign(asarray(data, x.dtype, x.device))


def described(arrays: Iterable[tuple[str, Any]], values: bool) -> list[str]:
    """A line for each named array, or what is in its place: shape and type, and with ``values`` a digest of those."""
    lines = []
    for name, x in arrays:
        if not hasattr(x, "asnumpy"):
            lines.append(f"{name}: {x}")
            continue
        digest = " " + hashlib.sha256(np.ascontiguousarray(x.asnumpy()).tobytes()).hexdigest()[:16] if values else ""
        lines.append(f"{name}: {spec_of(x)}{digest}")
    return lines
