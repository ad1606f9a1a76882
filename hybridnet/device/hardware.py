"""The card's numbers, each with its unit and where it comes from: what to look at when tuning for another GPU.

What only one file needs stays in that file (the shape of a tile, how a reduction is split).
"""

from __future__ import annotations

#: Multiprocessors of a GPU that cannot be asked: those of an H100 SXM and of an H200 (NVIDIA's datasheets).
NUM_SMS = 132

#: Bytes that one thread reads or writes at once, at most, and what its address is then a multiple of (CUDA C++ Programming Guide,
#: "Device Memory Accesses": accesses of 1, 2, 4, 8 or 16 bytes).
ACCESS_BYTES = 16

#: Threads that run in step (CUDA C++ Programming Guide, "SIMT Architecture").
WARP = 32

#: Dynamic shared memory, in bytes, that a block gets without asking for more (CUDA C++ Programming Guide, "Compute Capabilities").
SHARED_BYTES = 48 * 1024

#: Threads of a block of kernels that go over elements. With :data:`BLOCKS_PER_SM` of them a multiprocessor's 2,048 threads are all
#: in use, if registers allow (CUDA C++ Programming Guide, "Compute Capabilities").
THREADS = 256
BLOCKS_PER_SM = 8

#: Blocks of a grid that strides over its elements, at most, in multiples of those that run at once: fewer blocks than fit at the end,
#: after many, cost little. A guess.
WAVES = 16

#: Elements, or steps of memory, up to which an index is a 32-bit number: a grid's stride, of less than 2**24, is added to it.
LIMIT_32 = 2**31 - 2**24

#: Bytes that are read in less time than a launch takes within a CUDA graph. A guess: an H200 copies 1 MiB in about half a microsecond.
LAUNCH_BYTES = 1 << 20

#: Bytes of arguments and results whose copies take as long as launching one step from Python does. A guess: an H200 copies 8 MiB in
#: about four microseconds.
HOST_LAUNCH_BYTES = 8 << 20

#: Launches that one CUDA graph holds at most where a loop is written out in it. A guess: capturing and instantiating that many takes a
#: good part of a second, once.
GRAPH_LAUNCHES = 1 << 15

#: Bytes of registers in which a thread holds its row of a recurrent weight, at most: then a whole sequence is one launch. 0: it never is.
#: A guess: 64 of the 255 registers that a thread may have (CUDA C++ Programming Guide, "Compute Capabilities").
RECURRENT_BYTES = 256
