"""Communication between the processes of one training, by MPI and between GPUs by NCCL: the only importer of mpi4py and of CuPy's NCCL.

Processes are called ranks, as in MPI. :func:`start` finds out whether a launcher (``mpirun``, ``srun``) started this process as one of
several; importing hybridnet does not, since MPI is initialised by that. :func:`world` is the communicator then, which before is one
process alone. Collectives take NumPy arrays without gaps, and are called by all ranks in one order; GPUs' go through
:class:`NcclCall` s, which a CUDA graph can hold.

With more than one rank an exception that nobody catches ends all of them, ``sys.exit(1)`` included: the others would wait for this one
for ever, and MPI's own end waits for them.
"""

from __future__ import annotations

import atexit
import difflib
import hashlib
import importlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from hybridnet import dtypes
from hybridnet.config import WORLD_VARIABLES, config, environment_of, numbers
from hybridnet.device import cores, cuda, meeting, rendezvous, threads
from hybridnet.device.watchdog import LOST, Board, Progress, Watchdog
from hybridnet.errors import RankError, fail

_log = logging.getLogger("hybridnet")

Data = np.ndarray[Any, Any]
#: All ranks, each in one part: what collectives of some ranks bear, the same on all. Without any: all ranks are one part.
Parts = tuple[tuple[int, ...], ...]

_INSTALL = 'pip install "hybridnet[mpi]"'
#: By which launchers and process managers tell a process that MPI will find others: Open MPI and PMIx, MPICH and Intel MPI, MVAPICH.
_MPI_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
_LOOK_SECONDS = 0.002  # between two looks at what others have sent
_LAST_WORDS = 0.5  # seconds for the launcher to pass on what ranks say at their end: an abort drops what it has not read yet


class Communicator:
    """What one process knows of the others; this one is alone.

    rank: its number, from 0. size: how many there are. local_rank, local_size: the same among those on this machine.
    """

    name = "one process"
    rank, size, local_rank, local_size = 0, 1, 0, 1

    def part(self, parts: Parts) -> Communicator:
        """The ranks of that part which this one is in, numbered as they stand there; all that are in it must call this."""
        return self

    def all_reduce(self, source: Data, target: Data) -> None:
        """Write the sum over all ranks of ``source`` to ``target``, which may be the same array."""
        np.copyto(target, source)

    def reduce_scatter(self, source: Data, target: Data) -> None:
        """Write to ``target`` this rank's part of that sum: of so many equal parts along the first axis the one of its number."""
        np.copyto(target, source)

    def all_gather(self, source: Data, target: Data) -> None:
        """Write every rank's ``source`` to ``target``, one after another along the first axis."""
        np.copyto(target, source)

    def all_to_all(self, source: Data, target: Data) -> None:
        """Send each rank its part of ``source``, of equal ones along the first axis; write what each has sent, in the order of ranks."""
        np.copyto(target, source)

    def broadcast(self, array: Data, root: int) -> None:
        """Write what rank ``root`` has in ``array`` to every rank's."""

    def barrier(self) -> None:
        """Wait until every rank is here."""

    def gather_objects(self, value: Any) -> list[Any]:
        """Every rank's ``value``, of any type that can be pickled, in the order of ranks."""
        return [value]

    def agree(self, subject: str, lines: Sequence[str], why: str = "") -> None:
        """Raise a RankError, on every rank, unless all come with the same ``lines``; it shows the first difference.

        A rank that does not come within ``HYBRIDNET_DEADLINE`` seconds is an error as well, which names it, and ``why`` this one is here.
        """

    def watch(self, check: Callable[[], str]) -> None:
        """Have the watchdog call ``check``, which says what is wrong with a library's communication, if anything is."""

    def end_all(self, status: int = 1) -> NoReturn:
        """End every rank at once, as failed, with an exit status."""
        os._exit(status)


