"""Initializers of flat recurrent parameters, and what they log."""

import json
import logging

import numpy
import pytest

from hybridnet import init, nd
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon import nn
from hybridnet.ops.nn.rnn import rnn_param_size


def test_fused_rnn() -> None:
    """Where MXNet 1.9.1 has the biases of the forget gates: two layers, two directions, three units."""
    made = init.FusedRNN(init.Constant(0.5), 3, 2, "lstm", True, 2.0)
    flat = nd.zeros((rnn_param_size("lstm", 5, 3, 2, True),))
    made._init_weight(init.InitDesc("lstm_parameters"), flat)
    forget = [411 + 12 * i + k for i in range(8) for k in range(3)]
    assert numpy.flatnonzero(flat.asnumpy() == 2).tolist() == forget
    assert (flat.asnumpy()[:408] == 0.5).all()
    assert set(flat.asnumpy()[408:].tolist()) == {0.0, 2.0}
    again = init.create(made.dumps())
    assert json.loads(again.dumps()) == json.loads(made.dumps())


def test_fused_rnn_takes_the_networks_initializer() -> None:
    flat = nd.zeros((90,))
    init.FusedRNN(None, 3, 1, "gru")._init_weight(init.InitDesc("gru_parameters", global_init=init.One()), flat)
    assert flat.asnumpy().tolist() == [1.0] * 72 + [0.0] * 18
    with pytest.raises(ArgumentError, match="its own or the network's"):
        init.FusedRNN(None, 3, 1, "gru")._init_weight("gru_parameters", flat)
    with pytest.raises(ShapeError, match="parameters of gru with 3 units"):
        init.FusedRNN("ones", 3, 1, "gru")._init_weight("gru_parameters", nd.zeros((91,)))


def test_verbosity(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    x = nd.zeros((2, 2))
    made = init.Constant(2).set_verbosity(True)
    made(init.InitDesc("x_weight"), x)
    made.set_verbosity(True, lambda a: str(a.shape))
    made(init.InitDesc("x_bias"), x)
    made.set_verbosity(False)
    made(init.InitDesc("y_bias"), x)
    assert caplog.messages == ["Initialized x_weight as weight: 2.0", "Initialized x_bias as bias: (2, 2)"]
    nn.Dense(2, in_units=2, prefix="d_").initialize(made.set_verbosity(True, lambda a: "drawn"))
    assert [m.split(" as ")[0] for m in caplog.messages[2:]] == ["Initialized d_weight", "Initialized d_bias"]
