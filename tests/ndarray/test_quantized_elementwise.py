"""Quantized sums, products and batch normalization: what MXNet 1.9.1 gave on the CPU."""

from typing import Any

import numpy as np
import pytest

import hybridnet as mx
from hybridnet import nd
from hybridnet.errors import ArgumentError, DtypeError

X, Y, U = [[-127, 5, 100, 0]], [[127, -7, 100, 3]], [[200, 5, 100, 0]]
RANGES = ((-1, 1, -2, 2), (-1, 3, 0, 2))
CALIBRATED = {"min_calib_range": -3.0, "max_calib_range": 3.0}


@pytest.fixture(autouse=True)
def classic_rules() -> Any:
    mx.util.reset_np()
    yield
    mx.util.set_np()


def called(name: str, arrays: Any, numbers: Any, **attributes: Any) -> list[Any]:
    ranges = [nd.array([x], dtype="float32") for x in numbers]
    found = getattr(nd.contrib, name)(*(nd.array(x, dtype=t) for x, t in arrays), *ranges, **attributes)
    return [y.asnumpy() for y in (found if isinstance(found, list) else [found])]


def compare(found: list[Any], dtype: str, values: Any, end: float) -> None:
    assert found[0].dtype == dtype
    np.testing.assert_allclose(found[0], values, rtol=1e-5)
    np.testing.assert_allclose(np.concatenate(found[1:]), [-end, end], rtol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "wide", "narrow"),
    [
        (
            ((X, "int8"), (Y, "int8")),
            ([[713020736, -50529032, 1684301056, 33686020]], [[-427812352, 3368600, 1684300800, 20211610]]),
            ([[42, -3, 100, 2]], [[-42, 0, 127, 2]]),
        ),
        (
            ((U, "uint8"), (U, "uint8")),
            ([[1681004928, 42025120, 840502464, 0]], [[1681004800, 42025120, 840502400, 0]]),
            ([[200, 5, 100, 0]], [[255, 8, 167, 0]]),
        ),
    ],
)
def test_sums(arrays: Any, wide: Any, narrow: Any) -> None:
    for ranges, whole, cut in zip(RANGES, wide, narrow, strict=True):
        end = ranges[1] + ranges[3]
        compare(called("quantized_elemwise_add", arrays, ranges), "int32", whole, end)
        compare(called("quantized_elemwise_add", arrays, ranges, **CALIBRATED), arrays[0][1], cut, 3)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_sum_of_both_types_is_the_sum(swapped: bool) -> None:
    arrays, ends = ((U, "uint8"), (Y, "int8")), ((0, 1), (-2, 2))
    order = slice(None, None, -1 if swapped else 1)
    numbers = [x for pair in ends[order] for x in pair]
    expected = np.array(U) / 255.5 + np.array(Y) * 2 / 127.5
    wide, narrow = (called("quantized_elemwise_add", arrays[order], numbers, **more) for more in ({}, CALIBRATED))
    np.testing.assert_allclose(wide[0] * (3 / (2**31 - 1)), expected, atol=1e-6)
    assert narrow[0].dtype == np.int8
    np.testing.assert_allclose(narrow[0] * (3 / 127.5), expected, atol=0.5 * 3 / 127.5 + 1e-6)


def test_products() -> None:
    arrays = (X, "int8"), (Y, "int8")
    name = "quantized_elemwise_mul"
    for ranges, end in zip(RANGES, (266288.5, 798865.5), strict=True):
        compare(called(name, arrays, ranges), "int32", [[-16129, -35, 10000, 0]], end)
    compare(called(name, arrays, RANGES[0], **CALIBRATED), "int8", [[-84, 0, 52, 0]], 3)
    compare(called(name, arrays, RANGES[1], **CALIBRATED), "int8", [[3, 0, -100, 0]], 3)  # it goes round
    (real,) = called(name, arrays, RANGES[1], enable_float_output=True)
    assert real.dtype == np.float32
    np.testing.assert_allclose(real, [[-5.953033447265625, -0.012918108142912388, 3.6908881664276123, 0]], rtol=1e-6)
    with pytest.raises(DtypeError, match="expected int8; got uint8"):
        called(name, ((U, "uint8"), (Y, "int8")), RANGES[0])


@pytest.mark.parametrize("low", [-2, 0])
def test_batch_normalization(low: float) -> None:
    parameters = [([1, 2, 0.5], "float32"), ([0, 0.1, -1], "float32"), ([0.1, 0.2, 0.3], "float32"), ([1, 0.5, 2], "float32")]
    signed, unsigned = np.arange(-12, 12).reshape(1, 3, 2, 4) * 10, np.arange(24).reshape(1, 3, 2, 4) * 10
    for x, dtype, expected in (
        (signed, "int8",
         [-63, -58, -53, -48, -43, -38, -33, -28, -71, -57, -43, -29, -15, -1, 13, 28, -28, -26, -25, -23, -21, -19, -18, -16]),
        (unsigned, "uint8", [-3, -1, 2, 4, 7, 9, 12, 14, 42, 49, 56, 63, 70, 77, 84, 91, -21, -20, -19, -18, -18, -17, -16, -15]),
    ):  # fmt: skip
        found = called("quantized_batch_norm", [(x, dtype), *parameters], (low, 2), min_calib_range=-4.0, max_calib_range=4.0)
        compare(found, "int8", np.reshape(expected, x.shape), 4)
    with pytest.raises(ArgumentError, match="expected min_calib_range and max_calib_range"):
        called("quantized_batch_norm", [(signed, "int8"), *parameters], (low, 2))
