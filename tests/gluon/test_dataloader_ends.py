"""Workers that fail, end, hang or are killed, and programs that do: a clear error within seconds, and nothing is left behind."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import random
import signal
import time
from multiprocessing import connection, popen_forkserver
from pathlib import Path
from typing import Any

import numpy
import pytest
from support import loader_samples as some
from support.processes import Program, available, is_gone, left_in_shared_memory, until

from hybridnet.errors import ArgumentError, OutOfMemoryError, WorkerError, WorkerTimeoutError
from hybridnet.gluon import data
from hybridnet.gluon.data import shared, workers

on_linux = pytest.mark.skipif(not available, reason="looks at /proc and /dev/shm")


def numbers(transform: Any, length: int = 12) -> Any:
    return data.SimpleDataset(list(range(length))).transform(transform)


def children() -> list[Any]:
    return [p for p in multiprocessing.active_children() if p.name.startswith("DataLoader")]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    """After each test here no worker lives and no name is left, though this process goes on."""
    yield
    gc.collect()
    assert not children()
    assert not left_in_shared_memory(os.getpid())


# -- errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [{}, {"num_workers": 1, "thread_pool": True}, {"num_workers": 2}], ids=["here", "threads", "processes"])
def test_the_datasets_own_error_names_the_sample(way: dict[str, Any]) -> None:
    loader = data.DataLoader(numbers(some.fails_at_6), 4, **way)
    for _ in range(2):  # and the loader can be used again
        seen = []
        with pytest.raises(KeyError, match="the sixth") as caught:
            for batch in loader:
                seen.append(batch.tolist())
        assert seen == [[0, 1, 2, 3]]
        assert caught.value.__notes__[0] == "while sample 6 of the dataset was read"
    if way.get("num_workers") == 2:
        assert "in fails_at_6" in str(caught.value.__cause__)  # the traceback over there
        assert "in worker" in caught.value.__notes__[1]


def test_an_error_that_does_not_go_through_pickle() -> None:
    with pytest.raises(WorkerError, match="Unportable: leftright while sample 0 of the dataset was read") as caught:
        list(data.DataLoader(numbers(some.fails_unportably), 4, num_workers=1))
    assert "in fails_unportably" in str(caught.value.__cause__)


def test_what_cannot_be_pickled() -> None:
    with pytest.raises(ArgumentError, match=r"can be pickled.*lambda.*; at test_dataloader_ends.py.*top of a module.*thread_pool=True"):
        list(data.DataLoader(numbers(lambda x: x), 4, num_workers=1))


def test_what_cannot_be_unpickled_over_there() -> None:
    with pytest.raises(
        WorkerError, match=r"unpickle; got ImportError: nothing of that name here.*a module of their own.*thread_pool"
    ) as caught:
        list(data.DataLoader(some.Unloadable(3), 2, num_workers=2))
    assert "in made_here_alone" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("transform", "how"),
    [
        (some.is_killed_at_9, "signal SIGKILL while it read samples 8, 9, 10, 11"),
        (some.leaves_at_3, "exit code 5 while it read samples 0, 1, 2, 3"),
    ],
)
def test_a_worker_that_is_gone(transform: Any, how: str) -> None:
    loader = data.DataLoader(numbers(transform), 4, num_workers=2)
    for _ in range(2):  # the second time with new workers
        begin = time.monotonic()
        with pytest.raises(WorkerError, match=rf"got worker . \(process \d+\) ended by {how}; at test_dataloader_ends.py"):
            list(loader)
        assert time.monotonic() - begin < 20
        assert not children()


@on_linux
def test_a_worker_that_is_killed_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its fork, and before what it is to do has been sent to it."""
    real = popen_forkserver.forkserver.read_signed

    def read(descriptor: int) -> int:
        number: int = real(descriptor)
        if number > 0:  # the worker's; later its exit code
            os.kill(number, signal.SIGKILL)
            until(lambda: is_gone(number))
        return number

    monkeypatch.setattr(popen_forkserver.forkserver, "read_signed", read)
    with pytest.raises(WorkerError, match=r"gone before it was told what to do|ended by signal SIGKILL while it started"):
        list(data.DataLoader(some.Images(8), 4, num_workers=2))


