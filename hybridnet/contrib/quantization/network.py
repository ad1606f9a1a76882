"""Gluon's networks in int8."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from hybridnet import autograd, ndarray
from hybridnet import symbol as sym
from hybridnet.contrib.quantization.calibration import (
    CalibrationCollector,
    Ranges,
    _LayerHistogramCollector,
    _LayerOutputMinMaxCollector,
)
from hybridnet.contrib.quantization.folding import Arrays, folded
from hybridnet.contrib.quantization.graphs import Choice, Rewriter, asked_for, name_of
from hybridnet.contrib.quantization.simulation import Simulated, filled
from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.symbol_block import SymbolBlock
from hybridnet.symbol import Symbol

MODES = ("none", "naive", "entropy", "custom")


class QuantizedBlock(SymbolBlock):
    """A network in int8: floating numbers in and out, products in bytes between.

    ``ranges``: those of its arrays by names, as the examples showed them. :meth:`simulated` is what is exported.
    """

    def __init__(
        self, graph: Symbol, inputs: list[str], arrays: Arrays, floating: tuple[Symbol, Arrays], ranges: Ranges, choice: Choice
    ) -> None:
        super().__init__(graph, [sym.var(name) for name in inputs])
        filled(self, arrays)
        self.ranges = ranges
        self._floating, self._choice = floating, choice

    def simulated(self) -> HybridBlock:
        """The network in floating numbers that are rounded as int8 would be, each channel of a weight in steps of its own.

        ``onnx.export`` writes it with QuantizeLinear and DequantizeLinear, from which a runtime makes int8 products.
        ArgumentError for a network that was not calibrated.
        """
        if not self.ranges:
            fail(ArgumentError, "quantization", expected="a calibrated network", got="calib_mode 'none'", fix="calib_mode='naive'")
        graph, arrays = self._floating
        return Simulated(graph, self._input_names, arrays, self.ranges, self._choice)


def calibrated(
    graph: Symbol, arrays: Arrays, inputs: list[str], examples: Iterable[list[Any]], collector: CalibrationCollector, choice: Choice
) -> Ranges:
    """The ranges of the arrays that the quantized graph needs, as ``collector`` finds them on ``examples``, lists of arrays."""
    entries = asked_for(graph, arrays, choice)
    shown = Symbol(entries)
    read = [i for i, name in enumerate(inputs) if name in shown.list_inputs()]
    block = filled(SymbolBlock(shown, [sym.var(inputs[i]) for i in read]), arrays)
    block.hybridize()
    with autograd.predict_mode():
        for batch in examples:
            found = block(*[batch[i] for i in read])
            for entry, x in zip(entries, found if isinstance(found, list) else [found], strict=True):
                collector.collect(name_of(entry), entry.node.op, x)
    return collector.post_collect()


def collector_for(calib_mode: str, given: CalibrationCollector | None) -> CalibrationCollector | None:
    """The collector of a way to calibrate; ``None`` for none. ArgumentError for another way, or custom without a collector."""
    if calib_mode not in MODES:
        fail(ArgumentError, "quantization", expected=f"calib_mode {', '.join(MODES)}", got=repr(calib_mode))
    if calib_mode == "custom" and given is None:
        fail(ArgumentError, "quantization", expected="a LayerOutputCollector with calib_mode 'custom'", got="none")
    if given is not None:
        return given
    return {"none": None, "naive": _LayerOutputMinMaxCollector(), "entropy": _LayerHistogramCollector(), "custom": None}[calib_mode]


def check(quantized_dtype: str, quantize_mode: str, quantize_granularity: str) -> None:
    """ArgumentError for what the quantized operators cannot do."""
    for name, value, allowed in (
        ("quantized_dtype", quantized_dtype, ("auto", "int8", "uint8")),
        ("quantize_mode", quantize_mode, ("full", "smart")),
        ("quantize_granularity", quantize_granularity, ("tensor-wise",)),
    ):
        if value not in allowed:
            fix = "onnx.export, which writes a scale for each channel" if name == "quantize_granularity" else ""
            fail(ArgumentError, "quantization", expected=f"{name} {' or '.join(allowed)}", got=repr(value), fix=fix)


def batches(calib_data: Any, most: int | None, count: int) -> Iterable[list[Any]]:
    """The ``count`` inputs of each batch of a DataLoader, a DataIter or a list of batches, until ``most`` examples have come."""
    if hasattr(calib_data, "reset"):
        calib_data.reset()
    seen = 0
    for batch in calib_data:
        arrays = list(batch.data) if hasattr(batch, "data") and not isinstance(batch, NDArray) else batch
        arrays = list(arrays if isinstance(arrays, (list, tuple)) else [arrays])[:count]
        yield arrays
        seen += arrays[0].shape[0]
        if most is not None and seen >= most:
            return


def quantize_net_v2(
    network: HybridBlock,
    quantized_dtype: str = "auto",
    quantize_mode: str = "full",
    quantize_granularity: str = "tensor-wise",
    exclude_layers: Collection[str] | None = None,
    exclude_layers_match: Collection[str] | None = None,
    exclude_operators: Collection[str] | None = None,
    calib_data: Any = None,
    data_shapes: Any = None,
    calib_mode: str = "none",
    num_calib_examples: int | None = None,
    ctx: Any = None,
    LayerOutputCollector: CalibrationCollector | None = None,
    logger: Any = None,
) -> QuantizedBlock:
    """An int8 network that computes nearly what ``network``, a block of floating layers, computes in prediction.

    ``quantized_dtype``: int8, or uint8 and auto for uint8 where nothing that a layer reads is below 0. ``exclude_layers``,
    ``exclude_layers_match``, ``exclude_operators``: layers by name, by pattern (``*conv0*``), and by MXNet's name of the operator
    that stay as they are. ``calib_mode``: ``none`` finds ranges anew at every call; ``naive`` takes the least and the largest number on
    ``calib_data``, a DataLoader, a DataIter or a list of batches; ``entropy`` the range that loses least (:func:`optimal_threshold`);
    ``custom`` what ``LayerOutputCollector`` finds. ``num_calib_examples``: how many examples are enough, all unless given. ``data_shapes``:
    of the inputs, where there are no examples to tell them and the network was not called yet. Batch norms become part of the layers before
    them. ``quantize_mode`` full and smart are the same here; ``ctx`` and ``logger`` are not needed. ArgumentError for other values.
    """
    check(quantized_dtype, quantize_mode, quantize_granularity)
    collector = collector_for(calib_mode, LayerOutputCollector)
    if collector is not None and calib_data is None:
        fail(ArgumentError, "quantization", expected=f"calib_data with calib_mode {calib_mode!r}", got="none")
    _shaped(network, calib_data, data_shapes)
    graph, inputs = network._as_symbol()
    values = {p.name: np.asarray(p._reduce()) for p in network.collect_params().values()}
    held = {name: values[name] for name in graph.list_inputs() if name not in inputs}
    choice = Choice(quantized_dtype, exclude_layers or (), exclude_layers_match or (), exclude_operators or ())
    plain = folded(graph, held)
    examples = batches(calib_data, num_calib_examples, len(inputs)) if collector is not None else ()
    ranges = {} if collector is None else calibrated(*plain, inputs, examples, collector, choice)
    rewriter = Rewriter(*plain, ranges, choice)
    return QuantizedBlock(rewriter.run(), inputs, rewriter.arrays, plain, ranges, choice)


def _shaped(network: HybridBlock, calib_data: Any, data_shapes: Any) -> None:
    """Call the network once, so that the shapes of its parameters are known."""
    if all(p._data is not None for p in network.collect_params().values()):
        return
    if data_shapes is not None:
        example = [ndarray.zeros(getattr(d, "shape", d)) for d in data_shapes]
    elif calib_data is not None:
        example = next(iter(batches(calib_data, None, 1)))
    else:
        fail(ArgumentError, "quantization", expected="data_shapes, or a network that was called", got="neither")
    network(*example)


def quantize_net(
    network: HybridBlock,
    quantized_dtype: str = "auto",
    quantize_mode: str = "full",
    exclude_layers: Collection[str] | None = None,
    exclude_layers_match: Collection[str] | None = None,
    exclude_operators: Collection[str] | None = None,
    calib_data: Any = None,
    data_shapes: Any = None,
    calib_mode: str = "none",
    num_calib_examples: int | None = None,
    ctx: Any = None,
    logger: Any = None,
) -> QuantizedBlock:
    """As :func:`quantize_net_v2`, with MXNet 1.x's arguments."""
    return quantize_net_v2(
        network,
        quantized_dtype,
        quantize_mode,
        "tensor-wise",
        exclude_layers,
        exclude_layers_match,
        exclude_operators,
        calib_data,
        data_shapes,
        calib_mode,
        num_calib_examples,
        ctx,
        None,
        logger,
    )
