"""``Block.save`` and ``load``, and hooks that see every operator."""

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from support.gluon_blocks import sample
from support.mxnet_layers import saved_network
from support.paths import DATA

import hybridnet as hn
from hybridnet import nd, np
from hybridnet.errors import ArgumentError, FileFormatError
from hybridnet.gluon import contrib, nn

MXNETS = str(DATA / "mxnet_1_9_1")


def other(name: str = "other_") -> Any:
    net = saved_network(nn)
    for block in net._blocks():
        if block.prefix:
            block._rename(name + block.prefix)
    return net


def test_what_mxnet_saved() -> None:
    """Values and names; the network is the one that was written, and writes the same file."""
    net = other()
    assert "other_outer_dense0_weight" in net.collect_params()
    net.load(MXNETS)
    assert net.name == "outer"
    assert net[0].name == "outer_dense0"
    assert list(net.collect_params()) == list(saved_network(nn).collect_params())
    assert (net[2][0].weight.data().asnumpy() == 0.25).all()


def test_both_write_the_same(tmp_path: Path) -> None:
    net = other()
    net.load(MXNETS)
    net.save(str(tmp_path / "mine"))
    # MXNet writes graphs beside.
    graphs = ("in_format", "out_format", "inputs", "symbol", "hybridized")

    def without(x: Any) -> Any:
        return {k: without(v) for k, v in x.items() if k not in graphs} if isinstance(x, dict) else x

    mine, theirs = (json.loads(Path(f"{p}-model.json").read_text()) for p in (tmp_path / "mine", MXNETS))
    assert mine == without(mine) | mine
    assert without(mine) == without(theirs)
    a, b = (nd.load(f"{p}-model.params") for p in (str(tmp_path / "mine"), MXNETS))
    assert list(a) == list(b)
    assert all((a[k].asnumpy() == b[k].asnumpy()).all() for k in a)


def test_a_saved_network_computes_the_same(tmp_path: Path) -> None:
    net, x = nn.HybridSequential(), sample(2, 4)
    net.add(nn.Dense(3, activation="tanh"), contrib.nn.HybridConcurrent())
    net[1].add(nn.Dense(2), nn.Identity())
    net.initialize()
    y = net(x)
    net.save(str(tmp_path / "net"))
    again = nn.HybridSequential()
    again.add(nn.Dense(3, activation="tanh", in_units=4), contrib.nn.HybridConcurrent())
    again[1].add(nn.Dense(2, in_units=3), nn.Identity())
    again.hybridize()
    again.load(str(tmp_path / "net"))
    assert list(again.collect_params()) == list(net.collect_params())
    numpy.testing.assert_allclose(again(x).asnumpy(), y.asnumpy(), rtol=1e-6)


def test_another_structure_is_refused(tmp_path: Path) -> None:
    """Before anything is renamed."""
    net = nn.HybridSequential()
    net.add(nn.Dense(3, activation="relu"), nn.BatchNorm())
    names = list(net.collect_params())
    with pytest.raises(FileFormatError, match=r"children 0, 1 in hybridsequential0 of .*got 0, 1, 2"):
        net.load(MXNETS)
    net.add(nn.Dense(1))
    with pytest.raises(FileFormatError, match=r"\[load\] expected block dense4 in .*got dense1, batchnorm3, hybridsequential4"):
        net.load(MXNETS)
    assert list(net.collect_params()) == [*names, *net[2].collect_params()]
    (tmp_path / "a-model.json").write_text("{")
    with pytest.raises(FileFormatError, match="JSON in"):
        net.load(str(tmp_path / "a"))


@pytest.mark.parametrize("hybridize", [False, True])
def test_op_hooks(hybridize: bool) -> None:
    """The names are those of MXNet's nodes."""
    with hn.name.NameManager():
        net = nn.HybridSequential()
        net.add(nn.Dense(3, activation="relu"), nn.HybridLambda("sigmoid"), nn.Dense(2))
    net.initialize()
    x = np.ones((2, 4))
    y = net(x)
    net.hybridize(hybridize)
    seen: list[tuple[str, str, tuple[int, ...]]] = []
    net.register_op_hook(lambda name, operator, array: seen.append((name, operator, array.shape)))
    numpy.testing.assert_allclose(net(x).asnumpy(), y.asnumpy(), rtol=1e-6)
    assert seen[:2] == [("dense0_fwd_output", "FullyConnected", (2, 3)), ("dense0_relu_fwd_output", "Activation", (2, 3))]
    assert seen[-1] == ("dense1_fwd_output", "FullyConnected", (2, 2))


def test_op_hooks_of_inputs_and_namespaces() -> None:
    layer = contrib.nn.SyncBatchNorm(in_channels=3, prefix="bn_")
    layer.initialize()
    seen: list[tuple[str, str]] = []
    layer.register_op_hook(lambda name, operator, array: seen.append((name, operator)), monitor_all=True)
    layer(sample(2, 3))
    names = ["data", "gamma", "beta", "moving_mean", "moving_var", "output"]
    assert seen == [(f"bn_fwd_{name}", "_contrib_SyncBatchNorm") for name in names]


def test_optimize_for() -> None:
    net = nn.Dense(2)
    net.initialize()
    net.optimize_for(np.ones((3, 4)), backend="MKLDNN")
    assert net._active
    assert net.weight.shape == (2, 4)
    with pytest.raises(ArgumentError, match="the name of a backend"):
        net.optimize_for(np.ones((3, 4)))
