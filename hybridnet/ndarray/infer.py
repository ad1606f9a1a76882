"""Shapes of a classic operator's inputs and outputs, as a symbol's ``infer_shape`` asks for them.

Inputs that are left open come from the operator's own rule (:mod:`hybridnet.ndarray.shapes`), outputs from tracing its
function with arrays of the inputs' shapes that have no memory: nothing is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridnet.core import local, wrap
from hybridnet.core.tree import flatten
from hybridnet.device import Device
from hybridnet.errors import ShapeError, fail
from hybridnet.ndarray.attributes import Shape
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.record import Attributes, ClassicOperator
from hybridnet.ndarray.register import FUNCTIONS
from hybridnet.traced import Traced


@dataclass(frozen=True)
class Shapes:
    """The shapes of an operator's inputs (auxiliary states last) and outputs, by name."""

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]


def infer_shapes(operator: ClassicOperator, known: Mapping[str, Shape], attributes: Attributes, dtype: Any = np.float32) -> Shapes:
    """The shapes of all inputs and outputs, from those of some inputs and the attributes (values, or strings that stand for them).

    ``dtype``: that of the inputs. Raises :class:`ShapeError` for an input whose shape does not follow, and what the operator
    raises where shapes do not fit together.
    """
    inputs = operator.shapes_of_inputs(known, attributes)
    names = operator.input_names(attributes)
    unknown = [name for name in names if name not in inputs]
    if unknown:
        fail(ShapeError, operator.name, expected=f"the shape of {', '.join(unknown)}", got=f"those of {', '.join(known) or 'none'}")
    found = _outputs(operator, [inputs[name] for name in names], names, operator.complete(attributes), dtype)
    return Shapes({name: inputs[name] for name in names}, dict(zip(operator.output_names(attributes), found, strict=True)))


def _outputs(operator: ClassicOperator, shapes: list[Shape], names: tuple[str, ...], a: dict[str, Any], dtype: Any) -> list[Shape]:
    function = FUNCTIONS[operator.name]

    def call(*arrays: Any) -> Any:
        return function(*arrays, **a) if operator.variadic else function(**dict(zip(names, arrays, strict=True)), **a)

    empty = np.zeros((), dtype)
    arrays = tuple(wrap(NDArray, np.broadcast_to(empty, shape), Device("cpu", 0)) for shape in shapes)
    leaves: list[Any] = []
    structure = flatten((arrays, {}), leaves)
    before = local.set(recording=False, training=False)
    try:
        traced = Traced(call, structure, leaves, recording=False)
    finally:
        local.set(recording=before[0], training=before[1])
    return [traced.graph.outputs[i].shape for i in traced.roles.results]
