"""Making a node: an operator's name, its inputs, and attributes as strings; what is missing among the inputs becomes a variable."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet import attribute, name
from hybridnet.errors import ArgumentError, SignatureError, fail
from hybridnet.ndarray.attributes import Attribute
from hybridnet.ndarray.record import ClassicOperator
from hybridnet.symbol.node import HIDDEN, Entry, Node, is_extra

#: How variables begin that an operator is given, or makes, as these inputs, unless they say: by operator.
_STARTS: dict[str, dict[str, list[Any]]] = {
    "BatchNorm": {"moving_mean": ["zero", {}], "moving_var": ["one", {}]},
    "_contrib_SyncBatchNorm": {"moving_mean": ["zero", {}], "moving_var": ["one", {}]},
    "LeakyReLU": {"gamma": ["Constant", {"value": 0.25}]},
    "UpSampling": {"weight": ["bilinear", {}], "arg1": ["bilinear", {}]},
}

#: What an input is made from: anything with the one output that it stands for.
AsEntry = Callable[[str, str, Any], Entry]


def text_of(attribute_: Attribute, value: Any) -> str:
    """An attribute's value as MXNet's Python writes it: as the value prints, a dtype by its name."""
    if isinstance(value, str):
        return value
    if attribute_.kind == "dtype" and value is not None:
        return attribute_.text(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (tuple, list)):
        value = type(value)(x.item() if isinstance(x, np.generic) else x for x in value)
    return str(value)


def compose(
    operator: ClassicOperator,
    op: str,
    hint: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    is_symbol: Callable[[Any], bool],
    entry: AsEntry,
) -> Node:
    """The node of a call of ``operator``, known to files as ``op``.

    ``args`` and ``kwargs`` are the call's: symbols (as ``is_symbol`` tells them, read by ``entry``), attributes, ``name`` and ``attr``.
    SignatureError for what the operator does not take or is not given, ArgumentError for an attribute's value.
    """
    given = dict(kwargs)
    label, extra = given.pop("name", None), given.pop("attr", None)
    given.pop("out", None)
    by_attributes = operator.variadic or operator.is_open  # then the attributes say what the inputs are
    if operator.variadic:
        args = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
        inputs: dict[str, Any] = {}
        if count := len(args) or sum(map(is_symbol, given.values())):
            given.setdefault(operator.variadic, count)
    elif operator.is_open:
        inputs = {}
    else:
        if len(args) > len(operator.positions):
            fail(SignatureError, hint, expected=f"at most {len(operator.positions)} arguments without names", got=str(len(args)))
        for key, value in zip(operator.positions, args, strict=False):
            if key in given:
                fail(SignatureError, hint, expected=f"{key} once", got="it twice, by place and by name")
            given[key] = value
        inputs = {key: given.pop(key) for key in operator.inputs if key in given}
    inputs.update({key: given.pop(key) for key in [k for k, x in given.items() if is_symbol(x)]})
    attrs = _texts(operator, hint, given, attribute.current().get(extra))
    node = Node("", op, operator, attrs)
    names = node.input_names  # reads the attributes, too
    if by_attributes:
        inputs.update(zip(names, args, strict=False))
    node.name = name.current().get(label, hint)
    node.bind_inputs(_inputs(node, names, {key: x for key, x in inputs.items() if x is not None}, entry))
    return node


def _inputs(node: Node, names: Sequence[str], given: Mapping[str, Any], entry: AsEntry) -> list[Entry]:
    """The entries of a node's inputs: those given, and variables for the others."""
    for key in given.keys() - set(names):
        near = difflib.get_close_matches(key, names, 1)
        fail(SignatureError, node.name, expected=f"the inputs {', '.join(names) or 'none'}", got=key, fix=" or ".join(near))
    starts = _STARTS.get(node.operator.name, {}) if node.operator is not None else {}
    entries = []
    for key in names:
        found = entry(node.name, key, given[key]) if key in given else Entry(Node(f"{node.name}_{key}", attrs=node.attrs))
        if key in starts and found.node.operator is None:
            found.node.attrs.setdefault("__init__", json.dumps(starts[key]))
        entries.append(found)
    return entries


def _texts(operator: ClassicOperator, op: str, given: Mapping[str, Any], extra: Mapping[str, str]) -> dict[str, str]:
    """All attributes of a node as strings."""
    attrs: dict[str, str] = {}
    for key, value in {**extra, **given}.items():
        known = operator.attributes.get(key)
        if known is not None:
            if value is None and not known.optional:
                continue  # as if it were not given
            attrs[key] = text_of(known, value)
        elif key in HIDDEN:
            attrs[f"__{key}__"] = str(value)
        elif is_extra(key) or operator.is_open or (not operator.attributes and key in extra):
            attrs[key] = str(value)
        elif value is not None or key not in operator.inputs:
            _refuse(operator, op, key, value)
    return attrs


def _refuse(operator: ClassicOperator, op: str, key: str, value: Any) -> None:
    if key.endswith(HIDDEN):
        hidden = next(h for h in HIDDEN if key.endswith(h))
        fix = f"{key.removesuffix('_' + hidden)}=sym.var(name, {hidden}={value!r})"
        fail(SignatureError, op, expected="attributes of a variable at the variable", got=key, fix=fix)
    takes = [*operator.inputs, *operator.attributes, "name", "attr"]
    if key in operator.inputs:
        fail(ArgumentError, op, expected=f"a Symbol as {key}", got=type(value).__name__, fix="sym.var(name) for an array to be given later")
    near = difflib.get_close_matches(key, takes, 1)
    fail(SignatureError, op, expected=f"the arguments {', '.join(takes)}", got=key, fix=" or ".join(f"{match}=" for match in near))
