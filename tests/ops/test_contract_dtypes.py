"""The contract of every operator in every dtype, on the values that break rewrites: compiled, it does what it does eagerly.

Infinities, NaN, both zeros, subnormal numbers and the ends of each type's range; arrays of no dimensions and of no elements.
The result has the same dtype and shape and the same bits, or it is the same error. What sums more than one number may add in
another order than it does eagerly (by another layout in memory): such operators agree to rounding. Of each operator the first
sample is always tried, the others with the slow tests.
"""

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from support.samples import ALL_OPS, run, samples_of
from support.special_values import same_bits, special

from hybridnet import dtypes
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import Kind, NDArray, Op, Sample, wrap
from hybridnet.device import cpu
from hybridnet.errors import HybridnetError
from hybridnet.lowering import NAMES

TOLERANCE = {dtypes.float64: 1e-12, dtypes.float32: 1e-5, dtypes.float16: 4e-3, dtypes.bfloat16: 4e-2}
#: Written in other operators, or sums of products: more than one way to add up.
SUMS = {
    op.name for op in ALL_OPS if op.kind in (Kind.CONTRACTION, Kind.REDUCTION) or op.decomposition is not None or op.kind is Kind.OPAQUE
}

#: Whose library gives NaN where a sum is -inf, which has left the range of its type, and a relu behind it would give 0.
NAN_FOR_OVERFLOW = {"convolution_joined"}

#: Whose library multiplies in another order than the parts do, so that other products leave the range of their type.
OTHER_OVERFLOW = {"batch_norm_backward", "batch_norm_forward", "layer_norm", "layer_norm_grad"}

#: Whose public functions never make operands of these shapes: there edges are one-dimensional, a slice has the shape that is given.
ONE_SHAPE = {"histogram", "slice_grad", "rnn_sequence"}

Shape = tuple[int, ...]
VARIANTS: dict[str, Callable[[Shape], Shape]] = {
    "special": lambda shape: shape,
    "0-d": lambda shape: (),
    "empty": lambda shape: (0, *shape[1:]) if shape else (),
}


def operands(sample: Sample, dtype: Any, shape: Callable[[Shape], Shape]) -> list[Any]:
    """A sample's inputs with floating arrays (or, where there are none, those of integers) as special values of ``dtype``."""
    floats = any(isinstance(x, np.ndarray) and dtypes.is_floating(x.dtype) for x in sample.inputs)
    found: list[Any] = []
    for i, x in enumerate(sample.inputs):
        if isinstance(x, np.ndarray):
            chosen = dtypes.is_floating(x.dtype) if floats else x.dtype != np.bool_
            data = special(shape(x.shape), dtype, i) if chosen else np.resize(x, shape(x.shape)).astype(x.dtype)
            found.append(wrap(NDArray, data, cpu()))
        else:
            found.append(x)
    return found


def outcome(fn: Callable[..., Any], arrays: list[Any]) -> Any:
    """The results' data, or the type of the error."""
    with np.errstate(all="ignore"):
        try:
            return [y._data for y in fn(*arrays)]
        except Exception as error:
            return type(error)


def check(op: Op, sample: Sample, dtype: Any, shape: Callable[[Shape], Shape]) -> None:
    inputs = operands(sample, dtype, shape)
    attrs = sample.attrs
    if shape(()) == shape((1,)) and isinstance(attrs.get("axis"), tuple):
        attrs = {**attrs, "axis": ()}
    places = [i for i, x in enumerate(inputs) if isinstance(x, NDArray)]

    def fn(*arrays: Any, **other: Any) -> Any:
        given = dict(zip(places, arrays, strict=True))
        return run(op, [given.get(i, x) for i, x in enumerate(inputs)], {**attrs, **other})

    arrays = [inputs[i] for i in places]
    expected = outcome(fn, arrays)
    if isinstance(expected, type) and not issubclass(expected, HybridnetError):
        assert all(x.shape == () for x in arrays), f"{op.name}: {expected}"
        return  # attributes that name axes, which a public function would have refused
    for without in (frozenset(), NAMES):
        with mock.patch.object(config, "disabled_passes", without):
            found = outcome(jit(fn, name=op.name), arrays)
        if isinstance(expected, type) or isinstance(found, type):
            assert found is expected, f"{op.name} {attrs} {[str(a.dtype) + str(a.shape) for a in arrays]}: {found}, eager {expected}"
            continue
        for k, (y, e) in enumerate(zip(found, expected, strict=True)):
            assert type(y) is np.ndarray
            tolerance = TOLERANCE.get(e.dtype, 0) if op.name in SUMS else 0
            if tolerance and attrs.get("activation"):  # what terms have cancelled to, but for rounding, is clipped to anything
                sums = abs(outcome(lambda *given: fn(*given, activation=None), arrays)[k])
                e = np.where(sums <= tolerance * np.max(sums, initial=0, where=np.isfinite(sums)), y, e)
            if op.name in NAN_FOR_OVERFLOW:
                e = np.where(np.isnan(y) & (e == 0), y, e)
            if op.name in OTHER_OVERFLOW:
                e = np.where(np.isfinite(y) & np.isfinite(e), e, y)
            same_bits(y, e, (op.name, attrs, arrays), tolerance)


def cases() -> Iterator[Any]:
    for op in ALL_OPS:
        for i, sample in enumerate(s for s in samples_of(op) if s.error is None and op.kind is not Kind.RANDOM):
            for name in VARIANTS if i == 0 else ("special",):
                if sample.inputs and (name == "special" or op.name not in ONE_SHAPE):
                    marks = () if i == 0 else pytest.mark.slow
                    yield pytest.param(op, sample, VARIANTS[name], id=f"{op.name}-{i}-{name}", marks=marks)


@pytest.mark.parametrize(("op", "sample", "shape"), list(cases()))
def test_every_dtype(op: Op, sample: Sample, shape: Callable[[Shape], Shape]) -> None:
    for dtype in dtypes.ALL:
        check(op, sample, dtype, shape)
