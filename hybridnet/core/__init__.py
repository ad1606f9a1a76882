"""The core: arrays, the operator record, the one interception point, the tape, random state."""

from hybridnet.core import tape
from hybridnet.core.apply import apply, call
from hybridnet.core.array import Array, ArrayLike, DeviceLike, DTypeLike, Spec, spec_of, wrap
from hybridnet.core.conversion import array, asarray, on_host
from hybridnet.core.cpu_rules import on_cpu
from hybridnet.core.cuda_rules import CudaRule, cuda_rule, on_cuda
from hybridnet.core.failure import failure
from hybridnet.core.handles import as_class, plain
from hybridnet.core.identity import changed, named
from hybridnet.core.ndarray import NDArray
from hybridnet.core.numpy_functions import on_numpy
from hybridnet.core.op import OPS, Kind, Op, Sample, broadcast_shapes, find, infer_pointwise, register
from hybridnet.core.permutations import Permuted, permutes
from hybridnet.core.precision import Precision
from hybridnet.core.protocols import NUMPY_FUNCTIONS, NUMPY_MAKING
from hybridnet.core.state import computing_in, local, paused_recording, suspended_trace
from hybridnet.core.stored_arrays import StoredArray

tape.bind(apply)
Array._plain = NDArray
NDArray._kept = NDArray

__all__ = [
    "NUMPY_FUNCTIONS",
    "NUMPY_MAKING",
    "OPS",
    "Array",
    "ArrayLike",
    "CudaRule",
    "DTypeLike",
    "DeviceLike",
    "Kind",
    "NDArray",
    "Op",
    "Permuted",
    "Precision",
    "Sample",
    "Spec",
    "StoredArray",
    "apply",
    "array",
    "as_class",
    "asarray",
    "broadcast_shapes",
    "call",
    "changed",
    "computing_in",
    "cuda_rule",
    "failure",
    "find",
    "infer_pointwise",
    "local",
    "named",
    "on_cpu",
    "on_cuda",
    "on_host",
    "on_numpy",
    "paused_recording",
    "permutes",
    "plain",
    "register",
    "spec_of",
    "suspended_trace",
    "tape",
    "wrap",
]