class _Mpi(Communicator):
    """Ranks that MPI connects."""

    def __init__(self, mpi: Any, world: Any, whole: _Mpi | None = None, members: tuple[int, ...] = ()) -> None:
        self._mpi, self._world = mpi, world
        self._parts: dict[Parts, Communicator] = {}
        # What is agreed on travels apart from arrays, so that a rank that sums already is no answer to one that asks.
        self._control = self._world.Dup()
        local = self._world.Split_type(mpi.COMM_TYPE_SHARED)
        self.rank, self.size = self._world.Get_rank(), self._world.Get_size()
        self.local_rank, self.local_size = local.Get_rank(), local.Get_size()
        self.name = mpi.Get_library_version().split(",")[0].split("\n")[0].replace("\t", " ").strip()
        self._subjects = 0  # how many were agreed on
        self._members = members  # of a part, the ranks of the whole
        self._crowded: bool = _are_crowded(local) if whole is None else whole._crowded
        meets = self._crowded and self.local_size > 1
        self._meeting = meeting.arrange(self.local_rank, self.local_size, local.allgather) if meets else None
        self._progress: Progress = Progress() if whole is None else whole._progress
        if whole is not None:
            self.watchdog: Watchdog = whole.watchdog
            return
        threads.keep_within(threads.count())  # the other cores are other ranks'
        self.watchdog = Watchdog(self.rank, self.size, self._progress, lambda: config.deadline, self.end_all)
        board = Board(self.size, self.local_size == self.size) if self.rank == 0 else None
        told = self.watchdog.connect(board, *self._world.bcast(None if board is None else (board.address, board.key)))
        if reasons := [reason for reason in self._world.allgather(told) if reason]:
            self.watchdog.give_up()
            if self.rank == 0:
                _log.warning("ranks that are lost will not be named: %s", reasons[0])
        else:
            self.watchdog.start()

    def part(self, parts: Parts) -> Communicator:
        if not parts:
            return self
        found = self._parts.get(parts)
        if found is None:
            number, members = next((i, part) for i, part in enumerate(parts) if self.rank in part)
            own = self._world.Create_group(self._world.Get_group().Incl(list(members)), number)
            found = self._parts[parts] = _Mpi(self._mpi, own, self, tuple(members))
        return found

    def _enter(self, kind: str) -> None:
        """Begin a collective."""
        self._progress.enter(kind, self._members)
        if self._meeting is not None:
            self._meeting.meet()

    def all_reduce(self, source: Data, target: Data) -> None:
        self._enter("all_reduce")
        self._world.Allreduce(self._mpi.IN_PLACE if source is target else source, target)
        self._progress.leave()

    def reduce_scatter(self, source: Data, target: Data) -> None:
        self._enter("reduce_scatter")
        self._world.Reduce_scatter_block(source, target)
        self._progress.leave()

    def all_gather(self, source: Data, target: Data) -> None:
        self._enter("all_gather")
        self._world.Allgather(source, target)
        self._progress.leave()

    def all_to_all(self, source: Data, target: Data) -> None:
        self._enter("all_to_all")
        self._world.Alltoall(source, target)
        self._progress.leave()

    def broadcast(self, array: Data, root: int) -> None:
        self._enter("broadcast")
        self._world.Bcast(array, root)
        self._progress.leave()

    def barrier(self) -> None:
        self._enter("barrier")
        self._world.Barrier()
        self._progress.leave()

    def gather_objects(self, value: Any) -> list[Any]:
        self._enter("gather_objects")
        found = list(self._world.allgather(value))
        self._progress.leave()
        return found

    def agree(self, subject: str, lines: Sequence[str], why: str = "") -> None:
        digest = hashlib.sha256("\n".join([subject, *lines]).encode()).hexdigest()
        found = self._exchange(digest, subject, why)
        if len(set(found)) == 1:
            return
        told = self._control.allgather((subject, tuple(lines)))  # every rank has seen that they differ
        other = next(rank for rank, what in enumerate(told) if what != told[0])
        fail(
            RankError,
            told[0][0],
            expected="the same on every rank",
            got=f"ranks that differ; of rank 0 (-) and rank {other} (+):\n{_difference(told[0], told[other])}\n",
            fix="doing on every rank what is done on one: freezing layers, shapes of batches, HYBRIDNET_DISABLE_PASSES, seeds",
        )

    def _exchange(self, digest: str, subject: str, why: str) -> list[str]:
        """Every rank's digest, in the order of ranks."""
        self._subjects += 1
        tag = self._subjects & 0x3FFF
        others = [rank for rank in range(self.size) if rank != self.rank]
        sent = [self._control.isend(digest, rank, tag) for rank in others]
        found = {self.rank: digest}
        end = time.monotonic() + config.deadline
        while missing := [rank for rank in others if rank not in found]:
            for rank in missing:
                if (come := self._control.improbe(rank, tag)) is not None:
                    found[rank] = come.recv()
            if len(found) < self.size:
                if time.monotonic() > end:
                    self._fail_missing(subject, missing, why)
                time.sleep(_LOOK_SECONDS)
        for request in sent:
            request.wait()
        return [found[rank] for rank in range(self.size)]

    def _fail_missing(self, subject: str, missing: list[int], why: str) -> NoReturn:
        names = ", ".join(map(str, missing))
        fail(
            RankError,
            subject,
            expected=f"all {self.size} ranks within {config.deadline:g} s (HYBRIDNET_DEADLINE)",
            got=f"rank {self.rank} alone: it came {why or 'here'}, rank{'s' * (len(missing) > 1)} {names} did not",
            fix="the same shapes and modes on every rank: samplers that give each the same number of batches, last_batch='discard'",
        )

    def watch(self, check: Callable[[], str]) -> None:
        self.watchdog.checks.append(check)

    def end(self) -> None:
        """MPI's own end, in which ranks wait for one another: if one is stopped there, the others end by themselves."""
        ended = threading.Event()

        def guard() -> None:
            if not ended.wait(config.deadline):
                print(
                    f"rank {self.rank} of {self.size} leaves: MPI_Finalize waits for a rank that does not end", file=sys.stderr, flush=True
                )
                os._exit(LOST)

        threading.Thread(target=guard, name="hybridnet-guard", daemon=True).start()
        if not self._mpi.Is_finalized():
            self._mpi.Finalize()
        for ranks in (self, *self._parts.values()):
            if isinstance(ranks, _Mpi) and ranks._meeting is not None:
                ranks._meeting.close()
        ended.set()

    def end_all(self, status: int = 1) -> NoReturn:
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(_LAST_WORDS)
        self._world.Abort(status)
        os._exit(status)


