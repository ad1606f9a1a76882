"""Checks of symbols: values, gradients, and that contexts and dtypes agree."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from hybridnet import ndarray as nd
from hybridnet import symbol
from hybridnet.core import Array
from hybridnet.device import Device, cpu, current_device
from hybridnet.errors import ArgumentError, fail
from hybridnet.test_utils.comparing import Host, Tolerance, assert_almost_equal, host
from hybridnet.test_utils.differences import slopes

#: Tolerances of :func:`check_consistency` by dtype.
_CONSISTENT = {numpy.dtype("float16"): 1e-1, numpy.dtype("float32"): 1e-3, numpy.dtype("float64"): 1e-5}


def simple_forward(sym: Any, ctx: Any = None, is_train: bool = False, **inputs: Any) -> Any:
    """The outputs of a symbol for inputs by name, as arrays of NumPy: one, or a list."""
    arrays = {name: numpy.asarray(host(x)) for name, x in inputs.items()}
    executor = sym.simple_bind(_device(ctx), **{name: x.shape for name, x in arrays.items()})
    for name, x in arrays.items():
        executor.arg_dict[name][:] = x
    executor.forward(is_train=is_train)
    outputs = [x.asnumpy() for x in executor.outputs]
    return outputs[0] if len(outputs) == 1 else outputs


def _device(ctx: Any) -> Device:
    return current_device() if ctx is None else Device(ctx)


def _by_name(op: str, names: Sequence[str], values: Any, what: str, partly: bool = False) -> dict[str, Any]:
    """Values as a dict by name, of a dict or of a list in the names' order. ArgumentError for other names than the symbol's."""
    if isinstance(values, Mapping):
        if not set(values) <= set(names) or not (partly or set(values) == set(names)):
            fail(ArgumentError, op, expected=f"{what} by the names {list(names)}", got=str(list(values)))
        return dict(values)
    if len(values) != len(names):
        fail(ArgumentError, op, expected=f"{what} for each of {list(names)}", got=f"{len(values)} values")
    return dict(zip(names, values, strict=True))


def _arrays(values: Mapping[str, Any], device: Device, dtype: Any) -> dict[str, Any]:
    """Values as arrays of a device; those of NumPy in ``dtype``."""
    return {
        name: x.copy() if isinstance(x, Array) else nd.array(numpy.asarray(x), ctx=device, dtype=dtype)  # type: ignore[attr-defined]
        for name, x in values.items()
    }


def check_symbolic_forward(
    sym: Any,
    location: Any,
    expected: Any,
    rtol: Tolerance = None,
    atol: Tolerance = None,
    aux_states: Any = None,
    ctx: Any = None,
    equal_nan: bool = False,
    dtype: Any = numpy.float32,
) -> list[Any]:
    """Fail unless a symbol gives ``expected`` for the arguments ``location`` (lists, or dicts by name); its outputs."""
    op, device = "check_symbolic_forward", _device(ctx)
    args = _arrays(_by_name(op, sym.list_arguments(), location, "arguments"), device, dtype)
    aux = _arrays(_by_name(op, sym.list_auxiliary_states(), aux_states or [], "auxiliary states"), device, dtype)
    executor = sym.bind(device, args=args, args_grad={n: nd.zeros_like(x) for n, x in args.items()}, aux_states=aux)
    executor.forward(is_train=False)
    wanted = _by_name(op, sym.list_outputs(), expected, "outputs")
    for name, output in zip(sym.list_outputs(), executor.outputs, strict=True):
        assert_almost_equal(wanted[name], output, rtol, atol, (f"EXPECTED_{name}", f"FORWARD_{name}"), equal_nan)
    return executor.outputs


def check_symbolic_backward(
    sym: Any,
    location: Any,
    out_grads: Any,
    expected: Any,
    rtol: Tolerance = None,
    atol: Tolerance = None,
    aux_states: Any = None,
    grad_req: Any = "write",
    ctx: Any = None,
    grad_stypes: Any = None,
    equal_nan: bool = False,
    dtype: Any = numpy.float32,
) -> dict[str, Any]:
    """Fail unless the gradients of a symbol's arguments are ``expected`` (a list, or by name those to be checked); the gradients.

    ``out_grads``: those of the outputs, ``None`` for losses. With ``grad_req`` ``add`` they must be added to what was there, with ``null``
    leave it. ``grad_stypes`` has effect for sparse arrays only.
    """
    op, device, names = "check_symbolic_backward", _device(ctx), sym.list_arguments()
    args = _arrays(_by_name(op, names, location, "arguments"), device, dtype)
    aux = _arrays(_by_name(op, sym.list_auxiliary_states(), aux_states or [], "auxiliary states"), device, dtype)
    wanted = _by_name(op, names, expected, "gradients", partly=True)
    requests = dict.fromkeys(names, grad_req) if isinstance(grad_req, str) else _by_name(op, names, grad_req, "grad_req", partly=True)
    before = {name: numpy.asarray(numpy.random.normal(size=host(x).shape), host(args[name]).dtype) for name, x in wanted.items()}
    grads = {name: nd.array(x, ctx=device, dtype=x.dtype) for name, x in before.items()}
    executor = sym.bind(
        device, args=args, args_grad=grads, grad_req={n: requests.get(n, "null") if n in grads else "null" for n in names}, aux_states=aux
    )
    executor.forward(is_train=True)
    heads = out_grads
    if isinstance(out_grads, Mapping):
        heads = [out_grads[name] for name in sym.list_outputs()]
    if heads is not None:
        heads = [x if isinstance(x, Array) else nd.array(numpy.asarray(x), ctx=device, dtype=dtype) for x in heads]
    executor.backward(heads)
    for name, value in wanted.items():
        request = requests.get(name, "null")
        names_shown = (f"EXPECTED_{name}", f"BACKWARD_{name}")
        got = executor.grad_dict[name]
        target: Host = before[name]
        if got is not None and request != "null":
            target = host(value) + before[name] if request == "add" else host(value)
        assert_almost_equal(target, before[name] if got is None else got, rtol, atol, names_shown, equal_nan)
    return {name: grad for name, grad in executor.grad_dict.items() if grad is not None}


def numeric_grad(
    executor: Any,
    location: Mapping[str, Any],
    aux_states: Any = None,
    eps: float = 1e-4,
    use_forward_train: bool = True,
    dtype: Any = numpy.float32,
) -> dict[str, Host]:
    """The gradients of the sum of an executor's outputs, by the names in ``location``, from differences of ``eps``."""
    values = {name: numpy.array(host(x), dtype) for name, x in location.items()}

    def total(name: str, x: Host) -> float:
        for key, value in {**values, name: x}.items():
            executor.arg_dict[key][:] = value
        for key, value in (aux_states or {}).items():
            executor.aux_dict[key][:] = value
        executor.forward(is_train=use_forward_train)
        return float(sum(out.asnumpy().astype(numpy.float64).sum() for out in executor.outputs))

    result = {name: slopes(lambda x, name=name: total(name, x), value, eps) for name, value in values.items()}  # type: ignore[misc]
    for name, value in values.items():
        executor.arg_dict[name][:] = value
    return result


