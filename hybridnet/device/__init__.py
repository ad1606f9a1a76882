"""Devices and the array modules behind them; the only package that imports cupy."""

from hybridnet.device.device import (
    Device,
    array_module,
    cpu,
    cpu_pinned,
    current_device,
    device_of,
    gpu,
    gpu_memory_info,
    num_gpus,
)

__all__ = ["Device", "array_module", "cpu", "cpu_pinned", "current_device", "device_of", "gpu", "gpu_memory_info", "num_gpus"]
