"""What ``compile`` sets up: the optimizer, the loss, the metrics, and the compiled steps over one network.

A step is an ordinary imperative training step under :func:`hybridnet.compile.jit`: record, forward, loss, backward,
``trainer.step``, and the adding up of loss and metrics in arrays that stay on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hybridnet import autograd, dtypes, initializer
from hybridnet import optimizer as optimizers
from hybridnet.compile import Jit, jit
from hybridnet.core import Spec, array, local, plain, wrap
from hybridnet.device import current_device
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.trainer import Trainer
from hybridnet.gluon.training import losses, measures
from hybridnet.gluon.training.batches import Arrays, Batches, Place
from hybridnet.gluon.training.measures import Measure
from hybridnet.graph.trace import Trace, tracing
from hybridnet.ops.array.creation import zeros_like

FULL_BATCH = "bgd"  # gradient descent on the gradient over all data: one update an epoch


class Programs:
    """The compiled steps of one network and what they add to. A copy of the network begins without."""

    def __init__(self) -> None:
        self.steps: dict[str, Jit] = {}
        self.trainer: Trainer | None = None
        self.totals: dict[str, Any] = {}
        self.sums: list[Any] = []  # of the gradients, for full-batch descent

    def __reduce__(self) -> Any:
        return Programs, ()


class Session:
    """The arguments of ``compile``, resolved, and the programs made from them."""

    def __init__(self, optimizer: Any, loss: Any, metrics: Any, optimizer_params: Mapping[str, Any] | None) -> None:
        self._arguments = optimizer, loss, metrics, optimizer_params
        self.full_batch = isinstance(optimizer, str) and optimizer.lower() == FULL_BATCH
        if isinstance(optimizer, str):
            known = [FULL_BATCH, *optimizers.Optimizer.opt_registry]
            if optimizer.lower() not in known:
                expected = "optimizer one of " + ", ".join(sorted(known))
                fail(ArgumentError, "compile", expected=expected, got=repr(optimizer), fix=losses.near(optimizer, known))
            optimizer = optimizers.create("sgd" if self.full_batch else optimizer, **(optimizer_params or {}))
        elif optimizer_params:
            expected = "no optimizer_params with an optimizer that is made already"
            fail(ArgumentError, "compile", expected=expected, got=str(dict(optimizer_params)))
        if not isinstance(optimizer, optimizers.Optimizer):
            fail(ArgumentError, "compile", expected="optimizer to be a name or an Optimizer", got=type(optimizer).__name__)
        if loss is None:
            fail(ArgumentError, "compile", expected="a loss", got="none", fix="compile(optimizer, loss='softmax_cross_entropy')")
        if isinstance(metrics, str) or not isinstance(metrics, (list, tuple, type(None))):
            metrics = [metrics]
        self.optimizer = optimizer
        self.loss = losses.find(loss)
        found = [measures.find(m) for m in metrics or ()]
        self.measures = [m for m in found if isinstance(m, Measure)]
        self.host = [m for m in found if not isinstance(m, Measure)]
        self.programs = Programs()

    def __reduce__(self) -> Any:
        # A copy of the network is compiled alike, and begins with nothing of its optimizer's state.
        return Session, self._arguments

    # -- before the first step ------------------------------------------------------------------

    def prepare(self, net: Any, data: Arrays | Batches) -> None:
        """Find the network's shapes and check labels against its output, before anything is trained."""
        inputs, label = data.first()
        output = output_spec(net, inputs)
        if not output.shape or output.shape[0] != len(inputs[0]):
            fail(ShapeError, "fit", expected=f"outputs whose first axis is the {len(inputs[0])} samples of a batch", got=str(output.shape))
        self.loss.check_shapes(label, output)
        data.check_labels(lambda label: self.loss.check_labels(label, output))

    def start(self, net: Any, device: Any) -> None:
        """Make what training needs, once; a new trainer where the network's parameters are others than before."""
        programs = self.programs
        parameters = list(net.collect_params().values())
        if programs.trainer is None or set(map(id, parameters)) != set(map(id, programs.trainer._params)):
            programs.steps.clear()
            programs.trainer = Trainer(parameters, self.optimizer)
            programs.sums = [zeros_like(p.data()) for p in _trained(programs.trainer)] if self.full_batch else []
        self.reset(device)

    def reset(self, device: Any) -> None:
        """Set loss and metrics back to zero."""
        for name in ("loss", *(m.name for m in self.measures)):
            total = self.programs.totals.get(name)
            if total is None or total.device != device:
                self.programs.totals[name] = array(0.0, dtypes.float64, device)
            else:
                total[...] = 0.0
        self.samples = 0
        for metric in self.host:
            metric.reset()

    def results(self) -> dict[str, float]:
        """Loss and metrics since the last reset; waits for the device."""
        values = {name: total.item() / max(self.samples, 1) for name, total in self.programs.totals.items()}
        for metric in self.host:
            values.update(metric.get_name_value())
        return values

    # -- steps ----------------------------------------------------------------------------------

    def _step(self, name: str, net: Any, function: Callable[..., Any]) -> Jit:
        """The compiled form of a step over ``net``."""
        if name not in self.programs.steps:
            self.programs.steps[name] = jit(lambda *args: function(net, *args), name=name)
        return self.programs.steps[name]

    def train(self, net: Any, inputs: tuple[Any, ...], label: Any) -> None:
        """One batch: an update, or with full-batch descent a part of the epoch's."""
        self._count(inputs, self._step("train_step", net, self._train_step)(inputs, label))

    def finish_epoch(self, net: Any, device: Any) -> None:
        """Full-batch descent's update."""
        if self.full_batch:
            self._step("full_batch_step", net, self._full_batch_step)(array(float(self.samples), dtypes.float64, device))

    def test(self, net: Any, inputs: tuple[Any, ...], label: Any) -> None:
        """One batch, measured only."""
        self._count(inputs, self._step("test_step", net, self._test_step)(inputs, label))

    def _count(self, inputs: tuple[Any, ...], measured: Any) -> None:
        self.samples += len(inputs[0])
        for metric in self.host:
            metric.update(*measured)

    def _train_step(self, net: Any, inputs: tuple[Any, ...], label: Any) -> Any:
        trainer = self.programs.trainer
        assert trainer is not None
        for parameter in trainer._params:
            if parameter.grad_req == "add":
                parameter.zero_grad()
        with autograd.record():
            output = net(*inputs)
            loss = self.loss.per_sample(output, label)
            head = loss.sum() if self.full_batch else loss.mean()
        head.backward()
        if self.full_batch:
            for total, parameter in zip(self.programs.sums, _trained(trainer), strict=True):
                total += parameter.grad()
        else:
            trainer.step(1)
        return self._measured(output, label, loss)

    def _full_batch_step(self, net: Any, samples: Any) -> None:
        trainer = self.programs.trainer
        assert trainer is not None
        for total, parameter in zip(self.programs.sums, _trained(trainer), strict=True):
            parameter.grad()[...] = total / samples.astype(total.dtype)
            total[...] = 0
        trainer.step(1)

    def _test_step(self, net: Any, inputs: tuple[Any, ...], label: Any) -> Any:
        output = net(*inputs)
        return self._measured(output, label, self.loss.per_sample(output, label))

    def _measured(self, output: Any, label: Any, loss: Any) -> Any:
        """Add a batch to the totals; gives the labels and predictions that the host's metrics need."""
        with autograd.pause(train_mode=autograd.is_training()):
            totals = self.programs.totals
            totals["loss"] += loss.mean() * output.shape[0]
            for measure in self.measures:
                totals[measure.name] += measures.checked_per_sample(measure, output, label, self.loss).sum()
            if not self.host:
                return ()
            if self.loss.kind == "classes":  # MXNet's metrics of classes take no one-hot labels
                label = measures.class_numbers(self.loss.name, plain(output), plain(label))
            return [label], [output]


