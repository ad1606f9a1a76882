"""Checks of what is computed: gradients against differences, hybridized against not, one optimizer against another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from hybridnet import autograd
from hybridnet.core import Array
from hybridnet.device import Device, current_device
from hybridnet.errors import ArgumentError, fail
from hybridnet.io.base import array_of
from hybridnet.symbol import Symbol
from hybridnet.test_utils.comparing import Tolerance, assert_almost_equal, default_numeric_eps, host
from hybridnet.test_utils.differences import slopes
from hybridnet.test_utils.drawing import rand_ndarray
from hybridnet.test_utils.symbolic import gradients_of_symbol

Host = numpy.ndarray[Any, Any]


def check_numeric_gradient(
    sym: Any,
    location: Any,
    aux_states: Any = None,
    numeric_eps: float | None = None,
    rtol: Tolerance = None,
    atol: Tolerance = None,
    grad_nodes: Any = None,
    use_forward_train: bool = True,
    ctx: Any = None,
    grad_stype_dict: Any = None,
    dtype: Any = numpy.float32,
) -> None:
    """Fail unless the gradients of a symbol, a function, or a block are what differences of its values say.

    A function takes arrays and gives one; ``location`` holds values for its arguments, as a list or as a dict by name. ``grad_nodes`` names
    those whose gradient is checked, by name or number; all unless told. The function is checked along one random direction of its
    result. Step and tolerances are the dtype's own unless told. ``aux_states`` are a symbol's; ``grad_stype_dict`` has effect for sparse
    arrays only.
    """
    device = current_device() if ctx is None else Device(ctx)
    eps = default_numeric_eps()[numpy.dtype(dtype)] if numeric_eps is None else numeric_eps
    coarse = {"float64": (1e-5, 1e-7), "float32": (1e-2, 1e-3)}.get(numpy.dtype(dtype).name, (1e-1, 1e-1))
    tolerances = (coarse[0] if rtol is None else rtol, coarse[1] if atol is None else atol)
    if isinstance(sym, Symbol):
        pairs = gradients_of_symbol(sym, location, aux_states, grad_nodes, eps, use_forward_train, device, dtype)
        for key, (numeric, exact) in pairs.items():
            assert_almost_equal(numeric, exact, *tolerances, (f"numeric gradient of {key}", f"backward's gradient of {key}"))
        return
    if not callable(sym) or aux_states is not None:
        got = f"a {type(sym).__name__}" if not callable(sym) else "aux_states, which only symbols have"
        fail(ArgumentError, "check_numeric_gradient", expected="a symbol, a function of arrays, or a block", got=got)
    named = location if isinstance(location, Mapping) else dict(enumerate(location))
    values = {name: numpy.array(host(x), dtype) for name, x in named.items()}
    checked = list(values) if grad_nodes is None else list(grad_nodes)
    unknown = [name for name in checked if name not in values]
    if unknown:
        fail(ArgumentError, "check_numeric_gradient", expected=f"grad_nodes of {list(values)}", got=repr(unknown[0]))

    def run(arrays: Mapping[Any, Array]) -> Any:
        by_name = isinstance(location, Mapping)
        with autograd.record(train_mode=use_forward_train):
            return sym(**arrays) if by_name else sym(*arrays.values())

    arrays = {name: array_of(x.copy(), device) for name, x in values.items()}
    for name in checked:
        arrays[name].attach_grad()  # type: ignore[attr-defined]
    output = run(arrays)
    direction = numpy.random.uniform(0.1, 1.0, output.shape).astype(dtype)
    output.backward(array_of(direction.copy(), device))

    def along(name: Any, x: Host) -> float:
        result = host(run({**arrays, name: array_of(x, device)})).astype(numpy.float64)
        return float((result * direction).sum())

    for name in checked:
        numeric = slopes(lambda x, name=name: along(name, x), values[name], eps)  # type: ignore[misc]
        gradient = host(arrays[name].grad)  # type: ignore[attr-defined]
        names = (f"numeric gradient of {name}", f"backward's gradient of {name}")
        assert_almost_equal(numeric, gradient, *tolerances, names)


def check_gluon_hybridize_consistency(
    net_builder: Callable[..., Any],
    data_l: Sequence[Any],
    numpy_func: Callable[..., Any] | None = None,
    test_grad: bool = True,
    rtol: Tolerance = 1e-4,
    atol: Tolerance = 1e-4,
) -> None:
    """Fail unless a network gives the same hybridized as not, with its gradients; and what ``numpy_func`` gives for NumPy's arrays.

    ``net_builder(prefix="net_")`` makes the network, which draws no random numbers; ``data_l`` are its inputs. Gradients are
    those of the inputs and of the parameters.
    """
    results = []
    values: list[Host] | None = None
    for hybridize in (False, True):
        net = net_builder(prefix="net_")
        net.initialize()
        if hybridize:
            net.hybridize()
        net(*data_l)  # shapes that come from the input
        parameters = list(net.collect_params().values())
        if values is None:
            values = [host(p.data()) for p in parameters]
        for parameter, value in zip(parameters, values, strict=True):
            parameter.set_data(array_of(value.copy()))
        inputs = [x.copy() for x in data_l]
        if not test_grad:
            results.append([host(net(*inputs))])
            continue
        for x in inputs:
            x.attach_grad()
        with autograd.record():
            output = net(*inputs)
        output.backward()
        trained = [p.grad() for p in parameters if p.grad_req != "null"]
        results.append([host(output), *(host(x.grad) for x in inputs), *(host(grad) for grad in trained)])
    for plain, compiled in zip(*results, strict=True):
        assert_almost_equal(plain, compiled, rtol, atol, ("not hybridized", "hybridized"))
    if numpy_func is not None:
        expected = numpy_func(*(host(x) for x in data_l))
        assert_almost_equal(results[1][0], expected, rtol, atol, ("hybridized", "numpy_func"))


def compare_optimizer(
    opt1: Any,
    opt2: Any,
    shape: Any,
    dtype: Any,
    w_stype: str = "default",
    g_stype: str = "default",
    rtol: Tolerance = 1e-4,
    atol: Tolerance = 1e-5,
    compare_states: bool = True,
    ntensors: int = 1,
) -> None:
    """Fail unless two optimizers move ``ntensors`` random weights of ``shape`` in the same way, their states included.

    ``shape`` is a list of shapes for several weights of their own. Weights and gradients are dense.
    """
    shapes = list(shape) if isinstance(shape, list) else [shape] * ntensors
    weights = [rand_ndarray(s, w_stype, dtype=dtype) for s in shapes]
    grads = [rand_ndarray(s, g_stype, dtype=dtype) for s in shapes]
    moved = []
    for optimizer in (opt1, opt2):
        own = [w.copy() for w in weights]  # type: ignore[attr-defined]
        states = [optimizer.create_state_multi_precision(i, w) for i, w in enumerate(own)]
        for i, (weight, grad, state) in enumerate(zip(own, grads, states, strict=True)):
            optimizer.update_multi_precision(i, weight, grad.copy(), state)  # type: ignore[attr-defined]
        moved.append((own, states))
    for one, other in zip(moved[0][0], moved[1][0], strict=True):
        assert_almost_equal(one, other, rtol, atol, ("weight of opt1", "weight of opt2"))
    if compare_states:
        for first, second in zip(moved[0][1], moved[1][1], strict=True):
            _compare_states(first, second, rtol, atol)


def _compare_states(one: Any, other: Any, rtol: Tolerance, atol: Tolerance) -> None:
    if isinstance(one, (list, tuple)):
        for first, second in zip(one, other, strict=True):
            _compare_states(first, second, rtol, atol)
    elif one is not None:
        assert_almost_equal(one, other, rtol, atol, ("state of opt1", "state of opt2"))


def same_array(array1: Any, array2: Any) -> bool:
    """Whether two arrays are one memory: what is written to one is in the other."""
    before = array1.copy()
    array1[:] = before + 1
    shared = bool((host(array1) == host(array2)).all()) if array1.shape == array2.shape else False
    array1[:] = before
    return shared and bool((host(array1) == host(array2)).all())
