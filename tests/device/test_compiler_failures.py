"""What does not compile, does not load or cannot be kept, on the emulated GPU: errors that say what to do, and nothing silently slower."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy
import pytest
from emulator import loading, runtime
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import gluon, np
from hybridnet.config import config
from hybridnet.core import OPS, CudaRule, cuda_rules
from hybridnet.errors import DeviceError, KernelError, user_site
from hybridnet.gluon import nn

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here"),
    pytest.mark.usefixtures("emulated_gpu"),
]


@pytest.fixture(autouse=True)
def folder(emulated_gpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setattr(config, "cache_dir", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Squashed(gluon.HybridBlock):
    """The hyperbolic tangent, on a line that ``line`` gives."""

    line = 0

    def forward(self, x: Any) -> Any:
        Squashed.line = user_site().line + 1
        return np.tanh(x + 1) * 2


def network() -> Any:
    """A layer in a network, so that there is a path of blocks."""
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(Squashed(prefix="squashed_"))
    return net


@pytest.fixture
def broken() -> Iterator[None]:
    """Make of two operators' CUDA C++ what no compiler takes."""
    with mock.patch.dict(cuda_rules._RULES, {OPS[name]: CudaRule(functor="nowhere({0})") for name in ("tanh", "random_uniform")}):
        yield


# -- kernels that do not compile ------------------------------------------------------------------------


def read(error: str, folder: Path) -> str:
    """The text that the error says where to find."""
    path = Path(error.partition("with the source, which is in ")[2].partition(": generated code")[0])
    assert path.is_relative_to(folder)
    return path.read_text()


@pytest.mark.usefixtures("broken")
def test_a_program_that_does_not_compile_names_block_line_message_and_text(folder: Path) -> None:
    net = network()
    net.hybridize()
    with pytest.raises(KernelError, match=r"\[nvrtc\] expected kernels that NVRTC 13\.\d+ compiles for sm_90") as caught:
        net(np.ones((3, 40), ctx=hn.gpu()))
    words = str(caught.value)
    place = f"test_compiler_failures.py:{Squashed.line} in "
    assert "NVRTC_ERROR_COMPILATION (6) in add_tanh_multiply_0 (of add at " in words
    assert f"tanh at {place}" in words and f"; at {place}" in words and words.count("squashed") >= 3
    assert "nowhere" in words.partition("hybridnet.cu(")[2]
    text = read(words, folder)
    assert "nowhere(" in text and "-default-device" in text.splitlines()[-1]


@pytest.mark.usefixtures("broken")
def test_only_the_kernel_that_does_not_compile_is_named() -> None:

    def step(x: Any, y: Any) -> Any:
        return np.exp(x).sum(axis=0), np.tanh(y)

    with pytest.raises(KernelError) as caught:
        hn.jit(step)(np.ones((30, 40), ctx=hn.gpu()), np.ones((2, 3, 5), ctx=hn.gpu()))
    assert "(of tanh at test_compiler_failures.py:" in str(caught.value) and "exp at" not in str(caught.value)


@pytest.mark.usefixtures("broken")
def test_a_single_operator_that_does_not_compile_is_not_left_to_cupy(folder: Path) -> None:
    for _ in range(2):
        with pytest.raises(
            KernelError, match=r"in random_uniform_0 \(of random_uniform\)(?s:.*); at test_compiler_failures\.py:\d+; try"
        ) as caught:
            np.random.uniform(size=(7, 9), ctx=hn.gpu())
        assert "nowhere(" in read(str(caught.value), folder)


