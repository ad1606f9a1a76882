"""Blocks called with symbols: what they compute as a graph of MXNet's operators, with MXNet's names, and files of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from hybridnet import name, ndarray, serialization, symbol
from hybridnet.core.tree import LEAF
from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol import Symbol
from hybridnet.util import is_np_array


def is_symbolic(args: Any) -> bool:
    """Whether a call's first array is a symbol."""
    for x in args:
        if isinstance(x, Symbol):
            return True
        if isinstance(x, (list, tuple)):
            if x:
                return is_symbolic(x)
        elif x is not None:
            return False
    return False


def operators_for(x: Any) -> Any:
    """``F`` for what is computed of ``x`` outside of a ``hybrid_forward``: ``sym`` or ``nd``."""
    return symbol if is_symbolic((x,)) else ndarray


def forward(block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``hybrid_forward`` on symbols: ``F`` is ``sym``, parameters are variables, nodes are named after the block."""
    step = block._step_name()
    with block.name_scope(), name.Prefix(block.prefix + step) if step else nullcontext():
        parameters = {key: parameter.var() for key, parameter in block._reg_params.items()}
        return block.hybrid_forward(symbol, *args, **kwargs, **parameters)


def flattened(value: Any) -> list[Any]:
    """What is in nested lists, in order; ``None`` is left out."""
    if isinstance(value, (list, tuple)):
        return [x for item in value for x in flattened(item)]
    return [] if value is None else [value]


def traced(block: Any) -> tuple[Symbol, list[str]]:
    """The symbol of a block on as many inputs as it was called with last, ``data``, or several, ``data0`` and on; and their names."""
    structures = _structures(block)
    count = sum(map(_arrays, structures))
    names = ["data"] if count == 1 else [f"data{i}" for i in range(count)]
    variables = map(_variable, names)
    results = flattened(block(*(_with_variables(s, variables) for s in structures)))
    graph = symbol.Group(results).as_nd_ndarray()
    # Without an operator of np a file is one that MXNet reads under either of its rules.
    return (graph.as_np_ndarray() if graph._numpy else graph), names


def _variable(key: str) -> Symbol:
    """An input of a block, with the operators of the rules that new arrays follow."""
    made = symbol.var(key)
    return made.as_np_ndarray() if is_np_array() else made


def types(block: Any, inputs: Sequence[Any]) -> dict[str, Any]:
    """The element types of a block's parameters by name, as far as they follow from those of its inputs and from what is known of them."""
    variables = [symbol.var(f"data{i}", dtype=dtype) for i, dtype in enumerate(inputs)]
    graph = symbol.Group(flattened(block(*variables)))
    arguments, _, states = graph.infer_type_partial()
    return dict(zip([*graph.list_arguments(), *graph.list_auxiliary_states()], [*arguments, *states], strict=True))


def _structures(block: Any) -> Sequence[Any]:
    """The structures of the last compiled call's arguments; of a block that was not compiled, an array for each that it needs."""
    compiled = block._compiled
    if compiled is not None and compiled.cache:
        structure = next(reversed(compiled.cache.values())).key.structure
        return list(structure[1][1:])
    own = block._style()
    takes = [p for p in inspect.signature(own).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
    needed = [p.name for p in takes if p.name not in ("self", "F") and p.name not in block._reg_params]
    return [LEAF] * max(len(needed), 1)


def _arrays(structure: Any) -> int:
    if structure == LEAF:
        return 1
    return sum(map(_arrays, structure[1:])) if isinstance(structure, tuple) else 0


def _with_variables(structure: Any, variables: Iterator[Symbol]) -> Any:
    """The argument of a structure with a variable for each array."""
    if structure == LEAF:
        return next(variables)
    if isinstance(structure, tuple):
        return [_with_variables(s, variables) for s in structure[1:]]
    return structure.value


def export(block: Any, path: str, epoch: int, remove_amp_cast: bool) -> tuple[str, str]:
    """Write ``path-symbol.json`` and ``path-0000.params``; see :meth:`HybridBlock.export`.

    ArgumentError for a variable that is no parameter.
    """
    graph, inputs = block._as_symbol()
    parameters = {p.name: p for p in block.collect_params().values()}
    missing = [key for key in graph.list_inputs() if key not in parameters and key not in inputs]
    if missing:
        fail(ArgumentError, "export", expected="parameters of the block in its graph", got=", ".join(missing))
    kinds = dict.fromkeys(graph.list_arguments(), "arg") | dict.fromkeys(graph.list_auxiliary_states(), "aux")
    arrays = {f"{kinds[key]}:{key}": p._reduce() for key, p in parameters.items() if key in kinds}
    files = f"{path}-symbol.json", f"{path}-{epoch:04d}.params"
    graph.save(files[0], remove_amp_cast)
    serialization.save(files[1], arrays, graph._numpy)
    return files
