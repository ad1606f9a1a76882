"""Operators that ONNX lacks in 16 bits compute in float32, with a cast before and behind.

Which types an operator takes at an opset stands in its schema; those of operands follow from the inputs, node by node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from onnx import AttributeProto, NodeProto, TensorProto, defs, helper

_SHORT: dict[int, str] = {TensorProto.FLOAT16: "tensor(float16)", TensorProto.BFLOAT16: "tensor(bfloat16)"}
_NUMBERS = {f"tensor({name.lower()})": number for name, number in TensorProto.DataType.items()}
_WIDE = "_float32"


def widened(nodes: Iterable[NodeProto], types: Mapping[str, int], opset: int) -> list[NodeProto]:
    """The nodes with casts around those that do not take their operands' types. ``types``: ONNX's of inputs and initializers by name."""
    known = dict(types)
    found: list[NodeProto] = []
    for node in nodes:
        bodies = [a for a in node.attribute if a.type == AttributeProto.GRAPH]
        for attribute in bodies:
            inside = {x.name: x.type.tensor_type.elem_type for x in attribute.g.input}
            inner = widened(attribute.g.node, {**known, **inside}, opset)
            del attribute.g.node[:]
            attribute.g.node.extend(inner)
        if bodies:
            # What goes on is before the results of a loop's body.
            results = bodies[0].g.output[node.op_type == "Loop" :]
            known.update((name, x.type.tensor_type.elem_type) for name, x in zip(node.output, results, strict=True))
            found.append(node)
            continue
        schema = defs.get_schema(node.op_type, opset, "")
        allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
        told = [_type_of(schema.inputs, i) for i in range(len(node.input))]
        held = {t: known[name] for t, name in zip(told, node.input, strict=True) if name in known}
        narrow = {t for t, number in held.items() if number in _SHORT and t in allowed and _SHORT[number] not in allowed[t]}
        told_results = [_type_of(schema.outputs, i) for i in range(len(node.output))]
        for name, t in zip(node.output, told_results, strict=True):
            known[name] = _result(node, t, held)
        if narrow:
            found += _around(node, told, told_results, narrow, known)
        else:
            found.append(node)
    return found


def _type_of(formal: Sequence[defs.OpSchema.FormalParameter], index: int) -> str:
    """The name of the type of an operand; the last one that is named stands for all behind it."""
    return str(formal[min(index, len(formal) - 1)].type_str)


def _result(node: NodeProto, name: str, held: Mapping[str, int]) -> int:
    if name in held:
        return held[name]
    said = next((helper.get_attribute_value(a) for a in node.attribute if a.name in ("to", "dtype")), None)
    if node.op_type == "ConstantOfShape":
        said = next((a.t.data_type for a in node.attribute), TensorProto.FLOAT)
    return int(said) if isinstance(said, int) else _NUMBERS.get(name, TensorProto.UNDEFINED)


def _around(node: NodeProto, told: list[str], results: list[str], narrow: set[str], known: Mapping[str, int]) -> list[NodeProto]:
    """``node`` in float32 between casts."""
    wide = NodeProto()
    wide.CopyFrom(node)
    before, behind = [], []
    for i, (name, t) in enumerate(zip(node.input, told, strict=True)):
        if t in narrow and name:
            wide.input[i] = f"{node.output[0]}{_WIDE}_{i}"
            before.append(helper.make_node("Cast", [name], [wide.input[i]], to=TensorProto.FLOAT))
    for i, (name, t) in enumerate(zip(node.output, results, strict=True)):
        if t in narrow and name:
            wide.output[i] = f"{name}{_WIDE}"
            behind.append(helper.make_node("Cast", [wide.output[i]], [name], to=known[name]))
    return [*before, wide, *behind]
