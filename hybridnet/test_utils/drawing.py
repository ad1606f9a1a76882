"""Random shapes, arrays and matrices, from NumPy's global random state: the same as MXNet's for the same seed, but for matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from hybridnet.core import Array
from hybridnet.device import Device, current_device
from hybridnet.errors import ArgumentError, fail
from hybridnet.io.base import array_of
from hybridnet.test_utils.sparse import rand_sparse_ndarray

Host = numpy.ndarray[Any, Any]


def random_arrays(*shapes: tuple[int, ...]) -> Any:
    """Normal numbers, float32: a list of an array for each shape, or of one shape the array."""
    arrays = [numpy.array(numpy.random.randn(*shape), numpy.float32) for shape in shapes]
    return arrays[0] if len(arrays) == 1 else arrays


def random_uniform_arrays(*shapes: tuple[int, ...], low: float = 0.0, high: float = 1.0, dtype: Any = numpy.float32) -> list[Host]:
    """Uniform numbers between ``low`` and ``high``: a list of an array for each shape."""
    return [numpy.array(numpy.random.uniform(low, high, shape), dtype) for shape in shapes]


def random_sample(population: Sequence[Any], k: int) -> list[Any]:
    """``k`` different elements of a sequence."""
    return [population[i] for i in numpy.random.permutation(len(population))[:k]]


def rand_ndarray(
    shape: Sequence[int],
    stype: str = "default",
    density: float | None = None,
    dtype: Any = None,
    modifier_func: Callable[[Any], Any] | None = None,
    shuffle_csr_indices: bool = False,
    distribution: str | None = None,
    ctx: Any = None,
) -> Array:
    """Normal numbers in an array of the current rules, float32 unless told otherwise; of another ``stype`` a :func:`rand_sparse_ndarray`.

    What describes sparse arrays is of no effect on dense ones, as in MXNet.
    """
    if stype != "default":
        return rand_sparse_ndarray(
            shape, stype, density, dtype, distribution, modifier_func=modifier_func, shuffle_csr_indices=shuffle_csr_indices, ctx=ctx
        )[0]  # type: ignore[no-any-return]
    values = numpy.array(numpy.random.randn(*shape), numpy.float32 if dtype is None else dtype)
    return array_of(values, current_device() if ctx is None else Device(ctx))


def rand_shape_nd(num_dim: int, dim: int = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """A shape of ``num_dim`` numbers from 1 (0 with ``allow_zero_size``) to ``dim``."""
    return tuple(int(n) for n in numpy.random.randint(0 if allow_zero_size else 1, dim + 1, size=num_dim))


def rand_shape_2d(dim0: int = 10, dim1: int = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """A shape of two numbers, each from 1 (or 0) to its own limit."""
    return _shape((dim0, dim1), allow_zero_size)


def rand_shape_3d(dim0: int = 10, dim1: int = 10, dim2: int = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """A shape of three numbers, each from 1 (or 0) to its own limit."""
    return _shape((dim0, dim1, dim2), allow_zero_size)


def _shape(most: tuple[int, ...], allow_zero_size: bool) -> tuple[int, ...]:
    return tuple(int(numpy.random.randint(0 if allow_zero_size else 1, n + 1)) for n in most)


def rand_coord_2d(x_low: int, x_high: int, y_low: int, y_high: int) -> tuple[int, int]:
    """A place: x from ``x_low`` to below ``x_high``, y in the same way."""
    return int(numpy.random.randint(x_low, x_high)), int(numpy.random.randint(y_low, y_high))


def create_2d_tensor(rows: int, columns: int, dtype: Any = numpy.int64) -> Array:
    """An array of ``rows`` rows, each of which holds its own number."""
    return array_of(numpy.repeat(numpy.arange(rows, dtype=dtype)[:, None], columns, axis=1), current_device())


def create_vector(size: int, dtype: Any = numpy.int64) -> Array:
    """0, 1 … ``size - 1``."""
    return array_of(numpy.arange(size, dtype=dtype), current_device())


def get_identity_mat(size: int) -> Array:
    """The unit matrix, float32."""
    return array_of(numpy.eye(size, dtype=numpy.float32), current_device())


def get_identity_mat_batch(size: int) -> Array:
    """Two unit matrices, as (2, size, size)."""
    return array_of(numpy.stack([numpy.eye(size, dtype=numpy.float32)] * 2), current_device())


def new_orthonormal_matrix_2d(n: int) -> Host:
    """A random matrix whose rows are orthogonal and of length 1, and which is its own inverse: a reflection."""
    v = numpy.random.randn(n, 1)
    return numpy.eye(n) - 2 * v @ v.T / (v.T @ v)


def new_sym_matrix_with_real_eigvals_2d(n: int) -> Host:
    """A random symmetric matrix, eigenvalues between -10 and 10."""
    basis = new_orthonormal_matrix_2d(n)
    return basis.T @ numpy.diag(numpy.random.uniform(-10, 10, n)) @ basis


def new_matrix_with_real_eigvals_2d(n: int) -> Host:
    """A random matrix with real eigenvalues between -10 and 10, whose eigenvectors are far from parallel."""
    basis = new_orthonormal_matrix_2d(n) + 0.3 * numpy.triu(numpy.random.uniform(-1, 1, (n, n)), 1) / max(n, 1)
    return basis @ numpy.diag(numpy.random.uniform(-10, 10, n)) @ numpy.linalg.inv(basis)


def new_sym_matrix_with_real_eigvals_nd(shape: Sequence[int]) -> Host:
    """Matrices as :func:`new_sym_matrix_with_real_eigvals_2d` makes them, of shape (…, n, n)."""
    return _matrices(new_sym_matrix_with_real_eigvals_2d, shape)


def new_matrix_with_real_eigvals_nd(shape: Sequence[int]) -> Host:
    """Matrices as :func:`new_matrix_with_real_eigvals_2d` makes them, of shape (…, n, n)."""
    return _matrices(new_matrix_with_real_eigvals_2d, shape)


def _matrices(make: Callable[[int], Host], shape: Sequence[int]) -> Host:
    count = int(numpy.prod(shape[:-2]))
    return numpy.stack([make(shape[-1]) for _ in range(count)]).reshape(shape)


def assign_each(the_input: Host, function: Callable[[Any], Any] | None) -> Host:
    """What a function gives for each element; a copy without one."""
    return numpy.array(the_input) if function is None else numpy.array([function(x) for x in the_input.ravel()]).reshape(the_input.shape)


def assign_each2(input1: Host, input2: Host, function: Callable[[Any, Any], Any] | None) -> Host:
    """What a function gives for each two elements of arrays of the same shape; a copy of the first without one."""
    if function is None:
        return numpy.array(input1)
    return numpy.array([function(x, y) for x, y in zip(input1.ravel(), input2.ravel(), strict=True)]).reshape(input1.shape)


def np_reduce(dat: Host, axis: Any, keepdims: bool, numpy_reduce_func: Callable[..., Any]) -> Any:
    """A reduction of NumPy over one axis, several or all (``None``), which are kept as 1 with ``keepdims``."""
    axes = range(dat.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    return numpy_reduce_func(dat, axis=tuple(axes), keepdims=keepdims)


def collapse_sum_like(a: Host, shape: Sequence[int]) -> Host:
    """The sum of ``a`` over the axes along which an array of ``shape`` is broadcast to it, in that shape. ArgumentError if it is not."""
    front = a.ndim - len(shape)
    if front < 0 or any(n not in (1, m) for n, m in zip(shape, a.shape[front:], strict=True)):
        fail(ArgumentError, "collapse_sum_like", expected=f"a shape that can be broadcast to {a.shape}", got=str(tuple(shape)))
    return a.sum(axis=tuple(range(front)) + tuple(front + i for i, n in enumerate(shape) if n == 1)).reshape(shape)
