"""The contract that every registered operator keeps, checked on the samples in its record."""

import contextlib
import re
import string
from typing import Any

import numpy as np
import pytest
from support.gradients import check_gradient, check_second_gradient
from support.samples import (
    ALL_OPS,
    NOT_BY_DIFFERENCES,
    NOT_DENSE,
    as_arrays,
    cases,
    holds_floats,
    run,
    samples_of,
    wide,
)

from hybridnet import dtypes
from hybridnet.core import Kind, NDArray, Op, Sample, cuda_rule, spec_of, wrap
from hybridnet.core.apply import apply
from hybridnet.core.promotion import promote
from hybridnet.device import cpu
from hybridnet.errors import DtypeError, HybridnetError

GOOD = cases(lambda op, s: s.error is None)
SMOOTH = cases(lambda op, s: s.error is None and s.differentiable and op.grad is not None and any(map(holds_floats, s.inputs)))
WRONG = cases(lambda op, s: s.error is not None)
BY_OP = [pytest.param(op, id=op.name) for op in ALL_OPS]
#: Where words begin in a name of MXNet's: ROIAlign is roi_align.
_WORDS = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"


def inferred(op: Op, arrays: list[Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
    operands = promote(op, arrays, apply) if op.promote is not None else arrays
    specs = op.infer(*map(spec_of, operands), **attrs)
    return (specs,) if hasattr(specs, "dtype") else specs


def agree(op: Op, arrays: list[Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
    """Run the operator and check that infer foretold every output; gives the outputs."""
    outputs = run(op, arrays, attrs)
    assert [(y.shape, y.dtype) for y in outputs] == [(s.shape, s.dtype) for s in inferred(op, arrays, attrs)]
    assert all(type(y._data) is np.ndarray for y in outputs)
    return outputs


def refuses(op: Op, arrays: list[Any], attrs: dict[str, Any]) -> None:
    """What infer refuses, compute must refuse too, or make nothing of it."""
    with contextlib.suppress(HybridnetError):
        assert not any(wide(y).any() for y in run(op, arrays, attrs)), "compute takes what infer refuses"


def same(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(wide(a), wide(b), rtol=tolerance, atol=tolerance)


# -- the record -----------------------------------------------------------------------------------


@pytest.mark.parametrize("op", BY_OP)
def test_record(op: Op) -> None:
    """Every operator has a sample that works; a pointwise one also a functor that its inputs and attributes fill."""
    good = [s for s in samples_of(op) if s.error is None]
    assert bool(good) != (op.name in NOT_DENSE), "no sample"
    if not good:
        return
    for sample in good:
        for value in sample.attrs.values():
            hash(value)
    if op.grad is not None:
        tested = any(s.differentiable and any(map(holds_floats, s.inputs)) for s in good)
        assert tested != (op.name in NOT_BY_DIFFERENCES), "the gradient needs a sample, or a reason in NOT_BY_DIFFERENCES; not both"
    if op.kind is not Kind.POINTWISE:
        return
    functor = cuda_rule(op).functor
    assert functor, "a pointwise operator needs a CUDA expression"
    fields = [name for _, name, _, _ in string.Formatter().parse(functor) if name is not None]
    assert all(int(f) < len(good[0].inputs) if f.isdigit() else f in good[0].attrs for f in fields), functor


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize(("op", "sample"), GOOD)
def test_infer_is_compute(op: Op, sample: Sample, dtype: Any) -> None:
    arrays = as_arrays(sample.inputs, dtype)
    before = [wide(x).copy() for x in arrays]
    try:
        agree(op, arrays, sample.attrs)
    except DtypeError as error:  # some operators have no 16-bit form, and must say so
        assert dtype.itemsize == 2 and str(error).startswith(f"[{op.name}]")
    for x, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(wide(x), old, "an input was modified")


@pytest.mark.parametrize(("op", "sample"), [c for c in GOOD if c.values[0].kind is Kind.POINTWISE])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)], ids=str)
def test_pointwise_takes_any_shape(op: Op, sample: Sample, shape: tuple[int, ...]) -> None:
    inputs = [np.full(shape, x.flat[0], x.dtype) if isinstance(x, np.ndarray) else x for x in sample.inputs]
    (y,) = agree(op, as_arrays(inputs), sample.attrs)
    assert y.shape == shape


@pytest.mark.parametrize(("op", "sample"), [c for c in GOOD if c.values[0].kind is not Kind.POINTWISE and c.values[1].inputs])
def test_empty_batch(op: Op, sample: Sample) -> None:
    """With a first axis of length 0, either infer refuses or compute gives what infer says."""
    lead = next((x.shape[0] for x in sample.inputs if isinstance(x, np.ndarray) and x.ndim), None)
    if lead is None:
        return
    first = next(i for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray) and x.ndim)
    for emptied in ([i == first for i in range(len(sample.inputs))], [getattr(x, "shape", ())[:1] == (lead,) for x in sample.inputs]):
        arrays = as_arrays([x[:0] if cut else x for x, cut in zip(sample.inputs, emptied, strict=True)])
        try:
            inferred(op, arrays, sample.attrs)
        except HybridnetError:
            refuses(op, arrays, sample.attrs)
            continue
        try:
            agree(op, arrays, sample.attrs)
        except HybridnetError as error:  # an index into an axis that has become empty: known by value alone
            assert isinstance(error.__cause__, IndexError) or isinstance(error, IndexError), error


@pytest.mark.parametrize(("op", "sample"), [c for c in GOOD if any(isinstance(x, np.ndarray) and x.ndim for x in c.values[1].inputs)])
def test_strides_do_not_matter(op: Op, sample: Sample) -> None:
    expected = run(op, as_arrays(sample.inputs), sample.attrs)
    layouts = (
        lambda x: x.copy(order="F"),
        lambda x: x[::-1].copy()[::-1],
        lambda x: np.repeat(x, 2, -1)[..., ::2],
    )
    for layout in layouts:
        arrays = [wrap(NDArray, layout(x) if x.ndim else x, cpu()) if isinstance(x, np.ndarray) else x for x in sample.inputs]
        for y, e in zip(run(op, arrays, sample.attrs), expected, strict=True):
            same(y, e)


@pytest.mark.parametrize(("op", "sample"), [c for c in GOOD if c.values[0].out])
def test_out(op: Op, sample: Sample) -> None:
    """``compute(out=...)`` fills whatever the buffer held, with or without gaps; a pointwise operator may write over its input."""
    assert op.compute is not None
    operands = as_arrays(sample.inputs)
    operands = list(promote(op, operands, apply)) if op.promote is not None else operands
    data = [x._data if isinstance(x, NDArray) else x for x in operands]
    (expected,) = run(op, operands, sample.attrs)
    apart = np.full([2 * n for n in expected.shape], 77).astype(expected.dtype)[(..., *[slice(None, None, 2)] * expected.ndim)]
    buffers = [np.full(expected.shape, 77).astype(expected.dtype), apart]
    if op.kind is Kind.POINTWISE:
        for i, x in enumerate(data):
            if isinstance(x, np.ndarray) and (x.shape, x.dtype) == (expected.shape, expected.dtype):
                data[i] = x.copy()
                buffers.append(data[i])
                break
    for buffer in buffers:
        op.compute(np, *data, out=buffer, **sample.attrs)
        same(buffer, expected)


@pytest.mark.parametrize(("op", "sample"), [c for c in GOOD if c.values[0].kind is Kind.POINTWISE])
def test_pointwise_is_pointwise(op: Op, sample: Sample) -> None:
    """Every output element comes from the elements in its place: order and shape do not matter."""
    (y,) = run(op, as_arrays(sample.inputs), sample.attrs)
    flat = [np.broadcast_to(x, y.shape).ravel()[::-1] if isinstance(x, np.ndarray) else x for x in sample.inputs]
    (reordered,) = run(op, as_arrays(flat), sample.attrs)
    same(wide(reordered)[::-1].reshape(y.shape), y)


@pytest.mark.parametrize(("op", "sample"), [c for c in GOOD if c.values[0].kind in (Kind.VIEW, Kind.REDUCTION)])
def test_view_and_reduction_are_what_they_say(op: Op, sample: Sample) -> None:
    (y,) = run(op, as_arrays(sample.inputs), sample.attrs)
    if op.kind is Kind.VIEW:
        assert set(wide(y).ravel().tolist()) <= set(wide(sample.inputs[0]).ravel().tolist())
    else:
        axes, keepdims = sample.attrs["axis"], sample.attrs["keepdims"]
        shape = sample.inputs[0].shape
        assert axes == tuple(sorted(axes)) and all(0 <= a < len(shape) for a in axes)
        assert y.shape == tuple(1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes)


# -- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_gradient(op: Op, sample: Sample) -> None:
    """The tape's gradient is the slope of the operator, in float64 by central differences."""
    check_gradient(op, sample)


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_second_gradient(op: Op, sample: Sample) -> None:
    """The gradient of a projection of the gradient, with respect to the inputs and to the head gradients."""
    check_second_gradient(op, sample)


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "sample"), WRONG)
def test_error(op: Op, sample: Sample) -> None:
    arrays = as_arrays(sample.inputs)
    with pytest.raises(sample.error or Exception) as caught:
        run(op, arrays, sample.attrs)
    assert isinstance(caught.value, HybridnetError)
    name, _, rest = str(caught.value).removeprefix("[").partition("] ")
    assert op.name in (name, re.sub(_WORDS, "_", name).lower())  # users know softmax_output as SoftmaxOutput
    assert rest.startswith("expected ")
    assert "; got " in str(caught.value) and "; at samples.py:" in str(caught.value)
