"""Matrix products by cuBLASLt, through ctypes: the library comes with CUDA or its wheels, and needs no package of its own.

A :class:`Product` says what is to be computed, in the library's column-major terms; :func:`plan` asks the library's
heuristics for algorithms, once, and gives a call that allocates nothing and waits for nothing. Heuristics must not
be asked while a stream captures, so plans are made before.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import weakref
from collections.abc import Sequence
from ctypes import c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.device import cuda, refusals, wheels
from hybridnet.device.autotune import CANDIDATES, WORKSPACE, Tuned
from hybridnet.errors import DeviceError, fail

#: cudaDataType_t
TYPES = {dtypes.float32: 0, dtypes.float64: 1, dtypes.float16: 2, dtypes.bfloat16: 14}
#: cublasComputeType_t; the last but one rounds operands to TF32.
COMPUTE = {"float32": 68, "tf32": 77, "float64": 70}
#: cublasLtEpilogue_t
EPILOGUES = {
    "": 1,
    "bias": 4,
    "bias_relu": 6,
    "gelu": 32,
    "gelu_bias": 36,
    "gelu_stored": 160,
    "gelu_stored_bias": 164,
    "gelu_slope": 192,
    "sums_a": 256,
    "sums_b": 512,
}
#: Those that have a vector beside the matrices, and those that have a matrix like D: what GELU is of.
WITH_VECTOR = frozenset({"bias", "bias_relu", "gelu_bias", "gelu_stored_bias", "sums_a", "sums_b"})
WITH_MATRIX = frozenset({"gelu_stored", "gelu_stored_bias", "gelu_slope"})
#: cublasLtMatmulDescAttributes_t
TRANSPOSE_A, TRANSPOSE_B, EPILOGUE, BIAS, BESIDE, BESIDE_LEADING = 3, 4, 7, 8, 11, 12
#: cublasLtMatrixLayoutAttribute_t
BATCH_COUNT, BATCH_STRIDE = 5, 6
#: cublasLtMatmulPreferenceAttributes_t; the alignments are those of A, B, C and D.
MAX_WORKSPACE, REDUCTION_SCHEMES, MIN_ALIGNMENT = 1, 3, (5, 6, 7, 8)
#: cublasLtReductionScheme_t: partial sums are added in the type that is computed in, never in a narrower result's.
IN_COMPUTE_TYPE = 2

ALIGNED = 16  # bytes; products of operands elsewhere use an algorithm that asks for no more than an element's alignment


@dataclass(frozen=True)
class Product:
    """D = op(A) op(B), column-major: op(A) is m × k, op(B) is k × n, D is m × n.

    ``lda``, ``ldb``, ``ldd``: elements from one stored column to the next. ``batch`` products are computed, each
    operand's ``stride`` elements further on (0: the same for all). ``compute``: a key of ``COMPUTE``. ``epilogue``: a key
    of ``EPILOGUES``; a bias has m elements, one for each row. ``sums_a`` also writes the sums of op(A)'s rows (m elements),
    ``sums_b`` those of op(B)'s columns (n elements), in place of a bias. ``gelu`` is that in its tanh form; where it is ``stored``, what it
    is of is written to a matrix that lies as D does, and ``gelu_slope`` multiplies by the derivative at such a matrix. ``wide``: D is
    float32, whatever A and B are. ``adds``: D = op(A) op(B) + C, of a C that lies as D does, or is D.
    """

    m: int
    n: int
    k: int
    dtype: dtypes.Dtype
    compute: str
    transpose_a: bool
    transpose_b: bool
    lda: int
    ldb: int
    ldd: int
    batch: int = 1
    stride_a: int = 0
    stride_b: int = 0
    stride_d: int = 0
    epilogue: str = ""
    wide: bool = False
    adds: bool = False

    @property
    def result(self) -> dtypes.Dtype:
        """The type of D."""
        return dtypes.float32 if self.wide else self.dtype

    def __str__(self) -> str:
        more = (f" to {self.result}" if self.wide else "") + (" added" if self.adds else "")
        return f"{self.batch} × {self.m}×{self.k}×{self.n} {self.dtype}{more} {self.epilogue}".rstrip()


class Heuristic(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t"""

    _fields_ = [
        ("algorithm", c_uint64 * 8),
        ("workspace", c_size_t),
        ("state", c_int),
        ("waves", c_float),
        ("reserved", c_int * 4),
    ]


@cache
def library() -> Any:
    """cuBLASLt; None where it is not installed, which is said once."""
    found = wheels.load("cublasLt")
    if found is None:
        logging.getLogger("hybridnet").warning("cuBLASLt was not found: matrix products go through CuPy, which is slower")
    return found