def gradients_of_symbol(
    sym: Any, location: Any, aux_states: Any, checked: Any, eps: float, train: bool, device: Device, dtype: Any
) -> dict[str, tuple[Host, Host]]:
    """Of each checked argument the gradient by differences and by backward, along one random direction of the outputs.

    ArgumentError for names that the symbol does not have.
    """
    op, names = "check_numeric_gradient", sym.list_arguments()
    values = {n: numpy.array(host(x), dtype) for n, x in _by_name(op, names, location, "arguments").items()}
    checked = list(values) if checked is None else list(checked)
    unknown = [name for name in checked if name not in values]
    if unknown:
        fail(ArgumentError, op, expected=f"grad_nodes of {names}", got=repr(unknown[0]))
    aux = _by_name(op, sym.list_auxiliary_states(), aux_states or [], "auxiliary states")
    args = _arrays(values, device, dtype)
    grads = {name: nd.zeros_like(args[name]) for name in checked}
    requests = {name: "write" if name in checked else "null" for name in names}
    executor = sym.bind(device, args=args, args_grad=grads, grad_req=requests, aux_states=_arrays(aux, device, dtype))
    executor.forward(is_train=True)
    directions = [numpy.random.uniform(0.1, 1.0, out.shape).astype(dtype) for out in executor.outputs]
    executor.backward([nd.array(d, ctx=device, dtype=dtype) for d in directions])
    exact = {name: executor.grad_dict[name].asnumpy() for name in checked}

    def along(name: str, x: Host) -> float:
        executor.arg_dict[name][:] = x
        for key, value in aux.items():  # a forward in training moves them
            executor.aux_dict[key][:] = host(value)
        executor.forward(is_train=train)
        outputs = [host(out).astype(numpy.float64) for out in executor.outputs]
        executor.arg_dict[name][:] = values[name]
        return float(sum((out * d).sum() for out, d in zip(outputs, directions, strict=True)))

    return {name: (slopes(lambda x, name=name: along(name, x), values[name], eps), exact[name]) for name in checked}  # type: ignore[misc]


