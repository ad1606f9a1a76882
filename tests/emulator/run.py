"""``python -m emulator.run script.py arguments``, from ``tests/``: a script on the emulated GPU."""

import runpy
import sys
from pathlib import Path

from .device import emulated_gpu


def main() -> None:
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    with emulated_gpu():
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