def available() -> bool:
    """Whether there are a GPU and the library."""
    return cuda.device_count() > 0 and library() is not None


def plan(product: Product) -> Matmul | None:
    """The call for a product on the current GPU; None where the library is not there or has no algorithm for it, which is told."""
    if "cuBLASLt" in config.disabled_libraries or not available():
        refusals.tell("cuBLASLt", product, refusals.absence("cuBLASLt"))
        return None
    with cuda.quiet:  # to make a handle takes memory of the device
        made = _planned(product, cuda.current_id(), config.autotune)
    if made.tuned(ALIGNED) is None:
        refusals.tell("cuBLASLt", product, f"it has no algorithm: status {made.refusal}")
        return None
    return made


@lru_cache(maxsize=4096)
def _planned(product: Product, device_id: int, autotune: bool) -> Matmul:
    return Matmul(product, _handle(device_id), device_id, autotune)


@cache
def _handle(device_id: int) -> c_void_p:
    """The library's handle of a GPU. Threads share it: the library keeps nothing in it, and calls say their stream."""
    handle = c_void_p()
    _check("cublasLtCreate", ctypes.byref(handle))
    return handle


def _check(function: str, *arguments: Any) -> None:
    status = getattr(library(), function)(*arguments)
    if status:
        fail(DeviceError, "matmul", expected=f"{function} of cuBLASLt to succeed", got=f"its status {status}")


class Algorithms(NamedTuple):
    """What the library proposes for operands of one alignment, and which of it is taken."""

    proposed: list[Heuristic]
    tuned: Tuned

    @property
    def chosen(self) -> Heuristic:
        """The one that is taken."""
        return self.proposed[self.tuned.choice.which]


