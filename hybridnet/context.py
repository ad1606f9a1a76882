"""``mx.context``: MXNet 1.x's name for devices; a ``Context`` is a :class:`hybridnet.device.Device`."""

from hybridnet.device import Device, cpu, cpu_pinned, current_device, gpu, gpu_memory_info, num_gpus

Context = Device
current_context = current_device

__all__ = ["Context", "Device", "cpu", "cpu_pinned", "current_context", "current_device", "gpu", "gpu_memory_info", "num_gpus"]
