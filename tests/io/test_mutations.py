"""Files with random damage: an error that says so or a result, never a crash, a hang, growth or execution; the campaign notices each."""

import json
import os
import pickle
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import broken_graphs, mutations
from support.broken_files import Kind, batches, damaged, kinds
from support.paths import DATA

from hybridnet import image
from hybridnet.errors import FileFormatError
from hybridnet.image.sources import read_list

cv2 = pytest.importorskip("cv2")

KEPT: list[bytes] = []


@pytest.mark.slow
def test_three_thousand_files() -> None:
    """A short campaign, with another seed than the recorded one; ``python -m support.mutations 100000`` is the long one."""
    found = mutations.campaign(3000, seed=1)
    assert not found["faults"], "\n".join(found["faults"])


def test_the_recorded_campaign_is_of_these_files(tmp_path: Path) -> None:
    record = json.loads((DATA / "mutations.json").read_text(encoding="utf-8"))
    assert record["files"] == 100_000 and not record["faults"] and list(record["outcomes"]) == list(kinds(tmp_path))
    assert sum(sum(counts.values()) for counts in record["outcomes"].values()) == record["files"]


@pytest.mark.slow
def test_sixteen_hundred_graphs_and_parameters() -> None:
    found = mutations.campaign(1600, seed=1, make=broken_graphs.kinds)
    assert not found["faults"], "\n".join(found["faults"])


def test_the_recorded_campaign_of_graphs_is_of_these_files(tmp_path: Path) -> None:
    record = json.loads((DATA / "mutations_of_graphs.json").read_text(encoding="utf-8"))
    assert not record["faults"] and list(record["outcomes"]) == list(broken_graphs.kinds(tmp_path))
    assert sum(sum(counts.values()) for counts in record["outcomes"].values()) == record["files"] >= 16_000


@pytest.mark.parametrize("name", ["graphs", "graphs with loops", "graphs of np", "parameters", "sparse parameters"])
def test_a_few_graphs_and_parameters(tmp_path: Path, name: str) -> None:
    kind = broken_graphs.kinds(tmp_path)[name]
    found = {mutations.read_one(kind, tmp_path / "broken", f"few {name} {number}") for number in range(40)}
    assert found == {"errors", "results"}


def test_lists_of_any_bytes(tmp_path: Path) -> None:
    """A file's name need not be UTF-8, where the file system does not ask for it; none has a byte 0."""
    picture = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    name = b"gr\xfcn.png"
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(picture)
    (tmp_path / "a.lst").write_bytes(b"0\t1\t" + name + b"\n")
    batches(image.ImageIter(1, (3, 4, 4), path_imglist=str(tmp_path / "a.lst"), path_root=str(tmp_path)))
    (tmp_path / "a.lst").write_bytes(b"0\t1\tgr\0n.png\n")
    with pytest.raises(FileFormatError, match=r"no file has a byte 0 in its name"):
        read_list(tmp_path / "a.lst")


@pytest.mark.filterwarnings("ignore::UserWarning")  # what is passed over
@pytest.mark.parametrize("name", ["records", "indices", "lists", "images, .png", "IDX", "CSV", "LibSVM"])
def test_a_few_files(tmp_path: Path, name: str) -> None:
    kind = kinds(tmp_path)[name]
    found = {mutations.read_one(kind, tmp_path / "broken", f"few {name} {number}") for number in range(15)}
    assert "errors" in found


# -- what the campaign notices ---------------------------------------------------------------------


def _crash(path: Path, draw: random.Random) -> None:
    os.abort()


def _hang(path: Path, draw: random.Random) -> None:
    time.sleep(3600)


def _grow(path: Path, draw: random.Random) -> None:
    KEPT.append(b"x" * (2 << 20))


def _claim(path: Path, draw: random.Random) -> None:
    bytearray(2 << 30)


def _execute(path: Path, draw: random.Random) -> None:
    pickle.loads(b"cos\ngetpid\n.")


def _fail_otherwise(path: Path, draw: random.Random) -> None:
    raise KeyError(path.name)


def _say_nothing(path: Path, draw: random.Random) -> None:
    raise FileFormatError("broken")


class Once:
    """Reads a whole file, and from the second damaged one on does what is wrong."""

    def __init__(self, wrong: Any) -> None:
        self.wrong, self.calls = wrong, 0

    def __call__(self, path: Path, draw: random.Random) -> None:
        self.calls += 1
        if self.calls > 2:
            self.wrong(path, draw)


FAULTY = {
    "crash": _crash,
    "hang": _hang,
    "grow": _grow,
    "claim": _claim,
    "execute": _execute,
    "other": _fail_otherwise,
    "dumb": _say_nothing,
}


def faulty_kind(name: str, folder: Path) -> dict[str, Kind]:
    return {name: Kind(b"whole", Once(FAULTY[name]), damaged)}


@pytest.mark.slow
def test_what_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutations, "HANG", 5.0)
    said = {
        "crash": (4, ["crash 1 it crashes", "crash 3 it crashes"]),
        "hang": (2, ["hang 1 it hangs"]),
        "grow": (200, ["grow: 198 MB more after 200 files than after 100"]),
        "claim": (2, ["claim 1 MemoryError()"]),
        "execute": (2, ["execute 1 AssertionError(\"something was executed: ['pickle.find_class']\")"]),
        "other": (2, ["other 1 KeyError('broken')"]),
        "dumb": (2, ["dumb 1 AssertionError('an error that does not say what was expected: broken')"]),
    }
    for name, (files, faults) in said.items():
        found = mutations.campaign(files, 0, partial(faulty_kind, name))
        assert found["faults"] == faults
