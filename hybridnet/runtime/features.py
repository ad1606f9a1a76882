"""``mx.runtime``: what this installation can do, under the names by which MXNet says it."""

from __future__ import annotations

import importlib.util
from collections import OrderedDict
from typing import Any, NamedTuple

from hybridnet.device import num_gpus, onednn
from hybridnet.errors import ArgumentError, fail

#: The features that MXNet 1.9.1 lists, in its order; those that are here are found by :func:`_present`.
_NAMES = (
    "CUDA", "CUDNN", "NCCL", "CUDA_RTC", "TENSORRT", "CPU_SSE", "CPU_SSE2", "CPU_SSE3", "CPU_SSE4_1", "CPU_SSE4_2", "CPU_SSE4A", "CPU_AVX",
    "CPU_AVX2", "OPENMP", "SSE", "F16C", "JEMALLOC", "BLAS_OPEN", "BLAS_ATLAS", "BLAS_MKL", "BLAS_APPLE", "LAPACK", "MKLDNN", "OPENCV",
    "CAFFE", "PROFILER", "DIST_KVSTORE", "CXX14", "INT64_TENSOR_SIZE", "SIGNAL_HANDLER", "DEBUG", "TVM_OP",
)  # fmt: skip


class Feature(NamedTuple):
    """A feature's name and whether it is here."""

    name: str
    enabled: bool

    def __repr__(self) -> str:
        return f"{'✔' if self.enabled else '✖'} {self.name}"


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _present() -> set[str]:
    """What is here: CUDA where there is a GPU, the libraries that are installed, and what NumPy brings."""
    found = {"LAPACK", "INT64_TENSOR_SIZE", "PROFILER"}
    if num_gpus():
        found |= {"CUDA", "CUDA_RTC"} | ({"CUDNN"} if _is_installed("cudnn") else set())
    if _is_installed("cv2"):
        found.add("OPENCV")
    if onednn.available():  # MXNet's name for it is an older one of its own
        found.add("MKLDNN")
    return found


def feature_list() -> list[Feature]:
    """All features that MXNet lists, with whether they are here."""
    present = _present()
    return [Feature(name, name in present) for name in _NAMES]


class Features(OrderedDict[str, Feature]):
    """The features by name."""

    def __init__(self) -> None:
        super().__init__((feature.name, feature) for feature in feature_list())

    def __reduce__(self) -> tuple[Any, ...]:
        return Features, ()

    def __repr__(self) -> str:
        return str(list(self.values()))

    def is_enabled(self, feature_name: str) -> bool:
        """Whether a feature is here, by its name in any case. ArgumentError (a RuntimeError) if MXNet knows none of that name."""
        name = feature_name.upper()
        if name not in self:
            fail(ArgumentError, "Features.is_enabled", expected="one of " + ", ".join(self), got=repr(feature_name))
        return self[name].enabled
