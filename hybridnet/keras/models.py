"""Keras's ``Sequential``: Gluon's, with Keras's arguments, table of layers, weights and files."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy

from hybridnet import disk
from hybridnet.core import array
from hybridnet.errors import ArgumentError, DeferredInitializationError, fail
from hybridnet.gluon import nn
from hybridnet.gluon.training import History
from hybridnet.gluon.training.losses import LOSSES
from hybridnet.gluon.training.losses import find as find_loss
from hybridnet.gluon.training.network import initialize_missing, output_specs
from hybridnet.keras import optimizers
from hybridnet.keras.layers import LAYERS, InputLayer, Layer, snake
from hybridnet.keras.saving import foreign, pack, unpack


class Sequential(nn.HybridSequential):
    """Layers one after the other: Keras's, or any block of Gluon's. ``layers``: the first of them; more by :meth:`add`."""

    def __init__(self, layers: Sequence[Any] | None = None, name: str | None = None) -> None:
        super().__init__()
        self._given_name = name
        self._input: InputLayer | None = None
        self._counts: Counter[str] = Counter()
        self._compile_arguments: dict[str, Any] | None = None
        for layer in layers or ():
            self.add(layer)

    @property
    def name(self) -> str:
        """The name given, or ``sequential``."""
        return self._given_name or snake(type(self).__name__)

    def add(self, *blocks: Any) -> None:
        """Append layers; the first one may give the shape of a sample (``input_shape``, ``input_dim``, or an ``Input``)."""
        for layer in blocks:
            if isinstance(layer, Layer) and layer._given_name is None:
                kind = layer.name
                layer._given_name = f"{kind}_{self._counts[kind]}" if self._counts[kind] else kind
                self._counts[kind] += 1
            if isinstance(layer, InputLayer):
                if len(self) or self._input is not None:
                    fail(ArgumentError, "Sequential.add", expected="Input as the first layer", got=f"it after {len(self)} others")
                self._input = layer
            else:
                super().add(layer)

    @property
    def layers(self) -> list[Any]:
        """The layers, without the input's."""
        return list(self)

    @property
    def input_shape(self) -> tuple[int | None, ...] | None:
        """The shape of the data, ``None`` in place of the number of samples; ``None`` if no layer gave it."""
        first = self._input if self._input is not None else self.layers[0] if len(self) else None
        shape = getattr(first, "input_shape", None)
        return None if shape is None else (None, *shape)

    # -- training -------------------------------------------------------------------------------

    def compile(  # type: ignore[override]
        self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Any = None, optimizer_params: Any = None
    ) -> None:
        """As Gluon's :meth:`Block.compile`; ``sgd``, ``adam`` and ``rmsprop`` have Keras's defaults."""
        if not optimizer_params:
            optimizer = optimizers.get(optimizer)
        super().compile(optimizer, loss, metrics, optimizer_params)
        self._compile_arguments = None if optimizer_params else _compiled_config(optimizer, loss, metrics)

    def fit(  # type: ignore[override]
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        callbacks: Any = None,
    ) -> History:
        """Train, as Gluon's :meth:`Block.fit`. ``validation_split``: the share of the samples, from the end, to validate with."""
        if validation_split:
            if not 0 < validation_split < 1 or y is None or validation_data is not None:
                expected = "validation_split below 1, of arrays x and y, without validation_data"
                fail(ArgumentError, "fit", expected=expected, got=repr(validation_split))
            kept = math.ceil(len(y) * (1 - validation_split) - 1e-9)
            x, held = _split(x, kept)
            (y, truth) = _split(y, kept)
            sample_weight = None if sample_weight is None else sample_weight[:kept]
            validation_data = (held, truth)
        batch_size = 32 if batch_size is None else batch_size
        return super().fit(x, y, epochs, batch_size, validation_data, shuffle, verbose, callbacks, sample_weight, class_weight)

    def evaluate(  # type: ignore[override]
        self, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: int | str = "auto", return_dict: bool = False
    ) -> Any:
        """The loss, or with metrics a list of it and them; with ``return_dict`` a dict by name."""
        results = super().evaluate(x, y, 32 if batch_size is None else batch_size, verbose)
        if return_dict:
            return results
        return list(results.values()) if len(results) > 1 else results["loss"]

    def predict(self, x: Any, batch_size: int | None = None, verbose: int | str = "auto") -> Any:
        """The outputs for an array of samples, as a NumPy array."""
        self._build()
        return super().predict(x, 32 if batch_size is None else batch_size, verbose).asnumpy()

    # -- weights --------------------------------------------------------------------------------

    def _build(self) -> list[tuple[int | None, ...]]:
        """Give all parameters their shapes and values, if a layer said what a sample is; the shapes of the layers' outputs."""
        initialize_missing(self)
        shape = self.input_shape
        if shape is None:
            return []
        x = array(numpy.zeros((1, *shape[1:]), "float32"))
        shapes: list[tuple[int | None, ...]] = []
        for layer in self.layers:
            (spec,) = output_specs(layer, (x,))
            x = array(numpy.zeros(spec.shape, spec.dtype))
            shapes.append((None, *spec.shape[1:]))
        return shapes

    def _built_layers(self) -> list[Any]:
        self._build()
        for name, parameter in self._collect_params_with_prefix().items():
            if parameter._data is None:
                way_out = "input_shape=... in the first layer, or fit or predict first"
                fail(
                    DeferredInitializationError,
                    self.name,
                    expected="a model that knows its shapes",
                    got=f"{name} {parameter.shape}",
                    fix=way_out,
                )
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    def get_weights(self) -> list[Any]:
        """The weights of all layers as NumPy arrays, in Keras's order and layout."""
        return [w for layer in self._built_layers() for w in layer.get_weights()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take what :meth:`get_weights` gave."""
        layers = self._built_layers()
        sizes = [len(layer._weights()) for layer in layers]
        if sum(sizes) != len(weights):
            fail(ArgumentError, self.name, expected=f"{sum(sizes)} weights", got=str(len(weights)))
        start = 0
        for layer, size in zip(layers, sizes, strict=True):
            layer.set_weights(weights[start : start + size])
            start += size

    def count_params(self) -> int:
        """The number of elements of all weights."""
        self._built_layers()
        return sum(math.prod(p.shape) for p in _weights_of(self))

    def save_weights(self, filepath: str) -> None:
        """Write the weights, in MXNet's format."""
        self._built_layers()
        self.save_parameters(filepath)

    def load_weights(self, filepath: str) -> None:
        """Read the weights of a model of the same layers. Either all are loaded or none."""
        initialize_missing(self)
        self.load_parameters(filepath)

    # -- looking at it --------------------------------------------------------------------------

    def summary(self, *inputs: Any) -> None:  # type: ignore[override]
        """Print a table of the layers, the shapes of their outputs and the numbers of their weights."""
        shapes = [*map(str, self._build())] or ["?"] * len(self)
        rows = [
            (f"{layer.name} ({type(layer).__name__})", shape, str(_count(layer))) for layer, shape in zip(self.layers, shapes, strict=True)
        ]
        rows.insert(0, ("Layer (type)", "Output Shape", "Param #"))
        widths = [max(len(row[i]) for row in rows) + 3 for i in range(3)]
        rule, *lines = ["_" * (sum(widths) + 1)] + [
            " " + "".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        total = _count(self)
        trained = sum(math.prod(p.shape) for p in _weights_of(self) if p.grad_req != "null")
        ends = [f"Total params: {total:,}", f"Trainable params: {trained:,}", f"Non-trainable params: {total - trained:,}"]
        print("\n".join([f'Model: "{self.name}"', rule, lines[0], "=" * len(rule), *lines[1:], "=" * len(rule), *ends, rule]))

    # -- files ----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The layers, by class and arguments."""
        layers = ([self._input] if self._input is not None else []) + self.layers
        for layer in layers:
            if type(layer) is not LAYERS.get(type(layer).__name__):
                fail(ArgumentError, "save", expected="layers of hybridnet.keras", got=f"a {type(layer).__name__}", fix="save_weights")
        return {"name": self.name, "layers": [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in layers]}

    def save(self, filepath: str | os.PathLike[str]) -> None:
        """Write layers, weights, and what ``compile`` was given by name, to one file; :func:`load_model` reads it.

        The optimizer's state is not written: a loaded model that is trained further begins a new one.
        """
        self._built_layers()
        config = {"model": self.get_config(), "compile": self._compile_arguments}
        weights = {name: p._reduce() for name, p in self._collect_params_with_prefix().items()}
        disk.write_bytes(filepath, pack(config, weights))


def load_model(filepath: str | os.PathLike[str]) -> Sequential:
    """The model that :meth:`Sequential.save` wrote, compiled again if its arguments could be saved. Runs no code of the file."""
    config, weights = unpack(filepath)
    source = os.fspath(filepath)
    model = _from_config(config["model"], source)
    model._build()
    model.load_dict(weights, source=source)
    arguments = config.get("compile")
    if arguments is not None:
        try:
            kind = arguments["optimizer"]
            made = optimizers.OPTIMIZERS[kind["name"]](**kind["config"]) if "config" in kind else kind["name"]
            model.compile(made, arguments["loss"], arguments["metrics"])
        except (KeyError, TypeError) as error:
            foreign(source, f"arguments of compile that it does not know ({error})")
    return model


def _from_config(config: dict[str, Any], source: str) -> Sequential:
    model = Sequential(name=config.get("name"))
    for item in config.get("layers", ()):
        name = item.get("class_name") if isinstance(item, dict) else None
        if not isinstance(name, str) or name not in LAYERS:
            foreign(source, f"a layer {str(item)[:80]}")
        try:
            model.add(LAYERS[name](**item["config"]))
        except (TypeError, KeyError, ValueError) as error:
            foreign(source, f"arguments that {name} does not take ({error})")
    return model


def _compiled_config(optimizer: Any, loss: Any, metrics: Any) -> dict[str, Any] | None:
    """What ``compile`` was given as JSON can hold it; ``None`` if some of it is an object that has no name."""
    metrics = [metrics] if isinstance(metrics, str) else list(metrics or ())
    if type(optimizer) in optimizers.OPTIMIZERS.values():
        kind = {"name": type(optimizer).__name__.lower(), "config": optimizer.get_config()}
    elif isinstance(optimizer, str):
        kind = {"name": optimizer}
    else:
        return None
    known = LOSSES.get(find_loss(loss).name)
    if known is None or known is not find_loss(loss) or not all(isinstance(m, str) for m in metrics):
        return None
    return {"optimizer": kind, "loss": known.name, "metrics": metrics}


def _split(x: Any, at: int) -> tuple[Any, Any]:
    if isinstance(x, tuple):
        return tuple(part[:at] for part in x), tuple(part[at:] for part in x)
    return x[:at], x[at:]


def _weights_of(block: Any) -> list[Any]:
    """The parameters that count as Keras's weights: a scale or centre that a layer does without is none."""
    if isinstance(block, Layer):
        return [p for p, _ in block._weights()]
    if isinstance(block, Sequential):
        return [p for layer in block.layers for p in _weights_of(layer)]
    return list(block.collect_params().values())


def _count(block: Any) -> int:
    return sum(math.prod(p.shape) for p in _weights_of(block))


__all__ = ["Sequential", "load_model"]
