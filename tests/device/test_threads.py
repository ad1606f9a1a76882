"""Threads of our own, BLAS on one thread meanwhile, and how many cores this process may use."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hybridnet as hn
from hybridnet.config import RANK_VARIABLES, THREAD_VARIABLES, config
from hybridnet.device import cores, threads
from hybridnet.device.helpers import Helpers, Task
from hybridnet.gluon import nn
from hybridnet.ops.linalg import cpu_matmul
from hybridnet.ops.nn import windows
from hybridnet.ops.nn.convolution import convolution

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")


def under(number: int) -> Any:
    return mock.patch.object(config, "threads", number)


def run(code: str, **environment: str) -> str:
    """What a fresh process prints; it must end well, and soon."""
    kept = {k: v for k, v in os.environ.items() if k not in (*THREAD_VARIABLES, *RANK_VARIABLES, "HYBRIDNET_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -- results do not depend on the number of threads -----------------------------------------------

SIZES = st.sampled_from([1, 3, 16, 31, 64, 130, 300])


@given(st.tuples(SIZES, SIZES, SIZES), st.sampled_from([(), (1,), (2,), (5, 1), (3, 4)]), st.booleans(), st.integers(0, 3), st.booleans())
def test_products(sizes: tuple[int, int, int], batch: tuple[int, ...], shared: bool, layout: int, cut: bool) -> None:
    """Of any shape and layout, as if all but the smallest were worth sharing: NumPy's, the same bits on any number of threads."""
    m, k, n = sizes
    rng = np.random.default_rng(m * k + n)
    a = rng.normal(size=(*batch, k, m)).swapaxes(-1, -2) if layout & 1 else rng.normal(size=(*batch, m, k))
    b_batch = () if shared else batch
    b = rng.normal(size=(*b_batch, n, k)).swapaxes(-1, -2) if layout & 2 else rng.normal(size=(*b_batch, k, n))
    a, b = a.astype("float32"), b.astype("float32")
    with (
        mock.patch.multiple(cpu_matmul, SMALL=1, PIECE=256, UNPACKED=512, SHARED=1 << 40 if cut else 1024, NARROW=1000, DEEP=1),
        mock.patch.object(cpu_matmul, "_unpacks", lambda: True),
    ):
        found = []
        for number in (1, 2, 5):
            with under(number):
                found.append(cpu_matmul.matmul(a, b))
    assert found[0].shape == (a @ b).shape
    np.testing.assert_allclose(found[0], a.astype("float64") @ b.astype("float64"), rtol=1e-3, atol=1e-4)
    assert all((y == found[0]).all() for y in found)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("groups", [1, 2, 16])
def test_convolutions_and_their_gradients(layout: str, groups: int) -> None:
    rng = np.random.default_rng(0)
    last = layout == "NHWC"
    x_shape, w_shape = ((24, 20, 20, 16), (32, 3, 3, 16 // groups)) if last else ((24, 16, 20, 20), (32, 16 // groups, 3, 3))
    x, w = (hn.np.array(rng.normal(size=s).astype("float32")) for s in (x_shape, w_shape))
    x.attach_grad()
    w.attach_grad()

    def computed(number: int) -> list[Any]:
        with under(number):
            with hn.autograd.record():
                y = convolution(x, w, pad=(1, 1), num_group=groups, no_bias=True, layout=layout)
            y.backward(y)
            return [y.asnumpy(), x.grad.asnumpy(), w.grad.asnumpy()]

    def by_numpy() -> Any:
        return mock.patch.object(config, "disabled_libraries", frozenset({"oneDNN"}))

    with by_numpy():
        first = computed(1)
        for number in (2, 5):
            assert all((a == b).all() for a, b in zip(first, computed(number), strict=True))
        with mock.patch.object(windows, "BLOCKS", 1):  # all samples at once
            for a, b in zip(first, computed(1), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
    first = computed(1)  # by oneDNN, where it is installed, which sums a weight's gradient by threads
    for number in (2, 5):
        y, dx, dw = computed(number)
        assert (y == first[0]).all() and (dx == first[1]).all()
        np.testing.assert_allclose(dw, first[2], rtol=1e-3, atol=1e-2)


def test_programs_and_blas_inside_them() -> None:
    """A hybridized network gives the same bits on any number of threads, and BLAS gets its own threads back."""
    before = [library.get() for library in threads.libraries()]
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, in_channels=3), nn.Activation("relu"), nn.Flatten(), nn.Dense(400, in_units=16 * 30 * 30), nn.Dense(300))
    net.initialize()
    x = hn.np.array(np.random.default_rng(0).normal(size=(32, 3, 32, 32)).astype("float32"))
    imperative = net(x).asnumpy()
    found = []
    for number in (1, 3):
        with under(number):
            net.hybridize()
            found.append(net(x).asnumpy())
    assert (found[0] == found[1]).all()
    np.testing.assert_allclose(found[0], imperative, rtol=1e-4, atol=1e-5)
    assert threads.describe() in net.explain(x)
    with mock.patch.object(config, "disabled_libraries", frozenset({"oneDNN"})):  # which takes large products
        net.hybridize()
        assert "@one_thread" in net.program(x) and "matmul_in_pieces" in net.program(x)
    assert [library.get() for library in threads.libraries()] == before


# -- BLAS -----------------------------------------------------------------------------------------


@pytest.fixture
def blas() -> Iterator[Any]:
    """NumPy's BLAS on three threads."""
    if not threads.libraries():
        pytest.skip("NumPy's BLAS is of a kind whose threads cannot be told")
    (library, *_) = threads.libraries()
    before = library.get()
    library.set(3)
    yield library
    library.set(before)


def test_one_thread_of_blas_while_anyone_needs_it(blas: Any) -> None:
    if blas.get() != 3:
        pytest.skip("a BLAS with fewer threads")
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with threads.one_thread:
            inside.set()
            leave.wait()

    with threads.one_thread:
        assert blas.get() == 1
        with threads.one_thread:
            assert blas.get() == 1
        assert blas.get() == 1
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait()
    assert blas.get() == 1
    leave.set()
    thread.join()
    assert blas.get() == 3
    with pytest.raises(ZeroDivisionError), threads.one_thread:
        _ = 1 / 0
    assert blas.get() == 3


def test_a_blas_that_cannot_be_told_keeps_its_threads_and_is_given_whole_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "libraries", lambda: ())
    seen: list[int] = []
    with under(4):
        threads.share(lambda worker, pieces: seen.extend([threading.get_ident(), *pieces]), [1, 2, 3])
        assert seen == [threading.get_ident(), 1, 2, 3]
        assert "cannot be told" in threads.describe()


