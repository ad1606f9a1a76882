"""Symbols and their parameters in int8, by MXNet's functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet import ndarray
from hybridnet.contrib.quantization.calibration import CalibrationCollector, Ranges
from hybridnet.contrib.quantization.folding import Arrays, folded
from hybridnet.contrib.quantization.graphs import Choice, Rewriter
from hybridnet.contrib.quantization.network import batches, calibrated, check, collector_for
from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol import Symbol

Parameters = Mapping[str, Any]


def quantize_model(
    sym: Symbol,
    arg_params: Parameters,
    aux_params: Parameters,
    data_names: Sequence[str] = ("data",),
    label_names: Sequence[str] | None = ("softmax_label",),
    ctx: Any = None,
    excluded_sym_names: Collection[str] | None = None,
    excluded_op_names: Collection[str] | None = None,
    calib_mode: str = "entropy",
    calib_data: Any = None,
    num_calib_examples: int | None = None,
    quantized_dtype: str = "int8",
    quantize_mode: str = "smart",
    quantize_granularity: str = "tensor-wise",
    logger: Any = None,
) -> tuple[Symbol, dict[str, Any], dict[str, Any]]:
    """The int8 symbol of ``sym``, its arguments and its states: (symbol, ``arg_params``, ``aux_params``).

    ``calib_data`` is a DataIter, whose arrays are ``data_names``; ``label_names`` and ``logger`` are not needed. The other arguments are
    as of :func:`quantize_net_v2`, ArgumentError too.
    """
    check(quantized_dtype, quantize_mode, quantize_granularity)
    collector = collector_for(calib_mode, None)
    choice = Choice(quantized_dtype, excluded_sym_names or (), (), excluded_op_names or ())
    plain = folded(sym, _hosts(sym, arg_params, aux_params))
    ranges: Ranges = {}
    if collector is not None:
        if calib_data is None:
            fail(ArgumentError, "quantize_model", expected=f"calib_data with calib_mode {calib_mode!r}", got="none")
        examples = batches(calib_data, num_calib_examples, len(data_names))
        ranges = calibrated(*plain, list(data_names), examples, collector, choice)
    return _rewritten(plain, ranges, choice)


def quantize_graph(
    sym: Symbol,
    arg_params: Parameters,
    aux_params: Parameters,
    ctx: Any = None,
    excluded_sym_names: Collection[str] | None = None,
    excluded_op_names: Collection[str] | None = None,
    calib_mode: str = "entropy",
    quantized_dtype: str = "int8",
    quantize_mode: str = "full",
    quantize_granularity: str = "tensor-wise",
    LayerOutputCollector: CalibrationCollector | None = None,
    logger: Any = None,
) -> tuple[Symbol, dict[str, Any], dict[str, Any], CalibrationCollector | None]:
    """As :func:`quantize_model`, not calibrated yet, and the collector that is to be shown the arrays of ``sym`` for that.

    Call its ``collect(name, op_name, array)`` for the inputs and outputs of layers by their names in ``sym``, then :func:`calib_graph`.
    """
    check(quantized_dtype, quantize_mode, quantize_granularity)
    collector = collector_for(calib_mode, LayerOutputCollector)
    choice = Choice(quantized_dtype, excluded_sym_names or (), (), excluded_op_names or ())
    plain = folded(sym, _hosts(sym, arg_params, aux_params))
    if collector is not None:
        collector.quantizes = plain, choice
    return *_rewritten(plain, {}, choice), collector


def calib_graph(
    qsym: Symbol,
    arg_params: Parameters,
    aux_params: Parameters,
    collector: CalibrationCollector,
    calib_mode: str = "entropy",
    quantized_dtype: str | None = None,
    logger: Any = None,
) -> tuple[Symbol, dict[str, Any], dict[str, Any]]:
    """What :func:`quantize_graph` gave, with the ranges that its ``collector`` found: (symbol, ``arg_params``, ``aux_params``).

    ArgumentError for a collector that is of no graph. The other arguments are those that :func:`quantize_graph` was given.
    """
    if collector.quantizes is None:
        fail(ArgumentError, "calib_graph", expected="the collector that quantize_graph gave", got=type(collector).__name__)
    plain, choice = collector.quantizes
    return _rewritten(plain, collector.post_collect(), choice)


def _hosts(graph: Symbol, *parameters: Parameters) -> Arrays:
    names = set(graph.list_inputs())
    return {name: np.asarray(x) for given in parameters for name, x in given.items() if name in names}


def _rewritten(plain: tuple[Symbol, Arrays], ranges: Ranges, choice: Choice) -> tuple[Symbol, dict[str, Any], dict[str, Any]]:
    rewriter = Rewriter(*plain, ranges, choice)
    graph = rewriter.run()
    made = {name: ndarray.array(x, dtype=x.dtype) for name, x in rewriter.arrays.items()}
    states = set(graph.list_auxiliary_states())
    return graph, {name: x for name, x in made.items() if name not in states}, {name: x for name, x in made.items() if name in states}
