"""The cache of compiled kernels: found again, shared by processes, never broken by one that dies. Needs CuPy's NVRTC, no device."""

import logging
import multiprocessing
import sys
from pathlib import Path

import pytest
from emulator.nvrtc import needs_cupy

from hybridnet.config import config
from hybridnet.device import compiler, kernel_cache
from hybridnet.errors import KernelError

pytestmark = needs_cupy

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
    changed = {**compiler.headers(), "types.cuh": compiler.headers()["types.cuh"] + "\n"}
    monkeypatch.setattr(compiler, "headers", lambda: changed)
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
    source = "__device__ int x = ;"
    with pytest.raises(KernelError, match=r"(?s)\[nvrtc\] expected .*COMPILATION \(6\)\n.*expected an expression.* which is in ") as caught:
        compiler.cubin(source, ARCHITECTURE)
    (left,) = folder.iterdir()
    assert str(left) in str(caught.value) and left.read_text().startswith(source)


KERNEL = 'extern "C" __global__ void {name}(float* y) {{\n    y[0] = {value};\n}}'


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nowhere", r"hybridnet.cu\(6\): error"),
        ("hn_max(hn_none(), hn_none())", r"functors.cuh\(\d+\): error.*at line 6 of hybridnet.cu"),
        ("0; __shared__ float x[1 << 28]; y[1] = x[threadIdx.x]", "second"),
    ],
)
def test_an_error_names_the_kernel_that_it_is_in(value: str, words: str, folder: Path) -> None:
    """By its line, by the line that instantiates what is wrong, or by its name."""
    texts = {name: KERNEL.format(name=name, value=v) for name, v in (("first", "1.f"), ("second", value), ("third", "2.f"))}
    origins = [compiler.Origin(name, text, [(f"{name}_operator", None)]) for name, text in texts.items()]
    source = "\n".join(['#include "functors.cuh"', *texts.values()])
    with pytest.raises(KernelError, match=rf"(?s) in second \(of second_operator\)\n.*{words}") as caught:
        compiler.cubin(source, ARCHITECTURE, origins)
    assert "first" not in str(caught.value) and "third" not in str(caught.value)


def test_an_architecture_that_nvrtc_does_not_know(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """PTX of the newest before it, which is not taken for the machine code of that."""
    compiler.target.cache_clear()
    with caplog.at_level(logging.WARNING, "hybridnet"):
        newest = compiler.target("sm_990").removeprefix("compute_")
        code = [compiler.cubin(SOURCE, "sm_990") for _ in range(2)]
    assert code[0] == code[1] and f".target sm_{newest}".encode() in code[0]
    assert compiler.cubin(SOURCE, f"sm_{newest}")[:4] == b"\x7fELF"
    assert len(caplog.messages) == 1 and len(list(folder.iterdir())) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_disk_that_is_full_costs_time_and_leaves_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    import resource

    kernel_cache._warn.cache_clear()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # a write beyond it fails, having written a part
    try:
        with caplog.at_level(logging.WARNING, "hybridnet"):
            code = [compiler.cubin(SOURCE, ARCHITECTURE) for _ in range(2)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code[0] == code[1] and code[0][:4] == b"\x7fELF" and len(code[0]) > 1000
    assert list(folder.iterdir()) == []
    (said,) = caplog.messages
    assert str(folder) in said and "File too large" in said and "HYBRIDNET_CACHE_DIR" in said