# -- sharing --------------------------------------------------------------------------------------


def test_all_pieces_are_done_once_by_several_threads() -> None:
    done: list[int] = []
    workers = set()

    def work(worker: int, pieces: Iterator[int]) -> None:
        for piece in pieces:
            time.sleep(0.001)
            workers.add((worker, threading.get_ident()))
            done.append(piece)

    with under(3):
        threads.share(work, range(60))
    assert sorted(done) == list(range(60))
    assert len({w for w, _ in workers}) == len({t for _, t in workers}) == 3


def test_nobody_waits_for_a_helper_that_gets_no_core() -> None:
    """Helpers that are held up elsewhere have begun nothing, and the caller does all."""
    release = threading.Event()
    held: list[Task] = []
    with under(3):
        while (last := threads._helpers.ask(release.wait, 2)) is not None:
            held.append(last)
        try:
            done: list[int] = []
            threads.share(lambda worker, pieces: done.extend(pieces), range(10))
            assert done == list(range(10))
        finally:
            release.set()
    for task in held:
        task.wait()
        assert task.error is None


def test_parts_of_a_piece_are_not_shared_again() -> None:
    inner: list[bool] = []

    def nested(worker: int, pieces: Iterator[int]) -> None:
        for _ in pieces:
            threads.share(lambda w, p, here=threading.get_ident(): inner.extend(threading.get_ident() == here for _ in p), range(3))

    with under(3):
        threads.share(nested, range(8))
    assert inner == [True] * 24


@pytest.mark.parametrize("at", [0, 5])
def test_an_error_is_raised_when_all_have_stopped(at: int) -> None:
    working = threading.Semaphore(0)
    running: list[int] = []

    def work(worker: int, pieces: Iterator[int]) -> None:
        for piece in pieces:
            running.append(1)
            time.sleep(0.002)
            running.pop()
            if piece == at:
                raise ValueError(f"piece {piece}")
        working.release()

    with under(3), pytest.raises(ValueError, match=f"piece {at}"):
        threads.share(work, range(50))
    assert not running


def test_an_interrupt_waits_for_helpers_that_have_begun() -> None:
    class Begun(Task):
        """One whose first wait a signal interrupts."""

        asked = 0

        def wait(self) -> None:
            self.asked += 1
            if self.asked == 1:
                raise KeyboardInterrupt

    task = Begun(lambda: None)
    assert task.take_back()  # by a helper that does it
    with pytest.raises(KeyboardInterrupt):
        threads._wait([task])
    assert task.asked == 2


def test_a_helper_is_there_for_the_next_work_as_soon_as_it_is_waited_for() -> None:
    def ask() -> Task:
        task = helpers.ask(lambda: begun.append(threading.get_ident()), 1)
        assert task is not None
        return task

    begun: list[int] = []
    helpers = Helpers(lambda: None)
    for _ in range(300):
        ask().wait()
    assert len(begun) == 300
    assert len(set(begun)) == 1


