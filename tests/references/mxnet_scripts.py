"""What MXNet 1.9.1 prints for the scripts of ``tests/compat/scripts``: ``tests/data/mxnet_1_9_1_scripts.json``.

    python tests/references/mxnet_scripts.py      # with MXNet 1.9.1

It is run by hand; the test runs the same files under the alias.
"""

import json
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent

found = {}
for script in sorted((TESTS / "compat" / "scripts").glob("*.py")):
    done = subprocess.run([sys.executable, str(script)], cwd="/", capture_output=True, text=True, check=True)
    found[script.stem] = json.loads(done.stdout.splitlines()[-1])
(TESTS / "data" / "mxnet_1_9_1_scripts.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
