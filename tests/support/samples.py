"""The samples of every registered operator as arrays; for the contract test and the random-graph test."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import hybridnet.ops
from hybridnet import autograd, dtypes
from hybridnet.core import NDArray, Op, Sample, apply, wrap
from hybridnet.core.op import OPS
from hybridnet.device import cpu

Data = np.ndarray[Any, Any]

for _module in pkgutil.iter_modules(hybridnet.ops.__path__):
    importlib.import_module(f"hybridnet.ops.{_module.name}")

ALL_OPS = [OPS[name] for name in sorted(OPS)]


#: Operators whose gradient cannot be had from differences of their values.
NOT_BY_DIFFERENCES = {
    # By their definition it is not the slope; tested with the losses and in the classic vocabulary.
    "make_loss",
    "regression_output",
    "softmax_output",
    # By MXNet's convention a gradient passes as it is; tested as that of box_nms.
    "box_format",
    # A gradient passes through a rounding as it is, whatever the slope; tested by their samples and with MXNet's.
    "round_straight",
    "sign_straight",
    # Linear in the image; MXNet's regions, and so their shares, have no gradient. Tested as each other's transpose in test_vision.py.
    "region_sums",
    "region_spread",
    "sparseness_penalty",
    "svm_output",
    # Linear maps that one operand of theirs picks; tested as the first and second gradient of max_pool.
    "max_pool_gather",
    "max_pool_grad",
    # One result is for their own gradient alone, or an operand is another's function; tested in test_attention.py.
    "attention",
    "attention_grad",
}
#: Operators whose results are not dense, so that no program has them: a sample for programs is an error. See tests/core/test_storage.py.
NOT_DENSE = {"row_sums", "sparse_retain"}
#: Output operators whose gradient is by definition that of a loss, not their derivative; see test_ndarray_classic.py.
SURROGATES = {"softmax_output", "regression_output", "make_loss", "svm_output", "sparseness_penalty"}


def samples_of(op: Op) -> list[Sample]:
    return list(op.sample()) if op.sample is not None else []


def cases(chosen: Callable[[Op, Sample], bool]) -> list[Any]:
    """Parameters (op, sample) for pytest, named ``operator-number``."""
    return [pytest.param(op, s, id=f"{op.name}-{i}") for op in ALL_OPS for i, s in enumerate(samples_of(op)) if chosen(op, s)]


def holds_floats(x: Any) -> bool:
    return isinstance(x, np.ndarray) and dtypes.is_inexact(x.dtype)


def in_complex(sample: Sample) -> Sample:
    """A sample with imaginary parts beside its floating numbers: others of them, halved, so that few lie on the real axis."""

    def turned(x: Data) -> Data:
        made = x.astype(np.complex128)
        made.imag = 0.5 * (x.ravel()[::-1].reshape(x.shape) + 0.25)
        return made

    inputs = [turned(x) if holds_floats(x) and x.dtype.kind != "c" else x for x in sample.inputs]
    return dataclasses.replace(sample, inputs=tuple(inputs))


def as_array(x: Any, dtype: Any = None) -> Any:
    """An operand from a sample's input: floating NumPy arrays cast to ``dtype``, complex ones to parts of it, numbers as they are."""
    if not isinstance(x, np.ndarray):
        return x
    if dtype is not None and x.dtype.kind == "c":
        dtype = dtypes.complex_of(dtype)
    return wrap(NDArray, x.astype(dtype) if dtype is not None and holds_floats(x) else x.copy(), cpu())


def as_arrays(inputs: Sequence[Any], dtype: Any = None) -> list[Any]:
    return [as_array(x, dtype) for x in inputs]


