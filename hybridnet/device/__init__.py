"""Devices and the array modules behind them; the only package that imports cupy."""

from hybridnet.device.device import (
    Device,
    array_module,
    cpu,
    cpu_pinned,
    cuda_capability,
    current_device,
    device_of,
    gpu,
    gpu_memory_info,
    num_gpus,
    total_memory,
)
from hybridnet.device.heap import keep_freed
from hybridnet.device.stream import Capture, copy_bytes, current_stream, device_bytes, mark, named_range, seconds_between, wait_for_all
from hybridnet.device.trail import Trail

keep_freed()

__all__ = [
    "Capture",
    "Device",
    "Trail",
    "array_module",
    "copy_bytes",
    "cpu",
    "cpu_pinned",
    "cuda_capability",
    "current_device",
    "current_stream",
    "device_bytes",
    "device_of",
    "gpu",
    "gpu_memory_info",
    "mark",
    "named_range",
    "num_gpus",
    "seconds_between",
    "total_memory",
    "wait_for_all",
]
