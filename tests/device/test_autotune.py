"""The fastest of a library's algorithms: found by timing at a program's first run, kept on disk, taken from there by the next process.

The stand-ins of cuBLASLt and cuDNN propose as many algorithms as a test says, each of which takes the seconds that it says.
"""

import json
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulator import libraries, streams
from emulator.cublaslt import CublasLt
from emulator.cudnn import Algorithm
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import npx
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.device import Capture, autotune, blas, dnn, gpu, kernel_cache
from hybridnet.device.autotune import Choice, Tuned

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

TICK = 0.1  # seconds: so much that the host's own time does not matter


@pytest.fixture(params=[None, 0, 3], ids=["at once", "late", "at random"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A device whose libraries' algorithms are timed, and a folder that has nothing in it."""
    with emulated_gpu(asynchronous=request.param), monkeypatch.context() as patch:  # undone before the emulator puts back what it changed
        patch.setattr(config, "autotune", True)
        patch.setattr(config, "cache_dir", str(tmp_path))
        yield


def library(*ticks: float) -> CublasLt:
    """cuBLASLt, of which algorithms take so many ticks."""
    found: CublasLt = blas.library()
    found.seconds = tuple(s * TICK for s in ticks)
    found.ran.clear()
    return found


def operands() -> list[Any]:
    rng = np.random.default_rng(3)
    return [hn.np.array(rng.normal(size=s).astype(np.float32), ctx=gpu()) for s in ((8, 16), (16, 4))]


def program() -> Any:
    return jit(lambda a, b: hn.np.matmul(a, b))


def product(f: Any, runs: int = 3) -> None:
    """Run the program, and hold its results and its operands against NumPy's."""
    a, b = operands()
    before = [x.asnumpy() for x in (a, b)]
    for _ in range(runs):
        np.testing.assert_allclose(f(a, b).asnumpy(), before[0] @ before[1], rtol=1e-5)
    for x, was in zip((a, b), before, strict=True):
        np.testing.assert_array_equal(x.asnumpy(), was)


def records() -> list[Any]:
    found = sorted(Path(config.cache_dir).glob("*.algorithm"))
    return [json.loads(kernel_cache.read(p.name) or b"null") for p in found]


def as_another_process() -> None:
    """Forget all that is not on disk."""
    libraries.forget()


def test_the_fastest_is_found_and_kept(device: None) -> None:
    lt = library(3, 9, 1, 2)
    f = program()
    product(f)
    assert {0, 1, 2, 3} == set(lt.ran) and lt.ran[-1] == 2
    assert lt.ran.count(1) == 2, "one that takes more than the best so far, clearly, is timed once"
    (record,) = records()
    assert record["chosen"] == 2 and len(record["algorithms"]) == 4 and record["seconds"][2] == pytest.approx(TICK, rel=0.5)
    assert "algorithm 3 of 4, by timing: " in f.explain(*operands()) and ", the first " in f.explain(*operands())

    as_another_process()
    lt = library(1, 1, 1, 1)  # whatever would be found now
    f = program()
    product(f)
    assert set(lt.ran) == {2}
    assert "algorithm 3 of 4, by an earlier timing" in f.explain(*operands())


def test_no_more_than_eight_are_tried(device: None) -> None:
    lt = library(*range(12, 0, -1))
    product(program())
    assert max(lt.ran) == autotune.CANDIDATES - 1 == lt.ran[-1]


def test_switched_off(device: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "autotune", False)
    lt = library(3, 1)
    f = program()
    product(f)
    assert set(lt.ran) == {0} and not records() and "algorithm" not in f.explain(*operands())


def test_noise_changes_nothing(device: None) -> None:
    assert autotune._fastest((1.0, 0.99)) == 0 and autotune._fastest((1.0, 0.9, 0.899)) == 1
    assert autotune._fastest((math.inf, 2.0, math.inf)) == 1 and autotune._fastest((math.inf, math.inf)) == 0


def test_one_that_fails_is_passed_over(device: None) -> None:
    lt = library(3, math.inf, 1)
    product(program())
    assert lt.ran[-1] == 2 and records()[0]["seconds"][1] is None
    as_another_process()
    lt = library(3, math.inf, 1)
    product(program())
    assert set(lt.ran) == {2}


def test_when_all_fail_the_first_says_why(device: None) -> None:
    library(math.inf, math.inf)
    with pytest.raises(hn.errors.DeviceError, match="status 13"):
        product(program())


def test_there_is_an_end_to_it(device: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autotune, "SECONDS", -1)
    lt = library(3, 1)
    product(program())
    assert set(lt.ran) == {0}


@pytest.mark.parametrize("damage", [b"", b"{", b"x" * 100, b"null", b"[]", b'{"asked": 1}'])
def test_a_damaged_record_is_made_anew(device: None, damage: bytes) -> None:
    library(3, 1)
    product(program())
    (path,) = Path(config.cache_dir).glob("*.algorithm")
    for whole in (False, True):  # with a right digest too: as another version of ours may have left it
        if whole:
            kernel_cache.write(path.name, damage)
        else:
            path.write_bytes(damage)
        as_another_process()
        lt = library(1, 3)
        product(program())
        assert set(lt.ran) == {0, 1} and lt.ran[-1] == 0 and records()[0]["chosen"] == 0


@pytest.mark.parametrize(
    "change",
    [{"chosen": 2}, {"chosen": -3}, {"chosen": "1"}, {"chosen": None}, {"algorithms": ["a", "b"]}, {"asked": "another"}, {"seconds": None}],
)
def test_a_record_that_cannot_be_is_not_believed(device: None, change: dict[str, Any]) -> None:
    library(3, 1)
    product(program())
    (path,) = Path(config.cache_dir).glob("*.algorithm")
    kernel_cache.write(path.name, json.dumps(records()[0] | change).encode())
    as_another_process()
    lt = library(1, 3)
    product(program())
    assert set(lt.ran) == {0, 1} and lt.ran[-1] == 0


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/dev/full").exists(), reason="needs a folder that cannot be written")
def test_a_folder_that_cannot_be_written_loses_nothing(device: None, monkeypatch: pytest.MonkeyPatch, caplog: Any, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file where the folder should be")
    kernel_cache._warn.cache_clear()
    lt = library(3, 1)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, logger="hybridnet"):
        patch.setattr(config, "cache_dir", str(taken))
        product(program())
    assert lt.ran[-1] == 1 and "cannot be kept" in caplog.text


def test_another_version_and_another_question_are_timed_anew(device: None, monkeypatch: pytest.MonkeyPatch) -> None:
    library(3, 1)
    product(program())
    as_another_process()
    monkeypatch.setattr(CublasLt, "cublasLtGetVersion", lambda self: 140000)
    lt = library(3, 1)
    product(program())
    assert set(lt.ran) == {0, 1} and len(records()) == 2
    jit(lambda a, b: hn.np.matmul(a[:4], b))(*operands())
    assert len(records()) == 3


def test_imperative_calls_time_nothing(device: None) -> None:
    lt = library(3, 1)
    a, b = operands()
    for _ in range(3):
        hn.np.matmul(a, b)
    hn.nd.waitall()
    assert set(lt.ran) == {0} and not records()
    product(program())
    lt.ran.clear()
    hn.np.matmul(a, b)
    assert set(lt.ran) == {1}


def test_a_capture_times_nothing(device: None) -> None:
    library(3, 1)
    ran: list[int] = []
    tuned = Tuned("a question", ["first", "second"], 0)
    with Capture(gpu()) as capture:
        tuned.settle(ran.append, capture.stream.ptr)
        assert not ran and not tuned.settled
    assert tuned.choice == Choice(0, "the library's first")


def test_operands_at_odd_addresses_have_their_own(device: None) -> None:
    """A view that begins in the middle goes by algorithms for any alignment, with no more workspace than was planned."""
    lt = library(3, 1)
    f = jit(lambda a, b: hn.np.matmul(a[1:], b))
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(5, 7)).astype(np.float32), rng.normal(size=(7, 3)).astype(np.float32)
    for _ in range(3):
        np.testing.assert_allclose(f(hn.np.array(a, ctx=gpu()), hn.np.array(b, ctx=gpu())).asnumpy(), a[1:] @ b, rtol=1e-5)
    assert lt.ran[-1] == 1 and any("multiples of 4 bytes" in r["asked"] for r in records())


def test_convolutions(device: None) -> None:
    module = dnn.library()
    module.convolutions = (
        Algorithm("eng1", frozenset({"NONDETERMINISTIC"}), seconds=0.0),
        Algorithm("eng2", seconds=3 * TICK),
        Algorithm("eng3", builds=False),
        Algorithm("eng4", seconds=1 * TICK),
    )
    rng = np.random.default_rng(3)
    x, w = (hn.np.array(rng.normal(size=s).astype(np.float32), ctx=gpu()) for s in ((2, 3, 6, 6), (4, 3, 3, 3)))
    expected = npx.convolution(x.to_device(hn.cpu()), w.to_device(hn.cpu()), kernel=(3, 3), num_filter=4, no_bias=True).asnumpy()

    def convolved() -> str:
        f = jit(lambda x, w: npx.convolution(x, w, kernel=(3, 3), num_filter=4, no_bias=True))
        for _ in range(3):
            np.testing.assert_allclose(f(x, w).asnumpy(), expected, rtol=1e-4, atol=1e-5)
        return str(f.explain(x, w))

    text = convolved()
    assert set(module.ran) == {"eng2", "eng4"} and module.ran[-1] == "eng4"
    assert "cuDNN eng4: algorithm 2 of 2, by timing" in text
    as_another_process()
    module.ran.clear(), module.built.clear()
    assert "cuDNN eng4: algorithm 2 of 2, by an earlier timing" in convolved() and set(module.ran) == set(module.built) == {"eng4"}

    as_another_process()
    module.convolutions = (Algorithm("eng7", seconds=TICK), Algorithm("eng9", seconds=2 * TICK))  # the list has changed
    assert "cuDNN eng7: algorithm 1 of 2, by timing" in convolved()
    as_another_process()
    module.convolutions = (Algorithm("eng7", builds=False), Algorithm("eng9", seconds=2 * TICK))
    module.ran.clear()
    convolved()
    assert set(module.ran) == {"eng9"}


def test_what_asks_for_much_more_workspace_is_left_out(device: None, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = dnn.library().pygraph(io_data_type="FLOAT", intermediate_data_type="FLOAT", compute_data_type="FLOAT", handle=None)
    graph.algorithms = tuple(Algorithm(f"eng{i}") for i in range(4))
    sizes = dict(zip(graph.algorithms, (0, 1 << 20, 1 << 30, autotune.WORKSPACE), strict=True))
    graph.workspace = sizes.__getitem__
    found = dnn.first_that_build(dnn.library(), graph, 8)
    assert [a.name for a in found] == ["eng0", "eng1", "eng3"]
    assert [a.name for a in dnn.first_that_build(dnn.library(), graph, 1)] == ["eng0"]
    monkeypatch.setattr(dnn, "BUILD_SECONDS", -1)
    assert [a.name for a in dnn.first_that_build(dnn.library(), graph, 8)] == ["eng0"]


def test_the_stand_in_has_a_clock(device: None) -> None:
    before = streams.clock()
    lt = library(5000)
    product(program(), 2)
    assert streams.clock() - before > 9 and lt.ran == [0, 0]
