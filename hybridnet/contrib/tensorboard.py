"""Curves, histograms, pictures and graphs for TensorBoard: the calls of MXBoard, and ``contrib.tensorboard`` of MXNet.

::

    with SummaryWriter(logdir="logs") as writer:        # from hybridnet.contrib.tensorboard, or in programs of MXNet's: from mxboard
        writer.add_scalar("loss", loss, global_step)
        writer.add_histogram("weights", net[0].weight.data(), global_step)

Then ``tensorboard --logdir logs``. Files are written by tensorboardX (the extra ``tensorboard``), which needs no TensorFlow.
"""

from __future__ import annotations

import importlib
import io
import json
import time
import wave
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.symbol import Symbol

__all__ = ["LogMetricsCallback", "SummaryWriter"]

#: Pictures of a batch stand in rows of eight, with two black pixels around each.
_ROW, _MARGIN = 8, 2


class SummaryWriter:
    """Writes files for TensorBoard into the folder ``logdir``.

    ``max_queue`` events wait for at most ``flush_secs`` seconds before they are in the file, whose name ends in ``filename_suffix``.
    ``verbose`` is MXBoard's, without effect. ImportError, with what to install, where tensorboardX is missing.
    """

    def __init__(
        self, logdir: str, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str | None = None, verbose: bool = True
    ) -> None:
        self._logdir, self._suffix = str(logdir), filename_suffix or ""
        self._settings = {"max_queue": max_queue, "flush_secs": flush_secs}
        self._scalars: dict[str, list[list[float]]] = {}
        self._opened = 0
        self.reopen()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def get_logdir(self) -> str:
        """The folder that it writes to."""
        return self._logdir

    def add_scalar(self, tag: str, value: Any, global_step: int | None = None) -> None:
        """A point of a curve. ``value``: a number or an array of one element; ``(name, number)`` or a dict for several curves in one plot.

        ArgumentError for another pair, ValueError or TypeError for what is no number.
        """
        if isinstance(value, (tuple, list)):
            if len(value) != 2 or not isinstance(value[0], str):
                fail(ArgumentError, "add_scalar", expected="(name, number)", got=repr(value))
            value = {value[0]: value[1]}
        if isinstance(value, Mapping):
            numbers = {name: _number(v) for name, v in value.items()}
            self._writer.add_scalars(tag, numbers, global_step)
            for name, number in numbers.items():
                self._remember(f"{tag}/{name}", global_step, number)
            return
        number = _number(value)
        self._writer.add_scalar(tag, number, global_step)
        self._remember(tag, global_step, number)

    def _remember(self, tag: str, step: int | None, number: float) -> None:
        self._scalars.setdefault(f"{self._logdir}/{tag}", []).append([time.time(), step or 0, number])

    def add_histogram(self, tag: str, values: Any, global_step: int | None = None, bins: Any = "default") -> None:
        """How the elements of an array are distributed. ``bins``: their number, edges, a rule of NumPy's, or TensorBoard's own."""
        self._writer.add_histogram(tag, _array(values).reshape(-1), global_step, bins="tensorflow" if bins == "default" else bins)

    def add_image(self, tag: str, image: Any, global_step: int | None = None) -> None:
        """A picture of shape (H, W) or (C, H, W) with C of 1 or 3; a batch (N, C, H, W) as rows of eight in one.

        Elements are from 0 to 1, or bytes; ArgumentError for others, ShapeError for another shape.
        """
        self._writer.add_image(tag, _picture(_array(image)), global_step)

    def add_audio(self, tag: str, audio: Any, sample_rate: int = 44100, global_step: int | None = None) -> None:
        """A sound: one channel of samples from -1 to 1, of shape (n,) but for axes of length 1. ShapeError for another."""
        samples = _array(audio).squeeze()
        if samples.ndim != 1:
            fail(ShapeError, "add_audio", expected="one channel of samples (n,)", got=f"an array {samples.shape}")
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(int(sample_rate))
            sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        proto = _proto("summary")
        content = {"encoded_audio_string": file.getvalue(), "content_type": "audio/wav"}
        told = proto.Summary.Audio(sample_rate=sample_rate, num_channels=1, length_frames=len(samples), **content)
        self._file.add_summary(proto.Summary(value=[proto.Summary.Value(tag=tag, audio=told)]), global_step)

    def add_text(self, tag: str, text: str, global_step: int | None = None) -> None:
        """A text, in Markdown."""
        self._writer.add_text(tag, text, global_step)

    def add_pr_curve(
        self, tag: str, labels: Any, predictions: Any, num_thresholds: int, global_step: int | None = None, weights: Any = None
    ) -> None:
        """Precision and recall of a classifier of two classes: ``labels`` of 0 and 1, ``predictions`` from 0 to 1, both of shape (n,)."""
        weighted = None if weights is None else _array(weights)
        self._writer.add_pr_curve(tag, _array(labels), _array(predictions), global_step, num_thresholds, weighted)

    def add_embedding(self, tag: str, embedding: Any, labels: Any = None, images: Any = None, global_step: int | None = None) -> None:
        """Points (n, d) for the projector, with a label for each (or a row of several) and a picture (n, C, H, W) for each."""
        named = None if labels is None else _array(labels).tolist()
        header = [f"label {i}" for i in range(len(named[0]))] if named and isinstance(named[0], list) else None
        shown = None if images is None else _array(images)
        self._writer.add_embedding(_array(embedding), named, shown, global_step, tag, header)

    def add_graph(self, net: Any) -> None:
        """The graph of a symbol, or of a block that can be hybridized and has been called: MXNet's operators, each with its weights."""
        symbol = net if isinstance(net, Symbol) else net._as_symbol()[0]
        graph = _proto("graph").GraphDef(node=list(_nodes(symbol)))
        event = _proto("event").Event(graph_def=graph.SerializeToString())
        self._file.add_event(event)

    @property
    def _file(self) -> Any:
        """The writer of events."""
        return self._writer._get_file_writer()

    def export_scalars(self, path: str) -> None:
        """Write all points of curves as JSON: by folder and tag, lists ``[time, step, value]``."""
        Path(path).write_text(json.dumps(self._scalars), encoding="utf-8")

    def clear_scalar_dict(self) -> None:
        """Forget the points that :meth:`export_scalars` writes."""
        self._scalars = {}

    def flush(self) -> None:
        """Put everything into the files now."""
        self._writer.flush()

    def close(self) -> None:
        """Put everything into the files, and close them."""
        self._writer.close()

    def reopen(self) -> None:
        """Go on after :meth:`close`, in a new file."""
        again = f".{self._opened}" if self._opened else ""  # names of files have seconds in them, and no more
        self._writer = _tensorboardx().SummaryWriter(self._logdir, filename_suffix=self._suffix + again, **self._settings)
        self._opened += 1


