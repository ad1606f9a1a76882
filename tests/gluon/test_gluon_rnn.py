"""Recurrent layers and cells: layers compute what their cells unrolled do, imperatively and hybridized, under MXNet's names."""

from pathlib import Path
from typing import Any

import numpy
import pytest
from support.gluon_blocks import sample

import hybridnet as hn
from hybridnet import autograd, gluon, init, np
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon import nn, rnn

TIME, BATCH, INPUTS, UNITS = 4, 3, 5, 6


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(7)


LAYERS = {
    "relu": (rnn.RNN, rnn.RNNCell, {"activation": "relu"}),
    "tanh": (rnn.RNN, rnn.RNNCell, {"activation": "tanh"}),
    "lstm": (rnn.LSTM, rnn.LSTMCell, {}),
    "gru": (rnn.GRU, rnn.GRUCell, {}),
}


def stacked(kind: str, layer: Any, num_layers: int, bidirectional: bool) -> Any:
    """Cells with the weights of ``layer``."""
    make, arguments = LAYERS[kind][1:]
    stack = rnn.HybridSequentialRNNCell(prefix=layer.prefix, params=layer.params)
    with stack.name_scope():
        for i in range(num_layers):
            cells = [make(UNITS, prefix=f"{d}{i}_", **arguments) for d in ("lr" if bidirectional else "l")]
            stack.add(rnn.BidirectionalCell(*cells) if bidirectional else cells[0])
    return stack


def results(net: Any, x: Any, *args: Any) -> list[Any]:
    """Outputs, last states and all gradients."""
    x.attach_grad()
    with autograd.record():
        y, states = net(x, *args)
        total = sum((s.sum() for s in states), (y * y).sum())
    total.backward()
    return [y, *states, x.grad, *(p.grad() for _, p in sorted(net.collect_params().items()))]


def agree(found: list[Any], expected: list[Any]) -> None:
    for a, b in zip(found, expected, strict=True):
        numpy.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=2e-5, atol=2e-6)


class Unrolled(gluon.HybridBlock):
    """Cells as a layer."""

    def __init__(self, cell: Any, length: int, layout: str) -> None:
        super().__init__()
        self.cell, self.length, self.layout = cell, length, layout

    def forward(self, x: Any, states: Any, lengths: Any = None) -> Any:
        flat = [s[i] for i in range(states[0].shape[0]) for s in states]
        y, after = self.cell.unroll(self.length, x, flat, self.layout, True, lengths)
        return y, [np.stack(after[i :: len(states)]) for i in range(len(states))]


