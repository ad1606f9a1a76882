"""cuBLASLt and cuDNN replaced by what computes the same on the CPU, for as long as a device is emulated."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from hybridnet.config import config
from hybridnet.device import blas, cuda, dnn
from hybridnet.graph import refusals
from hybridnet.runtime import eager

from . import streams
from .cublaslt import CublasLt
from .cudnn import Cudnn


@contextmanager
def installed() -> Iterator[None]:
    """While it lasts, plans are made by, and run on, the stand-ins; nothing that they planned outlives it.

    All their algorithms take the same time, unless a test says so: none is timed, so that no test waits for that.
    """
    cublaslt, cudnn = CublasLt(), Cudnn()
    forget()
    libraries = mock.patch.object(blas, "library", lambda: cublaslt), mock.patch.object(dnn, "library", lambda: cudnn)
    first = mock.patch.object(config, "autotune", False)
    with libraries[0], libraries[1], first, mock.patch.object(cuda, "is_capturing", streams.capturing):
        try:
            yield
        finally:
            forget()


def forget() -> None:
    """Drop handles and plans, which belong to the libraries that made them, and what they refused."""
    eager._prepared.cache_clear()
    for cached in (blas._planned, blas._handle, dnn._planned, dnn._handles):
        cached.cache_clear()
    refusals._refusals.clear()
    refusals._warned.clear()
