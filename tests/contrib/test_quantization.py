"""int8 after training: thresholds, graphs, networks, and what onnxruntime makes of the exported ones."""

from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import nd, sym
from hybridnet.contrib import quantization
from hybridnet.contrib.quantization.calibration import _LayerHistogramCollector, _LayerOutputMinMaxCollector
from hybridnet.contrib.quantization.folding import folded
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon import SymbolBlock, nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.ops.nn.rounding import quantize_dequantize

RANDOM = numpy.random.default_rng(3)


def images(*shape: int) -> Any:
    return nd.array(RANDOM.normal(size=shape).astype("float32"))


class Residual(HybridBlock):
    """A sum and a joining of what convolutions give."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2D(4, 3, padding=1), nn.Conv2D(4, 1, use_bias=False)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        left, right = self.left(x), self.right(x)
        return F.concat(F.elemwise_add(left, right), left, dim=1)


def network() -> Any:
    """Every operator that goes on in bytes, norms that can be folded, and one that cannot."""
    hn.random.seed(1)
    net = nn.HybridSequential()
    net.add(nn.Conv2D(6, 3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D())
    net.add(Residual(), nn.BatchNorm(), nn.AvgPool2D(), nn.Flatten())
    net.add(nn.Dense(12), nn.BatchNorm(), nn.Activation("relu"), nn.Dense(5, use_bias=False))
    net.initialize(hn.init.Xavier())
    with hn.autograd.record():
        for _ in range(3):
            net(images(16, 3, 8, 8) * 2 + 1)
    return net


def error(found: Any, wanted: Any) -> float:
    return float(abs(found.asnumpy() - wanted.asnumpy()).max() / abs(wanted.asnumpy()).max())


# -- thresholds ---------------------------------------------------------------------------------------


def test_the_best_threshold() -> None:
    threshold, divergence = quantization.optimal_threshold([1, 2, 3, 4, 5, 4, 3, 2, 1], numpy.linspace(-4.5, 4.5, 10), 3)
    assert threshold == 3.5
    assert divergence == pytest.approx(0.00743394, abs=5e-8)  # what MXNet 1.9.1 gives


def test_far_numbers_are_cut_off() -> None:
    x = numpy.concatenate([RANDOM.normal(size=100_000), [40.0]])
    counts, edges = numpy.histogram(x, 2001, (-40, 40))
    threshold, _ = quantization.optimal_threshold(counts, edges)
    assert 2.5 < threshold < 8
    for counts, edges, bins in (
        ([1, 2], [0, 1, 2], 1),
        ([1, 2, 3], [0, 1, 2], 1),
        ([1, 2, 3], [0, 1, 2, 3], 5),
        ([1, 2, 3], [0, 1, 2, 3], 2),
    ):
        with pytest.raises(ArgumentError, match="optimal_threshold"):
            quantization.optimal_threshold(counts, edges, bins)


def test_collectors_see_every_batch() -> None:
    """A histogram that widens counts what the histogram of all at once counts, up to the width of a bin."""
    batches = [RANDOM.normal(size=1000) * scale for scale in (1, 3, 0.1)]
    least, histogram = _LayerOutputMinMaxCollector(), _LayerHistogramCollector(401, steps=31)
    for batch in batches:
        for collector in (least, histogram):
            collector.collect("a", "relu", nd.array(batch))
    joined = numpy.concatenate(batches).astype("float32")
    assert least.post_collect() == {"a": (joined.min(), joined.max())}
    counts, end, low, high = histogram._seen["a"]
    assert counts.sum() == len(joined) and end >= abs(joined).max() and (low, high) == least.min_max_dict["a"]
    moved = abs(counts - numpy.histogram(joined, len(counts), (-end, end))[0]).sum()
    assert moved <= 4, "numbers at the edges of bins alone, which are rounded"
    assert abs(numpy.array(histogram.post_collect()["a"])).max() <= end
    only = _LayerOutputMinMaxCollector(include_layers=["conv*"])
    only.collect("dense0_output", "FullyConnected", nd.ones(2))
    assert only.post_collect() == {}


# -- graphs -------------------------------------------------------------------------------------------


def test_norms_are_folded_into_the_layers_before_them() -> None:
    net = network()
    x = images(4, 3, 8, 8)
    graph, inputs = net._as_symbol()
    arrays = {p.name: p.data().asnumpy() for p in net.collect_params().values()}
    less, held = folded(graph, arrays)
    norms = [sum(n.op == "BatchNorm" for n in g._nodes) for g in (graph, less)]
    assert norms == [3, 1], "one stands behind a joining"
    assert set(held) == set(less.list_inputs()) - set(inputs)
    block = SymbolBlock(less, [sym.var("data")])
    block.load_dict({name: nd.array(value) for name, value in held.items()})
    assert error(block(x), net(x)) < 1e-5


@pytest.mark.parametrize("dtype", ["int8", "uint8", "auto"])
@pytest.mark.parametrize("mode", ["none", "naive", "entropy"])
def test_a_network_in_int8(mode: str, dtype: str) -> None:
    net = network()
    x = images(64, 3, 8, 8)
    if dtype == "uint8":
        x = abs(x)
    net8 = quantization.quantize_net_v2(net, dtype, calib_data=[x[:32], x[32:]], calib_mode=mode)
    ops = [node.op for node in net8._graph._nodes]
    assert ops.count("_contrib_quantized_conv") == 3 and ops.count("_contrib_quantized_fully_connected") == 2
    assert {"_contrib_quantized_pooling", "_contrib_quantized_act"} <= set(ops) or mode == "none"
    assert ("_contrib_quantized_elemwise_add" in ops and "_contrib_quantized_concat" in ops) == (mode != "none")
    assert ("Convolution" in ops, "FullyConnected" in ops) == (False, False)
    stored = {name: p.dtype for name, p in net8.collect_params().items()}
    assert str(numpy.dtype(stored[f"{net[0].name}_weight_quantize"])) == "int8"
    wanted = net(x)
    for hybrid in (False, True):
        net8.hybridize(hybrid)
        assert 0 < error(net8(x), wanted) < (0.2 if mode == "entropy" else 0.06)  # which cuts what is rare off
    if mode != "none":
        assert 0 < error(net8.simulated()(x), wanted) < (0.2 if mode == "entropy" else 0.06)
        assert (net8.ranges["data"][0] >= 0) == (dtype == "uint8")
    else:
        with pytest.raises(ArgumentError, match="a calibrated network"):
            net8.simulated()


class Steps(HybridBlock):
    """A relu that a layer reads, one that a sum reads too, and a layer without one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third, self.last = (nn.Conv2D(4, 3, padding=1) for _ in range(4))

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        x = F.relu(self.second(F.Pooling(F.relu(self.first(x)), kernel=(2, 2), stride=(2, 2), pool_type="max")))
        return self.last(F.elemwise_add(x, self.third(x)))


