"""A run that stops anywhere goes on from its last checkpoint to the same bits, and each part of a checkpoint is needed for that."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from support import kills
from support.killed_training import WAYS, train
from support.paths import DATA

from hybridnet import amp
from hybridnet.gluon.training import checkpoint, randomness, saved
from hybridnet.gluon.training.run import Source
from hybridnet.gluon.training.steps import Programs

#: Of a loss that is scaled too far for float16.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")


def some(cases: Iterable[str], fast: set[str]) -> list[Any]:
    """The cases, of which those that are not ``fast`` are among the slow tests."""
    return [case if case in fast else pytest.param(case, marks=pytest.mark.slow) for case in cases]


class Stopped(Exception):
    """In place of a kill."""


@pytest.fixture(autouse=True)
def full_precision() -> Iterator[None]:
    yield
    amp.init("float32")


def until(saves: int, monkeypatch: pytest.MonkeyPatch, way: str, folder: Path) -> None:
    """Train a way, and stop after so many checkpoints."""
    real, left = checkpoint.save, [saves]

    def save(prefix: str, estimator: Any) -> None:
        real(prefix, estimator)
        left[0] -= 1
        if not left[0]:
            raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(checkpoint, "save", save)
        train(way, str(folder))
    amp.init("float32")


def ended(way: str, folder: Path) -> str:
    found = train(way, str(folder))
    amp.init("float32")
    return found


@pytest.mark.parametrize("way", some([way for way in WAYS if way != "estimator, worker"], {"fit, arrays", "estimator, validation"}))
def test_a_run_goes_on_to_the_same_bits(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the first epoch, and once more in a later one; the sixth checkpoint is one of an epoch's end."""
    wanted = ended(way, tmp_path / "undisturbed")
    until(2, monkeypatch, way, tmp_path / "stopped")
    until(3, monkeypatch, way, tmp_path / "stopped")
    assert ended(way, tmp_path / "stopped") == wanted


@pytest.mark.parametrize("way", some(["estimator", "fit, arrays", "fit, loader", "fit, iterator"], {"fit, iterator"}))
def test_a_run_goes_on_after_the_last_batch_of_an_epoch(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a checkpoint by batches stands before the epoch's end is told: no batch is left, and that is no fault."""
    wanted = ended(way, tmp_path / "undisturbed")
    until(10, monkeypatch, way, tmp_path / "stopped")
    state = checkpoint.read(str(tmp_path / "stopped" / "model-epoch1batch17"))
    assert state is not None and (state["run"]["epoch"], state["run"]["batch"]) == (1, 9)
    assert ended(way, tmp_path / "stopped") == wanted


@pytest.mark.parametrize("part", some(["random", "source", "sums", "devices", "scaler"], {"sums", "scaler"}))
def test_every_part_is_needed(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one part of what is saved the bits are others: so the test above would notice."""
    way = {
        "random": "fit, arrays",
        "source": "estimator",
        "sums": "fit, accumulated and clipped",
        "devices": "estimator, two devices that part",
        "scaler": "estimator, float16",
    }[part]
    wanted = ended(way, tmp_path / "undisturbed")
    until(2, monkeypatch, way, tmp_path / "stopped")
    if part == "random":
        monkeypatch.setattr(randomness, "load_state_dict", lambda state: None)
    elif part == "source":
        monkeypatch.setattr(Source, "load_state_dict", lambda *_: None)
    elif part == "sums":
        real = Programs.load_state_dict
        monkeypatch.setattr(Programs, "load_state_dict", lambda programs, state: real(programs, {**state, "sums": [], "waiting": [0, 0]}))
    elif part == "devices":
        monkeypatch.setattr(checkpoint, "_write", lambda *_: None)
    else:
        monkeypatch.setattr("hybridnet.amp.loss_scaler.LossScaler.load_state_dict", lambda *_: None)
    assert ended(way, tmp_path / "stopped") != wanted


@pytest.mark.parametrize("damage", some(["a missing file", "half a file", "another file"], {"half a file"}))
def test_a_damaged_checkpoint_is_left_out(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one before it is taken, and the end is the same."""
    folder, way = tmp_path / "stopped", "fit, arrays"
    wanted = ended(way, tmp_path / "undisturbed")
    until(3, monkeypatch, way, folder)
    newest = folder / "model-epoch0batch5"
    params, states = newest.with_suffix(".params"), newest.with_suffix(".states")
    if damage == "a missing file":
        states.unlink()
    else:
        params.write_bytes(params.read_bytes()[: params.stat().st_size // 2] if damage == "half a file" else states.read_bytes())
    (folder / "model-epoch0batch9.params.7.8.tmp").write_bytes(b"what a process that was killed left")
    assert checkpoint.read(str(newest)) is None and checkpoint.read(str(folder / "model-epoch0batch3")) is not None
    assert ended(way, folder) == wanted
    assert not list(folder.glob("*.tmp"))


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    """Random trees of plain things and arrays."""
    rng = random.Random(0)

    def tree(depth: int) -> Any:
        kind = rng.randrange(7 if depth else 5)
        if kind == 5:
            return [tree(depth - 1) for _ in range(rng.randrange(4))]
        if kind == 6:
            return {f"k{i}": tree(depth - 1) for i in range(rng.randrange(4))}
        shape = tuple(rng.randrange(3) for _ in range(rng.randrange(3)))
        array = numpy.random.default_rng(rng.randrange(99)).normal(size=shape).astype(rng.choice(["float64", "float32", "int64", "uint32"]))
        return [rng.random() * 10.0 ** rng.randrange(-300, 300), rng.randrange(2**70), None, rng.choice(["ü", "", True]), array][kind]

    def same(a: Any, b: Any) -> bool:
        if isinstance(a, numpy.ndarray):
            return a.dtype == b.dtype and numpy.array_equal(a, b)
        if isinstance(a, dict):
            return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
        return len(a) == len(b) and all(map(same, a, b)) if isinstance(a, list) else type(a) is type(b) and a == b

    for _ in range(200):
        given = {"tree": tree(4)}
        assert same(given, saved.unpack(saved.pack(given), "here"))


@pytest.mark.slow
def test_programs_that_are_killed_end_with_the_same_bits() -> None:
    """Thirty kills at random moments, in saves, and of workers; ``python -m support.kills 200`` is the long campaign."""
    found = kills.campaign(30, list(WAYS), seed=11)
    assert found["kills"] == 30 and not found["different"], json.dumps(found)


def test_the_recorded_campaign() -> None:
    record = json.loads((DATA / "kills.json").read_text(encoding="utf-8"))
    assert record["kills"] == 200 and not record["different"] and record["ways"] == sorted(WAYS)
    assert kills.killed_so_far(Counter(record["kinds"])) == 200
