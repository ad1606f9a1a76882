"""cuDNN's plans without a GPU: run as a program, it prints for each description by name what the real library makes of it.

A driver that has no device stands in for CUDA's, which the library wants to load; of the GPU it is told only the properties,
an H200's. In a process of its own, since another driver is then loaded for good.
"""

import ctypes
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hybridnet import dtypes
from hybridnet.core.kernel import contiguous
from hybridnet.device import dnn

from . import workspaces

H200 = {
    "deviceVer": 900,
    "driverVer": 13000,
    "cudaDeviceId": 0,
    "totalGlobalMem": 150754820096,
    "maxGridSize": [2147483647, 65535, 65535],
    "maxBlockSize": [1024, 1024, 64],
    "regsPerBlock": 65536,
    "multiProcessorCount": 132,
    "warpSize": 32,
    "maxSharedMemoryPerBlock": 49152,
    "maxSharedMemoryPerBlockOptin": 232448,
    "reservedSharedMemoryPerBlock": 1024,
    "maxRegistersPerSM": 65536,
    "maxCtasPerSM": 32,
    "maxThreadsPerBlock": 1024,
    "maxThreadsPerSM": 2048,
    "pciDeviceId": 0,
    "isTccDriver": 0,
    "supportCoopLaunch": 1,
    "smClockRateKHz": 1980000,
    "memClockRateKHz": 3201000,
    "l2CacheSize": 62914560,
    "deviceName": "NVIDIA H200",
}
#: Functions of the driver that cuDNN and the runtime look up; here each says that there is no device.
REFUSED = """
CtxGetCurrent CtxGetDevice CtxGetLimit CtxPopCurrent CtxPopCurrent_v2 CtxPushCurrent CtxPushCurrent_v2 CtxSetCurrent DeviceGet
DeviceGetAttribute DevicePrimaryCtxRetain FuncGetAttribute FuncSetAttribute GetErrorName GetErrorString GetExportTable KernelGetAttribute
KernelGetFunction KernelSetAttribute LaunchCooperativeKernel LaunchKernel LaunchKernelEx LibraryGetKernel LibraryLoadData
LibraryLoadFromFile LibraryUnload LinkAddData LinkComplete LinkCreate LinkDestroy MemcpyHtoD MemcpyHtoDAsync_v2 MemcpyHtoD_v2
MemsetD32Async MemsetD8Async ModuleGetFunction ModuleGetGlobal ModuleGetGlobal_v2 ModuleLoadData ModuleLoadDataEx ModuleUnload
OccupancyMaxActiveBlocksPerMultiprocessor OccupancyMaxActiveBlocksPerMultiprocessorWithFlags OccupancyMaxActiveClusters
OccupancyMaxPotentialClusterSize StreamGetCtx TensorMapEncodeIm2col TensorMapEncodeTiled TensorMapReplaceAddress
"""
DRIVER = """
extern "C" {
int cuInit(unsigned) { return 0; }
int cuDriverGetVersion(int* version) { *version = 13000; return 0; }
int cuDeviceGetCount(int* count) { *count = 0; return 0; }
int cuGetProcAddress(const char*, void** found, int, unsigned long long) { *found = 0; return 500; }
int cuGetProcAddress_v2(const char*, void** found, int, unsigned long long, void*) { *found = 0; return 500; }
"""


def load_driver(compiler: str) -> None:
    """Build the driver and load it under the name of CUDA's."""
    functions = "".join(f"int cu{name}() {{ return 100; }}\n" for name in REFUSED.split())
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "driver.cpp"), Path(folder, "driver.so")
        source.write_text(f"{DRIVER}{functions}}}\n")
        subprocess.run([compiler, "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", str(made), str(source)], check=True)
        ctypes.CDLL(str(made), ctypes.RTLD_GLOBAL)


def first(*shape: int) -> dnn.Tensor:
    return dnn.Tensor(shape, contiguous(shape))


def last(*shape: int) -> dnn.Tensor:
    """The same axes, with channels last in memory."""
    n, c, *size = shape
    strides = contiguous((n, *size, c))
    return dnn.Tensor(shape, (strides[0], strides[-1], *strides[1:-1]))


def heads(rows: int) -> dnn.Tensor:
    """(2, 4, 64, 32) within rows of so many elements, heads behind positions."""
    return dnn.Tensor((2, 4, 64, 32), (64 * rows, 32, rows, 1))


