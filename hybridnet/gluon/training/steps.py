"""The compiled steps of training: an ordinary imperative step under :func:`hybridnet.compile.jit`.

On one device a step is one program: record, forward, loss, backward, ``trainer.step``, and the adding up of losses and metrics in arrays
that stay on the device. Where the update waits for more (other devices, other batches, the whole epoch), the step adds up gradients,
and the update is a step of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

from hybridnet import autograd, dtypes
from hybridnet.compile import Jit, jit
from hybridnet.core import array, plain, suspended_trace
from hybridnet.device import Device
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.slices import slice_of, whole_of
from hybridnet.gluon.trainer import Trainer
from hybridnet.gluon.training import measures, together
from hybridnet.gluon.training.batches import Batch
from hybridnet.gluon.training.network import outputs_of
from hybridnet.gluon.training.outputs import Output
from hybridnet.gluon.utils import clip_global_norm
from hybridnet.ops.array.creation import zeros_like
from hybridnet.ops.array.shape import slice_axis


class Programs:
    """The compiled steps of one network and what they add to. A copy of the network begins without."""

    def __init__(self) -> None:
        self.steps: dict[Any, Jit] = {}
        self.trainer: Trainer | None = None
        self.samples = 0
        self.totals: dict[str, dict[Device, Any]] = {}
        self.sums: list[list[Any]] = []  # of the gradients, by parameter and device, for updates that wait
        self.waiting = self.waiting_batches = 0  # samples and batches whose gradients are in ``sums``

    def __reduce__(self) -> Any:
        return Programs, ()

    def start(self, net: Any, optimizer: Any) -> None:
        """Make what training needs, once; a new trainer where the network's parameters are others than before."""
        parameters = list(net.collect_params().values())
        if self.trainer is None or set(map(id, parameters)) != set(map(id, self.trainer._params)):
            self.steps.clear()
            self.trainer = Trainer(
                parameters, optimizer, kvstore="dist_sync" if together.all_ranks() > 1 else "device", update_on_kvstore=False
            )
            self.sums, self.waiting, self.waiting_batches = [], 0, 0

    def reset(self, names: list[str], device: Device) -> None:
        """Set what is added up back to zero."""
        self.samples = 0
        for name in names:
            totals = self.totals.setdefault(name, {})
            self.total(name, device)
            for total in totals.values():
                total[...] = 0.0

    def total(self, name: str, device: Device) -> Any:
        """The array in which a result is added up on a device."""
        totals = self.totals[name]
        if device not in totals:
            with suspended_trace():
                totals[device] = array(0.0, dtypes.float64, device)
        return totals[device]

    def results(self, of_all: bool = False) -> dict[str, float]:
        """What is added up, over the samples; waits for the device. ``of_all``: over those of all ranks, which all call it."""
        sums = {name: sum(total.item() for total in totals.values()) for name, totals in self.totals.items()}
        samples = float(self.samples)
        if of_all and together.ranks() > 1:
            sums = together.summed({**sums, "samples of this rank": samples})
            samples = sums.pop("samples of this rank")
        return {name: total / max(samples, 1) for name, total in sums.items()}

    def trained(self) -> list[Any]:
        """The parameters that are moved."""
        assert self.trainer is not None
        return [p for p in self.trainer._params if p.grad_req != "null"]

    # -- for a checkpoint -----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What is added up so far, on all ranks together."""
        totals: dict[str, Any] = {
            name: [[d.device_type, d.device_id, x.item()] for d, x in totals.items()] for name, totals in self.totals.items()
        }
        samples, waiting = self.samples, self.waiting
        waits = zip(self.trained(), self.sums, strict=True) if self.waiting_batches else ()
        sums = [[whole_of(p, x) for x in row] for p, row in waits]
        if together.ranks() > 1:
            found = together.summed({"samples": samples, "waiting": waiting, **{name: rows[0][2] for name, rows in totals.items()}})
            samples, waiting = int(found.pop("samples")), int(found.pop("waiting"))
            totals = {name: [[*rows[0][:2], found[name]]] for name, rows in totals.items()}
            sums = [[together.summed_array(x) for x in row] for row in sums]
        return {"samples": samples, "totals": totals, "sums": sums, "waiting": [waiting, self.waiting_batches]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Add to what :meth:`state_dict` gave; of ranks with parts of each batch the first, the others to nothing."""
        heads = together.heads()
        self.samples = state["samples"] if heads else 0
        for name, totals in state["totals"].items():
            self.totals.setdefault(name, {})
            for kind, number, value in totals:
                self.total(name, Device(kind, number))[...] = value if heads else 0.0
        waiting, self.waiting_batches = state["waiting"]
        self.waiting = waiting if heads else 0
        if state["sums"]:
            self.make_sums()
            for p, mine, theirs in zip(self.trained(), self.sums, state["sums"], strict=True):
                for x, value in zip(mine, theirs, strict=True):
                    x[...] = array(slice_of(p, value), x.dtype, x.device) if heads else 0.0

    def make_sums(self) -> None:
        """Arrays for sums of gradients, once."""
        if not self.sums:
            self.sums = [[zeros_like(x.detach()) for x in p.list_data()] for p in self.trained()]


@dataclass(frozen=True)
class Plan:
    """How a call of ``fit`` trains: what its compiled steps depend on besides the network."""

    devices: tuple[Device, ...]
    accumulate: int = 1  # an update from so many batches; 0: from all of an epoch
    clip: float | None = None  # the largest norm of all gradients together
    classes: tuple[tuple[int, float], ...] = ()  # weights of classes
    ranks: int = 1

    @property
    def waits(self) -> bool:
        """Whether an update waits for several batches."""
        return self.accumulate != 1


class Steps:
    """The steps of one call of ``fit`` or ``evaluate`` over ``net``."""

    def __init__(self, net: Any, outputs: list[Output], programs: Programs, plan: Plan) -> None:
        self.net, self.outputs, self.programs, self.plan = net, outputs, programs, plan
        self.last = 0  # the samples of the last batch, on all ranks
        self._classes: dict[Device, Any] = {}
        if plan.waits:
            programs.make_sums()

    def _step(self, name: str, function: Callable[..., Any], *key: Any) -> Jit:
        """The compiled form of a step, which later calls of ``fit`` like this one use again."""
        key = (name, self.plan, *key)
        if key not in self.programs.steps:
            self.programs.steps[key] = jit(function, name=name)
        return self.programs.steps[key]

    # -- a batch --------------------------------------------------------------------------------

    def train(self, batch: Batch) -> None:
        """Train on a batch: an update, or where that waits the gradients alone."""
        size = self.last = len(batch.inputs[0])
        if self.plan.ranks > 1:
            self._train_together(batch, size)
            return
        if len(self.plan.devices) == 1 and not self.plan.waits:
            self._count(size, [self._step("train_step", self._train_step)(*batch[:3])])
            return
        parts = self._parts(batch, size)
        self._count(size, [self._step("gradient_step", self._gradient_step, device)(*part[:3]) for device, part in parts.items()])
        for device in self.plan.devices:
            if device not in parts:
                self._deliver_nothing(device)
        if self.plan.waits:
            self.programs.waiting += size
            self.programs.waiting_batches += 1
        else:
            self._move(size)

    def _train_together(self, batch: Batch, size: int) -> None:
        """Train on a batch of which each rank has a part: in one program, where all have equally many samples.

        Else programs differ, in which ranks would wait for one another: they add up gradients first, and then all run one of one shape.
        """
        sizes = together.sizes(size, batch.total)
        self.last = sum(sizes)
        if size and len(set(sizes)) == 1 and not self.plan.waits:
            self._count(size, [self._step("train_step", self._train_step)(*batch[:3])])
            return
        self.programs.make_sums()
        if size:
            self._count(size, [self._step("gradient_step", self._gradient_step, self.plan.devices[0])(*batch[:3])])
        self.programs.waiting += size
        self.programs.waiting_batches += 1
        if not self.plan.waits:
            self.update()

    def _parts(self, batch: Batch, size: int) -> dict[Device, Batch]:
        """The batch cut up for the devices, as evenly as can be; fewer parts than devices for fewer samples."""
        devices = self.plan.devices[:size]
        if len(devices) == 1:
            return {devices[0]: batch}
        ends = [size * (i + 1) // len(devices) for i in range(len(devices))]
        parts = {}
        for device, start, end in zip(devices, [0, *ends], ends, strict=False):

            def cut(x: Any, start: int = start, end: int = end, device: Device = device) -> Any:
                return None if x is None else slice_axis(x, 0, start, end).to_device(device)

            parts[device] = Batch(tuple(map(cut, batch.inputs)), tuple(map(cut, batch.labels)), cut(batch.weight))
        return parts

    def _deliver_nothing(self, device: Device) -> None:
        """A device without samples has a gradient of zero."""
        for parameter in self.programs.trained():
            at = parameter.list_ctx().index(device)
            parameter.list_grad()[at][...] = 0
            parameter._leaves[at].fresh = True

    def _count(self, size: int, measured: list[Any]) -> None:
        """Count samples, and have the host's metrics count the labels and predictions of each part of the batch."""
        self.programs.samples += size
        counting = [output for output in self.outputs if output.host]
        for labels, predictions in measured:
            for output, label, prediction in zip(counting, labels, predictions, strict=True):
                for metric in output.host:
                    metric.update([label], [prediction])

    def update(self) -> None:
        """Make the update that waits for what was added up, if there is something."""
        programs = self.programs
        if not programs.waiting_batches:
            return
        samples = float(programs.waiting)
        if self.plan.ranks > 1:
            samples = together.summed({"waiting": samples})["waiting"]
        if len(self.plan.devices) == 1:
            self._step("update_step", self._update_from_sums)(array(samples, dtypes.float64, self.plan.devices[0]))
        else:
            for sums, parameter in zip(programs.sums, programs.trained(), strict=True):
                for at, (total, gradient) in enumerate(zip(sums, parameter.list_grad(), strict=True)):
                    gradient[...] = total
                    total[...] = 0
                    parameter._leaves[at].fresh = True
            self._move(programs.waiting)
        programs.waiting = programs.waiting_batches = 0

    def _move(self, size: int) -> None:
        """Sum the gradients of all devices and update, outside of compiled steps: gradients are those of sums over samples."""
        trainer = self.programs.trainer
        assert trainer is not None
        trainer.allreduce_grads()
        if self.plan.clip is not None:
            for at in range(len(self.plan.devices)):
                grads = [p.list_grad()[at] for p in self.programs.trained()]
                clip_global_norm(grads, self.plan.clip * size, check_isfinite=False)
        trainer.update(size)

    def test(self, batch: Batch) -> None:
        """Measure a batch, on the first device."""
        if size := len(batch.inputs[0]):
            self._count(size, [self._step("test_step", self._test_step)(*batch[:3])])

    # -- what is compiled -----------------------------------------------------------------------

    def _losses(self, inputs: tuple[Any, ...], labels: tuple[Any, ...], weight: Any) -> tuple[list[Any], list[Any], Any]:
        """The outputs, the loss of each sample of each output, and of all of them together."""
        outputs = outputs_of(self.net(*inputs))
        weights = self._weights(outputs, labels, weight)
        found = []
        for output, prediction, label in zip(self.outputs, outputs, labels, strict=True):
            loss = output.loss.per_sample(prediction, label)
            found.append(loss if weights is None else loss * plain(weights).astype(loss.dtype))
        whole = None
        for output, loss in zip(self.outputs, found, strict=True):
            loss = loss if output.share == 1 else loss * output.share
            whole = loss if whole is None else whole + loss
        return outputs, found, whole

    def _weights(self, outputs: list[Any], labels: tuple[Any, ...], weight: Any) -> Any:
        """The weight of each sample: its own, times that of its class."""
        if not self.plan.classes:
            return weight
        output, label = plain(outputs[0]), plain(labels[0])
        if self.outputs[0].loss.kind == "binary":
            number, classes = label.reshape((label.shape[0],)).astype("int32"), 2
        else:
            number, classes = measures.class_numbers(self.outputs[0].loss.name, output, label), output.shape[-1]
        table = self._class_table(output.device, classes)
        of_class = table.take(number.reshape((number.shape[0],)), axis=0)
        return of_class if weight is None else plain(weight) * of_class

    def _class_table(self, device: Device, classes: int) -> Any:
        """The weights of classes as an array."""
        if device not in self._classes:
            given = dict(self.plan.classes)
            if max(given) >= classes:
                fail(ArgumentError, "fit", expected=f"class_weight of classes from 0 to {classes - 1}", got=f"one of {max(given)}")
            values = numpy.ones(classes, "float32")
            values[list(given)] = list(given.values())
            with suspended_trace():
                self._classes[device] = array(values, device=device)
        return self._classes[device]

    def _zero_added(self) -> None:
        for parameter in self.programs.trained():
            if parameter.grad_req == "add":
                parameter.zero_grad()

    def _train_step(self, inputs: Any, labels: Any, weight: Any) -> Any:
        self._zero_added()
        with autograd.record():
            outputs, losses, whole = self._losses(inputs, labels, weight)
            head = whole.mean()
        head.backward()
        self._step_by(self.plan.ranks)
        return self._measured(outputs, labels, losses, whole)

    def _gradient_step(self, inputs: Any, labels: Any, weight: Any) -> Any:
        self._zero_added()
        with autograd.record():
            outputs, losses, whole = self._losses(inputs, labels, weight)
            head = whole.sum() if len(whole) == len(inputs[0]) else whole.mean() * len(inputs[0])  # a loss of one's own may be a mean
        head.backward()
        if self.plan.waits or self.plan.ranks > 1:
            device = inputs[0].device
            for sums, parameter in zip(self.programs.sums, self.programs.trained(), strict=True):
                sums[parameter.list_ctx().index(device)] += parameter.grad(device)
        return self._measured(outputs, labels, losses, whole)

    def _update_from_sums(self, samples: Any) -> None:
        for (total,), parameter in zip(self.programs.sums, self.programs.trained(), strict=True):
            parameter.grad()[...] = total / samples.astype(total.dtype)
            parameter._leaves[0].fresh = True  # also on a rank that had no samples
            total[...] = 0
        self._step_by(1)

    def _step_by(self, divisor: int) -> None:
        """Move the parameters by gradients which, summed over ranks, are ``divisor`` times those that are meant."""
        trainer = self.programs.trainer
        assert trainer is not None
        if self.plan.clip is None:
            trainer.step(divisor)
            return
        if self.plan.ranks > 1:
            trainer.allreduce_grads()
        clip_global_norm([p.grad() for p in self.programs.trained()], self.plan.clip * divisor, check_isfinite=False)
        (trainer.update if self.plan.ranks > 1 else trainer.step)(divisor)

    def _test_step(self, inputs: Any, labels: Any, weight: Any) -> Any:
        outputs, losses, whole = self._losses(inputs, labels, weight)
        return self._measured(outputs, labels, losses, whole)

    def _measured(self, outputs: list[Any], labels: Any, losses: list[Any], whole: Any) -> Any:
        """Add a batch to the totals; gives the labels and predictions that the host's metrics need."""
        wanted: tuple[list[Any], list[Any]] = ([], [])
        with autograd.pause(train_mode=autograd.is_training()):
            device, size = whole.device, outputs[0].shape[0]
            self._add("loss", device, whole.mean() * size)
            for output, prediction, label, loss in zip(self.outputs, outputs, labels, losses, strict=True):
                if output.prefix:
                    self._add(f"{output.prefix}loss", device, loss.mean() * size)
                for measure in output.measures:
                    values = measures.checked_per_sample(measure, prediction, label, output.loss)
                    self._add(output.prefix + measure.name, device, values.sum())
                if output.host:
                    if output.loss.kind == "classes":  # MXNet's metrics of classes take no one-hot labels
                        label = measures.class_numbers(output.loss.name, plain(prediction), plain(label))
                    wanted[0].append(label)
                    wanted[1].append(prediction)
        return wanted

    def _add(self, name: str, device: Device, value: Any) -> None:
        total = self.programs.total(name, device)
        total += value