def check_consistency(
    sym: Any,
    ctx_list: Sequence[Mapping[str, Any]],
    scale: float = 1.0,
    grad_req: Any = "write",
    arg_params: Mapping[str, Any] | None = None,
    aux_params: Mapping[str, Any] | None = None,
    rtol: Tolerance = None,
    atol: Tolerance = None,
    raise_on_err: bool = True,
    ground_truth: Mapping[str, Any] | None = None,
    equal_nan: bool = False,
    use_uniform: bool = False,
    rand_type: Any = numpy.float64,
) -> dict[str, Any]:
    """Fail unless a symbol gives the same, with its gradients, in several settings: contexts, dtypes, or a symbol a setting.

    ``ctx_list``: dicts with ``ctx``, shapes by name and ``type_dict``. Values are drawn, unless given. The setting of the widest dtype is
    the truth, unless ``ground_truth`` is; tolerances are those of the narrowest dtype of the two. Its outputs and gradients by name.
    """
    symbols = list(sym) if isinstance(sym, (list, tuple)) else [sym] * len(ctx_list)
    executors = [s.simple_bind(grad_req=grad_req, **setting) for s, setting in zip(symbols, ctx_list, strict=True)]
    first = executors[0]

    def drawn(shape: tuple[int, ...]) -> Host:
        values = numpy.random.uniform(-0.5, 0.5, shape) if use_uniform else numpy.random.normal(size=shape)
        return (values * scale).astype(rand_type)

    args = {n: (arg_params or {}).get(n, drawn(x.shape)) for n, x in first.arg_dict.items()}
    aux = {n: (aux_params or {}).get(n, numpy.zeros(x.shape)) for n, x in first.aux_dict.items()}
    names = symbols[0].list_outputs()
    for executor in executors:
        for table, values in ((executor.arg_dict, args), (executor.aux_dict, aux)):
            for name, value in values.items():
                table[name][:] = host(value).astype(host(table[name]).dtype)
        executor.forward(is_train=grad_req != "null")
    heads = [drawn(out.shape) for out in executors[_widest(executors)].outputs]
    results = []
    for executor in executors:
        if grad_req != "null":
            executor.backward([nd.array(h, ctx=out.context, dtype=out.dtype) for h, out in zip(heads, executor.outputs, strict=True)])
        gradients = {n: g.asnumpy() for n, g in executor.grad_dict.items() if g is not None} if grad_req != "null" else {}
        results.append({**dict(zip(names, (out.asnumpy() for out in executor.outputs), strict=True)), **gradients})
    widest = _widest(executors)
    truth = {name: host(x) for name, x in (results[widest] if ground_truth is None else ground_truth).items()}
    for i, (executor, result) in enumerate(zip(executors, results, strict=True)):
        if i == widest and ground_truth is None:
            continue
        tolerance = max(_CONSISTENT.get(host(out).dtype, 0) for out in (*executor.outputs, *executors[widest].outputs))
        for name, value in result.items():
            try:
                bounds = (tolerance if rtol is None else rtol, tolerance if atol is None else atol)
                assert_almost_equal(value, truth[name].astype(value.dtype), *bounds, (f"setting {i}: {name}", f"truth: {name}"), equal_nan)
            except AssertionError:
                if raise_on_err:
                    raise
                print(f"{name} differs in setting {i}")
    return {name: nd.array(x, ctx=cpu(), dtype=x.dtype) for name, x in truth.items()}


def _widest(executors: Sequence[Any]) -> int:
    """The number of the executor whose output has the most bytes an element."""
    sizes = [host(e.outputs[0]).dtype.itemsize for e in executors]
    return sizes.index(max(sizes))


def check_speed(
    sym: Any, location: Any = None, ctx: Any = None, N: int = 20, grad_req: Any = None, typ: str = "whole", **kwargs: Any
) -> float:
    """Seconds that a symbol takes, on average of ``N`` runs after one: forward and backward (``typ="whole"``), or ``"forward"``.

    ``location``: arguments by name; drawn, if it is not given, for the shapes in ``kwargs``. ArgumentError for another ``typ``.
    """
    if typ not in ("whole", "forward"):
        fail(ArgumentError, "check_speed", expected="typ whole or forward", got=repr(typ))
    shapes = kwargs if location is None else {name: host(x).shape for name, x in location.items()}
    executor = sym.simple_bind(_device(ctx), grad_req=grad_req or ("write" if typ == "whole" else "null"), **shapes)
    values = {n: numpy.random.normal(size=x.shape) for n, x in executor.arg_dict.items()} if location is None else location
    for name, value in values.items():
        executor.arg_dict[name][:] = host(value).astype(host(executor.arg_dict[name]).dtype)

    def once() -> None:
        executor.forward(is_train=typ == "whole")
        if typ == "whole":
            executor.backward(executor.outputs)
        for out in executor.outputs:
            out.wait_to_read()

    once()
    nd.waitall()
    begin = time.time()
    for _ in range(N):
        once()
    nd.waitall()
    return (time.time() - begin) / N


def same_symbol_structure(sym1: Any, sym2: Any) -> bool:
    """Whether two symbols are the same but for names and attributes: the same operators, joined in the same way."""

    def structure(sym: symbol.Symbol) -> Any:
        graph = json.loads(sym.tojson())
        return [(node["op"], node["inputs"]) for node in graph["nodes"]], graph["heads"]

    return bool(structure(sym1) == structure(sym2))
