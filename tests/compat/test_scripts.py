"""Scripts in the style of MXNet's programs, run unchanged under the alias: the losses are those of MXNet 1.9.1.

``references/mxnet_scripts.py`` had it run the same files.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.paths import DATA, ROOT

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
EXPECTED: dict[str, dict[str, Any]] = json.loads((DATA / "mxnet_1_9_1_scripts.json").read_text(encoding="utf-8"))


def test_every_script_was_run_by_mxnet() -> None:
    assert [path.stem for path in SCRIPTS] == sorted(EXPECTED) and len(SCRIPTS) == 5


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script(script: Path) -> None:
    command = [sys.executable, "-m", "hybridnet.compat.mxnet", str(script)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == EXPECTED[script.stem].keys()
    for name, expected in EXPECTED[script.stem].items():
        np.testing.assert_allclose(np.array(found[name]), np.array(expected), rtol=1e-3, atol=1e-3, err_msg=f"{script.stem}: {name}")
