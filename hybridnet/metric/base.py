"""What metrics are: a sum and a count, now and over all; composites, and metrics from a function."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy

from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.registry import Registry

REGISTRY: Registry[Any] = Registry("metric")
register = REGISTRY.register
alias = REGISTRY.alias
Host = numpy.ndarray[Any, Any]


def host(x: Any) -> Host:
    """An array of any kind as a NumPy array."""
    return x.asnumpy() if hasattr(x, "asnumpy") else numpy.asarray(x)


def listed(x: Any) -> list[Any]:
    """A list of arrays from one or several."""
    return list(x) if isinstance(x, (list, tuple)) else [x]


def check_label_shapes(labels: Any, preds: Any, wrap: bool = False, shape: bool = False) -> tuple[Any, Any]:
    """Labels and predictions, equal in number (in shape, with ``shape``), else a ShapeError; as lists with ``wrap``."""
    found, expected = (labels.shape, preds.shape) if shape else (len(labels), len(preds))
    if found != expected:
        what = "shape" if shape else "number"
        fail(ShapeError, "metric", expected=f"labels and predictions equal in {what}", got=f"{found} labels and {expected} predictions")
    return (listed(labels), listed(preds)) if wrap else (labels, preds)


def pairs(labels: Any, preds: Any) -> Iterable[tuple[Host, Host]]:
    """Each label array with its predictions, as NumPy arrays."""
    labels, preds = listed(labels), listed(preds)
    check_label_shapes(labels, preds)
    for label, pred in zip(labels, preds, strict=True):
        yield host(label), host(pred)


class EvalMetric:
    """The base: override ``update(labels, preds)``, which adds to ``sum_metric`` and ``num_inst`` (or calls :meth:`add`).

    ``name`` is what results are called; ``output_names`` and ``label_names`` choose from the
    dicts that :meth:`update_dict` takes.
    """

    sum_metric: float = 0.0  # since the last reset; the value is this over num_inst
    num_inst: int = 0
    global_sum_metric: float = 0.0  # over everything since reset(), which reset_local() leaves as it is
    global_num_inst: int = 0

    def __init__(
        self, name: str, output_names: Iterable[str] | None = None, label_names: Iterable[str] | None = None, **kwargs: Any
    ) -> None:
        self.name = str(name)
        self.output_names = output_names
        self.label_names = label_names
        self._kwargs = kwargs
        self.reset()

    def __str__(self) -> str:
        return f"EvalMetric: {dict(self.get_name_value())}"

    def get_config(self) -> dict[str, Any]:
        """What :func:`create` needs to make another like it."""
        names = {"name": self.name, "output_names": self.output_names, "label_names": self.label_names}
        return {**self._kwargs, "metric": type(self).__name__, **names}

    def update(self, labels: Any, preds: Any) -> None:
        """Take in a batch: lists of label arrays and of prediction arrays."""
        raise NotImplementedError(f"{type(self).__name__}.update(self, labels, preds)")

    def update_dict(self, label: dict[str, Any], pred: dict[str, Any]) -> None:
        """Take in a batch given as arrays by name."""
        preds = [pred[n] for n in self.output_names] if self.output_names is not None else list(pred.values())
        labels = [label[n] for n in self.label_names] if self.label_names is not None else list(label.values())
        self.update(labels, preds)

    def add(self, total: float, count: int) -> None:
        """Count ``total`` over ``count`` instances."""
        self.sum_metric += total
        self.num_inst += count
        self.global_sum_metric += total
        self.global_num_inst += count

    def merge(self, other: Any) -> None:
        """Count what ``other``, a metric of the same kind, has counted of other samples."""
        self.sum_metric += other.sum_metric
        self.num_inst += other.num_inst
        self.global_sum_metric += other.global_sum_metric
        self.global_num_inst += other.global_num_inst

    def reset(self) -> None:
        """Forget everything."""
        self.reset_local()
        self.global_num_inst = 0
        self.global_sum_metric = 0.0

    def reset_local(self) -> None:
        """Forget all but what :meth:`get_global` tells."""
        self.num_inst = 0
        self.sum_metric = 0.0

    def _value(self, total: float, count: int) -> float:
        return total / count if count else float("nan")

    def get(self) -> tuple[Any, Any]:
        """(name, value) since the last reset; the value is NaN before any update."""
        return self.name, self._value(self.sum_metric, self.num_inst)

    def get_global(self) -> tuple[Any, Any]:
        """(name, value) over everything since :meth:`reset`."""
        return self.name, self._value(self.global_sum_metric, self.global_num_inst)

    def get_name_value(self) -> list[tuple[str, float]]:
        """:meth:`get` as a list of pairs."""
        return list(zip(*map(listed, self.get()), strict=True))

    def get_global_name_value(self) -> list[tuple[str, float]]:
        """:meth:`get_global` as a list of pairs."""
        return list(zip(*map(listed, self.get_global()), strict=True))


def create(metric: Any, *args: Any, **kwargs: Any) -> Any:
    """A metric from its name, a function of (label, pred), a metric, or a list of such."""
    if isinstance(metric, EvalMetric):
        return metric
    if isinstance(metric, (list, tuple)):
        return CompositeEvalMetric([create(m, *args, **kwargs) for m in metric])
    if callable(metric):
        return CustomMetric(metric, *args, **kwargs)
    return REGISTRY.create(metric, *args, **kwargs)


@alias("composite")
class CompositeEvalMetric(EvalMetric):
    """Several metrics of the same predictions."""

    def __init__(self, metrics: Any = None, name: str = "composite", output_names: Any = None, label_names: Any = None) -> None:
        self.metrics = [create(m) for m in metrics or []]
        super().__init__(name, output_names, label_names)

    def add(self, metric: Any, count: int = 0) -> None:
        """Append a metric."""
        self.metrics.append(create(metric))

    def get_metric(self, index: int) -> Any:
        """The metric at a position."""
        if not 0 <= index < len(self.metrics):
            fail(ArgumentError, "metric", expected=f"an index below {len(self.metrics)}", got=str(index))
        return self.metrics[index]

    def update(self, labels: Any, preds: Any) -> None:
        for metric in self.metrics:
            metric.update(labels, preds)

    def update_dict(self, labels: dict[str, Any], preds: dict[str, Any]) -> None:
        for metric in self.metrics:
            metric.update_dict(
                OrderedDict((k, v) for k, v in labels.items() if self.label_names is None or k in self.label_names),
                OrderedDict((k, v) for k, v in preds.items() if self.output_names is None or k in self.output_names),
            )

    def merge(self, other: Any) -> None:
        for own, metric in zip(self.metrics, other.metrics, strict=True):
            own.merge(metric)

    def reset(self) -> None:
        for metric in self.metrics:
            metric.reset()

    def reset_local(self) -> None:
        for metric in self.metrics:
            metric.reset_local()

    def get(self) -> tuple[Any, Any]:
        found = [pair for metric in self.metrics for pair in metric.get_name_value()]
        return [n for n, _ in found], [v for _, v in found]

    def get_global(self) -> tuple[Any, Any]:
        found = [pair for metric in self.metrics for pair in metric.get_global_name_value()]
        return [n for n, _ in found], [v for _, v in found]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "metrics": [m.get_config() for m in self.metrics]}


@register
class Loss(EvalMetric):
    """The mean of the predictions themselves: of the losses that a network gives."""

    def __init__(self, name: str = "loss", output_names: Any = None, label_names: Any = None) -> None:
        super().__init__(name, output_names, label_names)

    def update(self, _: Any, preds: Any) -> None:
        for pred in map(host, listed(preds)):
            self.add(float(pred.sum()), pred.size)


@register
class Torch(Loss):
    """:class:`Loss` by the name that it has for criterions of Torch."""

    def __init__(self, name: str = "torch", output_names: Any = None, label_names: Any = None) -> None:
        super().__init__(name, output_names, label_names)


@register
class Caffe(Loss):
    """:class:`Loss` by the name that it has for criterions of Caffe."""

    def __init__(self, name: str = "caffe", output_names: Any = None, label_names: Any = None) -> None:
        super().__init__(name, output_names, label_names)


@register
class CustomMetric(EvalMetric):
    """The mean of a function of NumPy arrays ``feval(label, pred)``, which gives a number or a (sum, count)."""

    def __init__(
        self,
        feval: Callable[..., Any],
        name: str | None = None,
        allow_extra_outputs: bool = False,
        output_names: Any = None,
        label_names: Any = None,
    ) -> None:
        if name is None:
            name = getattr(feval, "__name__", type(feval).__name__)
            name = f"custom({name})" if "<" in name else name
        super().__init__(name, output_names, label_names, feval=feval, allow_extra_outputs=allow_extra_outputs)
        self._feval = feval
        self._allow_extra_outputs = allow_extra_outputs

    def update(self, labels: Any, preds: Any) -> None:
        labels, preds = listed(labels), listed(preds)
        if not self._allow_extra_outputs:
            check_label_shapes(labels, preds)
        for label, pred in zip(labels, preds, strict=False):
            value = self._feval(host(label), host(pred))
            self.add(*(value if isinstance(value, tuple) else (value, 1)))


def np(numpy_feval: Callable[..., Any], name: str | None = None, allow_extra_outputs: bool = False) -> CustomMetric:
    """A metric from a function of NumPy arrays."""
    return CustomMetric(numpy_feval, name or numpy_feval.__name__, allow_extra_outputs)
