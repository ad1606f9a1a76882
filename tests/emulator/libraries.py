"""cuBLASLt and cuDNN replaced by what computes the same on the CPU, for as long as a device is emulated."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from hybridnet.device import blas, dnn
from hybridnet.runtime import eager

from .cublaslt import CublasLt
from .cudnn import Cudnn


@contextmanager
def installed() -> Iterator[None]:
    """While it lasts, plans are made by, and run on, the stand-ins; nothing that they planned outlives it."""
    cublaslt, cudnn = CublasLt(), Cudnn()
    forget()
    with mock.patch.object(blas, "library", lambda: cublaslt), mock.patch.object(dnn, "library", lambda: cudnn):
        try:
            yield
        finally:
            forget()


def forget() -> None:
    """Drop handles and plans, which belong to the libraries that made them."""
    eager._prepared.cache_clear()
    for module in (blas, dnn):
        module._planned.cache_clear()
        module._handle.cache_clear()
