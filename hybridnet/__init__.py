"""hybridnet: deep learning, imperative to write and symbolic to run.

Gluon's way of working on NumPy and CuPy: arrays that record (``autograd``), blocks (``gluon``) that
``hybridize()``, and ``jit`` for a whole training step.
"""

from typing import TYPE_CHECKING

from hybridnet import (
    absent,
    amp,
    attribute,
    autograd,
    context,
    executor,
    gluon,
    hooks,
    image,
    initializer,
    io,
    keras,
    kvstore,
    lr_scheduler,
    metric,
    model,
    name,
    ndarray,
    numpy,
    numpy_extension,
    optimizer,
    random,
    recordio,
    symbol,
    test_utils,
    util,
)
from hybridnet import image as img
from hybridnet import initializer as init
from hybridnet import kvstore as kv
from hybridnet import ndarray as nd
from hybridnet import numpy as np
from hybridnet import numpy_extension as npx
from hybridnet import symbol as sym
from hybridnet.attribute import AttrScope
from hybridnet.compile import jit
from hybridnet.core import NDArray
from hybridnet.device import Device, cpu, cpu_pinned, current_device, gpu, gpu_memory_info, num_gpus
from hybridnet.errors import HybridnetError

Context = Device
MXNetError = HybridnetError
current_context = current_device
__version__ = "0.1.0"

__all__ = [
    "AttrScope",
    "Context",
    "Device",
    "HybridnetError",
    "MXNetError",
    "NDArray",
    "amp",
    "attribute",
    "autograd",
    "context",
    "cpu",
    "cpu_pinned",
    "current_context",
    "current_device",
    "executor",
    "gluon",
    "gpu",
    "gpu_memory_info",
    "hooks",
    "image",
    "img",
    "init",
    "initializer",
    "io",
    "jit",
    "keras",
    "kv",
    "kvstore",
    "lr_scheduler",
    "metric",
    "model",
    "name",
    "nd",
    "ndarray",
    "np",
    "npx",
    "num_gpus",
    "numpy",
    "numpy_extension",
    "optimizer",
    "random",
    "recordio",
    "sym",
    "symbol",
    "test_utils",
    "util",
]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