@pytest.mark.parametrize("dtype", ["auto", "int8"])
def test_what_a_relu_lets_through_has_all_steps_of_bytes(dtype: str) -> None:
    """Where nothing but products reads it: a sum of bytes is of int8 alone."""
    hn.random.seed(2)
    net = Steps()
    net.initialize(hn.init.Xavier())
    x = images(8, 3, 8, 8)
    net8 = quantization.quantize_net_v2(net, dtype, calib_data=[x], calib_mode="naive")
    types = [node.values["out_type"] for node in net8._graph._nodes if node.op == "_contrib_requantize"]
    assert sorted(types) == ["int8", "int8", "uint8" if dtype == "auto" else "int8"]
    assert error(net8(x), net(x)) < 0.05


def test_layers_that_are_left_alone() -> None:
    net = network()
    x = images(8, 3, 8, 8)
    given: dict[str, Any] = {"calib_data": [x], "calib_mode": "naive"}
    first, *dense = [f"{net[i].name}_fwd" for i in (0, 8, 11)]
    for what, left in (
        ({"exclude_layers": [first]}, [first]),
        ({"exclude_layers_match": ["dense*"]}, dense),
        ({"exclude_operators": ["FullyConnected"]}, dense),
    ):
        net8 = quantization.quantize_net(net, **given, **what)
        assert [n.name for n in net8._graph._nodes if n.op in ("Convolution", "FullyConnected")] == left
        assert error(net8(x), net(x)) < 0.06
    with pytest.raises(ArgumentError, match=r"a layer .* that may be in bytes"):
        quantization.quantize_net(net, exclude_operators=["FullyConnected", "Convolution"], **given)


