"""The cache of compiled kernels: found again, shared by processes, never broken by one that dies. Needs CuPy's NVRTC, no device."""

import multiprocessing
from pathlib import Path

import pytest
from emulator import nvrtc as wheel

from hybridnet.config import config
from hybridnet.errors import HybridnetError

cupy = pytest.importorskip("cupy")
pytestmark = pytest.mark.skipif(wheel.library() is None, reason="needs NVRTC: pip install nvidia-cuda-nvrtc")

from hybridnet.device import compiler  # noqa: E402

SOURCE = '#include "functors.cuh"\nextern "C" __global__ void k(float* y) { y[threadIdx.x] = hn_max(y[0], 2.f); }\n'
ARCHITECTURE = "sm_90"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(config, "cache_dir", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def test_found_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = compiler.cubin(SOURCE, ARCHITECTURE)
    assert code[:4] == b"\x7fELF"
    monkeypatch.setattr(compiler, "_compile", None)  # a second compilation would fail
    assert compiler.cubin(SOURCE, ARCHITECTURE) == code
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("left", [0, 10, 40, -1])
def test_a_broken_file_is_made_anew(folder: Path, left: int) -> None:
    """What a full disk or a dying machine may leave."""
    code = compiler.cubin(SOURCE, ARCHITECTURE)
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:left])
    assert compiler.cubin(SOURCE, ARCHITECTURE) == code
    assert path.read_bytes()[32:] == code


def test_a_header_is_part_of_the_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler.cubin(SOURCE, ARCHITECTURE)
    changed = {**compiler._headers(), "types.cuh": compiler._headers()["types.cuh"] + "\n"}
    monkeypatch.setattr(compiler, "_headers", lambda: changed)
    compiler.cubin(SOURCE, ARCHITECTURE)
    assert len(list(folder.iterdir())) == 2


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(config, "cache_dir", str(tmp_path / "file" / "kernels"))
    assert compiler.cubin(SOURCE, ARCHITECTURE)[:4] == b"\x7fELF"


def _compile_in(folder: str, die: bool, done: "multiprocessing.Queue[bytes]") -> None:
    config.cache_dir = folder
    if die:
        import os

        os.replace = lambda *paths: os._exit(9)  # in the middle: written, not yet renamed
    done.put(compiler.cubin(SOURCE, ARCHITECTURE))


def test_processes_side_by_side_and_one_that_is_killed(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    done: multiprocessing.Queue[bytes] = context.Queue()
    killed, *others = [context.Process(target=_compile_in, args=(str(folder), die, done)) for die in (True, False, False)]
    killed.start()
    killed.join()
    assert killed.exitcode == 9
    assert [p.suffix for p in folder.iterdir()] == [".tmp"]
    for w in others:
        w.start()
    for w in others:
        w.join()
    assert [w.exitcode for w in others] == [0, 0]
    assert done.get() == done.get() == compiler.cubin(SOURCE, ARCHITECTURE)


def test_what_does_not_compile_is_an_error_with_the_log(folder: Path) -> None:
    with pytest.raises(HybridnetError, match=r"(?s)\[nvrtc\].*expected an expression"):
        compiler.cubin("__device__ int x = ;", ARCHITECTURE)
    assert not folder.exists()
