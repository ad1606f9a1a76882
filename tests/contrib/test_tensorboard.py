"""TensorBoard's files by MXBoard's calls: read again, and held to what MXBoard wrote of the same."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.paths import ROOT

import hybridnet as mx
from hybridnet.contrib.tensorboard import LogMetricsCallback, SummaryWriter
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon import nn

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
graph_pb2 = pytest.importorskip("tensorboardX.proto.graph_pb2")


def events(folder: Path) -> Iterator[Any]:
    """All events of a folder and those in it: records of a length, its checksum, the bytes, their checksum."""
    for file in sorted(folder.rglob("events.out*")):
        data, at = file.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = event_pb2.Event()
            event.ParseFromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            yield event


def values(folder: Path) -> dict[str, tuple[int, Any]]:
    """What summaries hold, with their steps, by tag."""
    return {v.tag: (event.step, v) for event in events(folder) for v in event.summary.value}


@pytest.fixture(name="writer")
def _writer(tmp_path: Path) -> Iterator[SummaryWriter]:
    with SummaryWriter(logdir=str(tmp_path / "logs"), flush_secs=5, verbose=False) as writer:
        yield writer


def test_scalars(writer: SummaryWriter, tmp_path: Path) -> None:
    """Of several curves in a plot each has a folder, as MXBoard makes them."""
    writer.add_scalar("loss", 1.5, 3)
    writer.add_scalar("loss", mx.nd.array([2.5]), 4)
    writer.add_scalar("acc", ("train", 0.5), 1)
    writer.add_scalar("acc", {"train": 0.75, "val": mx.np.array(0.25)}, 2)
    writer.export_scalars(str(tmp_path / "points.json"))
    writer.close()
    logs = tmp_path / "logs"
    assert [(e.step, e.summary.value[0].simple_value) for e in events(logs) if e.summary.value and e.summary.value[0].tag == "loss"] == [
        (3, 1.5),
        (4, 2.5),
    ]
    assert {path.parent.relative_to(logs) for path in logs.rglob("events*")} == {Path(), Path("acc/train"), Path("acc/val")}
    points = json.loads((tmp_path / "points.json").read_text())
    assert {key: [p[1:] for p in found] for key, found in points.items()} == {
        f"{logs}/loss": [[3, 1.5], [4, 2.5]],
        f"{logs}/acc/train": [[1, 0.5], [2, 0.75]],
        f"{logs}/acc/val": [[2, 0.25]],
    }
    writer.clear_scalar_dict()
    writer.export_scalars(str(tmp_path / "points.json"))
    assert json.loads((tmp_path / "points.json").read_text()) == {}
    assert writer.get_logdir() == str(logs)


def test_histograms(writer: SummaryWriter, tmp_path: Path) -> None:
    draws = mx.nd.random.normal(shape=(10, 10))
    writer.add_histogram("twenty", draws, 1, bins=20)
    writer.add_histogram("own", draws, 1)
    writer.add_histogram("edges", draws.asnumpy(), 1, bins=[-10, 0, 10])
    writer.close()
    found = {tag: v.histo for tag, (_, v) in values(tmp_path).items()}
    for histogram in found.values():
        assert histogram.num == 100 and sum(histogram.bucket) == 100
        np.testing.assert_allclose([histogram.min, histogram.max], [draws.asnumpy().min(), draws.asnumpy().max()], rtol=1e-6)
    assert [b for b in found["edges"].bucket if b] == [(draws.asnumpy() < 0).sum(), (draws.asnumpy() >= 0).sum()]


@pytest.mark.parametrize(
    ("shape", "size"), [((4, 5), (4, 5)), ((1, 4, 5), (4, 5)), ((3, 4, 5), (4, 5)), ((6, 1, 4, 5), (8, 44)), ((9, 3, 4, 5), (14, 58))]
)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_pictures(writer: SummaryWriter, tmp_path: Path, shape: tuple[int, ...], size: tuple[int, int], dtype: str) -> None:
    """The sizes of (6, 1, 4, 5) are those that MXBoard gave: rows of eight, two pixels between."""
    writer.add_image("p", mx.nd.ones(shape, dtype=dtype), 0)
    writer.close()
    picture = values(tmp_path)["p"][1].image
    assert (picture.height, picture.width, picture.colorspace) == (*size, 3)
    assert picture.encoded_image_string.startswith(b"\x89PNG")


def test_where_pictures_of_a_batch_stand(writer: SummaryWriter, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    batch = np.arange(9, dtype="uint8").repeat(12).reshape(9, 1, 3, 4) + 100
    writer.add_image("p", batch, 0)
    writer.close()
    shown = mx.image.imdecode(values(tmp_path)["p"][1].image.encoded_image_string).asnumpy()[:, :, 0]
    for i in range(9):
        top, left = i // 8 * 5 + 2, i % 8 * 6 + 2
        np.testing.assert_array_equal(shown[top : top + 3, left : left + 4], 100 + i)
    assert (shown == 0).sum() == shown.size - 9 * 12


def test_text_sound_curves_points(writer: SummaryWriter, tmp_path: Path) -> None:
    writer.add_text("t", "some **text**", 0)
    writer.add_audio("a", mx.nd.array(np.sin(np.arange(100)))[None], 1000, 2)
    writer.add_pr_curve("p", mx.nd.array([0, 1, 1]), mx.nd.array([0.1, 0.6, 0.9]), 10, 0)
    writer.add_embedding("e", mx.nd.ones((4, 3)), labels=mx.nd.arange(4), images=mx.nd.ones((4, 1, 2, 2)), global_step=1)
    writer.close()
    found = values(tmp_path)
    step, sound = found["a"]
    assert step == 2 and sound.audio.sample_rate == 1000 and sound.audio.encoded_audio_string[:4] == b"RIFF"
    assert any(v.tensor.string_val and b"some **text**" in v.tensor.string_val[0] for _, v in found.values())
    assert {v.metadata.plugin_data.plugin_name for _, v in found.values()} >= {"text", "pr_curves"}
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"tensors.tsv", "metadata.tsv", "sprite.png", "projector_config.pbtxt"} <= names


#: Of the network below, what MXBoard 0.1.0 wrote: name, operator, inputs.
GRAPH = [
    ("data", "null", []),
    ("net_dense0_fwd/net_dense0_weight", "null", []),
    ("net_dense0_fwd/net_dense0_bias", "null", []),
    ("net_dense0_fwd/net_dense0_fwd", "FullyConnected", ["data", "net_dense0_fwd/net_dense0_weight", "net_dense0_fwd/net_dense0_bias"]),
    ("net_dense0_relu_fwd/net_dense0_relu_fwd", "Activation", ["net_dense0_fwd/net_dense0_fwd"]),
    ("net_dense1_fwd/net_dense1_weight", "null", []),
    ("net_dense1_fwd/net_dense1_bias", "null", []),
    (
        "net_dense1_fwd/net_dense1_fwd",
        "FullyConnected",
        ["net_dense0_relu_fwd/net_dense0_relu_fwd", "net_dense1_fwd/net_dense1_weight", "net_dense1_fwd/net_dense1_bias"],
    ),
]


@pytest.mark.parametrize("as_symbol", [False, True])
def test_graphs(writer: SummaryWriter, tmp_path: Path, as_symbol: bool) -> None:
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(4, activation="relu"), nn.Dense(2))
    net.initialize()
    net.hybridize()
    net(mx.nd.ones((1, 3)))
    writer.add_graph(net(mx.sym.var("data")) if as_symbol else net)
    writer.close()
    (told,) = (e for e in events(tmp_path) if e.graph_def)
    graph = graph_pb2.GraphDef()
    graph.ParseFromString(told.graph_def)
    assert [(n.name, n.op, list(n.input)) for n in graph.node] == GRAPH
    assert graph.node[3].attr["param"].s == b"{ flatten :  True ,  no_bias :  False ,  num_hidden :  4 }"


def test_what_is_refused(writer: SummaryWriter) -> None:
    with pytest.raises(ArgumentError, match="from 0 to 1, or bytes; got from 2"):
        writer.add_image("p", mx.nd.ones((3, 4, 5)) * 2)
    with pytest.raises(ShapeError, match=r"C of 1 or 3; got an array \(4, 5, 3\)"):
        writer.add_image("p", mx.nd.ones((4, 5, 3)))
    with pytest.raises(ShapeError, match="one channel"):
        writer.add_audio("a", mx.nd.zeros((2, 100)))
    with pytest.raises(ArgumentError, match=r"\(name, number\)"):
        writer.add_scalar("s", [1, 2])
    with pytest.raises(ValueError, match="x"):
        writer.add_scalar("s", "x")


def test_it_goes_on_after_it_was_closed(writer: SummaryWriter, tmp_path: Path) -> None:
    writer.add_scalar("s", 1, 1)
    writer.close()
    writer.reopen()
    writer.add_scalar("s", 2, 2)
    writer.close()
    assert {(e.step, v.simple_value) for e in events(tmp_path) for v in e.summary.value} == {(1, 1.0), (2, 2.0)}


def test_metrics_as_curves(tmp_path: Path) -> None:
    metric = mx.metric.Accuracy()
    metric.update(mx.nd.array([1]), mx.nd.array([[0, 1]]))
    tell = LogMetricsCallback(str(tmp_path), prefix="train")
    tell(SimpleNamespace(epoch=3, nbatch=1, eval_metric=metric))
    tell(SimpleNamespace(epoch=4, nbatch=1, eval_metric=None))
    tell.summary_writer.close()
    assert [(e.step, e.summary.value[0].tag) for e in events(tmp_path) if e.summary.value] == [(3, "train-accuracy")]


def test_without_tensorboardx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'pip install "hybridnet\[tensorboard\]"'):
        SummaryWriter("logs")


def test_under_mxboards_name(tmp_path: Path) -> None:
    code = "import mxnet as mx\nfrom mxboard import SummaryWriter\nwith SummaryWriter('logs') as w: w.add_scalar('s', mx.nd.ones(1), 0)"
    command = [sys.executable, "-W", "error", "-m", "hybridnet.compat.mxnet", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert values(tmp_path)["s"][1].simple_value == 1
