"""Freed arrays stay in the process: in a new one, whose allocator has seen nothing, a step of fixed size has no faults of pages.

What state took up before it was moved into one buffer does not.
"""

import platform
import subprocess
import sys

import pytest
from support.paths import ROOT

STEPS = """
import resource
import hybridnet as hn
table = hn.nd.ones((200_000, 64))  # more than the heap would keep of itself: its release teaches nothing
table = None
def step():
    x = hn.nd.ones((2048, 64))
    return ((x * 2 + 1) ** 2).sum().asscalar()
for _ in range(20):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of another C library nothing is asked")
def test_arrays_of_half_a_megabyte_are_not_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", STEPS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50 * 20  # one such array is 128 pages


MOVED = """
import os
import numpy as np, hybridnet as hn
from hybridnet.runtime.flat import FlatState

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

arrays = [hn.np.ones((1 << 18,)) for _ in range(40)]
before = resident()
flat = FlatState(arrays)
assert flat.buffer.size == 40 << 18 and all(a._data.base is flat.buffer for a in arrays)
print((resident() - before) / flat.buffer.nbytes)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library's heap")
def test_arrays_that_were_moved_into_one_are_not_in_memory_twice() -> None:
    done = subprocess.run([sys.executable, "-c", MOVED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.3
