"""cuBLASLt on the CPU: its C functions, called as through ctypes, over column-major matrices at raw addresses.

What the binding passes is taken apart as C would: numbers of attributes, their sizes, layouts, leading dimensions.
A product reads its operands when its stream comes to it, not when it is put there.
"""

import ctypes
import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from hybridnet import dtypes

from . import streams, workspaces
from .raw import view

OK, INVALID, FAILED, UNSUPPORTED = 0, 7, 13, 15  # cublasStatus_t
DTYPES = {0: dtypes.float32, 1: dtypes.float64, 2: dtypes.float16, 14: dtypes.bfloat16}
BIAS, SUMS_A, SUMS_B = 4, 256, 512  # parts of cublasLtEpilogue_t: one added, and gradients of one that was, which are written
USES_BIAS = BIAS | SUMS_A | SUMS_B
GELU, SLOPE, BESIDE = 32, 64, 128  # GELU, a product with its slope, and a matrix of what it is of, written or read

DESCRIPTION = {
    3: ("transpose_a", ctypes.c_int32),
    4: ("transpose_b", ctypes.c_int32),
    7: ("epilogue", ctypes.c_int32),
    8: ("bias", ctypes.c_void_p),
    11: ("beside", ctypes.c_void_p),
    12: ("beside_leading", ctypes.c_int64),
}
LAYOUT = {5: ("batch", ctypes.c_int32), 6: ("stride", ctypes.c_int64)}
PREFERENCE = {1: ("workspace", ctypes.c_uint64), 3: ("reductions", ctypes.c_uint32)} | {
    number: (f"alignment_{name}", ctypes.c_uint32) for number, name in zip((5, 6, 7, 8), "abcd", strict=True)
}


@dataclass
class Described:
    """What a descriptor was made of and what was set on it."""

    made: tuple[int, ...] = ()
    attributes: dict[str, int] = field(default_factory=dict)

    def get(self, name: str, default: int = 0) -> int:
        return self.attributes.get(name, default)


class CublasLt:
    """The library."""

    #: Seconds that each of the algorithms takes which heuristics propose, in their order; infinite of one that fails when it runs.
    seconds: tuple[float, ...] = (0.0,)

    def __init__(self) -> None:
        self.objects: dict[int, Described] = {}
        self.made = 0
        self.ran: list[int] = []  # the algorithms of the products that were started

    def _create(self, where: Any, *made: int) -> int:
        self.made += 1
        where._obj.value = self.made
        self.objects[self.made] = Described(made)
        return OK

    def _destroy(self, of: Any) -> int:
        del self.objects[of.value]
        return OK

    def _set(self, of: Any, known: dict[int, tuple[str, Any]], attribute: Any, value: Any, size: Any) -> int:
        name, kind = known[attribute.value]
        if size.value != ctypes.sizeof(kind):
            return INVALID
        self.objects[of.value].attributes[name] = kind.from_address(ctypes.addressof(value._obj)).value
        return OK

    def cublasLtGetVersion(self) -> int:
        return 130100

    def cublasLtCreate(self, handle: Any) -> int:
        streams.refuse_everywhere("cublasLtCreate, which takes memory,")
        return self._create(handle, streams.current.device)

    def cublasLtMatmulDescCreate(self, description: Any, compute: Any, scale: Any) -> int:
        return self._create(description, compute.value, scale.value)

    def cublasLtMatmulDescSetAttribute(self, description: Any, *attribute: Any) -> int:
        return self._set(description, DESCRIPTION, *attribute)

    def cublasLtMatrixLayoutCreate(self, layout: Any, dtype: Any, rows: Any, columns: Any, leading: Any) -> int:
        return self._create(layout, dtype.value, rows.value, columns.value, leading.value)

    def cublasLtMatrixLayoutSetAttribute(self, layout: Any, *attribute: Any) -> int:
        return self._set(layout, LAYOUT, *attribute)

    def cublasLtMatmulPreferenceCreate(self, preference: Any) -> int:
        return self._create(preference)

    def cublasLtMatmulPreferenceSetAttribute(self, preference: Any, *attribute: Any) -> int:
        return self._set(preference, PREFERENCE, *attribute)

    cublasLtMatmulDescDestroy = cublasLtMatrixLayoutDestroy = cublasLtMatmulPreferenceDestroy = _destroy

    def cublasLtMatmulAlgoGetHeuristic(self, handle: Any, description: Any, *operands: Any) -> int:
        *layouts, preference, requested, result, found = operands
        streams.refuse_everywhere("cublasLtMatmulAlgoGetHeuristic")
        assert self.objects[handle.value].made == (streams.current.device,), "a handle of another device"
        wishes, described = self.objects[preference.value], self.objects[description.value]
        if described.get("epilogue") & USES_BIAS and not described.get("bias"):
            return UNSUPPORTED
        if described.get("epilogue") & BESIDE and (described.get("beside") % 16 or not described.get("beside")):
            return UNSUPPORTED
        a, b, _, d = (self.objects[x.value] for x in layouts)
        (m, ka), (kb, n) = _shape(a, described.get("transpose_a")), _shape(b, described.get("transpose_b"))
        if (ka, (m, n)) != (kb, d.made[1:3]) or any(x.made[3] < x.made[1] for x in (a, b, d)):
            return INVALID
        assert requested.value >= 1
        itemsize = DTYPES[d.made[0]].itemsize
        workspace = workspaces.of_product(m, n, ka, d.get("batch", 1), itemsize, wishes.get("workspace"))
        found._obj.value = min(requested.value, len(self.seconds))
        for i in range(found._obj.value):
            result._obj[i].algorithm[:3] = min(wishes.get(f"alignment_{x}", 256) for x in "abcd"), workspace, i
            result._obj[i].workspace = workspace
            result._obj[i].state = OK
        return OK

    def cublasLtMatmul(self, handle: Any, description: Any, alpha: Any, a: Any, a_layout: Any, b: Any, b_layout: Any, *rest: Any) -> int:
        beta, c, c_layout, d, d_layout, algorithm, scratch, workspace, stream = rest
        described = self.objects[description.value]
        layouts = [self.objects[x.value] for x in (a_layout, b_layout, d_layout)]
        addresses = [x.value for x in (a, b, c, d)]
        bias = described.get("bias") if described.get("epilogue") & USES_BIAS else 0
        if self.objects[handle.value].made != (streams.current.device,):
            return INVALID
        boundary, needed, number = algorithm._obj[:3]
        if workspace.value < needed or (needed and (not scratch.value or scratch.value % 16)):
            return INVALID
        if any(p % boundary for p in (*addresses, bias)):
            return UNSUPPORTED
        beside = described.get("beside") if described.get("epilogue") & BESIDE else 0
        leading = described.get("beside_leading")
        if beside % 16 or (beside and (leading % 8 or leading < layouts[2].made[1])):
            return UNSUPPORTED
        assert (alpha._obj.value, c_layout.value) == (1, d_layout.value) and beta._obj.value in (0, 1)
        assert isinstance(alpha._obj, ctypes.c_double if described.made[1] == 1 else ctypes.c_float)
        compute, (epilogue, *transposed) = described.made[0], map(described.get, ("epilogue", "transpose_a", "transpose_b"))
        if math.isinf(self.seconds[number]):
            return FAILED
        self.ran.append(number)
        work = partial(_multiply, layouts, addresses, compute, transposed, epilogue, bias, beside, beta._obj.value)
        streams.enqueue(stream.value or 0, work, seconds=self.seconds[number])
        return OK


