"""hybridnet: deep learning, imperative to write and symbolic to run.

Gluon's way of working on NumPy and CuPy: arrays that record (``autograd``), blocks (``gluon``) that
``hybridize()``, and ``jit`` for a whole training step.
"""

from typing import TYPE_CHECKING

from hybridnet.collector import paused_for_import

with paused_for_import:
    from hybridnet import (
        absent,
        amp,
        attribute,
        autograd,
        base,
        context,
        gluon,
        hooks,
        initializer,
        kvstore,
        lr_scheduler,
        metric,
        name,
        ndarray,
        numpy,
        numpy_extension,
        optimizer,
        random,
        symbol,
        util,
    )
    from hybridnet import initializer as init
    from hybridnet import kvstore as kv
    from hybridnet import ndarray as nd
    from hybridnet import numpy as np
    from hybridnet import numpy_extension as npx
    from hybridnet import random as rnd
    from hybridnet import symbol as sym
    from hybridnet.attribute import AttrScope
    from hybridnet.compile import jit
    from hybridnet.core import NDArray
    from hybridnet.device import Device, cpu, cpu_pinned, current_device, gpu, gpu_memory_info, num_gpus
    from hybridnet.errors import HybridnetError
    from hybridnet.util import is_np_array, is_np_shape, np_array, np_shape, set_np_shape, use_np, use_np_array, use_np_shape

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
    "array_api",
    "attribute",
    "autograd",
    "base",
    "callback",
    "context",
    "contrib",
    "cpu",
    "cpu_pinned",
    "current_context",
    "current_device",
    "distributed",
    "engine",
    "error",
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
    "is_np_array",
    "is_np_shape",
    "jit",
    "keras",
    "kv",
    "kvstore",
    "libinfo",
    "library",
    "log",
    "lr_scheduler",
    "metric",
    "misc",
    "mod",
    "model",
    "module",
    "mon",
    "monitor",
    "name",
    "nd",
    "ndarray",
    "np",
    "np_array",
    "np_shape",
    "npx",
    "num_gpus",
    "numpy",
    "numpy_extension",
    "onnx",
    "operator",
    "optimizer",
    "profiler",
    "random",
    "recordio",
    "registry",
    "rnd",
    "rnn",
    "runtime",
    "set_np_shape",
    "sym",
    "symbol",
    "test_utils",
    "use_np",
    "use_np_array",
    "use_np_shape",
    "util",
    "visualization",
    "viz",
]

if TYPE_CHECKING:
    from hybridnet import (
        array_api,
        callback,
        contrib,
        distributed,
        engine,
        error,
        executor,
        image,
        io,
        keras,
        libinfo,
        library,
        log,
        misc,
        model,
        module,
        monitor,
        onnx,
        operator,
        profiler,
        recordio,
        registry,
        rnn,
        runtime,
        test_utils,
        visualization,
    )
    from hybridnet import image as img
    from hybridnet import module as mod
    from hybridnet import monitor as mon
    from hybridnet import visualization as viz
else:
    _modules = [
        "array_api", "callback", "contrib", "distributed", "engine", "error", "executor", "image", "io", "keras", "libinfo", "library",
        "log", "misc", "model", "module", "monitor", "onnx", "operator", "profiler", "recordio", "registry", "rnn",
        "runtime", "test_utils", "visualization",
    ]  # fmt: skip
    _short = {"img": "hybridnet.image", "mod": "hybridnet.module", "mon": "hybridnet.monitor", "viz": "hybridnet.visualization"}
    __getattr__, __dir__ = absent.Later(__name__, {**{name: f"hybridnet.{name}" for name in _modules}, **_short}).functions
