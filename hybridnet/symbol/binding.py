"""The arrays of an executor: taken from the caller, or made."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet.core import Array
from hybridnet.device import Device
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.ndarray.creation import zeros
from hybridnet.symbol import infer
from hybridnet.symbol.executor import Executor

_REQS = ("write", "add", "null")


def bind(symbol: Any, ctx: Any, args: Any, args_grad: Any, grad_req: Any, aux_states: Any) -> Executor:
    """An executor on arrays of the caller's; see ``Symbol.bind``. Raises ShapeError for arrays that do not fit together."""
    names, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    arrays, aux = _listed("args", names, args, True), _listed("aux_states", states, aux_states, True)
    requests = _requests(names, grad_req)
    grads = [None if r == "null" else g for g, r in zip(_listed("args_grad", names, args_grad, False), requests, strict=True)]
    for name, x, g in zip(names, arrays, grads, strict=True):
        if g is not None and g.shape != x.shape:
            fail(ShapeError, "bind", expected=f"a gradient of shape {x.shape} for {name}", got=str(g.shape))
    nodes = [*symbol._arguments, *symbol._states]
    given = {node.name: infer.read(node.name, x.shape, symbol._numpy) for node, x in zip(nodes, [*arrays, *aux], strict=True)}
    infer.shapes(symbol._outputs, symbol._nodes, given, symbol._numpy)  # refuses what does not fit, by the names of nodes
    return Executor(symbol, Device(ctx), arrays, grads, requests, aux)


def _listed(what: str, names: Sequence[str], given: Any, needed: bool) -> list[Any]:
    """The arrays for ``names`` from a list or a dict, as classic ones; without all, an ArgumentError if they are ``needed``."""
    if given is None:
        given = {}
    if isinstance(given, Mapping):
        for name in names:
            if needed and name not in given:
                near = ", ".join(difflib.get_close_matches(name, given, 3))
                fail(ArgumentError, "bind", expected=f"an array for {name} in {what}", got=f"none, but {near}" if near else "none")
        given = [given.get(name) for name in names]
    if len(given) != len(names):
        fail(ArgumentError, "bind", expected=f"{len(names)} arrays in {what}: {', '.join(names)}", got=str(len(given)))
    for name, x in zip(names, given, strict=True):
        if not isinstance(x, Array) and (needed or x is not None):
            fail(DtypeError, "bind", expected=f"an NDArray for {name} in {what}", got=type(x).__name__, fix="nd.array(x)")
    return [None if x is None else x.as_nd_ndarray() for x in given]


def _requests(names: Sequence[str], grad_req: Any) -> list[str]:
    """What is to be done with each gradient."""
    if isinstance(grad_req, str):
        requests = [grad_req] * len(names)
    elif isinstance(grad_req, Mapping):
        requests = [grad_req.get(name, "null") for name in names]
    else:
        requests = list(grad_req)
    if len(requests) != len(names) or any(r not in _REQS for r in requests):
        fail(ArgumentError, "bind", expected=f"grad_req of {', '.join(_REQS)}, one for all or one an argument", got=repr(grad_req))
    return requests


def simple_bind(
    symbol: Any,
    ctx: Any,
    grad_req: Any,
    type_dict: Any,
    shapes: Mapping[str, Any],
    shared_names: Sequence[str] | None,
    shared_exec: Executor | None,
    shared_buffer: dict[str, Any] | None,
) -> Executor:
    """An executor on new arrays; see ``Symbol.simple_bind``. ArgumentError where not all shapes follow."""
    names, states, device = symbol.list_arguments(), symbol.list_auxiliary_states(), Device(ctx)
    found = symbol._infer_shapes((), dict(shapes))
    missing = [f"{n.name}: {found.of(n) or ()}" for n in symbol._variables if not infer.is_whole(found.of(n))]
    missing = [text for text in missing if not text.endswith(": ()")] + [text for text in missing if text.endswith(": ()")]
    if missing:
        got = f"too little for {', '.join(missing)}"
        fail(
            ArgumentError, "simple_bind", expected="shapes from which all others follow", got=got, fix="more shapes by name, data=(32, 784)"
        )
    types = infer.types(symbol._outputs, symbol._nodes, dict(type_dict or {}), "float32")
    requests = _requests(names, grad_req)
    shared = _shared(names, states, shared_names, shared_exec)

    def array_for(node: Any, of_argument: bool) -> Any:
        shape, dtype = found.of(node), types.of(node)
        pools = [shared] if shared_buffer is None or not of_argument else [shared, shared_buffer]
        for pool in pools:
            x = pool.get(node.name)
            if x is not None and x.shape == shape and x.dtype == dtype and x._device == device:
                return x
        made = zeros(shape, device, dtype)
        if shared_buffer is not None and of_argument and (shared_names is None or node.name not in shared_names):
            shared_buffer[node.name] = made
        return made

    arrays = [array_for(node, True) for node in symbol._arguments]
    grads = [None if r == "null" else zeros(x.shape, device, x.dtype) for x, r in zip(arrays, requests, strict=True)]
    program = shared_exec._program if shared_exec is not None and shared_exec._symbol is symbol else None
    return Executor(symbol, device, arrays, grads, requests, [array_for(node, False) for node in symbol._states], program)


def _shared(names: Sequence[str], states: Sequence[str], shared_names: Sequence[str] | None, executor: Executor | None) -> dict[str, Any]:
    """The arrays of another executor that this one may have: its arguments of these names, and its states."""
    if executor is None:
        return {}
    wanted = set(names if shared_names is None else shared_names)
    return {n: x for n, x in executor.arg_dict.items() if n in wanted} | {n: x for n, x in executor.aux_dict.items() if n in states}
