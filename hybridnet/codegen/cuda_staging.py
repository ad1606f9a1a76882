"""The kernels that copy a program's arguments to where its steps read them, and its results to where the caller finds them.

Addresses of both change from call to call, and a CUDA graph does not: its first launch copies all small arguments, and its last all small
results, from and to places that a table in device memory names. The table is written by a launch of its own, whose parameters
the places are, before the graph; where they are those of the call before, it is right already, and the graph is all that is launched.
Large arrays are copied one by one, before and after, by the driver, which does that as fast as can be.
"""

from __future__ import annotations

from collections.abc import Sequence

from hybridnet.codegen.cuda_text import Kernel
from hybridnet.device.hardware import LAUNCH_BYTES, THREADS, WARP

HEADER = "staged.cuh"
#: Bytes of an array that is copied so, at most.
LARGEST = LAUNCH_BYTES
#: Arrays that are, at most: a launch may have 4,096 bytes of parameters (CUDA C++ Programming Guide, "Function Parameters").
MOST = 256

_CHUNK = 8192  # HN_STAGED_CHUNK


def put_kernel(number: int) -> Kernel:
    """Writes so many places into the table."""
    name = "put_places"
    places = ", ".join(f"long long p{i}" for i in range(number))
    lines = [f"    table[{i}] = p{i};" for i in range(number)]
    head = f'extern "C" __global__ void {name}(long long* table, {places})'
    text = "\n".join([head, "{", "    if (threadIdx.x > 0) return;", *lines, "}", ""])
    return Kernel(name, text, (1, 1), WARP, 0, ())


def arguments_kernel(sizes: Sequence[int]) -> Kernel:
    """Copies arrays of so many bytes from the places at the table's beginning. The sizes, in memory, are its second argument."""
    return _copying("copy_arguments", sizes, 0, "const unsigned char", "a{i}, {place}")


def results_kernel(sizes: Sequence[int], first: int) -> Kernel:
    """Copies arrays of so many bytes to the places in the table from number ``first`` on."""
    return _copying("copy_results", sizes, first, "unsigned char", "{place}, a{i}")


def _copying(name: str, sizes: Sequence[int], first: int, looked_up: str, ends: str) -> Kernel:
    lines = []
    for i in range(len(sizes)):
        both = ends.format(i=i, place=f"reinterpret_cast<{looked_up}*>(table[{first + i}])")
        lines.append(f"    if (hn_copy_chunk<{THREADS}>({both}, sizes[{i}], chunk)) return;")
    own = "unsigned char" if looked_up.startswith("const") else "const unsigned char"
    arrays = ", ".join(f"{own}* a{i}" for i in range(len(sizes)))
    head = f'extern "C" __global__ void __launch_bounds__({THREADS}) {name}(const long long* table, const long long* sizes, {arrays})'
    text = "\n".join([head, "{", "    int chunk = static_cast<int>(blockIdx.x);", *lines, "}", ""])
    return Kernel(name, text, (sum(-(-size // _CHUNK) for size in sizes), 1), THREADS, 0, ())