def descriptions() -> dict[str, dnn.Description]:
    """What is to be planned."""
    found: dict[str, dnn.Description] = {}
    sizes = {
        "2d": ((8, 32, 14, 14), (64, 32, 3, 3), (8, 64, 7, 7), (1, 1), (2, 2), (1, 1)),
        "1d": ((8, 32, 1, 14), (64, 32, 1, 3), (8, 64, 1, 12), (0, 1), (1, 1), (1, 2)),
        "3d": ((2, 16, 6, 6, 6), (16, 16, 3, 3, 3), (2, 16, 6, 6, 6), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
        "groups": ((8, 32, 14, 14), (64, 8, 3, 3), (8, 64, 14, 14), (1, 1), (1, 1), (1, 1)),
        "depthwise": ((8, 32, 14, 14), (32, 1, 3, 3), (8, 32, 14, 14), (1, 1), (1, 1), (1, 1)),
    }
    for name, (x, w, y, pad, stride, dilate) in sizes.items():
        for layout in (first, last):
            for dtype in dtypes.FLOATS if name == "2d" else (dtypes.bfloat16, dtypes.float32):
                for kind in ("result", "data", "weight"):
                    made = dnn.Convolution(kind, dtype, layout(*x), layout(*w), layout(*y), pad, stride, dilate)
                    found[f"{kind} of convolution, {name}, {layout.__name__}, {dtype}"] = made
    stem = last(128, 3, 224, 224), last(64, 3, 7, 7), last(128, 64, 112, 112), (3, 3), (2, 2), (1, 1)
    for kind in ("result", "weight"):
        found[f"{kind} of ResNet-50's first convolution"] = dnn.Convolution(kind, dtypes.bfloat16, *stem)
    x, one = first(8, 12, 1024, 64), first(8, 12, 1024, 1)
    for deterministic in (False, True):
        gpt = dnn.AttentionGrad(dnn.Attention(dtypes.bfloat16, x, x, x, x, one, 0.125, True), x, x, x, x, deterministic)
        found[f"gradient of GPT-2's attention{', deterministic' * deterministic}"] = gpt
    few = first(8, 4, 1024, 64)
    shared = dnn.Attention(dtypes.bfloat16, x, few, few, x, one, 0.125, True)
    found["attention, 3 heads of queries for one of keys"] = shared
    for deterministic in (False, True):
        grouped = dnn.AttentionGrad(shared, x, x, few, few, deterministic)
        found[f"gradient of attention, 3 heads of queries for one of keys{', deterministic' * deterministic}"] = grouped
    plain, sums = first(2, 4, 64, 32), first(2, 4, 64, 1)
    for name, x in {"heads first": plain, "heads behind positions": heads(128), "query, key and value in one": heads(384)}.items():
        for dtype, bias in ((dtypes.bfloat16, None), (dtypes.float16, first(2, 1, 1, 64))):
            made = dnn.Attention(dtype, x, x, x, plain, sums, 0.2, bias is None, bias)
            tail = f"{name}, {dtype}{', masked' if bias else ''}"
            found[f"attention, {tail}"] = made
            for deterministic in (False, True):
                gradients = dnn.AttentionGrad(made, plain, x, x, x, deterministic)
                found[f"gradient of attention, {tail}{', deterministic' * deterministic}"] = gradients
    return found


def modelled(d: dnn.Description) -> int:
    """The workspace that the emulated library asks for."""
    if isinstance(d, dnn.Attention):
        return workspaces.OF_ATTENTION
    if isinstance(d, dnn.AttentionGrad):
        return workspaces.of_attention_grad(d.forward.query.shape, d.forward.key.shape, d.forward.value.shape, d.deterministic)
    places = (d.data, d.weight, d.result)
    shapes, strides = [x.shape for x in places], [x.strides for x in places]
    return workspaces.of_convolution(shapes, strides, d.dtype.itemsize, d.dtype.itemsize == 2 or d.tf32, d.kind == "weight")


def main(compiler: str) -> None:
    logging.disable()
    module = dnn.library()
    made: dict[str, Any] = {}
    if module is not None:
        load_driver(compiler)
        properties = module.create_device_properties(json.dumps(H200))
        for name, description in descriptions().items():
            try:
                graph, _ = dnn.described(module, description, device_property=properties, sm_version=90)
                (first,) = dnn.first_that_build(module, graph, 1)
                made[name] = {"algorithm": first.name, "workspace": first.workspace, "modelled": modelled(description)}
            except (module.cudnnGraphNotSupportedError, RuntimeError) as error:
                made[name] = str(error)
    print(json.dumps(made))


if __name__ == "__main__":
    main(sys.argv[1])