def test_a_network_that_was_never_called() -> None:
    net = nn.Dense(3)
    net.initialize()
    with pytest.raises(ArgumentError, match="data_shapes, or a network that was called"):
        quantization.quantize_net(net)
    net8 = quantization.quantize_net(net, data_shapes=[(2, 4)])
    x = images(2, 4)
    assert error(net8(x), net(x)) < 0.03


def test_arguments() -> None:
    net = network()
    for given, text in (
        ({"calib_mode": "best"}, "calib_mode none, naive, entropy, custom"),
        ({"calib_mode": "naive"}, "calib_data with calib_mode 'naive'"),
        ({"calib_mode": "custom"}, "a LayerOutputCollector"),
        ({"quantized_dtype": "int4"}, "quantized_dtype auto or int8 or uint8"),
        ({"quantize_mode": "some"}, "quantize_mode full or smart"),
        ({"quantize_granularity": "channel-wise"}, "tensor-wise; got 'channel-wise'; .*a scale for each channel"),
    ):
        with pytest.raises(ArgumentError, match=text):
            quantization.quantize_net_v2(net, **given)


def test_a_collector_of_ones_own() -> None:
    class Twice(quantization.CalibrationCollector):
        def collect(self, name: str, op_name: str, arr: Any) -> None:
            assert (op_name == "null") == (name == "data")
            self.min_max_dict[name] = (-2 * float(abs(arr).max().asscalar()), 2 * float(abs(arr).max().asscalar()))

    net = network()
    x = images(8, 3, 8, 8)
    net8 = quantization.quantize_net_v2(net, calib_data=[x], calib_mode="custom", LayerOutputCollector=Twice())
    assert net8.ranges["data"][1] == pytest.approx(2 * float(abs(x).max().asscalar()))
    assert error(net8(x), net(x)) < 0.12


# -- symbols ------------------------------------------------------------------------------------------


def small_model() -> tuple[Any, dict[str, Any], dict[str, Any]]:
    x = sym.Convolution(sym.var("data"), kernel=(3, 3), num_filter=4, name="conv0")
    x = sym.Activation(sym.BatchNorm(x, fix_gamma=False, name="bn0"), act_type="relu", name="relu0")
    x = sym.SoftmaxOutput(sym.FullyConnected(sym.Flatten(x), num_hidden=3, name="fc0"), name="softmax")
    shapes, _, states = x.infer_shape(data=(8, 2, 6, 6))
    args = {
        n: nd.array(RANDOM.normal(size=s) / 2) for n, s in zip(x.list_arguments(), shapes, strict=True) if n[:4] not in ("data", "soft")
    }
    return x, args, {n: nd.array(RANDOM.uniform(0.5, 1, s)) for n, s in zip(x.list_auxiliary_states(), states, strict=True)}


def computed(graph: Any, parameters: dict[str, Any], x: Any) -> Any:
    inputs = [name for name in ("data", "softmax_label") if name in graph.list_arguments()]
    block = SymbolBlock(graph, [sym.var(name) for name in inputs])
    for parameter in block.collect_params().values():
        parameter.grad_req = "null"
    block.load_dict(parameters, cast_dtype=True, dtype_source="saved", ignore_extra=True)
    return block(*[x, nd.zeros(len(x))][: len(inputs)])


def test_a_symbol_and_its_parameters() -> None:
    graph, args, states = small_model()
    x = images(32, 2, 6, 6)
    wanted = computed(graph, {**args, **states}, x)
    for mode in ("none", "naive", "entropy"):
        data = hn.io.NDArrayIter(x, nd.zeros(32), batch_size=8)
        graph8, args8, states8 = quantization.quantize_model(graph, args, states, calib_mode=mode, calib_data=data, num_calib_examples=16)
        assert args8["conv0_weight_quantize"].dtype == numpy.int8
        assert set(graph8.list_arguments()) == {*args8, "data", "softmax_label"} and set(states8) == set(graph8.list_auxiliary_states())
        assert error(computed(graph8, {**args8, **states8}, x), wanted) < 0.15
    graph8, args8, states8, collector = quantization.quantize_graph(graph, args, states, calib_mode="naive")
    with pytest.raises(ArgumentError, match="the collector that quantize_graph gave"):
        quantization.calib_graph(graph8, args8, states8, quantization.CalibrationCollector())
    inner = graph.get_internals()
    for name in ("data", "relu0_output", "fc0_output"):
        collector.collect(name, "", computed(inner[name], {**args, **states}, x) if name != "data" else x)
    graph8, args8, states8 = quantization.calib_graph(graph8, args8, states8, collector)
    assert "min_calib_range" in graph8.get_internals()["data_quantize_output0"].list_attr()
    assert error(computed(graph8, {**args8, **states8}, x), wanted) < 0.15


