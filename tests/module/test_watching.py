"""Callbacks, monitors and pictures of symbols: beside what ``test_mxnet_programs`` compares with MXNet's own."""

import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hybridnet as mx
from hybridnet.errors import ArgumentError, DtypeError, ShapeError


def test_speedometer_counts_samples(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("hybridnet.callback.time.time", lambda: next(clock))
    caplog.set_level(logging.INFO)
    speed = mx.callback.Speedometer(batch_size=10, frequent=2)
    for number in (*range(5), *range(3)):  # the second epoch begins anew
        speed(SimpleNamespace(epoch=0, nbatch=number, eval_metric=None))
    assert [r.getMessage() for r in caplog.records] == [
        "Iter[0] Batch [2]\tSpeed: 10.00 samples/sec",
        "Iter[0] Batch [4]\tSpeed: 10.00 samples/sec",
        "Iter[0] Batch [2]\tSpeed: 10.00 samples/sec",
    ]


def test_checkpoints_by_period(tmp_path: Path) -> None:
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    save = mx.callback.do_checkpoint(str(tmp_path / "a"), period=2)
    cell = mx.rnn.LSTMCell(2)
    cell_args = {f"lstm_{n}": mx.nd.ones(s) for n, s in (("i2h_weight", (8, 3)), ("h2h_weight", (8, 2)), ("i2h_bias", 8), ("h2h_bias", 8))}
    save_rnn = mx.rnn.do_rnn_checkpoint(cell, str(tmp_path / "r"))
    for epoch in range(3):
        save(epoch, net, {"fc_weight": mx.nd.ones((2, 3))}, {})
        save_rnn(epoch, net, cell_args, {})
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["a-0002.params", "a-symbol.json", "r-0001.params", "r-0002.params", "r-0003.params", "r-symbol.json"]
    assert "lstm_i2h_i_weight" in mx.model.load_params(str(tmp_path / "r"), 1)[0]
    assert mx.rnn.load_rnn_checkpoint(cell, str(tmp_path / "r"), 3)[1]["lstm_i2h_weight"].shape == (8, 3)


def test_monitor_by_hand() -> None:
    executor = mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=2, name="fc").simple_bind(mx.cpu(), x=(1, 3))
    executor.arg_dict["x"][:] = 2
    monitor = mx.mon.Monitor(2, stat_func=lambda x: [x.max(), x.sum()], pattern="x|.*output", sort=True)
    monitor.install(executor)
    seen = []
    for _ in range(3):
        monitor.tic()
        executor.forward()
        seen.append(monitor.toc())
    assert seen == [[(1, "fc_output", "0.0\t0.0\t"), (1, "x", "2.0\t6.0\t")], [], [(3, "fc_output", "0.0\t0.0\t"), (3, "x", "2.0\t6.0\t")]]


def net() -> Any:
    image = mx.sym.Convolution(mx.sym.var("data"), num_filter=4, kernel=(3, 3), stride=(2, 2), name="conv")
    image = mx.sym.Activation(mx.sym.BatchNorm(image, name="bn"), act_type="relu", name="act")
    pooled = mx.sym.Pooling(image, kernel=(2, 2), pool_type="avg", name="pool")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(pooled, name="flat"), num_hidden=2, name="fc"), name="softmax")


def test_summaries_refuse(capsys: pytest.CaptureFixture[str]) -> None:
    mx.viz.print_summary(net())
    assert capsys.readouterr().out.splitlines()[-2] == "Total params: not known without shapes"
    with pytest.raises(DtypeError, match="a Symbol; got a int"):
        mx.viz.print_summary(3)
    with pytest.raises(ShapeError, match="shapes from which all others follow"):
        mx.viz.print_summary(net(), shape={})
    with pytest.raises(ArgumentError, match="where four columns end"):
        mx.viz.print_summary(net(), positions=[0.5])


def test_a_drawing() -> None:
    pytest.importorskip("graphviz")
    drawing = mx.viz.plot_network(net(), title="small", shape={"data": (1, 3, 9, 9)}, node_attrs={"fontsize": "9"})
    source = drawing.source
    for part in ("Convolution\n3x3/2x2, 4", "FullyConnected\n2", "Pooling\navg, 2x2/1", "fontsize=9", "4x4x4", "softmax_label"):
        assert part.replace("\n", "\\n") in source or part in source, part
    assert "conv_weight" not in source
    assert "conv_weight" in mx.viz.plot_network(net(), hide_weights=False).source


def test_a_drawing_needs_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match=r'pip install "hybridnet\[visualization\]"'):
        mx.viz.plot_network(net())
