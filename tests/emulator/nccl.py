"""``cupy.cuda.nccl`` on the CPU: ranks are threads of this process, each with an emulated GPU of its own.

What is called between ``groupStart`` and ``groupEnd`` is one piece of work on its stream, so that a graph keeps it and its launch
does it again. Ranks meet when their streams have come there; that they do not do the same, for which NCCL would wait for ever or mix
their numbers, is an error. Work of other ranks must be done meanwhile, so more ranks than one want a device that does work at once.
"""

from __future__ import annotations

import itertools
import threading
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from hybridnet import dtypes

from . import streams
from .raw import view

available = True
NCCL_SUM = 0
#: ncclDataType_t of nccl.h.
_TYPES = {
    "INT8": (0, dtypes.int8), "UINT8": (1, dtypes.uint8), "INT32": (2, dtypes.int32), "UINT32": (3, dtypes.uint32),
    "INT64": (4, dtypes.int64), "UINT64": (5, dtypes.uint64), "FLOAT16": (6, dtypes.float16), "FLOAT32": (7, dtypes.float32),
    "FLOAT64": (8, dtypes.float64), "BFLOAT16": (9, dtypes.bfloat16),
}  # fmt: skip
_DTYPES = dict(_TYPES.values())
_meetings: dict[int, _Meeting] = {}
_identities = itertools.count(1)
_seconds = 60.0  # that a rank waits for the others


class NcclError(RuntimeError):
    """``cupy.cuda.nccl.NcclError``."""


class _Call(NamedTuple):
    kind: str
    source: int
    target: int
    count: int
    dtype: int
    root: int

    @property
    def agreed(self) -> tuple[Any, ...]:
        return self.kind, self.count, self.dtype, self.root


class _Meeting:
    """The ranks of one communicator; what each brings is there for all, until all have seen it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.changed = threading.Condition(streams.lock)  # which is let go of while a rank waits
        self.brought: dict[int, Any] = {}
        self.seen = 0

    def exchange(self, rank: int, what: Any) -> list[Any]:
        self._wait(lambda: rank not in self.brought)
        self.brought[rank] = what
        self.changed.notify_all()
        self._wait(lambda: len(self.brought) == self.size)
        found = [self.brought[r] for r in range(self.size)]
        self.seen += 1
        if self.seen == self.size:
            self.brought, self.seen = {}, 0
            self.changed.notify_all()
        return found

    def _wait(self, ready: Any) -> None:
        if not self.changed.wait_for(ready, _seconds):
            raise NcclError("a rank did not come: NCCL would wait for ever")


class _Groups(threading.local):
    depth = 0

    def __init__(self) -> None:
        self.calls: list[tuple[NcclCommunicator, int, _Call]] = []


_groups = _Groups()


def get_unique_id() -> tuple[int, ...]:
    return (next(_identities), *[0] * 127)


def groupStart() -> None:
    _groups.depth += 1


def groupEnd() -> None:
    _groups.depth -= 1
    if _groups.depth:
        return
    calls, _groups.calls = _groups.calls, []
    for communicator, stream in dict.fromkeys((c, s) for c, s, _ in calls):
        own = [call for c, s, call in calls if (c, s) == (communicator, stream)]
        streams.enqueue(stream, lambda communicator=communicator, own=own: communicator.perform(own))


class NcclCommunicator:
    """One rank's."""

    def __init__(self, ndev: int, commId: tuple[int, ...], rank: int) -> None:
        streams.refuse_everywhere("ncclCommInitRank")
        with streams.lock:
            self._meeting = _meetings.setdefault(commId[0], _Meeting(ndev))
            self._rank = rank
            devices = self._meeting.exchange(rank, streams.current.device)
        if len(set(devices)) < ndev:
            raise NcclError("NCCL_ERROR_INVALID_USAGE: two ranks on one GPU")

    def _call(self, kind: str, source: int, target: int, count: int, dtype: int, stream: int, root: int = 0) -> None:
        groupStart()
        _groups.calls.append((self, stream, _Call(kind, source, target, count, dtype, root)))
        groupEnd()

    def allReduce(self, sendbuf: int, recvbuf: int, count: int, datatype: int, op: int, stream: int) -> None:
        self._call("allReduce", sendbuf, recvbuf, count, datatype, stream)

    def reduceScatter(self, sendbuf: int, recvbuf: int, recvcount: int, datatype: int, op: int, stream: int) -> None:
        self._call("reduceScatter", sendbuf, recvbuf, recvcount, datatype, stream)

    def allGather(self, sendbuf: int, recvbuf: int, count: int, datatype: int, stream: int) -> None:
        self._call("allGather", sendbuf, recvbuf, count, datatype, stream)

    def broadcast(self, sendbuff: int, recvbuff: int, count: int, datatype: int, root: int, stream: int) -> None:
        self._call("broadcast", sendbuff, recvbuff, count, datatype, stream, root)

    def send(self, sendbuf: int, count: int, datatype: int, peer: int, stream: int) -> None:
        self._call("send", sendbuf, sendbuf, count, datatype, stream, peer)

    def recv(self, recvbuf: int, count: int, datatype: int, peer: int, stream: int) -> None:
        self._call("recv", recvbuf, recvbuf, count, datatype, stream, peer)

    def perform(self, calls: list[_Call]) -> None:
        """Do the calls of a group, with the other ranks."""
        size, rank = self._meeting.size, self._rank
        mine = []
        for call in calls:
            long = call.count * size if call.kind == "reduceScatter" else call.count
            mine.append((call.agreed, view(call.source, _DTYPES[call.dtype], (long,), (1,)).copy()))
        ranks = self._meeting.exchange(rank, mine)
        if any([what for what, _ in brought] != [what for what, _ in mine] for brought in ranks):
            raise NcclError(f"ranks differ in what they call: {[[what for what, _ in brought] for brought in ranks]}")
        for i, call in enumerate(calls):
            if call.kind == "send":
                continue
            arrays = [brought[i][1] for brought in ranks]
            if call.kind == "broadcast":
                result = arrays[call.root]
            elif call.kind == "recv":
                received = sum(other.kind == "recv" and other.root == call.root for other in calls[:i])
                sent = [x for what, x in ranks[call.root] if what[0] == "send" and what[-1] == rank]
                result = sent[received]
            elif call.kind == "allGather":
                result = np.concatenate(arrays)
            else:
                wide = np.float32 if arrays[0].dtype.itemsize == 2 else arrays[0].dtype
                total = np.sum([a.astype(wide) for a in arrays], axis=0, dtype=wide).astype(arrays[0].dtype)
                result = total if call.kind == "allReduce" else np.split(total, size)[rank]
            view(call.target, _DTYPES[call.dtype], result.shape, (1,))[...] = result


module = ModuleType("cupy.cuda.nccl")
for _name in ("available", "NCCL_SUM", "NcclCommunicator", "get_unique_id", "groupStart", "groupEnd"):
    setattr(module, _name, globals()[_name])
for _name, (_number, _) in _TYPES.items():
    setattr(module, f"NCCL_{_name}", _number)