def _are_crowded(local: Any) -> bool:
    """Whether the ranks of a machine have more threads than it has cores for them; all of them call it."""
    granted = local.allgather((cores.processors(), threads.count()))
    return sum(number for _, number in granted) > cores.together([own for own, _ in granted])


def _difference(first: tuple[str, Sequence[str]], other: tuple[str, Sequence[str]]) -> str:
    """The lines that only one of two ranks has, with those around them; of so many the first."""
    a, b = ([subject, *lines] for subject, lines in (first, other))
    shown = list(difflib.unified_diff(a, b, lineterm="", n=1))[2:]
    return "\n".join(shown[:40] + ([f"… {len(shown) - 40} lines more"] if len(shown) > 40 else []))


# -- who is there -----------------------------------------------------------------------------------

_ALONE = Communicator()
_world: Communicator = _ALONE


def world() -> Communicator:
    """All ranks, once :func:`start` was called; before, this process."""
    return _world


def replace_world(communicator: Communicator) -> Communicator:
    """Have :func:`world` give another communicator; gives the one before."""
    global _world
    before, _world = _world, communicator
    return before


def start() -> Communicator:
    """Find the other ranks, if a launcher started any; a second call changes nothing.

    RankError where a launcher meant several processes to belong together and MPI finds this one alone, as when the launcher is of
    another MPI; and where there is no mpi4py.
    """
    if _world is not _ALONE:
        return _world
    meant = next(iter(numbers(WORLD_VARIABLES)), 1)
    if (role := environment_of("DMLC_ROLE")) is not None:
        fail(RankError, "distributed", expected="a launcher of MPI", got=f"MXNet's launch.py (DMLC_ROLE={role})", fix=_command(meant))
    if meant > 1 or "mpi4py.MPI" in sys.modules or any(environment_of(v) is not None for v in _MPI_VARIABLES):
        joined = not any(environment_of(v) is not None for v in _MPI_VARIABLES) and _joined_by_variables()
        mpi = _mpi4py(meant)
        if mpi.COMM_WORLD.Get_size() < meant:
            fail(
                RankError,
                "distributed",
                expected=f"{meant} ranks, as the launcher's environment says",
                got=f"a process that MPI ({mpi.Get_library_version().split(',')[0].strip()}) finds alone",
                fix=f"the mpirun of that MPI, {_command(meant)}; "
                + ("MPICH (pip install mpich), which such processes can join" if joined else "under Slurm srun --mpi=pmix"),
            )
        if mpi.COMM_WORLD.Get_size() > 1:
            _end_all_on_errors(_Mpi(mpi, mpi.COMM_WORLD))
    return _world


def _joined_by_variables() -> bool:
    """Whether variables as torchrun sets them say where the others are, which MPI is told then."""
    try:
        return rendezvous.meet(config.deadline)
    except TimeoutError as error:
        fail(RankError, "distributed", expected=f"rank 0 within {config.deadline:g} s (HYBRIDNET_DEADLINE)", got=str(error))


def _command(ranks: int) -> str:
    return f"mpirun -n {max(ranks, 2)} python {sys.argv[0] or 'train.py'}"


def _mpi4py(meant: int) -> Any:
    try:
        return importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:  # the latter where there is no MPI for mpi4py
        reason = str(error).splitlines()[0]
        fail(RankError, "distributed", expected="mpi4py and an MPI, to join other processes", got=reason, fix=_INSTALL)


def _end_all_on_errors(communicator: _Mpi) -> None:
    replace_world(communicator)
    shown = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        print(f"rank {communicator.rank} of {communicator.size} ends all:", file=sys.stderr)
        shown(kind, error, trace)
        communicator.end_all()

    sys.excepthook = hook
    sys.exit = _exit  # type: ignore[assignment]

    def at_exit() -> None:
        if _Exit.failed:
            print(f"rank {communicator.rank} of {communicator.size} ends all: it exits with {_Exit.failed}", file=sys.stderr)
            communicator.end_all()
        communicator.watchdog.stop()
        communicator.end()

    atexit.register(at_exit)