@pytest.mark.parametrize("layout", ["TNC", "NTC"])
@pytest.mark.parametrize(("num_layers", "bidirectional"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_is_its_cells_unrolled(kind: str, num_layers: int, bidirectional: bool, layout: str) -> None:
    layer = LAYERS[kind][0](UNITS, num_layers, layout=layout, bidirectional=bidirectional, **LAYERS[kind][2])
    layer.initialize(init.Normal(0.5))
    x = sample(*((TIME, BATCH) if layout == "TNC" else (BATCH, TIME)), INPUTS)
    states = [np.array(sample(*s["shape"], seed=i + 1)) for i, s in enumerate(layer.state_info(BATCH))]
    expected = results(layer, x, states)
    assert expected[0].shape == (*x.shape[:2], UNITS * (1 + bidirectional))
    layer.hybridize()
    agree(results(layer, x, states), expected)
    agree(results(Unrolled(stacked(kind, layer, num_layers, bidirectional), TIME, layout), x, states), expected)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_sequences_of_different_lengths(bidirectional: bool) -> None:
    layer = rnn.LSTM(UNITS, 1, bidirectional=bidirectional, use_sequence_length=True)
    layer.initialize(init.Normal(0.5))
    x, lengths = sample(TIME, BATCH, INPUTS), np.array([2, 4, 1], dtype="int32")
    states = layer.begin_state(BATCH, func=np.ones)
    expected = results(layer, x, states, lengths)
    assert not expected[0][2:, 0].any() and expected[0][2:, 1].any()
    agree(results(Unrolled(stacked("lstm", layer, 1, bidirectional), TIME, "TNC"), x, states, lengths), expected)
    with pytest.raises(ArgumentError, match="sequence_length"):
        layer(x)


def test_states_are_given_back_only_if_given() -> None:
    gru = rnn.GRU(UNITS)
    gru.initialize()
    for hybrid in (False, True):
        gru.hybridize(hybrid)
        for array in (np.array, hn.nd.array):
            x = array(sample(TIME, BATCH, INPUTS).asnumpy())
            y = gru(x)
            again, states = gru(x, gru.begin_state(BATCH, func=np.zeros))
            assert type(y) is type(x) and (y.asnumpy() == again.asnumpy()).all() and len(states) == 1
            one, _ = gru(x, np.zeros((1, BATCH, UNITS)))
            assert (one.asnumpy() == y.asnumpy()).all()
            numpy.testing.assert_array_equal(states[0][0].asnumpy(), y[-1].asnumpy())
    assert [s.shape for s in rnn.LSTM(2, 3, bidirectional=True).begin_state(5)] == [(6, 5, 2)] * 2
    with hn.util.np_array(False):
        assert type(rnn.LSTM(2).begin_state(5)[0]) is hn.nd.NDArray
    assert type(rnn.LSTM(2).begin_state(5)[0]) is np.ndarray
    assert rnn.LSTM(2).begin_state(5, hn.nd.ones, dtype="float64")[0].dtype == numpy.float64


def test_names_and_files_are_mxnets(tmp_path: Path) -> None:
    layer = rnn.LSTM(2, 2, bidirectional=True, prefix="lstm0_")
    names = [f"lstm0_{d}{i}_{part}_{kind}" for i in range(2) for d in "lr" for kind in ("weight", "bias") for part in ("i2h", "h2h")]
    assert list(layer.collect_params()) == names
    assert set(layer._collect_params_with_prefix("a")) >= {"a._unfused.0.l_cell.i2h_weight", "a._unfused.1.r_cell.h2h_bias"}
    assert set(rnn.GRU(2)._collect_params_with_prefix()) == {
        f"_unfused.0.{part}_{kind}" for part in ("i2h", "h2h") for kind in ("weight", "bias")
    }
    net = nn.HybridSequential()
    net.add(nn.Embedding(7, 3), rnn.LSTM(4, 2))
    net.initialize()
    x = np.array([[1, 2], [3, 6]], dtype="int32")
    expected = net(x)
    net.save_parameters(str(tmp_path / "net.params"))
    again = nn.HybridSequential()
    again.add(nn.Embedding(7, 3), rnn.LSTM(4, 2))
    again.load_parameters(str(tmp_path / "net.params"))
    assert (again(x) == expected).all()
    assert repr(again[1]) == "LSTM(3 -> 4, TNC, num_layers=2)"
    assert repr(rnn.GRU(4, 1, "NTC", 0.5, True)) == "GRU(None -> 4, NTC, dropout=0.5, bidirectional)"
    assert next(iter(rnn.LSTMCell(4, prefix="lstm1_").collect_params())) == "lstm1_i2h_weight"


def test_dropout_between_layers_in_training_only() -> None:
    layer = rnn.RNN(UNITS, 2, "tanh", dropout=0.5)
    layer.initialize(init.Normal(0.5))
    x = sample(TIME, BATCH, INPUTS)
    assert (layer(x) == layer(x)).all()
    with autograd.train_mode():
        assert (layer(x) != layer(x)).any()


def test_combined_cells() -> None:
    inside = rnn.GRUCell(INPUTS)
    stack = rnn.SequentialRNNCell()
    stack.add(rnn.ResidualCell(inside), rnn.DropoutCell(0.5), rnn.LSTMCell(2))
    stack.initialize(init.Normal(0.5))
    x = sample(BATCH, TIME, INPUTS)
    assert len(stack) == 3 and stack[1] is list(stack._children.values())[1]
    outputs, states = stack.unroll(TIME, x)
    assert [s.shape for s in states] == [(BATCH, INPUTS), (BATCH, 2), (BATCH, 2)] and len(outputs) == TIME
    h = states_of = stack.begin_state(BATCH, np.zeros)
    for t in range(TIME):
        y, h = stack(x[:, t], h)
    numpy.testing.assert_allclose(y.asnumpy(), outputs[-1].asnumpy(), rtol=1e-5)
    plain, _ = inside(x[:, 0], states_of[:1])
    numpy.testing.assert_allclose((stack[0](x[:, 0], states_of[:1])[0] - x[:, 0]).asnumpy(), plain.asnumpy(), rtol=1e-4, atol=1e-6)
    merged, _ = stack.unroll(TIME, [x[:, t] for t in range(TIME)], merge_outputs=True)
    numpy.testing.assert_allclose(merged[:, -1].asnumpy(), y.asnumpy(), rtol=1e-5)
    assert len(stack.collect_params()) == 8


def test_zoneout_keeps_what_was() -> None:
    cell = rnn.ZoneoutCell(rnn.RNNCell(UNITS), 1 - 1e-9, 0.0)
    cell.initialize(init.Normal(0.5))
    x = sample(BATCH, TIME, INPUTS)
    plain, _ = cell.base_cell.unroll(TIME, x, merge_outputs=True)
    assert (cell.unroll(TIME, x, merge_outputs=True)[0] == plain).all()
    with autograd.train_mode():
        assert not cell.unroll(TIME, x, merge_outputs=True)[0].any()
        some = rnn.ZoneoutCell(cell.base_cell, 0.0, 0.5).unroll(TIME, x, merge_outputs=True)[0]
        assert (some[:, 0] == plain[:, 0]).all() and (some[:, 1] != plain[:, 1]).any()
    with pytest.raises(ArgumentError, match="each direction"):
        rnn.ZoneoutCell(rnn.BidirectionalCell(rnn.RNNCell(2), rnn.RNNCell(2)))


def test_what_cannot_be() -> None:
    x = sample(TIME, BATCH, INPUTS)
    layer = rnn.LSTM(UNITS)
    layer.initialize()
    for wrong, error, match in (
        (lambda: rnn.LSTM(2, layout="NCT"), ArgumentError, "TNC or NTC"),
        (lambda: rnn.RNN(2, activation="gelu"), ArgumentError, "relu or tanh"),
        (lambda: rnn.LSTM(2, state_clip_min=-1, state_clip_max=1).unfuse(), ArgumentError, "without limits"),
        (lambda: layer(x[0]), ShapeError, "three dimensions"),
        (lambda: layer(x, [np.zeros((1, BATCH, UNITS))]), ShapeError, "begin_state"),
        (lambda: rnn.LSTMCell(2).unroll(3, x, layout="TNC"), ShapeError, "4 steps"),
        (lambda: rnn.LSTMCell(2).unroll(3, x, layout="NCT"), ArgumentError, "NTC or TNC"),
        (lambda: rnn.BidirectionalCell(rnn.RNNCell(2), rnn.RNNCell(2))(x[0], []), ArgumentError, "unroll"),
    ):
        with pytest.raises(error, match=match):
            wrong()


def test_a_cell_of_a_program_counts_its_steps_as_mxnets_do() -> None:
    """``_counter`` is the step of the sequence, by which cells name what they compute."""
    read: list[tuple[int, int]] = []

    class Cell(rnn.HybridRecurrentCell):
        def state_info(self, batch_size: int = 0) -> Any:
            return [{"shape": (batch_size, 2), "__layout__": "NC"}]

        def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> Any:
            read.append((self._counter, self._init_counter))
            output = F.tanh(inputs + states[0], name=f"t{self._counter}_out")
            return output, [output]

    cell = Cell(prefix="c_")
    assert (cell._counter, cell._init_counter, cell._modified) == (-1, -1, False)
    outputs, _ = cell.unroll(2, hn.sym.var("x"), begin_state=[hn.sym.var("s")], merge_outputs=False)
    assert [counter for counter, _ in read] == [0, 1]
    assert [y.name for y in outputs] == ["c_t0_out", "c_t1_out"]
    cell.begin_state(3)
    assert cell._init_counter == 0
    cell.reset()
    assert (cell._counter, cell._init_counter) == (-1, -1)