def _shape(layout: Described, transposed: int) -> tuple[int, int]:
    rows, columns = layout.made[1:3]
    return (columns, rows) if transposed else (rows, columns)


def _matrices(layout: Described, address: int) -> Any:
    """The batch (batch, rows, columns) of a layout."""
    dtype, rows, columns, leading = layout.made
    return view(address, DTYPES[dtype], (layout.get("batch", 1), rows, columns), (layout.get("stride"), 1, leading))


def _multiply(
    layouts: list[Described], addresses: list[int], compute: int, transposed: list[int], epilogue: int, bias: int, beside: int, beta: float
) -> None:
    *operands, c, d = map(_matrices, (*layouts, layouts[-1]), addresses)
    wide = [_wide(x.swapaxes(1, 2) if flag else x, compute) for x, flag in zip(operands, transposed, strict=True)]
    result = np.matmul(*wide)
    if beta:
        result = result + c
    if epilogue & (SUMS_A | SUMS_B):
        sums = wide[0].sum(2) if epilogue & SUMS_A else wide[1].sum(1)
        (found,) = sums  # a batch of one
        view(bias, d.dtype, found.shape, (1,))[...] = found.astype(d.dtype)
    if epilogue & BIAS:
        result = result + view(bias, d.dtype, (d.shape[1],), (1,)).astype(result.dtype)[:, None]
    if epilogue & 2:
        result = np.maximum(result, 0)
    if epilogue & BESIDE:
        matrix = _matrices(layouts[2], beside)
        if epilogue & SLOPE:
            result = result * _gelu_slope(matrix.astype(result.dtype))
        else:
            matrix[...] = result.astype(d.dtype)
    if epilogue & GELU:
        result = result * 0.5 * (1 + np.tanh(_SCALE * (result + 0.044715 * result**3)))
    d[...] = result.astype(d.dtype)


_SCALE = np.sqrt(2 / np.pi)


def _gelu_slope(x: Any) -> Any:
    t = np.tanh(_SCALE * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _SCALE * (1 + 3 * 0.044715 * x * x)


def _wide(x: Any, compute: int) -> Any:
    """Operands in the type that is computed in, or as TF32 has them: with 10 bits after the leading one."""
    if compute == 70:
        return x
    x = np.ascontiguousarray(x, np.float32)
    return (x.view(np.uint32) + np.uint32(0x1000) & np.uint32(0xFFFFE000)).view(np.float32) if compute == 77 else x
