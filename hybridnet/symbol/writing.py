"""``-symbol.json`` as MXNet 1.9.1 writes it, line by line, and the graph as text to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hybridnet.symbol.node import Entry, Node, walk

#: Outputs that MXNet counts and does not show: by operator, how many it has in all. Files have them in ``node_row_ptr``.
_OUTPUTS = {
    "BatchNorm": 3, "BatchNorm_v1": 3, "_contrib_SyncBatchNorm": 3, "LayerNorm": 3, "GroupNorm": 3, "InstanceNorm": 3, "Dropout": 2,
    "L2Normalization": 2, "LRN": 2, "_linalg_slogdet": 4, "_linalg_det": 3, "BilinearSampler": 2, "CTCLoss": 2, "Correlation": 3,
    "GridGenerator": 2, "SpatialTransformer": 3, "_contrib_BatchNormWithReLU": 4, "_contrib_MultiProposal": 2, "_contrib_Proposal": 2,
    "_contrib_box_nms": 2, "sort": 2, "ROIPooling": 2, "_npi_std": 2, "_npi_var": 2, "_npi_average": 2, "_npi_norm": 4, "_npi_normal": 2,
    "_npi_normal_n": 2, "_npi_exponential": 2, "_npi_gumbel": 2, "_npi_logistic": 2, "_npi_rayleigh": 2, "_npi_weibull": 2,
    "_npi_pareto": 2,
}  # fmt: skip

_VERSION = 10901
#: From how many elements on a list of numbers is written one a line.
_LINES = 10


def text(outputs: Sequence[Entry], remove_amp_cast: bool = True, numpy: bool = False) -> str:
    """The file's text; ``numpy``: whether arrays follow NumPy's rules."""
    return _graph(without_casts(outputs) if remove_amp_cast else outputs, 0, numpy)


def without_casts(outputs: Sequence[Entry]) -> Sequence[Entry]:
    """The graph without the casts of mixed precision, which a program adds by itself."""
    casts = {id(node): node for node in walk(outputs) if node.op in ("amp_cast", "amp_multicast")}
    if not casts:
        return outputs

    def through(entry: Entry) -> Entry:
        while id(entry.node) in casts:
            entry = entry.node.inputs[entry.index if entry.node.op == "amp_multicast" else 0]
        return entry

    made: dict[int, Node] = {}
    for node in walk(outputs):
        if node.operator is None or id(node) in casts:
            made[id(node)] = node
            continue
        inputs = [through(e) for e in node.inputs]
        copy = made[id(node)] = Node(node.name, node.op, node.operator, node.attrs, (), node.subgraphs)
        copy.inputs = tuple([e._replace(node=made[id(e.node)]) for e in inputs])
    return [e._replace(node=made[id(e.node)]) for e in map(through, outputs)]


def _graph(outputs: Sequence[Entry], depth: int, numpy: bool = False) -> str:
    nodes = walk(outputs)
    number = {id(node): i for i, node in enumerate(nodes)}
    rows = [0]
    for node in nodes:
        rows.append(rows[-1] + _count(node))
    entries = [_numbers([number[id(e.node)], e.index, e.version]) for e in outputs]
    fields = {
        "nodes": _block("[", [_node(node, number, depth + 2) for node in nodes], "]", depth + 1),
        "arg_nodes": _numbers([i for i, node in enumerate(nodes) if node.operator is None], depth + 1),
        "node_row_ptr": _numbers(rows, depth + 1),
        "heads": _numbers(entries, depth + 1),
    }
    if depth == 0:  # not of a body
        version = f'"mxnet_version": ["int", {_VERSION}]'
        fields["attrs"] = _block("{", ['"is_np_shape": ["int", 1]', version], "}", 1) if numpy else f"{{{version}}}"
    return _block("{", [f'"{key}": {value}' for key, value in fields.items()], "}", depth)


def _count(node: Node) -> int:
    """How many outputs MXNet counts."""
    if node.op == "Pooling" and node.values["pool_type"] == "max":
        return 2
    return max(len(node.output_names), _OUTPUTS.get(node.op, 1))


def _node(node: Node, number: Mapping[int, int], depth: int) -> str:
    fields = {"op": _string(node.op), "name": _string(node.name)}
    if node.attrs:
        attrs = [f"{_string(key)}: {_string(node.attrs[key])}" for key in sorted(node.attrs)]
        fields["attrs"] = _block("{", attrs, "}", depth + 1) if len(attrs) > 1 else f"{{{attrs[0]}}}"
    fields["inputs"] = _numbers([_numbers([number[id(e.node)], e.index, e.version]) for e in node.inputs], depth + 1)
    if node.subgraphs:
        fields["subgraphs"] = _block("[", [_graph(graph, depth + 2) for graph in node.subgraphs], "]", depth + 1)
    return _block("{", [f'"{key}": {value}' for key, value in fields.items()], "}", depth)


def _block(start: str, items: Sequence[str], end: str, depth: int) -> str:
    """Items one a line, MXNet's way: a space after each comma, two a level."""
    inner, outer = "  " * (depth + 1), "  " * depth
    return start + "\n" + inner + f", \n{inner}".join(items) + "\n" + outer + end if items else start + end


def _numbers(items: Iterable[Any], depth: int = 0) -> str:
    listed = list(map(str, items))
    return f"[{', '.join(listed)}]" if len(listed) <= _LINES else _block("[", listed, "]", depth)


_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def _string(value: str) -> str:
    return f'"{value.translate(_ESCAPES)}"'


def described(outputs: Sequence[Entry]) -> str:
    """The graph in lines, as MXNet's ``debug_str`` has them."""
    lines = ["Symbol Outputs:"]
    lines += [f"\toutput[{i}]={e.node.name}({e.index})" for i, e in enumerate(outputs)]
    for node in walk(outputs):
        if node.operator is None:
            lines.append(f"Variable:{node.name}")
            continue
        lines += ["-" * 20, f"Op:{node.op}, Name={node.name}", "Inputs:"]
        for i, e in enumerate(node.inputs):
            version = f" version={e.version}" if e.node.operator is None else ""
            lines.append(f"\targ[{i}]={e.node.name}({e.index}){version}")
        if node.attrs:
            lines += ["Attrs:", *(f"\t{key}={node.attrs[key]}" for key in sorted(node.attrs))]
    return "\n".join(lines) + "\n"