@pytest.mark.parametrize("kind", ["between messages", "in a message", "while it is told"])
def test_a_pipe_that_breaks(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def breaks(*_: Any) -> Any:
        for worker in made:
            worker.process.kill()
            worker.process.join()
        raise {
            "between messages": EOFError(),
            "in a message": OSError("got end of file during message"),
            "while it is told": BrokenPipeError(errno.EPIPE, "Broken pipe"),
        }[kind]

    made: list[Any] = []
    real = workers._Worker.__init__

    def init(self: Any, *arguments: Any) -> None:
        real(self, *arguments)
        made.append(self)

    monkeypatch.setattr(workers._Worker, "__init__", init)
    if kind == "while it is told":
        monkeypatch.setattr(workers._Worker, "enlarge", breaks)
    else:
        monkeypatch.setattr(connection.Connection, "recv", breaks)
    with pytest.raises(WorkerError, match=r"ended by signal SIGKILL"):
        list(data.DataLoader(some.Images(8), 2, num_workers=1))


def test_a_worker_that_hangs() -> None:
    loader = data.DataLoader(numbers(some.sleeps), 4, num_workers=1, timeout=0.3)
    begin = time.monotonic()
    with pytest.raises(WorkerTimeoutError, match=r"a batch of samples 0, 1, 2, 3 within 0.3 s; got none from worker 0"):
        list(loader)
    assert time.monotonic() - begin < 20


def test_a_loader_that_is_dropped_ends_its_workers_at_once() -> None:
    """With no help of Python's collector of cycles, in the middle of an epoch as well."""
    gc.collect()
    gc.disable()
    try:
        for whole in (True, False):
            loader = data.DataLoader(some.Images(40), 2, num_workers=2)
            batches = iter(loader)
            next(batches)
            if whole:
                list(batches)
            assert len(children()) == 2
            del loader, batches
            assert not children()
    finally:
        gc.enable()


def test_an_exception_in_the_loop() -> None:
    loader = data.DataLoader(some.Images(40), 2, num_workers=2)
    with pytest.raises(ZeroDivisionError):
        for _ in loader:
            1 / 0
    assert len(children()) == 2  # they wait for the next loop
    assert len(list(loader)) == 20


def test_another_loop_over_workers_that_are_gone() -> None:
    loader = data.DataLoader(numbers(some.is_killed_at_9), 4, num_workers=2, prefetch=1)
    first, second = iter(loader), iter(loader)
    next(first), next(second)
    with pytest.raises(WorkerError, match="signal SIGKILL"):
        list(first)
    with pytest.raises(WorkerError, match=r"ended when another loop over the loader failed.*a new loop"):
        list(second)


def test_ctrl_c_while_it_waits() -> None:
    """The connection may be in the middle of a message: workers are ended, and the next loop has new ones."""
    loader = data.DataLoader(numbers(some.sleeps), 4, num_workers=1)
    batches = iter(loader)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            next(batches)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert not children()


@on_linux
def test_names_in_shared_memory_are_given_up_while_it_works() -> None:
    loader = data.DataLoader(data.ArrayDataset(numpy.ones((40, 100))), 2, num_workers=2)
    for _ in loader:
        pass
    assert not left_in_shared_memory(os.getpid())
    assert len(list(loader)) == 20


@on_linux
def test_more_shared_memory_than_there_is() -> None:
    """Found by the system when it is reserved, before anything is written."""
    found = os.statvfs("/dev/shm")
    with pytest.raises(
        OutOfMemoryError, match=r"bytes of shared memory for a batch; got .* in /dev/shm, of which [\d,]+ bytes are free.*shm-size"
    ):
        shared.reserve(found.f_blocks * found.f_frsize * 2 + (1 << 20), "a batch")


def test_a_full_dev_shm_ends_the_loop_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real, rooms = shared._fill, [1]  # room for the dataset alone

    def fill(path: Path, size: int) -> None:
        if not rooms:
            raise OSError(errno.ENOSPC, "No space left on device")
        rooms.pop()
        real(path, size)

    monkeypatch.setattr(shared, "_fill", fill)
    with pytest.raises(OutOfMemoryError, match=r"shared memory for a batch; got No space left.*thread_pool=True"):
        list(data.DataLoader(some.Images(8), 2, num_workers=2))
    with pytest.raises(OutOfMemoryError, match="shared memory for the dataset"):
        list(data.DataLoader(some.Images(8), 2, num_workers=2))


def test_a_process_that_may_have_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    with pytest.raises(WorkerError, match=r"daemonic process.*num_workers=0, or thread_pool=True"):
        list(data.DataLoader(some.Images(8), 2, num_workers=2))


def test_the_workers_message_of_an_error_that_is_long() -> None:
    """It must fit a pipe that nobody reads just now."""
    try:
        raise ValueError("x" * 10**6)
    except ValueError as error:
        found, text = workers.messages._portable(error)
    assert found is None and len(text) <= 1 << 14


# -- whole programs -----------------------------------------------------------------------------------

ENDLESS = """
from support import loader_samples as some
from hybridnet.errors import WorkerError
from hybridnet.gluon import data

if __name__ == "__main__":
    loader = data.DataLoader(some.Images(400, (64, 64)), 4, num_workers=2, timeout=30)
    print("begin")
    while True:
        try:
            for x, y in loader:
                assert (x.asnumpy() == y.asnumpy()[:, None, None]).all()
            print("an epoch")
        except WorkerError as error:
            print("error", error)
"""

SCRIPT = """
import numpy
from hybridnet.gluon import data
print("runs as", __name__)
dataset = data.ArrayDataset(numpy.arange(8), numpy.arange(8)).shard(1, 0)
for x, y in data.DataLoader(dataset, 4, num_workers=2):
    print(x.tolist())
"""

FORK = """child = os.fork()
    if not child:
        print(len(list(loader)))
        del batches, loader
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    print(len(list(batches)))"""

ITS_OWN_CLASS = """
from hybridnet.gluon import data
class Mine(data.Dataset):
    def __len__(self): return 8
    def __getitem__(self, i): return i
loader = data.DataLoader(Mine(), 4, num_workers=2)
{guard}
for x in loader:
    print(x.tolist())
"""


@on_linux
@pytest.mark.slow
def test_a_script_that_is_not_written_for_being_imported(tmp_path: Path) -> None:
    """As MXNet's programs are, whose workers are forks: it runs once, as long as its dataset has nothing of its own."""
    with Program(SCRIPT, tmp_path / "script.py") as program:
        assert program.rest() == "runs as __main__\n[0, 1, 2, 3]\n[4, 5, 6, 7]\n"
        assert program.leaves_nothing()


@on_linux
@pytest.mark.slow
def test_a_script_with_a_dataset_of_its_own(tmp_path: Path) -> None:
    with Program(ITS_OWN_CLASS.format(guard=""), tmp_path / "script.py") as program:
        told = program.rest()
        assert "ended by exit code 1 while it started" in told and 'if __name__ == "__main__":' in told
        assert "started by a script that is run; got one that is imported" in told
        assert program.leaves_nothing()
    guarded = ITS_OWN_CLASS.format(guard='if __name__ != "__main__": loader = []')
    with Program(guarded, tmp_path / "script.py") as program:
        assert program.rest() == "[0, 1, 2, 3]\n[4, 5, 6, 7]\n"


@on_linux
@pytest.mark.slow
@pytest.mark.parametrize("end", ["exit", "exception", "fork"])
def test_a_program_that_ends_in_the_middle(tmp_path: Path, end: str) -> None:
    how = {
        "exit": "sys.exit(0)",
        "exception": "raise ValueError('in the loop')",
        "fork": FORK,
    }[end]
    text = f"import gc, os, sys\n{ENDLESS.partition('while')[0]}batches = iter(loader)\n    next(batches)\n    {how}\n"
    with Program(text, tmp_path / "script.py") as program:
        printed = program.rest()
        assert program.process.returncode == (1 if end == "exception" else 0)
        assert printed.startswith("begin") and "leaked" not in printed and "ignored" not in printed
        assert ("ValueError: in the loop" in printed) == (end == "exception")
        if end == "fork":  # which can read by itself, and takes no worker along when it ends
            assert printed == "begin\n100\n99\n"
        assert program.leaves_nothing()


@on_linux
@pytest.mark.slow
def test_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    with Program(ENDLESS, tmp_path / "script.py") as program:
        program.lines(3)
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does
        printed = program.rest(20)
        assert "KeyboardInterrupt" in printed and "worker.py" not in printed and "leaked" not in printed
        assert program.leaves_nothing()


@on_linux
@pytest.mark.slow
def test_workers_are_killed_at_random_moments(tmp_path: Path) -> None:
    """Each time the program is told within seconds, and goes on with new workers."""
    chance = random.Random(0)
    with Program(ENDLESS, tmp_path / "script.py") as program:
        assert program.lines(2) == ["begin\n", "an epoch\n"]
        for _ in range(40):
            time.sleep(chance.uniform(0, 0.4))
            victims = until(program.workers)
            os.kill(chance.choice(victims), signal.SIGKILL)
            line = "an epoch\n"
            begin = time.monotonic()
            while line == "an epoch\n":
                (line,) = program.lines(1)
            assert line.startswith("error") and ("SIGKILL" in line or "gone before" in line)
            assert time.monotonic() - begin < 20
        assert len(program.alive()) <= 5  # itself, the server of forks, the tracker of resources, two workers
        program.process.send_signal(signal.SIGINT)
        program.rest(20)
        assert program.leaves_nothing()


@on_linux
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_the_program_is_killed_at_a_random_moment(tmp_path: Path, seed: int) -> None:
    """While workers start, read or wait."""
    with Program(ENDLESS, tmp_path / "script.py") as program:
        assert program.lines(1) == ["begin\n"]
        time.sleep(random.Random(seed).uniform(0, 4))
        os.kill(program.pid, signal.SIGKILL)
        program.process.wait()
        assert program.leaves_nothing()


@on_linux
@pytest.mark.slow
def test_memory_stays_flat_over_ten_thousand_batches() -> None:
    def pages() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    loader = data.DataLoader(some.Images(4000, (32, 32)), 4, num_workers=2)
    found = []
    for _ in range(10):
        for _ in loader:
            pass
        found.append(pages() * os.sysconf("SC_PAGE_SIZE"))
    assert max(found[2:]) - found[1] < 8 << 20
    assert len(os.listdir("/proc/self/fd")) < 200
