"""Ranks that are killed and started again: the bits of an undisturbed run; and a run that goes on by another number of ranks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support import rank_kills
from support.mpi import PACKAGES, require
from support.paths import DATA


@pytest.mark.slow
def test_killed_and_started_again() -> None:
    """A few kills, stops, and dead launchers; ``python -m support.rank_kills 100`` is the long campaign."""
    for name in PACKAGES:
        require(name)
    found = rank_kills.campaign(4, seed=11)
    assert not found["different"], json.dumps(found)


def test_the_record_of_the_long_campaign() -> None:
    record = json.loads((DATA / "rank_kills.json").read_text(encoding="utf-8"))
    assert record["kills"] == 100 and not record["different"]
    assert sum(record["kinds"][kind] for kind in rank_kills.KINDS) == 100


@pytest.mark.slow
@pytest.mark.parametrize("states", ["whole", "divided"])
def test_going_on_by_another_number_of_ranks(states: str, tmp_path: Path) -> None:
    """From the same checkpoint, without dropout: the sums are of the same numbers in another order."""
    mpi = require("mpich")
    ended = {}
    for ranks in (4, 2, 1):
        folder = tmp_path / f"{ranks}"
        if ranks == 4:
            folder.mkdir()
        else:
            shutil.copytree(tmp_path / "half", folder)
        done = mpi.run(ranks, "tests/support/killed_ranks.py", str(folder), states, "no dropout")
        assert done.returncode == 0, done.stdout
        assert done.stdout.count("goes on after step 0" if ranks == 4 else "goes on after step 27") == ranks, done.stdout
        ended[ranks] = np.load(folder / "values.npy")
        if ranks == 4:
            shutil.copytree(folder, tmp_path / "half")
            for name in ("step-30", "done", "values.npy"):
                path = tmp_path / "half" / name
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    for ranks in (2, 1):
        np.testing.assert_allclose(ended[ranks], ended[4], rtol=1e-4, atol=1e-5)