def test_work_that_is_taken_back_is_not_done_and_its_helper_goes_on() -> None:
    release, done = threading.Event(), threading.Event()
    helpers = Helpers(release.wait)  # so that none begins
    first = helpers.ask(lambda: pytest.fail("taken back"), 2)
    assert first is not None and first.take_back()
    release.set()
    while helpers.ask(done.set, 1) is None:  # until it is idle
        time.sleep(0.001)
    assert done.wait(10)
    assert first.error is None


def test_users_in_several_threads_have_their_work_done_once() -> None:
    counts = [0] * 6

    def user(i: int) -> None:
        for _ in range(200):
            done: list[int] = []
            threads.share(lambda w, pieces, done=done: done.extend(pieces), range(5))
            counts[i] += sorted(done) == list(range(5))

    with under(3):
        users = [threading.Thread(target=user, args=(i,)) for i in range(6)]
        for thread in users:
            thread.start()
        for thread in users:
            thread.join()
    assert counts == [200] * 6


# -- how many -------------------------------------------------------------------------------------

COUNT = "from hybridnet.device import threads; print(threads.count())"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"HYBRIDNET_NUM_THREADS": "7"}, 7),
        ({"HYBRIDNET_NUM_THREADS": "5", "OMP_NUM_THREADS": "1"}, 5),
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "64"}, 1),
        ({"OMP_NUM_THREADS": "1,2"}, 1),
        ({"OMP_NUM_THREADS": "many"}, None),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "64"}, 1),
    ],
)
def test_what_the_user_and_launchers_say(environment: dict[str, str], expected: int | None) -> None:
    with mock.patch.dict(os.environ, environment):
        for variable in (*THREAD_VARIABLES, *RANK_VARIABLES, "HYBRIDNET_NUM_THREADS"):
            if variable not in environment:
                os.environ.pop(variable, None)
        found = int(environment.get("HYBRIDNET_NUM_THREADS", 0)) or cores.available()
    assert found == (max(1, min([CORES, *map(int, cores.quotas())])) if expected is None else expected)


def test_the_setting_wins_over_all() -> None:
    assert run(COUNT, HYBRIDNET_NUM_THREADS="5", OMP_NUM_THREADS="1") == "5"
    assert run(COUNT, OMP_NUM_THREADS="1") == "1"


@pytest.mark.parametrize("text", ["0", "-2", "two"])
def test_a_number_of_threads_that_means_nothing(text: str) -> None:
    code = "\ntry:\n    import hybridnet\nexcept ValueError as error:\n    print(error)"
    assert run(code, HYBRIDNET_NUM_THREADS=text).startswith(f"HYBRIDNET_NUM_THREADS='{text}' cannot be read")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_the_cores_that_the_process_is_bound_to() -> None:
    bind = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    assert run(bind + COUNT) == "1"
    if CORES > 1 and os.cpu_count() == CORES:
        assert run(COUNT, OMPI_COMM_WORLD_LOCAL_SIZE=str(CORES)) == "1"


def files(root: Path, contents: dict[str, str]) -> Path:
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("contents", "least"),
    [
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/docker/x\n2:memory:/\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            4.0,
        ),
        ({"proc/self/cgroup": "1:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "0"}, None),
        ({"proc/self/cgroup": "0::/gone\n"}, None),
        ({}, None),
    ],
)
def test_quotas_of_control_groups(contents: dict[str, str], least: float | None, tmp_path: Path) -> None:
    assert min(cores.quotas(files(tmp_path, contents)), default=None) == least


def test_half_a_core_is_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "quotas", lambda: iter([0.5]))
    assert cores.available() == 1


# -- processes ------------------------------------------------------------------------------------

PRODUCT = """
import os, threading, numpy as np
import hybridnet as hn
from hybridnet.ops.linalg.cpu_matmul import matmul
a = np.ones((400, 400), "float32")
assert matmul(a, a)[0, 0] == 400
"""


@needs_fork
def test_a_fork_after_threads_were_started() -> None:
    """Of a process whose helpers are there and working: the child computes on, and so does its parent."""
    fork = """
import warnings
warnings.simplefilter("ignore")  # forking where there are threads
stop = threading.Event()
def work():
    while not stop.is_set():
        matmul(a, a)
thread = threading.Thread(target=work)
thread.start()
for _ in range(5):
    child = os.fork()
    if not child:
        os._exit(0 if matmul(a, a)[0, 0] == 400 else 3)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
thread.join()
print("done")
"""
    assert run(PRODUCT + fork, HYBRIDNET_NUM_THREADS="3") == "done"


@pytest.mark.parametrize("how", ["pass", "raise SystemExit", "import sys; sys.exit(0)"])
def test_the_interpreter_ends_while_a_thread_works(how: str) -> None:
    code = f"""
def work():
    while True:
        matmul(a, a)
threading.Thread(target=work, daemon=True).start()
print("done", flush=True)
{how}
"""
    assert run(PRODUCT + code, HYBRIDNET_NUM_THREADS="3") == "done"
