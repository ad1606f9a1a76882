"""Why a GPU cannot be used, or has not the memory: the errors, with the way out of each."""

from __future__ import annotations

from typing import NoReturn

from hybridnet.device import cuda
from hybridnet.errors import DeviceError, OutOfMemoryError, Site, fail

#: CUDA_ERROR_INVALID_IMAGE, NO_BINARY_FOR_GPU, INVALID_PTX and UNSUPPORTED_PTX_VERSION: the driver cannot make sense of a module.
_NOT_LOADABLE = (200, 209, 218, 222)


def fail_absent(device_id: int) -> NoReturn:
    """Say why the GPU of that number cannot be used.

    Always a DeviceError: there is no GPU, not this one, no driver, or a forked process.
    """
    runtime, count = cuda.cupy().cuda.runtime, cuda.devices()
    if isinstance(count, int):
        fail(DeviceError, "gpu", expected=f"a GPU number below {count}", got=f"gpu({device_id})", fix="num_gpus() to ask first")
    status = getattr(count, "status", None)
    if status == cuda.NO_START:
        fail(
            DeviceError,
            "gpu",
            expected="a process that CUDA can be started in",
            got="one that was forked after a GPU had been used" if cuda.forked() else str(count),
            fix='multiprocessing.get_context("spawn"), or cpu() in this process',
        )
    driver = int(runtime.driverGetVersion()) if status == cuda.TOO_OLD else 0
    if driver:
        _fail_old(driver, int(runtime.runtimeGetVersion()))
    if status == cuda.TOO_OLD:
        fail(DeviceError, "gpu", expected="a driver for NVIDIA GPUs", got="none on this machine", fix="installing it, or cpu()")
    fail(
        DeviceError,
        "gpu",
        expected="a CUDA device",
        got=f"{type(count).__name__}: {count}",
        fix="nvidia-smi to see the devices, a look at CUDA_VISIBLE_DEVICES, or cpu()",
    )


def _fail_old(driver: int, runtime: int) -> NoReturn:
    major = driver // 1000
    fail(
        DeviceError,
        "gpu",
        expected=f"a driver for CUDA {_version(runtime)}, which CuPy was built for, or a newer one",
        got=f"a driver for CUDA {_version(driver)}",
        fix="updating the driver, "
        + (f'pip install "hybridnet[cuda{major}]" in a fresh environment, or cpu()' if major == 12 else "or cpu()"),
    )


def _version(number: int) -> str:
    """CUDA's numbers of versions: 13020 is 13.2."""
    return f"{number // 1000}.{number % 1000 // 10}"


def raise_if_not_loadable(error: Exception, nvrtc: tuple[int, int]) -> None:
    """Raise our error if the driver cannot load what NVRTC of that version made, as one that is older may not."""
    if not isinstance(error, cuda.cupy().cuda.driver.CUDADriverError) or error.status not in _NOT_LOADABLE:
        return
    number = int(cuda.cupy().cuda.runtime.driverGetVersion())
    driver = number // 1000, number % 1000 // 10
    package = "nvidia-cuda-nvrtc" + ("-cu12" if nvrtc[0] == 12 else "")
    older = f', or pip install "{package}=={_version(number)}.*"' if driver[0] == nvrtc[0] and driver < nvrtc else ""
    fail(
        DeviceError,
        "gpu",
        expected=f"a driver that loads what NVRTC {nvrtc[0]}.{nvrtc[1]} compiles",
        got=f"one for CUDA {_version(number)}, which says {error}",
        fix=f"updating the driver{older}",
    )


def raise_if_missing(op: str, error: Exception, site: Site | None = None) -> None:
    """Raise our error if ``error`` says that CuPy has not the function that an operator is computed by."""
    if isinstance(error, AttributeError) and "cupy" in str(error) and "has no attribute" in str(error):
        got = f"one that CuPy lacks: {error}"
        fail(DeviceError, op, expected="an operator with a GPU version", got=got, fix="x.as_in_context(cpu()) around it", site=site)


def raise_if_out_of_memory(op: str, error: Exception, device_id: int) -> None:
    """Raise our error if ``error`` is CuPy's for memory that the GPU has not."""
    if isinstance(error, cuda.cupy().cuda.memory.OutOfMemoryError):
        fail_memory(op, int(error._size), device_id)


def fail_memory(op: str, wanted: int, device_id: int) -> NoReturn:
    """Say what memory was asked for and what there is. Always an OutOfMemoryError, in bytes."""
    free, total = cuda.memory_info(device_id)
    fail(
        OutOfMemoryError,
        op,
        expected=f"{wanted:,} free bytes on gpu({device_id})",
        got=f"{free:,} free of {total:,}",
        fix="a smaller batch, a 16-bit dtype (hybridnet.amp), or freeing arrays that are no longer needed",
    )
