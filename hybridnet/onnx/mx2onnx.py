"""MXNet's names for writing ONNX files: ``mx.onnx.export_model`` of a symbol and its parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet import log, ndarray, serialization, symbol
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.symbol_block import SymbolBlock
from hybridnet.onnx.exporting import IR_VERSIONS, export
from hybridnet.onnx.rules import RULES

__all__ = ["export_model", "get_operator_support"]

OPSET = 13  # the one that MXNet wrote


def export_model(
    sym: Any,
    params: Any,
    in_shapes: Sequence[Sequence[int]] | None = None,
    in_types: Any = np.float32,
    onnx_file_path: str | os.PathLike[str] = "model.onnx",
    verbose: bool = False,
    dynamic: bool = False,
    dynamic_input_shapes: Sequence[Sequence[Any]] | None = None,
    run_shape_inference: bool = False,
    input_type: Any = None,
    input_shape: Sequence[Sequence[int]] | None = None,
) -> str | os.PathLike[str]:
    """Write a symbol with its parameters as an ONNX file; gives the file's path.

    ``sym``: a Symbol or the path of its file. ``params``: a dictionary of arrays (``arg:`` and ``aux:`` before names are left out), two of
    them, or the path of a file. ``in_shapes``, ``in_types``: of the arguments that are no parameters, in the symbol's order; labels,
    which come last, may be left out. ``input_shape`` and ``input_type`` are older names of these. ``dynamic``: axes that are ``None`` or a
    name in ``dynamic_input_shapes`` may have any size; without it the first axis of each input is one ``batch``. ``run_shape_inference``:
    shapes of all values are always inferred. ``verbose`` logs the path.

    ArgumentError for shapes that are not as many as the inputs; what else is said of :func:`hybridnet.onnx.export` holds here.
    """
    graph = symbol.load(sym) if isinstance(sym, (str, os.PathLike)) else sym
    values = _parameters(params)
    shapes = in_shapes if in_shapes is not None else input_shape
    names = [name for name in graph.list_arguments() if name not in values]
    if shapes is None or len(shapes) > len(names):
        fail(ArgumentError, "onnx.export_model", expected=f"in_shapes of {', '.join(names)}", got=repr(shapes))
    inputs, labels = names[: len(shapes)], names[len(shapes) :]
    types = input_type if input_type is not None else in_types
    each = list(types) if isinstance(types, (list, tuple)) else [types] * len(inputs)
    if len(each) != len(inputs):
        fail(ArgumentError, "onnx.export_model", expected=f"{len(inputs)} types", got=str(len(each)))
    block = SymbolBlock(graph, [symbol.var(name) for name in (*inputs, *labels)])
    examples = {n: ndarray.zeros(tuple(s), dtype=t) for n, s, t in zip(inputs, shapes, each, strict=True)}

    def given(arrays: Sequence[Any]) -> list[Any]:
        """The arrays, and zeros for labels, on which predictions do not depend."""
        known, _, _ = graph.infer_shape_partial(**{name: x.shape for name, x in zip(inputs, arrays, strict=True)})
        found = dict(zip(graph.list_arguments(), known or [], strict=True))
        return [*arrays, *[ndarray.zeros(found[name]) for name in labels]]

    block.infer_shape(*given(list(examples.values())))
    block.collect_params().load_dict(values, ignore_extra=True, cast_dtype=True, dtype_source="saved")

    def predict(*arrays: Any) -> Any:
        return block(*given(arrays))

    axes = _dynamic_axes(inputs, shapes, dynamic_input_shapes) if dynamic else None
    export(predict, onnx_file_path, examples, axes, OPSET)
    if verbose:
        log.get_logger("hybridnet.onnx").warning("wrote %s", onnx_file_path)
    return onnx_file_path


def _parameters(params: Any) -> dict[str, Any]:
    """Parameters by their names in the symbol."""
    if isinstance(params, (str, os.PathLike)):
        params = serialization.load_named(params)
    parts = [params] if isinstance(params, Mapping) else params
    return {name.removeprefix("arg:").removeprefix("aux:"): x for part in parts for name, x in part.items()}


def _dynamic_axes(
    inputs: Sequence[str], shapes: Sequence[Sequence[int]], given: Sequence[Sequence[Any]] | None
) -> dict[str, dict[int, str]]:
    if given is None:
        return {name: {0: "batch"} for name in inputs}
    if [len(s) for s in given] != [len(s) for s in shapes]:
        fail(ArgumentError, "onnx.export_model", expected="dynamic_input_shapes of as many axes as in_shapes", got=repr(list(given)))
    found: dict[str, dict[int, str]] = {}
    for name, shape in zip(inputs, given, strict=True):
        found[name] = {axis: n or f"{name}_{axis}" for axis, n in enumerate(shape) if n is None or isinstance(n, str)}
    return found


def get_operator_support(opset_version: int | None = None) -> list[str]:
    """The names of the operators that have a rule of their own at that opset; others are written in their parts where they have such."""
    opset = opset_version or max(IR_VERSIONS)
    return sorted(name for name, rule in RULES.items() if rule.since <= opset)
