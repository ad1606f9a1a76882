"""What training in one call asks of a network: where it is, what it gives, and values for parameters that have none."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes, initializer
from hybridnet.core import Spec, array, local, wrap
from hybridnet.device import current_device
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.training.batches import Place
from hybridnet.graph.trace import Trace, tracing


def place_of(net: Any) -> Place:
    """Where the network's parameters are: its data goes there too."""
    for parameter in net.collect_params().values():
        if dtypes.is_floating(parameter.dtype) and (parameter._data is not None or parameter._deferred_init is not None):
            cls = type(parameter._data[0]) if parameter._data is not None else _NDARRAY
            device, *others = parameter.list_ctx()
            return Place(device, parameter.dtype, cls, tuple(others))
    return Place(current_device(), dtypes.default_float(), _NDARRAY)


_NDARRAY = type(array(0.0))


def initialize_missing(net: Any) -> None:
    """Give parameters that nobody initialized their values: by their own initializers, else Xavier's."""
    for parameter in net.collect_params().values():
        if parameter._data is None and parameter._deferred_init is None:
            parameter.initialize(default_init=initializer.Xavier())


def output_specs(net: Any, inputs: tuple[Any, ...]) -> list[Spec]:
    """Shape and dtype of each of the network's outputs, found by tracing: nothing is computed but deferred initial values.

    An error if one of them is no array.
    """
    trace = Trace()
    tracers = [wrap(type(x), trace.argument(Spec(x.shape, x._data.dtype), x._device, f"x{i}"), x._device) for i, x in enumerate(inputs)]
    before = local.set(recording=False, training=False)
    try:
        with tracing(trace):
            output = net(*tracers)
    finally:
        local.set(recording=before[0], training=before[1])
    outputs = outputs_of(output)
    for one in outputs:
        if not hasattr(one, "shape"):
            way_out = "a training loop of your own, under hybridnet.jit"
            fail(ArgumentError, "fit", expected="a network whose outputs are arrays", got=f"a {type(one).__name__}", fix=way_out)
    return [Spec(one.shape, one._data.dtype) for one in outputs]


def outputs_of(output: Any) -> list[Any]:
    """The outputs of a network that gives one array, or a tuple or list of them."""
    return list(output) if isinstance(output, (tuple, list)) else [output]
