"""What importing hybridnet loads: nothing heavy that only a few calls need."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["scipy", "tqdm", "matplotlib", "cupy", "cudnn"])
def test_loaded_when_used(module: str) -> None:
    code = f"import sys, hybridnet; raise SystemExit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_sample_is_drawn() -> None:
    """Of the operators that are made by the dozen; tests draw them."""
    code = (
        "import numpy.random as r; made = []; old = r.default_rng; r.default_rng = lambda *a: (made.append(a), old(*a))[1]\n"
        "import hybridnet; raise SystemExit(len(made) > 120)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
