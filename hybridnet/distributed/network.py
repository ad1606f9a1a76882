"""How long a sum over GPUs takes: NCCL's own model of its rings and trees, or bus bandwidths that were measured with nccl-tests.

The model is that by which NCCL chooses an algorithm and a protocol (``src/graph/tuning.cc`` of NCCL 2): a latency, in steps within
machines and between them, and the bytes over a bandwidth, of which each protocol reaches a share. Its constants are NCCL's. Times are
seconds, sizes bytes, bandwidths bytes a second ("bus bandwidth" as nccl-tests has it: what each link carries, whatever the number of GPUs).
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hybridnet.errors import ArgumentError, FileFormatError, fail


class _Way(NamedTuple):
    """An algorithm with a protocol: microseconds to begin, of a step within a machine and between two; its share of the bandwidth."""

    begin: float
    near: float
    far: float
    share: float


#: By algorithm, the protocols LL, LL128 and Simple.
_WAYS = {
    "ring": {"LL": _Way(3.6, 0.47, 2.7, 0.25), "LL128": _Way(10.0, 1.9, 4.0, 0.92), "Simple": _Way(8.4, 3.4, 9.6, 1.0)},
    "tree": {"LL": _Way(4.4, 0.52, 5.0, 1 / 3.8), "LL128": _Way(4.4, 1.2, 8.5, 0.915), "Simple": _Way(0.0, 28.0, 50.0, 1.0)},
}
#: Which share of that a tree reaches for messages of 64 bytes, 128, 256 …
_TREE_SHARES = {
    "LL": (1, 1, 1, 1, 0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.6, 0.5, 0.4, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1),
    "LL128": (1, 1, 1, 1, 1, 0.9, 0.8, 0.8, 0.8, 0.7, 0.6, 0.6, 0.6, 0.5, 0.6, 0.6, 0.7, 0.7, 0.8, 0.9, 0.9, 1),
    "Simple": (0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.7, 0.6, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.6, 0.7, 0.8, 0.9),
}
_TREE_SHARE = 0.9  # of the bus bandwidth, at best
_LATE_LL = 1.8  # by how much a step of LL within a machine takes longer where there are several
_PLATEAU, _PLATEAU_BYTES = 1.9, 4096  # a ring over machines has longer latencies for more bytes a GPU
_SWITCH_BEGIN = 25.0  # microseconds, where the switch adds up (NVLink SHARP); an estimate, NCCL's constants are of other versions


class Measured(NamedTuple):
    """What nccl-tests measured: the seconds of an in-place sum of so many bytes, on ``gpus`` GPUs."""

    gpus: int
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]

    def time(self, size: float) -> float:
        """Between two measured sizes in proportion; beyond them by the nearest one's bandwidth, and never below its latency."""
        i = bisect.bisect_left(self.sizes, size)
        if i == 0:
            return self.seconds[0]
        if i == len(self.sizes):
            return self.seconds[-1] * size / self.sizes[-1]
        low, high = self.sizes[i - 1], self.sizes[i]
        return self.seconds[i - 1] + (self.seconds[i] - self.seconds[i - 1]) * (size - low) / (high - low)


def read_measured(path: str, gpus: int) -> Measured:
    """The table that ``all_reduce_perf`` printed on so many GPUs. FileFormatError if there is none in the file."""
    found = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if len(fields) >= 8 and re.fullmatch(r"\d+", fields[0]) and re.fullmatch(r"\d+", fields[1]):
            # size, count, type, redop, root, then time, algbw, busbw, #wrong: out of place, and in place
            at = 9 if len(fields) >= 13 else 5
            found[int(fields[0])] = float(fields[at]) * 1e-6
    if not found:
        fail(FileFormatError, "predict", expected=f"lines of all_reduce_perf (nccl-tests) in {path}", got="none")
    sizes = tuple(sorted(found))
    return Measured(gpus, sizes, tuple(found[s] for s in sizes))


@dataclass(frozen=True)
class Network:
    """What connects GPUs, of which a machine has ``per_machine``.

    ``inside``, ``between``: bus bandwidths, of one machine and of a ring over several. ``switch``: that of sums in the switch of one
    machine, if it has such. ``measured``: tables that are believed before the model.
    """

    per_machine: int
    inside: float
    between: float
    switch: float = 0.0
    measured: tuple[Measured, ...] = ()
    algorithms: Sequence[str] = ("ring", "tree")

    def all_reduce(self, size: float, gpus: int) -> float:
        """Seconds of a sum of so many bytes. ArgumentError for GPUs that machines do not hold evenly."""
        if gpus == 1 or not size:
            return 0.0
        if gpus > self.per_machine and gpus % self.per_machine:
            expected = f"whole machines of {self.per_machine} GPUs"
            fail(ArgumentError, "predict", expected=expected, got=f"{gpus} GPUs", fix="--per-machine")
        table = self._table(gpus)
        if table is not None:
            # Of other numbers of GPUs the bus bandwidth is that of the table, and the latency grows as the model has it.
            per_byte = (gpus - 1) / gpus / ((table.gpus - 1) / table.gpus)
            later = self._model(table.sizes[0], gpus) - self._model(table.sizes[0], table.gpus)
            return table.time(size) * per_byte + max(later, 0.0)
        return self._model(size, gpus)

    def _table(self, gpus: int) -> Measured | None:
        """The measurement nearest to a number of GPUs: of one machine, or of several."""
        alike = [m for m in self.measured if (m.gpus > self.per_machine) is (gpus > self.per_machine)]
        return min(alike, key=lambda m: abs(math.log(m.gpus / gpus)), default=None)

    def _model(self, size: float, gpus: int) -> float:
        """NCCL takes what it thinks is fastest."""
        ways = [self._way(name, protocol, size, gpus) for name in self.algorithms for protocol in _WAYS[name]]
        if self.switch and gpus <= self.per_machine:
            ways.append(_SWITCH_BEGIN * 1e-6 + size * _ring_bytes(gpus) / self.switch)
        return min(ways)

    def _way(self, name: str, protocol: str, size: float, gpus: int) -> float:
        way = _WAYS[name][protocol]
        machines = -(-gpus // self.per_machine)
        several = machines > 1
        bus = (min(self.between, self.inside) if several else self.inside) * way.share
        near = way.near * (_LATE_LL if several and protocol == "LL" else 1)
        if name == "ring":
            steps, hops = 2 * (gpus - 1), 2 * (machines - 1)
            latency = way.begin + (steps - hops) * near + hops * way.far
            if several and protocol == "Simple" and size / gpus >= _PLATEAU_BYTES:
                latency *= _PLATEAU
            return latency * 1e-6 + size * _ring_bytes(gpus) / bus
        latency = way.begin + 2 * ((gpus // machines - 1) * near + math.log2(machines) * way.far)
        shares = _TREE_SHARES[protocol]
        share = shares[min(max(int(math.log2(max(size, 64) / 64)), 0), len(shares) - 1)]
        return latency * 1e-6 + 2 * size / (bus * _TREE_SHARE * share)


def _ring_bytes(gpus: int) -> float:
    """How often each link of a ring carries an array."""
    return 2 * (gpus - 1) / gpus