@pytest.mark.usefixtures("broken")
def test_the_text_goes_where_it_can(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(config, "cache_dir", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KernelError) as caught:
        hn.jit(lambda x: np.tanh(x))(np.ones(3, ctx=hn.gpu()))
    assert "nowhere(" in read(str(caught.value), tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    with pytest.raises(KernelError, match=r"hybridnet\.cu\((?s:.*)which could not be saved \("):
        hn.jit(lambda x: np.tanh(x))(np.ones(3, ctx=hn.gpu()))


# -- drivers and devices -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["INVALID_IMAGE", "NO_BINARY_FOR_GPU", "INVALID_PTX", "UNSUPPORTED_PTX_VERSION"])
def test_a_driver_that_is_older_than_nvrtc(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    def load(*_: Any) -> None:
        raise loading.CUDADriverError(f"CUDA_ERROR_{status}: words of the driver")

    monkeypatch.setattr(loading.nvrtc, "getVersion", lambda: (13, 5))
    monkeypatch.setattr(loading.Module, "load", load)
    monkeypatch.setattr(runtime.Settings, "driver", 13000)
    words = (
        rf"\[gpu\] expected a driver that loads what NVRTC 13\.5 compiles; got one for CUDA 13\.0, which says CUDA_ERROR_{status}: "
        r'words of the driver; at .*; try updating the driver, or pip install "nvidia-cuda-nvrtc==13\.0\.\*"'
    )
    x = np.array([0.5, 1], ctx=hn.gpu())
    for call in (lambda x: np.random.uniform(size=x.shape, ctx=hn.gpu()), hn.jit(lambda x: np.tanh(x))):
        with pytest.raises(DeviceError, match=words):
            call(x)


def test_another_error_of_loading_is_not_blamed_on_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any) -> None:
        raise loading.CUDADriverError("CUDA_ERROR_INVALID_HANDLE: invalid resource handle")

    monkeypatch.setattr(loading.Module, "load", load)
    with pytest.raises(loading.CUDADriverError):
        hn.jit(lambda x: np.tanh(x))(np.ones(3, ctx=hn.gpu()))


def test_a_gpu_that_nvrtc_does_not_know_gets_ptx(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, folder: Path) -> None:
    x = np.array([0.5, 1], ctx=hn.gpu())
    targets = []
    compile_ = loading.nvrtc.compileProgram
    monkeypatch.setattr(loading.nvrtc, "compileProgram", lambda p, options: (targets.append(options[-1]), compile_(p, options)))
    with caplog.at_level(logging.WARNING, "hybridnet"):
        for capability in ("121", "130"):
            monkeypatch.setattr(runtime, "COMPUTE_CAPABILITY", capability)
            hn.device.cuda.architecture.cache_clear()
            for function in (lambda x: np.tanh(x), lambda x: np.tanh(x) + 1):
                numpy.testing.assert_allclose(hn.jit(function)(x).asnumpy() % 1, numpy.tanh([0.5, 1]), rtol=1e-5)
    assert targets == ["--gpu-architecture=sm_121"] * 2 + ["--gpu-architecture=compute_121"] * 2
    assert len(list(folder.glob("*.cubin"))) == 4
    (said,) = caplog.messages
    assert "NVRTC 13." in said and "does not know sm_130: kernels are compiled to PTX for compute_121" in said


def test_a_gpu_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "COMPUTE_CAPABILITY", "70")
    with pytest.raises(DeviceError, match=r"NVRTC 13\.\d+ compiles for, sm_75 or newer; got sm_70.*hybridnet\[cuda12\]"):
        hn.jit(lambda x: np.tanh(x))(np.ones(3, ctx=hn.gpu()))


# -- a cache that cannot be written --------------------------------------------------------------------


def _no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    return "~nobody-of-this-name/cache"


def _not_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    (tmp_path / "file").write_text("")
    return str(tmp_path / "file" / "cache")


def _read_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("hybridnet.device.kernel_cache.tempfile.mkstemp", refuse)
    return str(tmp_path / "cache")


@pytest.mark.parametrize("how", [_no_home, _not_a_folder, _read_only])
def test_a_cache_that_cannot_be_written_is_told_once(
    how: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    x = np.array([0.5, 1], ctx=hn.gpu())
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "hybridnet"):
        patch.setattr(config, "cache_dir", how(patch, tmp_path))
        for _ in range(2):
            numpy.testing.assert_allclose(hn.jit(lambda x: np.tanh(x))(x).asnumpy(), numpy.tanh([0.5, 1]), rtol=1e-5)
        (said,) = caplog.messages
        assert f"cannot be kept in {config.cache_dir} (" in said and "HYBRIDNET_CACHE_DIR" in said