def test_a_quantized_model_as_programs_of_symbols_run_it(tmp_path: Any) -> None:
    """Saved as a checkpoint and loaded; bound with arrays, bound by shapes, and as a Module."""
    graph, args, states = small_model()
    x = images(8, 2, 6, 6)
    wanted = computed(graph, {**args, **states}, x)
    data = hn.io.NDArrayIter(x, nd.zeros(8), batch_size=8)
    found = quantization.quantize_model(graph, args, states, calib_mode="naive", calib_data=data)
    hn.model.save_checkpoint(str(tmp_path / "int8"), 3, *found)
    graph8, args8, states8 = hn.model.load_checkpoint(str(tmp_path / "int8"), 3)
    assert {n: a.dtype for n, a in args8.items()} == {n: a.dtype for n, a in found[1].items()}
    given = {**args8, "data": x, "softmax_label": nd.zeros(8)}
    bound = graph8.bind(hn.cpu(), given, aux_states=states8, grad_req="null")
    first = bound.forward(is_train=False)[0]
    assert error(first, wanted) < 0.15
    by_shapes = graph8.simple_bind(hn.cpu(), grad_req="null", data=x.shape, softmax_label=(8,))
    by_shapes.copy_params_from(args8, states8)
    numpy.testing.assert_array_equal(by_shapes.forward(is_train=False, data=x)[0].asnumpy(), first.asnumpy())
    module = hn.mod.Module(graph8, context=hn.cpu())
    module.bind(data.provide_data, data.provide_label, for_training=False)
    module.set_params(args8, states8)
    data.reset()
    numpy.testing.assert_array_equal(module.predict(data).asnumpy(), first.asnumpy())


# -- the operator, and ONNX ---------------------------------------------------------------------------


def test_numbers_through_few_whole_ones() -> None:
    x = numpy.array([[-100.0, -0.25, 0.26, 1.25], [0.25, 0.75, 63.4, 64]], "float32")
    found = quantize_dequantize(nd.array(x), nd.array([0.5])).asnumpy()
    numpy.testing.assert_array_equal(found, [[-64, 0, 0.5, 1], [0, 1, 63.5, 63.5]])
    found = quantize_dequantize(nd.array(x), nd.array([0.5, 1.0]), 0, "uint8").asnumpy()
    numpy.testing.assert_array_equal(found, [[0, 0, 0.5, 1], [0, 1, 63, 64]])
    with pytest.raises(ArgumentError, match="int8 or uint8"):
        quantize_dequantize(nd.array(x), nd.array([0.5]), 0, "int4")
    with pytest.raises(ShapeError, match="one along axis 1"):
        quantize_dequantize(nd.array(x), nd.array([0.5, 1.0]), 1)


@pytest.mark.parametrize("dtype", ["int8", "auto"])
def test_exported_for_onnxruntime(dtype: str, tmp_path: Any) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed: it writes the files")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: it runs the files")
    import onnx

    from hybridnet.onnx import export

    net = network()
    x = images(64, 3, 8, 8)
    net8 = quantization.quantize_net_v2(net, dtype, calib_data=[x], calib_mode="naive")
    file = tmp_path / "net.onnx"
    export(net8, file, [x[:2]], {"data": {0: "batch"}})
    proto = onnx.load(file)
    weights = [t for t in proto.graph.initializer if t.name.endswith("_quantized")]
    assert len(weights) == 5 and all(t.data_type == onnx.TensorProto.INT8 for t in weights)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # see the docstring of hybridnet.contrib.quantization
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    found = nd.array(session.run(None, {"data": x.asnumpy()})[0])
    assert error(found, net(x)) < 0.06
    assert error(found, net8.simulated()(x)) < 0.03
