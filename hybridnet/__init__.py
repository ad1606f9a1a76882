"""hybridnet: deep learning, imperative to write and symbolic to run.

Gluon's way of working on NumPy and CuPy: arrays that record (``autograd``), blocks (``gluon``) that
``hybridize()``, and ``jit`` for a whole training step.
"""

from typing import TYPE_CHECKING

from hybridnet.collector import paused_collector

with paused_collector:  # what is imported stays: it would be gone over again and again
    from hybridnet import (
        absent,
        amp,
        autograd,
        context,
        gluon,
        hooks,
        initializer,
        kvstore,
        lr_scheduler,
        metric,
        ndarray,
        numpy,
        numpy_extension,
        optimizer,
        random,
        util,
    )
    from hybridnet import initializer as init
    from hybridnet import kvstore as kv
    from hybridnet import ndarray as nd
    from hybridnet import numpy as np
    from hybridnet import numpy_extension as npx
    from hybridnet.compile import jit
    from hybridnet.core import NDArray
    from hybridnet.device import Device, cpu, cpu_pinned, current_device, gpu, gpu_memory_info, num_gpus
    from hybridnet.errors import HybridnetError

Context = Device
MXNetError = HybridnetError
current_context = current_device
__version__ = "0.1.0"

__all__ = [
    "Context",
    "Device",
    "HybridnetError",
    "MXNetError",
    "NDArray",
    "amp",
    "autograd",
    "context",
    "contrib",
    "cpu",
    "cpu_pinned",
    "current_context",
    "current_device",
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
    "library",
    "lr_scheduler",
    "metric",
    "nd",
    "ndarray",
    "np",
    "npx",
    "num_gpus",
    "numpy",
    "numpy_extension",
    "operator",
    "optimizer",
    "random",
    "recordio",
    "test_utils",
    "util",
]

if TYPE_CHECKING:
    from hybridnet import contrib, image, io, keras, library, operator, recordio, test_utils
    from hybridnet import image as img
else:
    _sources = {name: f"hybridnet.{name}" for name in ("contrib", "image", "io", "keras", "library", "operator", "recordio", "test_utils")}
    __getattr__, __dir__ = absent.Later(__name__, {**_sources, "img": "hybridnet.image"}).functions