class Matmul:
    """A planned product; its ``pointers`` are the addresses of A, B, the bias or the sums if there are any, what GELU is of, C, and D."""

    def __init__(self, product: Product, handle: c_void_p | None, device_id: int = 0, tunes: bool = False) -> None:
        self.product = p = product
        self._device_id = device_id
        self._candidates = CANDIDATES if tunes else 1
        self.workspace = 0
        self.refusal = 0  # the status with which the library refused
        self._handle = handle
        wide = p.compute == "float64"
        number = c_double if wide else c_float
        self._one, self._beta = number(1), number(p.adds)
        self._description = c_void_p()
        scale = TYPES[dtypes.float64 if wide else dtypes.float32]
        _check("cublasLtMatmulDescCreate", ctypes.byref(self._description), c_int(COMPUTE[p.compute]), c_int(scale))
        self._set(TRANSPOSE_A, c_int32(p.transpose_a))
        self._set(TRANSPOSE_B, c_int32(p.transpose_b))
        self._set(EPILOGUE, c_int32(EPILOGUES[p.epilogue]))
        # Any pointers: heuristics may pick an algorithm without a bias where that is null.
        if p.epilogue in WITH_VECTOR:
            self._set(BIAS, c_void_p(ALIGNED))
        if p.epilogue in WITH_MATRIX:
            self._set(BESIDE, c_void_p(ALIGNED))
            self._set(BESIDE_LEADING, c_int64(p.ldd))
        self._a = self._layout(p.dtype, *((p.k, p.m) if p.transpose_a else (p.m, p.k)), p.lda, p.stride_a)
        self._b = self._layout(p.dtype, *((p.n, p.k) if p.transpose_b else (p.k, p.n)), p.ldb, p.stride_b)
        self._d = self._layout(p.result, p.m, p.n, p.ldd, p.stride_d)
        self._algorithms: dict[int, Algorithms | None] = {}
        self._lock = threading.Lock()  # the bias's address is part of the description, which threads share
        for destroy, made in (("MatmulDesc", self._description), *(("MatrixLayout", x) for x in (self._a, self._b, self._d))):
            weakref.finalize(self, getattr(library(), f"cublasLt{destroy}Destroy"), made).atexit = False

    @property
    def name(self) -> str:
        """What profiles call it."""
        return f"cuBLASLt {self.product}"

    @property
    def alignment(self) -> int:
        """An element's: which algorithm runs follows from where operands lie. But for what GELU is of, of which the library knows one."""
        return ALIGNED if self.product.epilogue in WITH_MATRIX else self.product.result.itemsize

    def _set(self, attribute: int, value: Any) -> None:
        _check("cublasLtMatmulDescSetAttribute", self._description, c_int(attribute), ctypes.byref(value), c_size_t(ctypes.sizeof(value)))

    def _layout(self, dtype: dtypes.Dtype, rows: int, columns: int, leading: int, stride: int) -> c_void_p:
        layout, kind = c_void_p(), c_int(TYPES[dtype])
        _check("cublasLtMatrixLayoutCreate", ctypes.byref(layout), kind, c_uint64(rows), c_uint64(columns), c_int64(leading))
        if self.product.batch > 1:
            for attribute, value in ((BATCH_COUNT, c_int32(self.product.batch)), (BATCH_STRIDE, c_int64(stride))):
                size = c_size_t(ctypes.sizeof(value))
                _check("cublasLtMatrixLayoutSetAttribute", layout, c_int(attribute), ctypes.byref(value), size)
        return layout

    def tuned(self, alignment: int) -> Algorithms | None:
        """The algorithms for operands of that alignment in bytes; the first such question settles the workspace."""
        if alignment not in self._algorithms:
            with cuda.quiet:
                self._algorithms.setdefault(alignment, self._found(alignment))
        return self._algorithms[alignment]

    def _found(self, alignment: int) -> Algorithms | None:
        first = not self._algorithms
        allowed = WORKSPACE if first else self.workspace
        proposed = self.heuristics(alignment, allowed, self._candidates)
        if not proposed:
            return None
        version = library().cublasLtGetVersion()
        asked = f"cuBLASLt {version}: {self.product!r} at multiples of {alignment} bytes, with {allowed} bytes of workspace"
        found = Algorithms(proposed, Tuned(asked, [bytes(h.algorithm).hex() for h in proposed], self._device_id))
        if first:
            self.workspace = found.chosen.workspace if found.tuned.settled else max(h.workspace for h in proposed)
        return found

    def heuristics(self, alignment: int, workspace: int, number: int) -> list[Heuristic]:
        """The library's first algorithms, in its own order, for operands of an alignment, with so many bytes of workspace at most."""
        preference, results, count = c_void_p(), (Heuristic * number)(), c_int()
        _check("cublasLtMatmulPreferenceCreate", ctypes.byref(preference))
        wishes = [(MAX_WORKSPACE, c_uint64(workspace)), *((a, c_uint32(alignment)) for a in MIN_ALIGNMENT)]
        if self.product.dtype.itemsize == 2:
            wishes.append((REDUCTION_SCHEMES, c_uint32(IN_COMPUTE_TYPE)))
        for attribute, value in wishes:
            size = c_size_t(ctypes.sizeof(value))
            _check("cublasLtMatmulPreferenceSetAttribute", preference, c_int(attribute), ctypes.byref(value), size)
        operands = (self._handle, self._description, self._a, self._b, self._d, self._d, preference)
        # A status other than 0 says that there is no algorithm.
        status = library().cublasLtMatmulAlgoGetHeuristic(*operands, c_int(number), ctypes.byref(results), ctypes.byref(count))
        _check("cublasLtMatmulPreferenceDestroy", preference)
        self.refusal = status or results[0].state
        return [] if status else [h for h in results[: count.value] if not h.state]

    @property
    def how(self) -> str:
        """Which algorithm, if there are several, for operands that are aligned."""
        found = self.tuned(ALIGNED)
        return "" if found is None else str(found.tuned)

    def settle(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Find the fastest algorithm for such pointers, unless that has been done."""
        found = self._for(pointers)
        if not found.tuned.settled:
            found.tuned.settle(lambda i: self.put(found.proposed[i], pointers, workspace, stream), stream)

    def enqueue(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Put the product on a stream."""
        self.put(self._for(pointers).chosen, pointers, workspace, stream)

    def _for(self, pointers: Sequence[int]) -> Algorithms:
        found = self.tuned(self.product.result.itemsize if any(p % ALIGNED for p in pointers) else ALIGNED)
        if found is None:
            fail(DeviceError, "matmul", expected="an algorithm of cuBLASLt for operands of any alignment", got=self.name)
        return found

    def put(self, algorithm: Heuristic, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Put the product on a stream, by one of the algorithms."""
        a, b, *more, d = pointers
        with self._lock:
            if self.product.epilogue in WITH_VECTOR:
                self._set(BIAS, c_void_p(more[0]))
            if self.product.epilogue in WITH_MATRIX:
                self._set(BESIDE, c_void_p(more[-1]))
            c = more[-1] if self.product.adds else d
            self._run(algorithm, (c_void_p(a), c_void_p(b), c_void_p(c), c_void_p(d)), c_void_p(workspace), c_void_p(stream))

    def _run(self, chosen: Heuristic, matrices: Sequence[c_void_p], workspace: c_void_p, stream: c_void_p) -> None:
        a, b, c, d = matrices
        one, beta, algorithm = map(ctypes.byref, (self._one, self._beta, chosen.algorithm))
        operands = (one, a, self._a, b, self._b, beta, c, self._d, d, self._d)
        scratch = (workspace, c_size_t(self.workspace))
        _check("cublasLtMatmul", self._handle, self._description, *operands, algorithm, *scratch, stream)