def run(op: Op, arrays: Sequence[Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
    """The operator's outputs as a tuple, whether it takes arrays or makes them."""
    result = apply(op, arrays, attrs, cpu(), NDArray)
    return result if isinstance(result, tuple) else (result,)


def wide(x: Any) -> Data:
    """Values as NumPy numbers that NumPy's own functions take (bfloat16 is not one)."""
    data = np.asarray(x._data if isinstance(x, NDArray) else x)
    return data.astype(np.float32) if data.dtype == dtypes.bfloat16 else data


def drawn(rng: np.random.Generator, like: Any) -> Data:
    """Normal numbers of the shape of an array, complex ones where it is complex."""
    real = rng.normal(size=like.shape)
    return np.asarray(real + 1j * rng.normal(size=like.shape) if like.dtype.kind == "c" else real)


def inner(a: Any, b: Any) -> float:
    """The sum of the products of numbers, of complex ones those of their real and of their imaginary parts."""
    return float((np.conj(wide(a)) * wide(b)).real.sum())


class Projected:
    """An operator as a function of its floating inputs, its outputs projected onto fixed random weights.

    ``value`` is the scalar sum of <weights, outputs>, ``gradients`` the gradient of that by the tape.
    """

    def __init__(self, op: Op, sample: Sample) -> None:
        self.op, self.sample = op, sample
        self.places = [i for i, x in enumerate(sample.inputs) if holds_floats(x)]
        outputs = run(op, as_arrays(sample.inputs), sample.attrs)
        self.floating = [i for i, y in enumerate(outputs) if dtypes.is_inexact(y.dtype)]
        rng = np.random.default_rng(7)
        self.weights = [drawn(rng, outputs[i]).astype(outputs[i].dtype) for i in self.floating]
        self.exact = all(dtypes.real_of(outputs[i].dtype) == dtypes.float64 for i in self.floating)

    def point(self) -> list[Data]:
        """The floating inputs of the sample, then the weights: everything that gradients depend on."""
        return [*(self.sample.inputs[i].copy() for i in self.places), *self.weights]

    def outputs(self, xs: Sequence[Any]) -> list[Any]:
        """The floating outputs at the arrays ``xs``."""
        inputs = as_arrays(self.sample.inputs)
        for place, x in zip(self.places, xs, strict=True):
            inputs[place] = x
        found = run(self.op, inputs, self.sample.attrs)
        return [found[i] for i in self.floating]

    def value(self, point: Sequence[Data]) -> float:
        count = len(self.places)
        ys = self.outputs([as_array(x) for x in point[:count]])
        return sum(inner(w, y._data.astype(np.result_type(y._data, np.float64))) for y, w in zip(ys, point[count:], strict=True))

    def variables(self, point: Sequence[Data]) -> list[Any]:
        arrays = [as_array(x) for x in point]
        for x in arrays:
            x.attach_grad()
        return arrays

    def gradients(self, arrays: Sequence[Any], create_graph: bool = False) -> list[Any]:
        """The gradient with respect to each floating input; ``None`` where the tape delivers none."""
        count = len(self.places)
        xs, weights = list(arrays[:count]), list(arrays[count:])
        with autograd.record():
            heads = [(y, w) for y, w in zip(self.outputs(xs), weights, strict=True) if y._tape is not None]
            if not heads:
                return [None] * count
            ys, ws = map(list, zip(*heads, strict=True))
            return reached(ys, xs, ws, create_graph)


def reached(ys: list[Any], xs: list[Any], ws: list[Any] | None, create_graph: bool) -> list[Any]:
    """``autograd.grad`` that gives ``None`` for variables which no head depends on, where it raises."""
    marks = [x._tape for x in xs]
    before = autograd.set_recording(create_graph)
    try:
        from_tape = autograd.tape.propagate(ys, ws or [None] * len(ys), targets=marks, retain_graph=create_graph)
    finally:
        autograd.set_recording(before)
    return [from_tape.get(mark) for mark in marks]


def directions(point: Sequence[Data], count: int) -> Iterator[tuple[int, Data]]:
    """Random directions, ``count`` for each array of the point that has elements."""
    rng = np.random.default_rng(11)
    for i, x in enumerate(point):
        for _ in range(count if x.size else 0):
            yield i, drawn(rng, x)


def slope(
    f: Callable[[Sequence[Data]], float],
    point: Sequence[Data],
    i: int,
    d: Data,
    step: float,
) -> float:
    """The central difference of ``f`` at ``point`` along ``d`` in its array ``i``."""
    ahead, behind = list(point), list(point)
    ahead[i], behind[i] = np.asarray(point[i] + step * d), np.asarray(point[i] - step * d)
    return (f(ahead) - f(behind)) / (2 * step)
