"""Compile the kernels of the large steps beforehand, on a machine without a GPU, into the cache that tests/gpu.sh uses.

    python tests/benchmarks/gpu/precompile.py --nvrtc 13.0.88 [--folder build/cubins] [--architecture sm_90]

The steps are traced and written for an emulated GPU of as many multiprocessors as an H100 or H200 has. ``--nvrtc`` is the
version of the machine with the GPU (``nvrtc`` in its device.json), since machine code is kept by the compiler's version
and found by no other; it is installed into a folder of its own if it is not there.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TESTS / "benchmarks"), str(TESTS)]

from emulator import compilers  # noqa: E402
from emulator.device import emulated_gpu  # noqa: E402
from emulator.libraries import installed  # noqa: E402

from gpu.peer_hybridnet import BUILDERS  # noqa: E402
from gpu.sizes import SIZES  # noqa: E402
from hybridnet import amp  # noqa: E402
from hybridnet.config import config  # noqa: E402
from hybridnet.device import cuda  # noqa: E402
from hybridnet.device.compiler import cubin  # noqa: E402

WORKLOADS = ("launch", "perceptron", "lstm", "gpt2", "resnet")
MEMORY = 1 << 37  # bytes of the emulated GPU: the plan of a step is made, its arena is not


def written(workload: str, sizes: str) -> list[str]:
    """The CUDA C++ of a workload's steps."""
    tf32, config.tf32 = config.tf32, workload == "lstm"  # as run.py has it
    try:
        with emulated_gpu(memory_bytes=MEMORY), installed():
            return [p.source.text for make in BUILDERS[workload](SIZES[sizes], "gpu").values() for p in make().programs()]
    finally:
        amp.init("float32")
        config.tf32 = tf32


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compile kernels without a GPU")
    parser.add_argument("--folder", type=Path, default=TESTS.parent / "build" / "cubins")
    parser.add_argument("--architecture", default="sm_90")
    parser.add_argument("--sizes", choices=list(SIZES), default="full")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=WORKLOADS)
    parser.add_argument("--nvrtc", metavar="VERSION", help="what compiles; without it, what CuPy finds here")
    chosen = parser.parse_args(arguments)
    if chosen.nvrtc is not None:
        compilers.install(chosen.nvrtc)
        compilers.load(chosen.nvrtc)
    found = ".".join(map(str, cuda.nvrtc().getVersion()))
    if chosen.nvrtc is not None and not chosen.nvrtc.startswith(f"{found}."):
        parser.error(f"NVRTC {chosen.nvrtc} is wanted, but this CuPy has loaded {found}")
    print(f"NVRTC {found} for {chosen.architecture}", flush=True)
    for workload in chosen.only:
        sources = written(workload, chosen.sizes)
        config.cache_dir = str(chosen.folder)
        begin = time.perf_counter()
        total = sum(len(cubin(source, chosen.architecture)) for source in sources)
        print(f"{workload}: {total:,} bytes of machine code in {time.perf_counter() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
