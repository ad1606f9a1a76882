"""Quantized layers as symbols, with variables of bytes, and the search for where their ranges end, against MXNet 1.9.1's answers."""

from typing import Any

import numpy as np
import pytest

import hybridnet as mx
from hybridnet import nd, sym
from hybridnet.errors import ShapeError

RANGES = {"min_data": -1.0, "max_data": 1.0, "min_weight": -1.0, "max_weight": 1.0}


def bound(symbol: Any, shapes: dict[str, Any], types: dict[str, str]) -> Any:
    executor = symbol.simple_bind(mx.cpu(), grad_req="null", type_dict=types, **shapes)
    rng = np.random.RandomState(0)
    for name, x in executor.arg_dict.items():
        if name.startswith(("min", "max")) or "_m" in name:
            x[:] = 1.0 if "max" in name else -1.0
        else:
            x[:] = rng.randint(-9, 9, x.shape) if x.dtype == np.int8 else rng.randint(0, 9, x.shape)
    return executor


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_layers_take_variables_of_bytes(kind: str) -> None:
    """Shapes and dtypes follow, weights are int8 by themselves, and the program gives what ``nd`` gives."""
    data = sym.var("data")
    names = ["weight", *RANGES]
    rest = {name: sym.var(name) for name in names}
    c = sym.contrib
    cases = {
        "conv": (c.quantized_conv(data, kernel=(2, 2), num_filter=3, no_bias=True, **rest), (2, 4, 5, 5), "int32"),
        "dense": (c.quantized_fully_connected(data, num_hidden=3, no_bias=True, **rest), (2, 4), "int32"),
        "act": (c.quantized_act(data, sym.var("min_data"), sym.var("max_data"), act_type="relu"), (2, 4), kind),
        "pool": (c.quantized_pooling(data, sym.var("min_data"), sym.var("max_data"), kernel=(2, 2)), (2, 4, 5, 5), kind),
        "flatten": (c.quantized_flatten(data, sym.var("min_data"), sym.var("max_data")), (2, 4, 5), kind),
        "dequantize": (c.dequantize(data, sym.var("min_range"), sym.var("max_range")), (2, 4), "float32"),
    }
    for name, (symbol, shape, expected) in cases.items():
        shapes = {n: (1,) for n in symbol.list_arguments() if n.startswith(("min", "max"))}
        types = symbol.infer_type(data=kind)
        assert next(np.dtype(t).name for t in types[1] or []) == expected, name
        executor = bound(symbol, {"data": shape, **shapes}, {"data": kind})
        assert executor.arg_dict["data"].dtype == np.dtype(kind)
        if "weight" in executor.arg_dict:
            assert executor.arg_dict["weight"].dtype == np.int8
        (first, *_) = executor.forward()
        assert np.dtype(first.dtype).name == expected
        again = sym.load_json(symbol.tojson())
        assert again.infer_shape(data=shape, **shapes)[1][0] == first.shape


def test_a_sum_and_a_concatenation_of_bytes() -> None:
    names = ("lhs", "rhs", "lhs_min", "lhs_max", "rhs_min", "rhs_max")
    made = sym.contrib.quantized_elemwise_add(*map(sym.var, names))
    assert [np.dtype(t).name for t in made.infer_type(lhs="int8")[1]] == ["int32", "float32", "float32"]
    shapes = {"lhs": (2, 3), "rhs": (2, 3), **dict.fromkeys(names[2:], (1,))}
    executor = bound(made, shapes, {"lhs": "int8", "rhs": "int8"})
    expected = nd.contrib.quantized_elemwise_add(*executor.arg_arrays)
    assert executor.forward()[0].tolist() == expected[0].tolist()


#: Histograms, edges' end, bins; threshold and divergence of MXNet 1.9.1.
ANSWERS = [
    ([1, 2, 3, 4, 5, 4, 3, 2, 1], 4.5, 3, 3.5, 0.007433943450450897),
    ([0, 1, 5, 2, 0], 2.5, 2, 2.5, 0.08301957),
    ([1, 1, 5, 2, 1], 2.5, 2, 2.5, 0.15868506),
    ([1, 1, 5, 2, 1], 2.5, 3, 2.5, 0.9743686),
    ([1, 5, 2], 1.5, 2, 1.5, 1.1007916),
]


@pytest.mark.parametrize(("hist", "end", "bins", "threshold", "divergence"), ANSWERS)
def test_thresholds_are_mxnets(hist: list[int], end: float, bins: int, threshold: float, divergence: float) -> None:
    edges = np.linspace(-end, end, len(hist) + 1)
    found = nd.contrib.calibrate_entropy(nd.array(hist), nd.array(edges), num_quantized_bins=bins)
    np.testing.assert_allclose([x.asscalar() for x in found], [threshold, divergence], rtol=2e-6)
    symbol = sym.contrib.calibrate_entropy(sym.var("h"), sym.var("e"), num_quantized_bins=bins)
    computed = symbol.eval(h=nd.array(hist), e=nd.array(edges))
    assert [x.asscalar() for x in computed] == [x.asscalar() for x in found]


def test_what_is_no_histogram_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"odd number of bins, more than 255, and their edges"):
        nd.contrib.calibrate_entropy(nd.ones((9,)), nd.arange(10))
    assert nd.contrib.calibrate_entropy(nd.zeros((5,)), nd.arange(6), num_quantized_bins=3)[1].asscalar() == np.inf


def test_bytes_over_a_range_that_is_not_around_zero() -> None:
    """By the formula of MXNet's documentation, whose operator ends the process."""
    out, scale, shift = nd.contrib.quantize_asym(nd.array([-1.0, 0.0, 2.0, 5.0]), min_calib_range=-1.0, max_calib_range=2.0)
    assert out.dtype == np.uint8 and out.tolist() == [0, 85, 255, 255]
    assert scale.tolist() == [85.0] and shift.tolist() == [85.0]
    out, _, _ = nd.contrib.quantize_asym(nd.array([3.0, 4.0, 5.0]))
    assert out.tolist() == [0, 128, 255]
