"""Virtual environments for the peers: each needs versions of NumPy that the others do not."""

import shutil
import subprocess
import sys
from pathlib import Path

#: MXNet's last release imports on Python up to 3.11 and NumPy up to 1.23.
MXNET = ("mxnet==1.9.1", "numpy==1.23.5")
#: The index has builds without CUDA.
TORCH = ("torch>=2.4", "numpy", "--extra-index-url", "https://download.pytorch.org/whl/cpu")


def _python311() -> str:
    found = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if found is None:
        raise SystemExit("MXNet 1.9.1 needs Python 3.11: install python3.11, or give an environment with --mxnet")
    return found


def set_up(folder: Path) -> tuple[str, str]:
    """Make the environments ``mxnet`` and ``torch`` in ``folder`` unless they are there; gives their Pythons."""
    pythons = []
    for name, python, packages in (("mxnet", None, MXNET), ("torch", sys.executable, TORCH)):
        place = folder / name
        interpreter = place / "bin" / "python"
        ready = place / "ready"
        if not ready.exists():
            subprocess.run([python or _python311(), "-m", "venv", "--clear", str(place)], check=True)
            subprocess.run([str(interpreter), "-m", "pip", "install", "--quiet", *packages], check=True)
            ready.touch()
        pythons.append(str(interpreter))
    return pythons[0], pythons[1]