class _Exit(SystemExit):
    """What ``sys.exit`` raises: when it goes with no frame of Python's around it, nobody has caught it, and the process ends by it."""

    failed: Any = None  # with which code, if not with 0

    def __del__(self) -> None:
        if self.code not in (None, 0) and sys._getframe().f_back is None and threading.current_thread() is threading.main_thread():
            _Exit.failed = self.code


def _exit(code: Any = None, /) -> NoReturn:
    raise _Exit(code)


# -- GPUs -------------------------------------------------------------------------------------------

_NCCL_TYPES = {
    dtypes.int8: "INT8", dtypes.uint8: "UINT8", dtypes.int32: "INT32", dtypes.uint32: "UINT32", dtypes.int64: "INT64",
    dtypes.uint64: "UINT64", dtypes.float16: "FLOAT16", dtypes.bfloat16: "BFLOAT16", dtypes.float32: "FLOAT32", dtypes.float64: "FLOAT64",
}  # fmt: skip


@cache
def _nccl() -> Any:
    """CuPy's module of NCCL; None where there is none."""
    try:
        module = importlib.import_module("cupy.cuda.nccl")
    except ImportError:
        return None
    return module if module.available else None


def has_nccl() -> bool:
    """Whether there are CuPy and NCCL."""
    return _nccl() is not None


@cache
def _nccl_communicator(device_id: int, parts: Parts) -> Any:
    """This rank's communicator on one of its GPUs; made by all ranks of a part at once, at their first collective."""
    nccl, ranks = _nccl(), world().part(parts)
    identity = ranks.gather_objects(nccl.get_unique_id() if ranks.rank == 0 else None)[0]
    cuda.make_current(device_id)
    made = nccl.NcclCommunicator(ranks.size, identity, ranks.rank)
    world().watch(lambda: _nccl_error(made))
    return made


def _nccl_error(communicator: Any) -> str:
    """What went wrong in a communicator's calls, which would wait for a lost peer for ever: they are then given up."""
    try:
        communicator.check_async_error()
    except Exception as error:  # of CuPy
        communicator.abort()
        return f"NCCL's {type(error).__name__}: {error}"
    return ""


class NcclCall:
    """A collective on a GPU, planned: a :class:`~hybridnet.core.kernel.LibraryCall`. Several arrays travel as one group.

    ``kind``: "all_reduce", "reduce_scatter", "all_gather", "all_to_all" or "broadcast". ``counts``: the elements of each array on the side
    that has fewer. ``parts``: among which ranks.
    """

    name = channel = "NCCL"
    workspace = 0
    how = ""

    def __init__(self, kind: str, counts: Sequence[int], dtype: dtypes.Dtype, root: int = 0, parts: Parts = ()) -> None:
        self._kind, self._counts, self._root, self.alignment = kind, tuple(counts), root, dtype.itemsize
        self._parts = parts
        self._type = getattr(_nccl(), f"NCCL_{_NCCL_TYPES[dtype]}")

    def settle(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Nothing: NCCL chooses by itself."""

    def enqueue(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Put the collective on a stream, from the addresses of the operands to those of the results."""
        nccl, communicator = _nccl(), _nccl_communicator(cuda.current_id(), self._parts)
        nccl.groupStart()
        for source, target, count in self._arrays(pointers):
            match self._kind:
                case "all_reduce":
                    communicator.allReduce(source, target, count, self._type, nccl.NCCL_SUM, stream)
                case "reduce_scatter":
                    communicator.reduceScatter(source, target, count, self._type, nccl.NCCL_SUM, stream)
                case "all_gather":
                    communicator.allGather(source, target, count, self._type, stream)
                case "all_to_all":
                    own = count // world().part(self._parts).size
                    for peer in range(world().part(self._parts).size):
                        at = peer * own * self.alignment
                        communicator.send(source + at, own, self._type, peer, stream)
                        communicator.recv(target + at, own, self._type, peer, stream)
                case _:
                    communicator.broadcast(source, target, count, self._type, self._root, stream)
        nccl.groupEnd()

    def _arrays(self, pointers: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        half = len(pointers) // 2
        return zip(pointers[:half], pointers[half:], self._counts, strict=True)


def nccl_call(kind: str, counts: Sequence[int], dtype: dtypes.Dtype, root: int = 0, parts: Parts = ()) -> NcclCall | None:
    """The planned call; None where there is no NCCL, or it has no such type: then arrays go through the host."""
    if dtype not in _NCCL_TYPES or _nccl() is None or not hasattr(_nccl(), f"NCCL_{_NCCL_TYPES[dtype]}"):
        return None
    return NcclCall(kind, counts, dtype, root, parts)
