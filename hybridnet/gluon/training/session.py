"""What ``compile`` sets up: the optimizer, the losses and metrics of each output; and what of it is counted.

Relies on the steps (``steps.py``) for all that is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet import optimizer as optimizers
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.training import losses, together
from hybridnet.gluon.training.batches import Arrays, Batches
from hybridnet.gluon.training.network import output_specs
from hybridnet.gluon.training.outputs import outputs_from
from hybridnet.gluon.training.steps import Programs

FULL_BATCH = "bgd"  # gradient descent on the gradient over all data: one update an epoch


class Session:
    """The arguments of ``compile``, resolved, and the programs made from them."""

    def __init__(
        self,
        optimizer: Any,
        loss: Any,
        metrics: Any,
        optimizer_params: Mapping[str, Any] | None,
        loss_weights: Sequence[float] | None = None,
    ) -> None:
        self._arguments = optimizer, loss, metrics, optimizer_params, loss_weights
        self.full_batch = isinstance(optimizer, str) and optimizer.lower() == FULL_BATCH
        self.optimizer = _optimizer(optimizer, optimizer_params)
        if loss is None:
            fail(ArgumentError, "compile", expected="a loss", got="none", fix="compile(optimizer, loss='softmax_cross_entropy')")
        self.outputs = outputs_from(loss, metrics, loss_weights)
        self.programs = Programs()

    def __reduce__(self) -> Any:
        # A copy of the network is compiled alike, and begins with nothing of its optimizer's state.
        return Session, self._arguments

    @property
    def host(self) -> list[Any]:
        """The metrics that the host counts, of all outputs."""
        return [metric for output in self.outputs for metric in output.host]

    def prepare(self, net: Any, data: Arrays | Batches) -> None:
        """Find the network's shapes and check labels against its outputs, before anything is trained."""
        first = data.first()
        specs = output_specs(net, first.inputs)
        for spec in specs:
            if not spec.shape or spec.shape[0] != len(first.inputs[0]):
                expected = f"outputs whose first axis is the {len(first.inputs[0])} samples of a batch"
                fail(ShapeError, "fit", expected=expected, got=str(spec.shape))
        for what, number in (("losses", len(self.outputs)), ("labels", len(first.labels))):
            if number != len(specs):
                expected = f"as many {what} as the network has outputs, {len(specs)}"
                fail(ArgumentError, "fit", expected=expected, got=str(number), fix="loss=[...], and y a tuple of arrays")
        for output, label, spec in zip(self.outputs, first.labels, specs, strict=True):
            output.loss.check_shapes(label, spec)

        def check(labels: list[Any]) -> None:
            for output, label, spec in zip(self.outputs, labels, specs, strict=True):
                output.loss.check_labels(label, spec)

        data.check_labels(check)

    # -- what is counted ------------------------------------------------------------------------

    def reset(self, device: Any) -> None:
        """Set losses and metrics back to zero; from now on they are counted on ``device``, and on the others that compute."""
        self.programs.reset(self.total_names(), device)
        for metric in self.host:
            metric.reset()

    def total_names(self) -> list[str]:
        """The results that are added up on the device: the loss, those of several outputs, and their metrics."""
        several = [f"{output.prefix}loss" for output in self.outputs if output.prefix]
        return ["loss", *several, *(output.prefix + measure.name for output in self.outputs for measure in output.measures)]

    def results(self, of_all: bool = False) -> dict[str, float]:
        """Losses and metrics since the last reset; waits for the device. ``of_all``: those of all ranks, which all call it."""
        values = self.programs.results(of_all)
        for output in self.outputs:
            for metric in map(together.metric_of_all, output.host) if of_all else output.host:
                values.update((output.prefix + name, value) for name, value in metric.get_name_value())
        return values


def _optimizer(optimizer: Any, params: Mapping[str, Any] | None) -> Any:
    """An optimizer from its name and arguments, or as it is."""
    if isinstance(optimizer, str):
        known = [FULL_BATCH, *optimizers.Optimizer.opt_registry]
        if optimizer.lower() not in known:
            expected = "optimizer one of " + ", ".join(sorted(known))
            fail(ArgumentError, "compile", expected=expected, got=repr(optimizer), fix=losses.near(optimizer, known))
        return optimizers.create("sgd" if optimizer.lower() == FULL_BATCH else optimizer, **(params or {}))
    if params:
        expected = "no optimizer_params with an optimizer that is made already"
        fail(ArgumentError, "compile", expected=expected, got=str(dict(params)))
    if not isinstance(optimizer, optimizers.Optimizer):
        fail(ArgumentError, "compile", expected="optimizer to be a name or an Optimizer", got=type(optimizer).__name__)
    return optimizer