class LogMetricsCallback:
    """A callback of ``Module.fit`` that writes the metrics as curves, at the epoch's number. ``prefix`` goes before their names."""

    def __init__(self, logging_dir: str, prefix: str | None = None) -> None:
        self.prefix = prefix
        self.summary_writer = SummaryWriter(logging_dir)

    def __call__(self, param: Any) -> None:
        """What ``fit`` calls at the end of a batch or an epoch."""
        if param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            self.summary_writer.add_scalar(name if self.prefix is None else f"{self.prefix}-{name}", value, global_step=param.epoch)


# -- what is written ---------------------------------------------------------------------------------------


def _tensorboardx() -> Any:
    try:
        return importlib.import_module("tensorboardX")
    except ModuleNotFoundError as error:
        raise ImportError('writing for TensorBoard needs tensorboardX: pip install "hybridnet[tensorboard]"') from error


def _proto(name: str) -> Any:
    return importlib.import_module(f"tensorboardX.proto.{name}_pb2")


def _number(value: Any) -> float:
    return float(value.item()) if isinstance(value, (NDArray, np.ndarray)) else float(value)


def _array(values: Any) -> Any:
    return values.asnumpy() if isinstance(values, NDArray) else np.asarray(values)


def _picture(image: Any) -> Any:
    """Bytes or numbers from 0 to 1 of shape (3, H, W)."""
    if image.dtype != np.uint8 and image.size and not (image.min() >= 0 and image.max() <= 1):
        fail(ArgumentError, "add_image", expected="elements from 0 to 1, or bytes", got=f"from {image.min()} to {image.max()}")
    if image.ndim == 2:
        image = image[None]
    if image.ndim not in (3, 4) or image.shape[-3] not in (1, 3):
        fail(ShapeError, "add_image", expected="(H, W), (C, H, W) or (N, C, H, W) with C of 1 or 3", got=f"an array {image.shape}")
    image = np.repeat(image, 3, axis=-3) if image.shape[-3] == 1 else image
    return _grid(image) if image.ndim == 4 else image


def _grid(images: Any) -> Any:
    """Pictures (N, C, H, W) in one, in rows."""
    count, channels, height, width = images.shape
    columns = min(_ROW, count)
    tall, wide = height + _MARGIN, width + _MARGIN
    whole = np.zeros((channels, -(-count // columns) * tall + _MARGIN, columns * wide + _MARGIN), images.dtype)
    for i, image in enumerate(images):
        top, left = i // columns * tall + _MARGIN, i % columns * wide + _MARGIN
        whole[:, top : top + height, left : left + width] = image
    return whole


def _nodes(symbol: Any) -> Iterator[Any]:
    """The nodes of a symbol as TensorBoard has them; what feeds one operator alone, as its weights do, lies within it."""
    proto, attributes = _proto("node_def"), _proto("attr_value")
    nodes = json.loads(symbol.tojson())["nodes"]
    readers: dict[int, list[int]] = {}
    for at, node in enumerate(nodes):
        for source, *_ in node["inputs"]:
            readers.setdefault(source, []).append(at)
    paths = [_path(nodes, readers, at) for at in range(len(nodes))]
    for at, node in enumerate(nodes):
        attrs: Mapping[str, str] = node.get("attrs", {})
        shown = "{ " + " ,  ".join(f"{key} :  {value}" for key, value in sorted(attrs.items())) + " }"
        param = {"param": attributes.AttrValue(s=shown.encode())} if attrs else {}
        yield proto.NodeDef(name=paths[at], op=node["op"], input=[paths[source] for source, *_ in node["inputs"]], attr=param)


def _path(nodes: Sequence[Any], readers: Mapping[int, Sequence[int]], at: int) -> str:
    """Where a node stands: an operator within its own name, a variable of its own within the operator that reads it."""
    name = nodes[at]["name"]
    if nodes[at]["op"] != "null":
        return f"{name}/{name}"
    own = [nodes[reader]["name"] for reader in readers.get(at, ())]
    return f"{own[0]}/{name}" if len(own) == 1 and name.startswith(own[0].rpartition("_")[0] or own[0]) else str(name)
