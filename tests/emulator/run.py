"""A script, or a module by its name, on the emulated GPU; from ``tests/``.

python -m emulator.run script.py arguments
python -m emulator.run -m module arguments
"""

import runpy
import sys
from pathlib import Path

from .device import emulated_gpu


def main() -> None:
    by_name = sys.argv[1:2] == ["-m"]
    sys.argv = sys.argv[2 if by_name else 1 :]
    if not sys.argv:
        sys.exit("usage: python -m emulator.run [-m] what arguments")
    with emulated_gpu():
        if by_name:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
            runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
