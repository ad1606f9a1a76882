"""Graphs speak of arrays by their names and of nodes by the place, the block and the operator that they come from."""

import copy
import pickle
import re
from types import MappingProxyType
from typing import Any

import pytest
from support.onednn_calls import without

import hybridnet as hn
from hybridnet import amp, autograd, gluon, jit, np
from hybridnet.core.identity import name_of
from hybridnet.gluon import nn


def network() -> Any:
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(4, activation="relu", in_units=3), nn.LayerNorm(in_channels=4), nn.Dropout(0.5), nn.Dense(2, in_units=4))
    net.initialize()
    return net


def step_of(net: Any, name: str, **options: Any) -> Any:
    trainer = gluon.Trainer(net.collect_params(), name, options)

    def step(x: Any) -> Any:
        with autograd.record():
            loss = net(x).sum()
        loss.backward()
        trainer.step(2)
        return loss

    return jit(step)


def inputs(graph: Any) -> set[str]:
    return {v.name for v in graph.inputs}


PARAMETERS = {
    f"net_{name}" for name in ("dense0_weight", "dense0_bias", "layernorm0_gamma", "layernorm0_beta", "dense1_weight", "dense1_bias")
}


def test_inputs_have_the_names_of_parameters_states_and_settings() -> None:
    net = network()
    graph = step_of(net, "adam", wd=0.1).graph(np.ones((2, 3)))
    expected = {"arg0", *PARAMETERS, *(f"{name}.{part}" for name in PARAMETERS for part in ("mean", "var", "grad"))}
    expected |= {f"trainer.{name}" for name in ("num_update", "learning_rate", "wd", "epsilon")}
    expected |= {f"trainer.{kind}beta{i}" for kind in ("", "one_minus_") for i in (1, 2)} | {f"trainer.beta{i}:1" for i in (1, 2)}
    assert inputs(graph) == expected | {"random.seed", "random.counter"}
    assert inputs(step_of(network(), "sgd").graph(np.ones((2, 3)))) >= {"trainer.learning_rate", "net_dense0_weight.grad"}
    assert inputs(step_of(network(), "sgd", momentum=0.9).graph(np.ones((2, 3)))) >= {"trainer.momentum", "net_dense0_weight.momentum"}


def test_half_precision_has_names_too() -> None:
    net = network()
    net.cast("float16")
    trainer = gluon.Trainer(net.collect_params(), "adam", {"multi_precision": True})
    amp.init("float16")
    try:
        amp.init_trainer(trainer)

        @jit
        def step(x: Any) -> None:
            with autograd.record():
                loss = net(x).sum()
                with amp.scale_loss(loss, trainer) as scaled:
                    autograd.backward(scaled)
            trainer.step(2)

        names = inputs(step.graph(np.ones((2, 3), dtype="float16")))
    finally:
        amp.init("float32")
    assert names >= {"net_dense0_weight.master", "net_dense0_weight.var", "loss_scale", "loss_scale.good_steps"}


def test_names_stay_through_passes_partition_and_copies() -> None:
    net = network()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert {name_of(p.data()) for p in twin.collect_params().values()} == PARAMETERS
    net.hybridize()
    with autograd.record():
        net(np.ones((2, 3)))
        entry = net._compiled._inspect((np.ones((2, 3)),), {})
    assert inputs(entry.halves.forward) == {"arg0", *PARAMETERS, "random.seed", "random.counter"}
    assert inputs(entry.halves.backward) >= {"arg0", "net_dense1_weight", "head0"}


def test_two_arrays_of_one_name_are_told_apart_and_one_without_is_a_number() -> None:
    one, other, plain = (np.ones((2,)) for _ in range(3))
    hn.core.named(one, "x"), hn.core.named(other, "x")
    graph = jit(lambda a: a + one + other + plain).graph(np.ones((2,)))
    assert [v.name for v in graph.inputs] == ["arg0", "x", "x:1", "state0"]


def test_nodes_say_what_they_are_a_gradient_or_a_part_of() -> None:
    with without():  # oneDNN, which takes a norm whole
        graph = step_of(network(), "adam").graph(np.ones((2, 3)))
    lines = [re.sub(r"^.*#\s\S+ ", "", line) for line in str(graph).splitlines() if "#" in line]
    expected = {
        "in net.dense0",
        "in net.dense1, grad of matmul",
        "in net.dense0.relu, part of relu",
        "in net.layernorm0, part of layer_norm",
    }
    assert expected <= set(lines)
    assert {"in update.net_dense0_weight", "in update.net_layernorm0_gamma"} <= set(lines)
    assert any(line.startswith("in net.layernorm0, grad of layer_norm") for line in lines)
    forward = [n for n in graph.nodes if n.site and n.site.scope.startswith("net") and not n.site.role.startswith("grad")]
    backward = [n for n in graph.nodes if n.site and n.site.role.startswith("grad")]
    assert len(forward) > 5 and len(backward) > 5


def test_a_node_is_rebuilt_with_all_that_it_is_and_cannot_be_changed() -> None:
    graph = jit(lambda x: x.sum(axis=0)).graph(np.ones((2, 3)))
    (node,) = graph.nodes
    again = node.with_inputs(graph.inputs)
    assert again is not node and (again.op, again.inputs, again.attrs, again.site) == (node.op, node.inputs, node.attrs, node.site)
    assert again.output.spec == node.output.spec and again.output.device is node.output.device
    assert type(node.attrs) is MappingProxyType
    with pytest.raises(TypeError, match="does not support item assignment"):
        node.attrs["axis"] = (1,)  # type: ignore[index]
