"""Operators that ONNX defines by others: nodes of such, where there is no function for them here, are replaced by that definition."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import onnx
from onnx import AttributeProto, FunctionProto, NodeProto, TypeProto, shape_inference

from hybridnet.onnx.operators import key_of

DEEPEST = 8  # definitions within definitions


def written_out(model: onnx.ModelProto, known: Collection[str]) -> list[NodeProto]:
    """The model's nodes, those of operators that are not ``known`` in other operators where ONNX, or the model, says how."""
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    local = {(f.domain, f.name): f for f in model.functions}
    nodes = list(model.graph.node)
    for level in range(DEEPEST):
        if all(key_of(node) in known for node in nodes):
            break
        types = _types(model, nodes)
        result: list[NodeProto] = []
        for number, node in enumerate(nodes):
            if key_of(node) in known:
                result.append(node)
                continue
            given = [types.get(name, TypeProto()) for name in node.input]
            body = local.get((node.domain, node.op_type)) or _definition(node, opset, given)
            result += [node] if body is None else _inlined(node, body, f"{level}.{number}/{node.op_type}/", _defaults(node, opset))
        if len(result) == len(nodes) and all(x is y for x, y in zip(result, nodes, strict=True)):
            break
        nodes = result
    return [_with_bodies(model, node, known) for node in nodes]


def _with_bodies(model: onnx.ModelProto, node: NodeProto, known: Collection[str]) -> NodeProto:
    """A node with the nodes of the graphs that it holds written out too."""
    if all(a.type != AttributeProto.GRAPH for a in node.attribute):
        return node
    made = NodeProto()
    made.CopyFrom(node)
    for attribute in made.attribute:
        if attribute.type == AttributeProto.GRAPH:
            inner = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
            inner.graph.CopyFrom(attribute.g)
            nodes = written_out(inner, known)
            del attribute.g.node[:]
            attribute.g.node.extend(nodes)
    return made


def _types(model: onnx.ModelProto, nodes: Sequence[NodeProto]) -> dict[str, TypeProto]:
    """The types of all values, as far as they follow from those of the inputs."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    del whole.graph.node[:]
    whole.graph.node.extend(nodes)
    try:
        graph = shape_inference.infer_shapes(whole).graph
    except Exception:  # the types of inputs are then all that is known
        graph = whole.graph
    types = {x.name: x.type for x in (*graph.input, *graph.value_info, *graph.output)}
    for tensor in graph.initializer:
        types[tensor.name] = onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    return types


def _defaults(node: NodeProto, opset: int) -> dict[str, AttributeProto]:
    """The attributes that a node's operator has where they are not given."""
    try:
        attributes = onnx.defs.get_schema(node.op_type, opset, node.domain).attributes
    except onnx.defs.SchemaError:
        return {}
    return {name: a.default_value for name, a in attributes.items() if a.default_value.name}


def _inlined(node: NodeProto, body: FunctionProto, prefix: str, defaults: Mapping[str, AttributeProto]) -> list[NodeProto]:
    """The nodes of a definition in a call's place."""
    names = dict(zip(body.input, node.input, strict=False)) | {
        inner: outer for inner, outer in zip(body.output, node.output, strict=False) if outer
    }
    given = dict(defaults) | {a.name: a for a in body.attribute_proto} | {a.name: a for a in node.attribute}
    return [_renamed(part, names, given, prefix, set(body.input)) for part in body.node]


def _definition(node: NodeProto, opset: int, inputs: Sequence[TypeProto]) -> FunctionProto | None:
    """How ONNX defines a node's operator, if it does."""
    if node.domain not in ("", "ai.onnx"):
        return None
    try:
        schema: Any = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return None
    if schema.has_context_dependent_function:
        made = FunctionProto()
        made.ParseFromString(schema.get_context_dependent_function(node.SerializeToString(), [t.SerializeToString() for t in inputs]))
        return made
    body: FunctionProto = schema.function_body
    return body if schema.has_function else None


def _renamed(
    node: NodeProto, names: dict[str, str], attributes: Mapping[str, AttributeProto], prefix: str, inputs: Collection[str]
) -> NodeProto:
    """A node of a definition with the names and attributes of the call; its own names begin with the prefix."""

    def name(inner: str) -> str:
        if not inner:
            return ""
        if inner not in names:
            names[inner] = "" if inner in inputs else prefix + inner  # an operand that is left out
        return names[inner]

    made = NodeProto()
    made.CopyFrom(node)
    made.domain = ""
    made.input[:] = [name(x) for x in node.input]
    made.output[:] = [name(x) for x in node.output]
    made.name = prefix + (node.name or node.op_type)
    del made.attribute[:]
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            if attribute.ref_attr_name in attributes:
                kept = made.attribute.add()
                kept.CopyFrom(attributes[attribute.ref_attr_name])
                kept.name = attribute.name
            continue
        kept = made.attribute.add()
        kept.CopyFrom(attribute)
        if attribute.type == AttributeProto.GRAPH:
            inner_names = dict(names)
            parts = [_renamed(part, inner_names, attributes, prefix, inputs) for part in attribute.g.node]
            del kept.g.node[:]
            kept.g.node.extend(parts)
            for output in kept.g.output:
                output.name = inner_names.get(output.name, output.name)
    return made
