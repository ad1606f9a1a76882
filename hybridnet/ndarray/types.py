"""Rules for the dtypes of operators whose inputs and outputs are not all of one: what a symbol's ``infer_type`` asks.

A rule is handed the dtypes of inputs by name, those of outputs, and all attributes; it gives both back with what follows. Most operators
need none (:func:`hybridnet.ndarray.record.all_one`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.dtypes import Dtype
from hybridnet.ndarray.record import Attributes, TypeRule, all_one, of_attribute

Known = Mapping[str, Dtype | None]
Outputs = Sequence[Dtype | None]


def statistics_wide(*names: str) -> TypeRule:
    """Inputs that are float32 beside data of 16 bits, and of the data's dtype else; further outputs are like them."""

    def rule(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
        data = inputs["data"] or (outputs[0] if outputs else None)
        wide = dtypes.float32 if data in (dtypes.float16, dtypes.bfloat16) else data
        return {key: t or (wide if key in names else data) for key, t in inputs.items()}, [data, *[wide] * (len(outputs) - 1)]

    return rule


def own_dtype(*names: str) -> TypeRule:
    """Inputs that are of the attribute ``dtype``, as are all outputs; the others keep theirs."""

    def rule(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
        own = next((inputs[key] for key in names if inputs.get(key) is not None), None) or dtypes.as_dtype(a["dtype"])
        return {key: own if key in names else t for key, t in inputs.items()}, [own] * len(outputs)

    return rule


def always(*of_outputs: Dtype | None) -> TypeRule:
    """Outputs of given dtypes, whatever the inputs are; ``None`` stands for that of the inputs."""

    def rule(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
        found = all_one(inputs, (), a)[0]
        of_inputs = next(iter(found.values()), None)
        return found, [of_inputs if t is None else t for t in of_outputs]

    return rule


def apart(*names: str) -> TypeRule:
    """Inputs of any dtype, which says nothing of the others: indices, lengths. The others and the outputs are as in other operators."""

    def rule(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
        usual = of_attribute if "dtype" in a else all_one
        found, results = usual({key: t for key, t in inputs.items() if key not in names}, outputs, a)
        return {**inputs, **found}, results

    return rule


def following(*names: str) -> TypeRule:
    """Inputs that are of the others' dtype unless they have one of their own, of which nothing follows for the others: labels."""

    def rule(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
        found, results = apart(*names)(inputs, outputs, a)
        of_others = next((t for key, t in found.items() if key not in names), None)
        return {key: t or of_others for key, t in found.items()}, results

    return rule


def cast_floating(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
    """``amp_cast``: floating data become of the attribute ``dtype``, others stay what they are."""
    data = inputs["data"]
    return inputs, [data if data is None or not dtypes.is_floating(data) else dtypes.as_dtype(a["dtype"])]


def drawn(default: Dtype = dtypes.float32) -> TypeRule:
    """Random numbers: of the attribute ``dtype``, or of ``default`` without; parameters are of one dtype, whichever."""

    def rule(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
        return all_one(inputs, (), a)[0], [default if a["dtype"] is None else dtypes.as_dtype(a["dtype"])] * len(outputs)

    return rule


def chosen(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
    """``topk``: values and a mask are of the data's dtype, indices of the attribute ``dtype``."""
    data, indices = inputs["data"], dtypes.as_dtype(a["dtype"])
    return inputs, {"both": [data, indices], "indices": [indices]}.get(a["ret_typ"], [data])


def of_classes(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
    """Drawn numbers of classes are of the attribute ``dtype``, the logarithms of their probabilities of the data's."""
    return inputs, [dtypes.as_dtype(a["dtype"]), inputs["data"]][: len(outputs)]


def quantized(bytes_: Sequence[str], output: Callable[[Known, Attributes], Dtype | None], free: Sequence[str] = ("data",)) -> TypeRule:
    """Quantized layers: inputs ``bytes_`` are int8 unless known, ``free`` ones of any dtype, all others, ranges and the like, float32.

    ``output``: the dtype of the first output, from those of the inputs and the attributes; the others are float32.
    """

    def rule(inputs: Known, outputs: Outputs, a: Attributes) -> Any:
        found = {k: t if k in free else dtypes.int8 if k in bytes_ else dtypes.float32 for k, t in inputs.items()}
        found |= {k: t for k, t in inputs.items() if t is not None}
        return found, [output(found, a), *[dtypes.float32] * (len(outputs) - 1)]

    return rule


def requantized(known: Known, a: Attributes) -> Dtype:
    """The dtype of bytes that ``out_type`` says; ``auto`` is uint8 of a range from 0 on."""
    own, low = a["out_type"], a["min_calib_range"]
    return dtypes.as_dtype(own if own != "auto" else "int8" if low is None or low < 0 else "uint8")
