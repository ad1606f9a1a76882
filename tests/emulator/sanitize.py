"""``python tests/emulator/sanitize.py tests/codegen/test_cuda_written.py ...``: pytest with every emulated kernel under AddressSanitizer.

An access beside an array, in global or shared memory, or on a thread's stack, then fails the launch with the sanitizer's
report. Python itself is not instrumented: the sanitizer's library is loaded in front of everything and watches its allocations.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_VARIABLE = "CUEMU_SANITIZE"  # names the folder that reports are written to
_FOLDER = os.environ.get(_VARIABLE, "")
ON = bool(_FOLDER)
#: Execution goes on after a report, so that a test can fail and the next one run.
FLAGS = ("-fsanitize=address", "-fsanitize-recover=address", "-D_GLIBCXX_SANITIZE_VECTOR", "-g1")
#: Python ends without freeing everything; allocations far apart, so that what is far beside one is in none.
_OPTIONS = "detect_leaks=0:halt_on_error=0:redzone=256:detect_stack_use_after_return=0"


def report() -> str:
    """What the sanitizer has said since the last call; nothing is good."""
    if not ON:
        return ""
    found = Path(f"{_FOLDER}/report.{os.getpid()}")
    if not found.exists() or not found.stat().st_size:
        return ""
    text = found.read_text().strip("\0")
    os.truncate(found, 0)
    return text


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for programs that are not to be watched."""
    return {k: v for k, v in environment.items() if not ON or k != "LD_PRELOAD"}


def main() -> int:
    """Run pytest with these arguments under the sanitizer."""
    compiler = shutil.which("g++")
    found = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True) if compiler else None
    library = found.stdout.strip() if found else ""
    if not os.path.isabs(library):
        sys.exit("needs g++ and its libasan.so, the library of AddressSanitizer")
    with tempfile.TemporaryDirectory() as folder:
        options = f"{_OPTIONS}:log_path={folder}/report"
        watched = {**os.environ, _VARIABLE: folder, "LD_PRELOAD": library, "ASAN_OPTIONS": options}
        return subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:]], env=watched, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
