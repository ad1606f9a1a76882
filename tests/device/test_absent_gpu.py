"""Why there is no GPU: silence where none is expected; else the reason, once in the log and in the error of whoever asks for one."""

import importlib
import logging
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import hybridnet as hn
from hybridnet.device import cuda
from hybridnet.errors import DeviceError


class CUDARuntimeError(RuntimeError):
    """As CuPy raises it."""

    def __init__(self, status: int, words: str) -> None:
        self.status = status
        super().__init__(words)


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any) -> Any:
        raise error

    return fail


def runtime(error: Exception, driver: int = 0) -> Any:
    """A CuPy that is installed, whose count of devices is an error."""
    module = ModuleType("cupy")
    module.cuda = SimpleNamespace(  # type: ignore[attr-defined]
        runtime=SimpleNamespace(
            getDeviceCount=failing(error),
            driverGetVersion=lambda: driver,
            runtimeGetVersion=lambda: 13000,
            CUDARuntimeError=CUDARuntimeError,
        )
    )
    return lambda name: module


TOO_OLD = CUDARuntimeError(35, "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version")
IMPORT = "failed import of the one that is installed"

#: What happens, what is logged (nothing: it is no surprise), what the error says.
CASES: dict[str, tuple[Any, str | None, str]] = {
    "not installed": (failing(ModuleNotFoundError("No module named 'cupy'", name="cupy")), None, r"No module named 'cupy'; .*pip install"),
    "without what it needs": (
        failing(ModuleNotFoundError("No module named 'fastrlock'", name="fastrlock")),
        "No module named 'fastrlock'",
        rf"{IMPORT}: ModuleNotFoundError: No module named 'fastrlock'; .*installing CuPy anew",
    ),
    "a library that is missing": (
        failing(ImportError("libnvrtc.so.13: cannot open shared object file")),
        "libnvrtc.so.13",
        rf"{IMPORT}: ImportError: libnvrtc.so.13: cannot open",
    ),
    "a library that is broken": (failing(OSError("file too short")), "OSError: file too short", rf"{IMPORT}: OSError: file too short"),
    "another NumPy": (
        failing(AttributeError("module 'numpy' has no attribute 'x'")),
        "'numpy' has no attribute 'x'",
        rf"{IMPORT}: AttributeError: module 'numpy'",
    ),
    "no driver": (runtime(TOO_OLD), None, "expected a driver for NVIDIA GPUs; got none on this machine"),
    "an old driver": (runtime(TOO_OLD, 12040), "driver is too old", "expected a driver for CUDA 13.0.*got a driver for CUDA 12.4"),
    "no device": (runtime(CUDARuntimeError(100, "cudaErrorNoDevice"), 13000), None, "expected a CUDA device; got .*cudaErrorNoDevice"),
    "a driver of another version": (
        runtime(CUDARuntimeError(803, "cudaErrorSystemDriverMismatch"), 13000),
        "cudaErrorSystemDriverMismatch",
        "expected a CUDA device; got CUDARuntimeError: cudaErrorSystemDriverMismatch.*nvidia-smi",
    ),
    "no start": (runtime(CUDARuntimeError(3, "initialization error"), 13000), "initialization error", "a process that CUDA can be"),
    "no library of CUDA": (runtime(ImportError("libcudart.so.13")), "ImportError: libcudart.so.13", "got ImportError: libcudart.so.13"),
}


@pytest.mark.parametrize("case", CASES)
def test_why(case: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    imported, logged, said = CASES[case]
    real, asked = importlib.import_module, []

    def import_module(name: str, *args: Any) -> Any:
        if name != "cupy":
            return real(name, *args)
        asked.append(name)
        if len(asked) > 1:  # a second attempt finds remains of the first
            raise ImportError("partially initialized module")
        return imported(name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    caches = cuda._imported, cuda.cupy, cuda.devices, cuda.device_count
    for found in caches:
        found.cache_clear()
    try:
        with caplog.at_level(logging.DEBUG, "hybridnet"):
            for _ in range(2):
                assert hn.num_gpus() == 0
                with pytest.raises(DeviceError, match=f"(?s){said}"):
                    hn.np.zeros(3, device=hn.gpu())
    finally:
        monkeypatch.undo()
        for found in caches:
            found.cache_clear()
    assert len(caplog.records) == (logged is not None)
    if logged is not None:
        assert caplog.records[0].levelno == logging.WARNING
        assert logged in caplog.text and "no GPU can be used" in caplog.text
