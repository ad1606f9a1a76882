"""Versions of NVRTC side by side, each in a folder of its own: ``python tests/emulator/compilers.py`` installs those that are lacking.

Kernels must compile with the oldest and the newest of each major version that pyproject.toml admits, and these differ in
what C++ they take.
"""

import ctypes
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent.parent / "build" / "nvrtc"
REPORTED = "13.5.37"  # whose registers ``tests/data/kernels/registers.tsv`` has
PINNED = ("12.9.86", "13.0.88", REPORTED)  # the only one of 12 that is admitted; the oldest of 13; the newest of 13 when this was written
COMMAND = "python tests/emulator/compilers.py"


def package(version: str) -> str:
    """The package on PyPI that a version is of."""
    return "nvidia-cuda-nvrtc-cu12" if version.startswith("12.") else "nvidia-cuda-nvrtc"


def installed() -> list[str]:
    """The versions in this environment: in CI, by the extra ``nvrtc``, the newest that there is."""
    packages = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")
    return [found.version for package in packages for found in importlib.metadata.distributions(name=package)]


#: What kernels are compiled with: as soon as PyPI has a newer one than the pinned, that as well.
VERSIONS = tuple(dict.fromkeys([*PINNED, *installed()]))


def folder(version: str) -> Path:
    return FOLDER / version


def install(version: str) -> None:
    """Download a version, unless it is there already; whole or not at all."""
    if folder(version).exists():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as made:
        wanted = f"{package(version)}=={version}"
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", f"{made}/whole", wanted], check=True)
        os.rename(f"{made}/whole", folder(version))


def load(version: str) -> Any:
    """libnvrtc of a version, for this whole process: what looks for the library by its bare name, as CuPy does, then finds this one."""
    found = folder(version) / "nvidia"
    (builtins,) = found.glob("*/lib/libnvrtc-builtins.so.*")
    (library,) = found.glob("*/lib/libnvrtc.so.*")
    ctypes.CDLL(str(builtins), ctypes.RTLD_GLOBAL)  # libnvrtc would not find it by itself
    return ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)


if __name__ == "__main__":
    for wanted in VERSIONS:
        install(wanted)
