"""Products of matrices as calls of oneDNN (``on_cpu``), where that is faster than BLAS."""

from __future__ import annotations

from hybridnet import dtypes
from hybridnet.core import Spec
from hybridnet.core.kernel import HostCall
from hybridnet.device import onednn, refusals

#: Multiply-adds from which the library computes a product. Two otherwise idle cores, milliseconds, beside products cut for OpenBLAS's
#: SkylakeX kernels: (1024 × 256)(256 × 1024) 2.6 and 4.0, with the second transposed 4.6, (64 × 500)(500 × 800) 0.27 and 0.38;
#: (32 × 784)(784 × 128), the second transposed, 0.079 and 0.070, and what is smaller the more so.
LEAST = 4 << 20
#: How the names of kernels begin whose products of two matrices are left to BLAS. Of that of AVX2, in ms on one thread, and of OpenBLAS:
#: (1024 × 1024)(1024 × 1024), the first transposed as in the gradient of a weight, 14.6 and 6.8; (1024 × 256)(256 × 1024), the second
#: transposed, 6.8 and 7.1; (32 × 256)(256 × 1024) likewise 0.44 and 0.40, and 0.47 packed.
BEHIND_BLAS = (onednn.GENERAL,)


def matmul(
    inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, transpose_a: bool = False, transpose_b: bool = False, relu: bool = False
) -> HostCall | None:
    """oneDNN's plan for the product of two matrices or two batches of them, and what is behind it: a bias, if a third operand is one.

    ``None`` where it has none, or BLAS is faster.
    """
    a, b, *bias = inputs
    if any(v.dtype != dtypes.float32 for v in inputs) or a.shape[:-2] != b.shape[:-2] or a.ndim > 12 or not onednn.available():
        return None
    wanted = onednn.Product(a.shape, b.shape, transpose_a, transpose_b, bool(bias), relu)
    call = onednn.plan(wanted) if wanted.multiply_adds >= LEAST else None
    if call is not None and len(a.shape) == 2 and call.kernel.startswith(BEHIND_BLAS):
        refusals.tell(onednn.NAME, wanted, f"NumPy's BLAS is faster than its kernel {call.kernel}")
        return None
    return call