def _trained(trainer: Trainer) -> list[Any]:
    return [p for p in trainer._params if p.grad_req != "null"]


def place_of(net: Any) -> Place:
    """Where the network's parameters are: its data goes there too."""
    for parameter in net.collect_params().values():
        if dtypes.is_floating(parameter.dtype) and (parameter._data is not None or parameter._deferred_init is not None):
            cls = type(parameter._data[0]) if parameter._data is not None else _NDARRAY
            return Place(parameter.list_ctx()[0], parameter.dtype, cls)
    return Place(current_device(), dtypes.default_float, _NDARRAY)


_NDARRAY = type(array(0.0))


def initialize_missing(net: Any) -> None:
    """Give parameters that nobody initialized their values: by their own initializers, else Xavier's."""
    for parameter in net.collect_params().values():
        if parameter._data is None and parameter._deferred_init is None:
            parameter.initialize(default_init=initializer.Xavier())


def output_spec(net: Any, inputs: tuple[Any, ...]) -> Spec:
    """Shape and dtype of the network's output, found by tracing: nothing is computed but deferred initial values.

    ArgumentError if the network has several outputs.
    """
    trace = Trace()
    tracers = [wrap(type(x), trace.argument(Spec(x.shape, x._data.dtype), x._device, f"x{i}"), x._device) for i, x in enumerate(inputs)]
    before = local.set(recording=False, training=False)
    try:
        with tracing(trace):
            output = net(*tracers)
    finally:
        local.set(recording=before[0], training=before[1])
    if not hasattr(output, "shape"):
        way_out = "a training loop of your own, under hybridnet.jit"
        fail(ArgumentError, "fit", expected="a network with one output", got=f"a {type(output).__name__}", fix=way_out)
    return Spec(output.shape, output._data.dtype)
