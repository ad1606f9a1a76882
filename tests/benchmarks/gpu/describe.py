"""What the device is, and the versions of everything: asked before all else, since without a device nothing has a meaning.

    python -m gpu.describe FOLDER

writes FOLDER/device.json; ends with status 1 and the reason if there is no device.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import traceback
from pathlib import Path
from typing import Any

import hybridnet as hn
from gpu.findings import write
from hybridnet.device import blas, cuda, dnn
from hybridnet.errors import HybridnetError

PACKAGES = (
    "cupy-cuda13x",
    "cupy-cuda12x",
    "numpy",
    "ml_dtypes",
    "torch",
    "triton",
    "jax",
    "nvidia-cudnn-frontend",
    "nvidia-cudnn-cu13",
    "nvidia-cudnn-cu12",
    "nvidia-cublas",
    "nvidia-cuda-nvrtc",
    "cuda-bindings",
    "pytest",
    "hypothesis",
)


def versions() -> dict[str, Any]:
    """Of the driver, the libraries as they answer, and the packages that are there."""
    runtime = cuda.cupy().cuda.runtime
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            packages[package] = "absent"
    return {
        "python": sys.version.split()[0],
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "nvrtc": list(cuda.nvrtc().getVersion()),
        "cuBLASLt": _version(blas, "cublasLtGetVersion"),
        "cuDNN": _version(dnn, "backend_version"),
        "packages": packages,
    }


def _version(binding: Any, function: str) -> int | str:
    """Of a library, by its own function, which an emulated one lacks."""
    ask = getattr(binding.library(), function, None) if binding.available() else None
    return int(ask()) if ask is not None else "absent"


def device() -> dict[str, Any]:
    """Its name, its architecture, and those of its properties that are numbers."""
    found = cuda.cupy().cuda.runtime.getDeviceProperties(0)
    name = found["name"].decode()
    numbers = {k: v for k, v in found.items() if isinstance(v, (int, float))}
    return {"name": name, "architecture": cuda.architecture(0), "multiprocessors": found["multiProcessorCount"], "properties": numbers}


def missing() -> str:
    """Why there is no device; nothing if there is one."""
    if hn.num_gpus():
        return ""
    try:
        hn.np.zeros((1,), device=hn.gpu(0))
    except HybridnetError as error:
        return str(error)
    except Exception:
        return traceback.format_exc(limit=-4)
    return "no CUDA device is counted, and yet an array was made on gpu(0)"


def main() -> None:
    parser = argparse.ArgumentParser(description="What the device is")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    why = missing()
    if why:
        sys.exit(f"no CUDA device: {why}")
    about = {**device(), **versions()}
    write(folder / "device.json", about)
    cudnn, nvrtc = about["cuDNN"], ".".join(map(str, about["nvrtc"]))
    print(f"{about['name']}, {about['architecture']}, driver {about['driver']}, NVRTC {nvrtc}, cuDNN {cudnn}, cuBLASLt {about['cuBLASLt']}")


if __name__ == "__main__":
    main()
