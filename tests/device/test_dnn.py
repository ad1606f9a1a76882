"""cuDNN: convolutions of both layouts as its descriptions, against NumPy, on a library that computes from raw addresses."""

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from emulator import streams
from emulator.emulator import COMPILER
from emulator.libraries import installed
from emulator.plans import descriptions
from support.paths import TESTS
from support.samples import samples_of, wide

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.core import OPS, Op, Sample, Spec, cuda_rule
from hybridnet.core.kernel import StridedSpec
from hybridnet.device import cuda, dnn

Data = np.ndarray[Any, Any]
LIBRARY: Any = dnn.library  # which the emulation stands before
TOLERANCE = {dtypes.float64: 1e-12, dtypes.float32: 1e-5, dtypes.float16: 2e-3, dtypes.bfloat16: 1.6e-2}
FAMILY = [OPS[name] for name in ("convolution", "convolution_data_grad", "convolution_weight_grad")]
CASES = [pytest.param(op, s, id=f"{op.name}-{i}") for op in FAMILY for i, s in enumerate(samples_of(op)) if s.error is None]


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cuda, "device_count", lambda: 1)
    monkeypatch.setattr(cuda, "current_id", lambda: 0)
    with installed():
        yield


def placed(x: Data) -> StridedSpec:
    return StridedSpec(x.shape, x.dtype, tuple(s // x.itemsize for s in x.strides))


def address(x: Data) -> int:
    return int(x.__array_interface__["data"][0])


def begun(x: Data, offset: int = 0) -> Data:
    """The array with the strides that it has, at an address so many elements behind a multiple of 16 bytes."""
    span = offset + 1 + sum((n - 1) * s // x.itemsize for n, s in zip(x.shape, x.strides, strict=True))
    made = np.lib.stride_tricks.as_strided(np.zeros(span, x.dtype)[offset:], x.shape, x.strides)
    made[...] = x
    return made


def by_library(op: Op, arrays: list[Data], attrs: dict[str, Any], stream: int = 0) -> list[Data] | None:
    """What the operator's library call gives for arrays as they lie, or None."""
    specs: Any = op.infer(*[Spec(x.shape, x.dtype) for x in arrays], **attrs)
    ys = [np.full(s.shape, 77).astype(s.dtype) for s in ([specs] if isinstance(specs, Spec) else specs)]
    plan = cuda_rule(op).library
    assert plan is not None
    call = plan(tuple(map(placed, arrays)), tuple(map(placed, ys)), **attrs)
    if call is None:
        return None
    scratch = np.zeros(call.workspace, np.uint8)
    call.enqueue([*map(address, arrays), *map(address, ys)], address(scratch), stream)
    return ys


def check(op: Op, arrays: list[Data], attrs: dict[str, Any]) -> None:
    found = by_library(op, arrays, attrs)
    assert found is not None and op.compute is not None
    expected = op.compute(np, *[x.astype(np.float64) for x in arrays], **attrs)
    tolerance = TOLERANCE[found[0].dtype]
    np.testing.assert_allclose(wide(found[0]), expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
@pytest.mark.parametrize(("op", "sample"), CASES)
def test_samples(op: Op, sample: Sample, dtype: Any) -> None:
    check(op, [x.astype(dtype) for x in sample.inputs], sample.attrs)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_operands_need_no_copy(op: Op, sample: Sample) -> None:
    """Channels first that lie as channels last, and the other way round; and slices."""
    axes = list(range(sample.inputs[0].ndim))
    for order in ([0, *axes[2:], 1], [0, axes[-1], *axes[1:-1]]):
        back = np.argsort(order)
        check(op, [x.transpose(order).copy().transpose(back) for x in sample.inputs], sample.attrs)
    check(op, [begun(np.pad(x, [(1, 0)] * x.ndim)[(slice(1, None),) * x.ndim]) for x in sample.inputs], sample.attrs)


def test_the_library_refuses_odd_addresses() -> None:
    """As the real one does: operands, results and workspace lie where plans expect them."""
    op, sample = FAMILY[0], samples_of(FAMILY[0])[1]
    x, w = sample.inputs
    check(op, [begun(x), begun(w)], sample.attrs)
    for operands in ([begun(x, 1), begun(w)], [begun(x), begun(w, 1)]):
        with pytest.raises(RuntimeError, match="CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER"):
            by_library(op, operands, sample.attrs)
    y = np.zeros(op.infer(Spec(x.shape, x.dtype), Spec(w.shape, w.dtype), **sample.attrs).shape)  # type: ignore[union-attr]
    call: Any = cuda_rule(op).library((placed(x), placed(w)), (placed(y),), **sample.attrs)  # type: ignore[misc]
    scratch, places = np.zeros(call.workspace + 8, np.uint8), [*map(address, map(begun, (x, w, y)))]
    for pointers, workspace in (([*places[:2], places[2] + 8], address(scratch)), (places, address(scratch) + 8)):
        with pytest.raises(RuntimeError, match="MISALIGNED_POINTER"):
            call.enqueue(pointers, workspace, 0)
    assert call.alignment == dnn.ALIGNMENT


def test_what_the_library_does_not_take() -> None:
    op, sample = FAMILY[0], samples_of(FAMILY[0])[1]
    x, w = sample.inputs
    assert by_library(op, [x[::-1], w], sample.attrs) is None
    assert by_library(op, [x.astype(np.int32), w.astype(np.int32)], sample.attrs) is None


def test_float32_is_rounded_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    op, sample = FAMILY[0], samples_of(FAMILY[0])[1]
    arrays = [x.astype(np.float32) for x in sample.inputs]
    (exact,) = by_library(op, arrays, sample.attrs) or ()
    monkeypatch.setattr(config, "tf32", True)
    (rounded,) = by_library(op, arrays, sample.attrs) or ()
    assert 1e-5 < np.abs(exact - rounded).max() < 1e-1


def test_streams_and_captures() -> None:
    """Calls go to the stream they are given; a captured one reads what lies there when it runs; plans are made before."""
    op, sample = FAMILY[0], samples_of(FAMILY[0])[1]
    x, w = (a.copy() for a in sample.inputs)
    (before,) = by_library(op, [x, w], sample.attrs) or ()
    streams.begin(5)
    (captured,) = by_library(op, [x, w], sample.attrs, stream=5) or ()
    with pytest.raises(AssertionError, match="before a capture"):
        by_library(op, [x.astype(np.float32), w.astype(np.float32)], sample.attrs)
    kept = streams.end(5).work
    (after,) = by_library(op, [x, w], sample.attrs) or ()
    assert (captured == 77).all() and (after == before).all()
    x *= 2
    for work in kept:
        work()
    np.testing.assert_allclose(captured, 2 * before)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Convolutions take another way, which is said once."""
    monkeypatch.setitem(sys.modules, "cudnn", None)
    monkeypatch.setattr(dnn, "library", functools.cache(LIBRARY.__wrapped__))
    sample = samples_of(FAMILY[0])[1]
    for _ in range(2):
        assert by_library(FAMILY[0], list(sample.inputs), sample.attrs) is None
    (record,) = caplog.records
    assert record.message.startswith("cuDNN was not found (") and record.message.endswith("convolutions and attention take slower ways")


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "device_count", lambda: 0)
    assert by_library(FAMILY[0], list(samples_of(FAMILY[0])[1].inputs), samples_of(FAMILY[0])[1].attrs) is None


@pytest.mark.slow
def test_plans_of_the_real_library() -> None:
    """cuDNN itself takes every kind of description and has an algorithm for it on an H200, of which it is only told."""
    if COMPILER is None:
        pytest.skip("needs g++")
    tests = TESTS
    environment = {"PYTHONPATH": f"{tests}:{tests.parent}", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "emulator.plans", COMPILER]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    made = json.loads(done.stdout.splitlines()[-1])
    if not made:
        pytest.skip("cuDNN is not installed")
    assert len(made) > 80
    assert {name: reason for name, reason in made.items() if isinstance(reason, str)} == {}
    # The emulated library asks for what the real one does, and rather for more.
    assert {name: found for name, found in made.items() if found["workspace"] > 1.4 * found["modelled"]} == {}
    assert all(found["workspace"] == found["modelled"] for name, found in made.items() if "attention" in name)


@pytest.mark.parametrize(
    ("name", "workspace"),
    [
        ("result of ResNet-50's first convolution", 102_810_640),
        ("weight of ResNet-50's first convolution", 108_932_240),
        ("gradient of GPT-2's attention", 25_559_296),
        ("gradient of GPT-2's attention, deterministic", 201_720_064),
    ],
)
def test_workspaces_are_those_of_the_real_library(name: str, workspace: int) -> None:
    """Of the plans that bars of memory depend on most, as cuDNN 9.19 made them for an H200: memory planned here is not too little."""
    call = dnn.plan(descriptions()[name])
    assert call is not None and 0.99 < call.workspace / workspace < 1.05
