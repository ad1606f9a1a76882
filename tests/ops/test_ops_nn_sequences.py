"""Sequence operators and recurrent networks against their definitions, one sequence and one step at a time."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from support.nn_values import Data, close, gradients, normal

from hybridnet import autograd
from hybridnet.core import apply, array
from hybridnet.errors import ArgumentError, HybridnetError, ShapeError
from hybridnet.ops.nn import recurrence, rnn, sequence
from hybridnet.ops.nn.ctc import ctc_loss

# -- sequences ------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1])
def test_sequences(axis: int) -> None:
    x, lengths = normal(4, 3, 2), np.array([1, 4, 2])
    time_first = x
    data = array(x if axis == 0 else x.swapaxes(0, 1).copy())
    options = {"sequence_length": array(lengths.astype(np.float32)), "use_sequence_length": True, "axis": axis}

    def back(y: Any) -> Data:
        return y.asnumpy() if axis == 0 else y.asnumpy().swapaxes(0, 1)

    masked, mirrored, last = time_first.copy(), time_first.copy(), []
    for n, length in enumerate(lengths):
        masked[length:, n] = -1
        mirrored[:length, n] = time_first[:length, n][::-1]
        last.append(time_first[length - 1, n])
    close(back(sequence.sequence_mask(data, value=-1, **options)), masked)
    close(back(sequence.sequence_reverse(data, **options)), mirrored)
    close(sequence.sequence_last(data, **options), last)
    close(back(sequence.sequence_reverse(data, axis=axis)), time_first[::-1])
    close(sequence.sequence_last(data, axis=axis), time_first[-1])
    assert sequence.sequence_mask(data) is data


def test_sequences_refuse() -> None:
    x = array(normal(4, 3))
    for function in (sequence.sequence_mask, sequence.sequence_last, sequence.sequence_reverse):
        with pytest.raises(ShapeError, match="length for each of 3"):
            function(x, array(np.ones(4)), True)
        with pytest.raises(ArgumentError, match="sequence_length"):
            function(x, None, True)
        with pytest.raises(ArgumentError, match="axis 0 or 1"):
            function(x, array(np.ones(3)), True, axis=2)


# -- recurrent networks ---------------------------------------------------------------------------


sigmoid = np.vectorize(lambda v: 1 / (1 + math.exp(-v)))


def plain_cell(mode: str, x: Data, h: Data, c: Data, w: Any) -> tuple[Data, Data]:
    """One step of one sequence batch, gate by gate."""
    wi, wh, bi, bh = w
    a, r = x @ wi.T + bi, h @ wh.T + bh
    if mode == "rnn_relu":
        return np.maximum(a + r, 0), c
    if mode == "rnn_tanh":
        return np.tanh(a + r), c
    gates = 4 if mode == "lstm" else 3
    ax, rx = np.split(a, gates, 1), np.split(r, gates, 1)
    if mode == "lstm":
        i, f, o = (sigmoid(ax[k] + rx[k]) for k in (0, 1, 3))
        c = f * c + i * np.tanh(ax[2] + rx[2])
        return o * np.tanh(c), c
    reset, update = sigmoid(ax[0] + rx[0]), sigmoid(ax[1] + rx[1])
    return (1 - update) * np.tanh(ax[2] + reset * rx[2]) + update * h, c


def plain_rnn(mode: str, x: Data, flat: Data, h0: Data, c0: Data, layers: int, directions: int, lengths: Any) -> tuple[Data, Data, Data]:
    """Each sequence by itself, up to its length."""
    time, batch, _ = x.shape
    units, gates = h0.shape[2], {"lstm": 4, "gru": 3}.get(mode, 1)
    weights, start, shapes = [], 0, []
    for layer in range(layers):
        for _ in range(directions):
            shapes += [(gates * units, x.shape[2] if layer == 0 else units * directions), (gates * units, units)]
    for shape in [*shapes, *((rows,) for rows, _ in shapes)]:
        weights.append(flat[start : start + math.prod(shape)].reshape(shape))
        start += math.prod(shape)
    assert start == flat.size
    n = len(shapes)
    hs, cs = h0.copy(), c0.copy()
    for layer in range(layers):
        y = np.zeros((time, batch, units * directions))
        for d in range(directions):
            k = layer * directions + d
            w = weights[2 * k], weights[2 * k + 1], weights[n + 2 * k], weights[n + 2 * k + 1]
            for b in range(batch):
                h, c = h0[k, b : b + 1], c0[k, b : b + 1]
                steps = range(lengths[b])
                for t in reversed(steps) if d else steps:
                    h, c = plain_cell(mode, x[t, b : b + 1], h, c, w)
                    y[t, b, d * units : (d + 1) * units] = h[0]
                hs[k, b], cs[k, b] = h[0], c[0]
        x = y
    return x, hs, cs


@pytest.mark.parametrize("mode", ["rnn_relu", "rnn_tanh", "lstm", "gru"])
@pytest.mark.parametrize(("layers", "both"), [(1, False), (2, True), (3, False)])
@pytest.mark.parametrize("lengths", [None, (5, 2, 4)], ids=["whole", "lengths"])
def test_rnn(mode: str, layers: int, both: bool, lengths: Any) -> None:
    x, places = normal(5, 3, 4), layers * (1 + both)
    size = rnn.rnn_param_size(mode, 4, 6, layers, both)
    flat, h0, c0 = normal(size, seed=1) * 0.3, normal(places, 3, 6, seed=2), normal(places, 3, 6, seed=3)
    options = {"mode": mode, "state_size": 6, "num_layers": layers, "bidirectional": both}
    given = {} if lengths is None else {"sequence_length": array(np.array(lengths)), "use_sequence_length": True}
    found = rnn.rnn(array(x), array(flat), array(h0), array(c0), state_outputs=True, **options, **given)
    expected = plain_rnn(mode, x, flat, h0, c0, layers, 1 + both, lengths or (5, 5, 5))
    assert len(found) == (3 if mode == "lstm" else 2)
    for y, e in zip(found, expected, strict=False):
        close(y, e)
    close(rnn.rnn(array(x), array(flat), array(h0), array(c0), **options, **given), expected[0])


@pytest.mark.parametrize("mode", ["rnn_tanh", "lstm", "gru"])
def test_rnn_gradient(mode: str) -> None:
    """The gradient of the parameters of two layers in both directions, of sequences of different lengths, by differences."""
    x, h0, c0 = normal(4, 2, 3), normal(4, 2, 2, seed=2), normal(4, 2, 2, seed=3)
    flat = normal(rnn.rnn_param_size(mode, 3, 2, 2, True), seed=1) * 0.5
    head = normal(4, 2, 4, seed=4)
    lengths = (4, 2)

    def run(p: Any) -> Any:
        options = {"mode": mode, "state_size": 2, "num_layers": 2, "bidirectional": True, "use_sequence_length": True}
        return rnn.rnn(array(x), p, array(h0), array(c0), array(np.array(lengths)), **options)

    (g,) = gradients(run, flat, head=head)
    for seed in range(5):
        d = normal(flat.size, seed=10 + seed) * 1e-6
        ahead, behind = (plain_rnn(mode, x, p, h0, c0, 2, 2, lengths)[0] for p in (flat + d, flat - d))
        close((g * d).sum() * 1e6, ((ahead - behind) * head).sum() / 2 * 1e6, 1e-6)


@pytest.mark.parametrize("mode", ["rnn_tanh", "lstm", "gru"])
def test_rnn_takes_its_parameters_in_parts(mode: str) -> None:
    """A list of the weights and biases gives what they give as one array, and so do their gradients."""
    x, h0, c0 = (array(normal(*shape, seed=i)) for i, shape in enumerate([(4, 2, 3), (4, 2, 2), (4, 2, 2)]))
    options = {"mode": mode, "state_size": 2, "num_layers": 2, "bidirectional": True}
    shapes = rnn.parameter_shapes(mode, 3, 2, 2, 2, None)
    parts = [normal(*shape, seed=i) * 0.5 for i, shape in enumerate(shapes)]
    flat = np.concatenate([p.ravel() for p in parts])
    assert flat.size == rnn.rnn_param_size(mode, 3, 2, 2, True)
    close(rnn.rnn(x, [array(p) for p in parts], h0, c0, **options), rnn.rnn(x, array(flat), h0, c0, **options))
    (whole,) = gradients(lambda p: rnn.rnn(x, p, h0, c0, **options), flat)
    close(np.concatenate([g.ravel() for g in gradients(lambda *p: rnn.rnn(x, p, h0, c0, **options), *parts)]), whole)
    with pytest.raises(ShapeError, match="parameters of shapes"):
        rnn.rnn(x, [array(p) for p in parts[::-1]], h0, c0, **options)


def plain_lstm(x: Any, weights: Any, h: Any, c: Any, low: float, high: float) -> tuple[Any, Any, Any]:
    """An lstm of one layer, projected and clipped, in NumPy."""
    wi, wh, wr, bi, bh = weights
    sigmoid, outputs = lambda a: 1 / (1 + np.exp(-a)), []
    for step in x:
        i, f, g, o = np.split(step @ wi.T + bi + h @ wh.T + bh, 4, axis=1)
        c = np.clip(sigmoid(f) * c + sigmoid(i) * np.tanh(g), low, high)
        h = (sigmoid(o) * np.tanh(c)) @ wr.T
        outputs.append(h)
    return np.stack(outputs), h, c


def test_lstm_projected_and_clipped() -> None:
    """Against NumPy, and its gradients against differences of that."""
    x, h0, c0 = normal(4, 2, 3), normal(2, 2, seed=1), normal(2, 5, seed=2)
    parts = [normal(*shape, seed=i) * 0.7 for i, shape in enumerate(rnn.parameter_shapes("lstm", 3, 5, 1, 1, 2))]
    assert sum(p.size for p in parts) == rnn.rnn_param_size("lstm", 3, 5, projection_size=2)
    limits = -0.4, 0.3
    options = {"mode": "lstm", "state_size": 5, "projection_size": 2, "clip_min": limits[0], "clip_max": limits[1], "state_outputs": True}

    def ours(*p: Any) -> Any:
        return rnn.rnn(array(x), list(p), array(h0[None]), array(c0[None]), **options)

    expected = plain_lstm(x, parts, h0, c0, *limits)
    for found, wanted in zip(ours(*map(array, parts)), expected, strict=True):
        close(found.reshape(wanted.shape), wanted)
    assert (np.abs(expected[2]) == np.array([0.4, 0.3])[:, None, None]).any(), "some cells are at a limit"
    for place, slope in enumerate(gradients(lambda *p: ours(*p)[0].sum(), *parts)):
        at = tuple(n // 2 for n in parts[place].shape)
        moved = []
        for step in (1e-6, -1e-6):
            changed = [p.copy() for p in parts]
            changed[place][at] += step
            moved.append(plain_lstm(x, changed, h0, c0, *limits)[0].sum())
        assert slope[at] == pytest.approx((moved[0] - moved[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_lstm_clips_nan() -> None:
    cell = np.array([[[np.nan, 0.2]]])
    weights = [array(normal(*shape) * 0) for shape in rnn.parameter_shapes("lstm", 1, 2, 1, 1, None)]
    options = {"mode": "lstm", "state_size": 2, "clip_min": -0.5, "clip_max": 0.5, "state_outputs": True}
    for nan, expected in ((False, np.nan), (True, -0.5)):
        last = rnn.rnn(array(np.ones((1, 1, 1))), weights, array(np.zeros((1, 1, 2))), array(cell), clip_nan=nan, **options)[2]
        close(last, [[[expected, 0.1]]])


def test_rnn_dropout_is_between_layers() -> None:
    x, h = array(np.ones((2, 3, 4), np.float32)), array(np.zeros((2, 3, 5), np.float32))
    flat = array(normal(rnn.rnn_param_size("rnn_tanh", 4, 5, 2), dtype=np.float32))
    options = {"mode": "rnn_tanh", "state_size": 5, "num_layers": 2}
    whole = rnn.rnn(x, flat, h, **options).asnumpy()
    np.testing.assert_array_equal(rnn.rnn(x, flat, h, p=0.5, **options).asnumpy(), whole)
    with autograd.train_mode():
        dropped = rnn.rnn(x, flat, h, p=0.5, state_outputs=True, **options)
    assert (dropped[0].asnumpy() != whole).any()
    close(dropped[1].asnumpy()[0], rnn.rnn(x, flat, h, state_outputs=True, **options)[1].asnumpy()[0])
    assert np.all(dropped[0].asnumpy() != 0), "the last layer's outputs are not dropped"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "elman"}, "mode rnn_relu"),
        ({"num_layers": 2}, "parameters"),
        ({"state_cell": None}, "state_cell"),
        ({"mode": "gru", "projection_size": 2}, "no projection or clipping for mode gru; got 2"),
        ({"mode": "gru", "clip_min": -1.0, "clip_max": 1.0}, "no projection or clipping"),
        ({"clip_min": -1.0}, "clip_min and clip_max, or neither"),
        ({"clip_nan": True}, "clip_min and clip_max, or neither"),
        ({"projection_size": 2}, "parameters"),
        ({"use_sequence_length": True, "sequence_length": array(np.ones(2))}, "length for each of 3"),
    ],
)
def test_rnn_refuses(change: Any, message: str) -> None:
    h = array(normal(1, 3, 5))
    options = {"mode": "lstm", "state_size": 5, "state_cell": h, **change}
    with pytest.raises(HybridnetError, match=r"\[rnn\].*" + message):
        rnn.rnn(array(normal(2, 3, 4)), array(normal(rnn.rnn_param_size("lstm", 4, 5))), h, **options)


def every_alignment(x: Any, label: list[int], blank: int) -> float:
    """-log of the sum over all paths that give ``label``, one by one."""
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(x.shape[1]), repeat=len(x)):
        symbols = [s for i, s in enumerate(path) if i == 0 or s != path[i - 1]]
        if [s for s in symbols if s != blank] == label:
            total += float(np.prod([p[t, s] for t, s in enumerate(path)]))
    return -math.log(total) if total else 0.0


@pytest.mark.parametrize("blank_first", [True, False])
def test_ctc_is_the_sum_over_alignments(blank_first: bool) -> None:
    """Labels with repeats, padding, lengths, one that is empty and one that is too long."""
    x, none = normal(4, 5, 3), 0 if blank_first else -1
    labels = [[1, 1], [2, 1], [1], [], [1, 1, 1]]
    if not blank_first:
        labels = [[s - 1 for s in row] for row in labels]
    padded = np.array([row + [none] * (3 - len(row)) for row in labels])
    steps = [4, 3, 4, 2, 4]
    blank = 0 if blank_first else 2
    expected = [every_alignment(x[:n, b], row, blank) for b, (row, n) in enumerate(zip(labels, steps, strict=True))]
    assert expected[4] == 0
    found = ctc_loss(array(x), array(padded), array(np.array(steps)), None, blank_first)
    close(found, expected)
    close(ctc_loss(array(x), array(padded), array(np.array(steps)), array(np.array([2, 2, 1, 0, 3])), blank_first), expected)
    (slope,) = gradients(lambda v: ctc_loss(v, array(padded), array(np.array(steps)), None, blank_first).sum(), x)
    for t, b, s in ((0, 0, 1), (2, 1, 2), (1, 3, 0), (3, 1, 0), (0, 4, 1)):
        moved = []
        for step in (1e-6, -1e-6):
            changed = x.copy()
            changed[t, b, s] += step
            moved.append(every_alignment(changed[: steps[b], b], labels[b], blank))
        assert slope[t, b, s] == pytest.approx((moved[0] - moved[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_ctc_refuses() -> None:
    for label, lengths, match in (
        (np.ones(3), None, "label"),
        (np.ones((3, 0)), None, "one symbol"),
        (np.ones((3, 2)), np.ones(2), "data_lengths"),
    ):
        with pytest.raises(HybridnetError, match=r"\[CTCLoss\].*" + match):
            ctc_loss(array(normal(4, 3, 3)), array(label), None if lengths is None else array(lengths))


@pytest.mark.parametrize("seed", range(24))
def test_one_recurrence_however_it_is_written(seed: int) -> None:
    """Gradients from kept gates, from gates that are computed again, and by the recurrence in operators: the same."""
    rng = np.random.default_rng(seed)
    mode = ["rnn_relu", "rnn_tanh", "lstm", "gru"][seed % 4]
    time, batch, units = (int(n) for n in rng.integers(1, 5, 3))
    rows = recurrence.GATES[mode] * units
    shapes = [(time, batch, rows), (rows, units), (rows,), (batch, units)] + [(batch, units)] * (mode == "lstm")
    xs = [array(rng.normal(size=shape)) for shape in shapes]
    mask = [array(rng.integers(0, 2, (time, batch, 1)).astype(bool))] * int(rng.integers(2))
    attrs = {"mode": mode, "reverse": bool(rng.integers(2))}
    weights = [array(rng.normal(size=(time, batch, units))) for _ in range(recurrence.STATES[mode])]

    def gradients_of(create_graph: bool, **more: Any) -> list[Any]:
        for x in xs:
            x.attach_grad()
        with autograd.record():
            y = apply(recurrence.SEQUENCE, (*xs, *mask), {**attrs, **more})
            loss = sum((a * w).sum() for a, w in zip(y if isinstance(y, tuple) else (y,), weights, strict=False))
        return [g.asnumpy() for g in autograd.grad(loss, xs, create_graph=create_graph)]

    expected = gradients_of(True)
    ways = [gradients_of(False)] + ([gradients_of(False, keep=True), gradients_of(True, keep=True)] if mode in recurrence.KEPT else [])
    for found in ways:
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
