"""Recurrences that numba compiles: states and gradients against NumPy's in float64, threads, special numbers, and where they are used."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from support.numba_loops import needed

import hybridnet as hn
from hybridnet import autograd
from hybridnet.config import config
from hybridnet.core import Spec
from hybridnet.core.numpy_functions import NUMPY_FUNCTION_OF
from hybridnet.device import lanes, loops, recurrent, refusals
from hybridnet.device.recurrent import calls
from hybridnet.device.recurrent.loops import LIMIT
from hybridnet.gluon import rnn
from hybridnet.ops.nn import recurrence_data, recurrence_host
from hybridnet.ops.nn.recurrence import SEQUENCE, SEQUENCE_GRAD
from hybridnet.ops.nn.recurrence_data import GATES, KEPT, STATES

pytestmark = needed
MODES = list(GATES)


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small ones are compiled too; what eager calls remember of shapes is forgotten before and afterwards."""
    monkeypatch.setattr(calls, "LEAST", 0)
    monkeypatch.setattr(calls, "PACKED", 0)
    _forget()
    yield
    _forget()


def _forget() -> None:
    for op in (SEQUENCE, SEQUENCE_GRAD):
        NUMPY_FUNCTION_OF.pop(op, None)


class Case:
    """A recurrence with operands, by NumPy in float64 and compiled."""

    def __init__(
        self, mode: str, time: int, batch: int, units: int, *, reverse: bool = False, keep: bool = False, masked: bool = False
    ) -> None:
        self.mode, self.reverse, self.keep, self.masked = mode, reverse, keep and mode in KEPT, masked
        self.sizes = time, batch, units
        rng = np.random.default_rng(time + 10 * batch + 100 * units)
        gates = GATES[mode] * units
        self.gx = _normal(rng, time, batch, gates)
        self.weight, self.bias = _normal(rng, gates, units) / np.float32(np.sqrt(units)), _normal(rng, gates)
        self.states = [_normal(rng, batch, units) for _ in range(STATES[mode])]
        kinds = ["bool", "float32", "int64", "uint8", "float64"]
        self.mask = (rng.random((time, batch, 1)) < 0.6).astype(kinds[units % 5]) if masked else None
        self.of_states = [_normal(rng, time, batch, units) for _ in range(STATES[mode])]

    def call(self, gradient: bool = False) -> recurrent.Call:
        found = recurrent.planned(
            recurrent.Recurrence(
                self.mode, gradient, *self.sizes, GATES[self.mode], KEPT.get(self.mode, 0), self.reverse, self.keep, self.masked
            )
        )
        assert found is not None
        return found

    @property
    def operands(self) -> list[Any]:
        return [self.gx, self.weight, self.bias, *self.states, *([] if self.mask is None else [self.mask])]

    def forward(self) -> list[Any]:
        """The states, and the gates where they are kept, in float64."""
        gx, weight, bias, h, c = (
            None if x is None else x.astype(float) for x in (self.gx, self.weight, self.bias, *self._pair(self.states))
        )
        kept = KEPT[self.mode] if self.keep else 0
        return list(recurrence_data.forward(np, gx, weight, bias, h, c, self.mask, self.mode, self.reverse, kept))

    def backward(self) -> list[Any]:
        y = self.forward()
        wide = [x.astype(float) for x in (self.gx, self.weight, self.bias, self.states[0])]
        cell = self.states[1].astype(float) if self.mode == "lstm" else None
        of, states = (self._pair([x.astype(float) for x in xs]) for xs in (self.of_states, y[: STATES[self.mode]]))
        gates = y[-1] if self.keep else None
        return list(recurrence_data.backward(np, of, states, gates, (*wide, cell), self.mask, self.mode, self.reverse))

    @staticmethod
    def _pair(states: list[Any]) -> Any:
        return (*states, None)[:2]

    def check(self, lay: Callable[[Any], Any] = np.ascontiguousarray) -> None:
        expected = self.forward()
        found = self.run(self.call(), self.operands, [x.shape for x in expected], lay)
        for a, b in zip(found[: STATES[self.mode]], expected, strict=False):
            near(a, b)
        if self.keep:
            near(found[-1], expected[-1])
        if self.mode in KEPT and not self.keep:
            return
        gradients = self.backward()
        given = [*self.of_states, *(x.astype("float32") for x in expected), *self.operands]
        for a, b in zip(self.run(self.call(True), given, [x.shape for x in gradients], lay), gradients, strict=True):
            near(a, b)

    @staticmethod
    def run(call: recurrent.Call, given: list[Any], shapes: list[Any], lay: Callable[[Any], Any] = np.ascontiguousarray) -> list[Any]:
        """The results, of scratch that holds anything, with nothing written around either; the same with other arrays and new scratch."""
        scratch = _between(np.full(call.workspace, 255, np.uint8))
        bound = call.bind([*given, *[None] * len(shapes)], scratch)
        first = [_between(np.full(shape, np.nan, "float32")) for shape in shapes]
        for _ in range(2):
            bound(*first)
        for x in (scratch, *first):
            around = np.concatenate([x.base[:_APART], x.base[-_APART:]])
            assert (around == 7).all()
        again = [lay(np.full(shape, np.nan, "float32")) for shape in shapes]
        call(*map(lay, given), *again)
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)
        return first


_APART = 256


def _between(x: Any) -> Any:
    """The same numbers with others on both sides."""
    around = np.full(2 * _APART + x.size, 7, x.dtype)
    found = around[_APART : _APART + x.size].reshape(x.shape)
    found[...] = x
    return found


def _normal(rng: Any, *shape: int) -> Any:
    return rng.normal(size=shape).astype("float32")


def near(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6 * max(1.0, float(np.abs(b).max())))


def strided(x: Any) -> Any:
    """The same numbers with gaps."""
    wide = np.zeros((*x.shape, 2), x.dtype)[..., 0]
    wide[...] = x
    return wide


def read_only(x: Any) -> Any:
    """The same numbers; results, which hold NaN, can be written."""
    x = x.copy()
    x.flags.writeable = bool(np.isnan(x).all())
    return x


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(12))
def test_random_recurrences_are_numpys_in_float64(mode: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reverse, keep, masked = (bool(b) for b in rng.integers(0, 2, 3))
    case = Case(
        mode, int(rng.integers(1, 7)), int(rng.integers(1, 20)), int(rng.integers(8, 50)), reverse=reverse, keep=keep, masked=masked
    )
    case.check([strided, read_only, np.ascontiguousarray][int(rng.integers(3))])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("masked", [False, True])
def test_results_do_not_depend_on_the_threads(mode: str, masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(mode, 4, 23, 19, keep=True, masked=masked)
    y = [x.astype("float32") for x in case.forward()]
    shapes = [x.shape for x in case.backward()]
    results = []
    for number in (1, 2, 5):
        monkeypatch.setattr(config, "threads", number)
        assert len(case.call()._pieces) == number
        results.append([*case.run(case.call(), case.operands, [x.shape for x in y])])
        results[-1] += case.run(case.call(True), [*case.of_states, *y, *case.operands], shapes)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_number_of_threads_may_change_behind_planning_and_threads_may_share_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("gru", 5, 17, 24, keep=True)
    call, shapes = case.call(), [(5, 17, 24), (5, 17, 96)]
    expected = case.run(call, case.operands, shapes)
    monkeypatch.setattr(config, "threads", 7)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: case.run(call, case.operands, shapes), range(12)):
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mode", MODES)
def test_a_gradient_of_nan_is_nan_as_by_numpy(mode: str) -> None:
    case = Case(mode, 2, 4, 16, keep=True)
    case.of_states[0][1, 2] = np.nan
    expected = case.backward()
    given = [*case.of_states, *(x.astype("float32") for x in case.forward()), *case.operands]
    for a, b in zip(case.run(case.call(True), given, [x.shape for x in expected]), expected, strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))


@pytest.mark.parametrize("mode", MODES)
def test_a_step_that_is_passed_over_leaves_states_and_passes_gradients_on(mode: str) -> None:
    case = Case(mode, 3, 5, 8, keep=True, masked=True)
    case.mask = np.zeros((3, 5, 1), bool)
    y = case.run(case.call(), case.operands, [x.shape for x in case.forward()])
    for state, first in zip(y, case.states, strict=False):
        np.testing.assert_array_equal(state, np.broadcast_to(first, state.shape))
    shapes = [x.shape for x in case.backward()]
    *to_gx, to_h0 = case.run(case.call(True), [*case.of_states, *y, *case.operands], shapes)[: len(shapes) - (mode == "lstm")]
    assert not any(x.any() for x in to_gx)
    near(to_h0, case.of_states[0].sum(0))


def _activation(mode: str, x: Any) -> Any:
    """What one step makes of numbers: nothing recurs."""
    case = Case(mode, 1, 1, x.size)
    case.gx, case.weight[...], case.bias[...] = x.reshape(1, 1, -1), 0, 0
    case.states[0][...] = 0
    return case.run(case.call(), case.operands, [(1, 1, x.size)])[0].reshape(-1)


def test_tanh_is_as_near_as_said_and_never_beyond_one() -> None:
    x = np.concatenate([np.linspace(-LIMIT - 1, LIMIT + 1, 1001), np.logspace(-30, 1.2, 999)]).astype("float32")
    found, true = _activation("rnn_tanh", x), np.tanh(x.astype(float))
    assert np.abs(found - true).max() <= 4e-7
    assert (np.abs(found - true) <= 6 * np.spacing(np.abs(true).astype("float32"))).all()
    assert np.abs(found).max() == 1
    np.testing.assert_array_equal(found[x > LIMIT], 1)


def test_infinities_are_the_ends_and_nan_stays() -> None:
    x = np.array([np.inf, -np.inf, np.nan, 0, -0.0, 1e30, -1e30, 1], "float32")
    found = _activation("rnn_tanh", x)
    np.testing.assert_array_equal(found[[0, 1, 3, 4, 5, 6]], [1, -1, 0, 0, 1, -1])
    assert np.isnan(found[2])
    found = _activation("rnn_relu", x)
    np.testing.assert_array_equal(found[[0, 1, 3, 4, 5, 6, 7]], x[[0, 3, 3, 3, 5, 3, 7]])
    assert np.isnan(found[2])


@pytest.mark.parametrize("mode", MODES)
def test_nan_stays_in_its_row_of_the_batch(mode: str) -> None:
    case = Case(mode, 3, 7, 16)
    case.gx[1, 4, 3] = np.nan
    h = case.run(case.call(), case.operands, [x.shape for x in case.forward()])[0]
    assert np.isnan(h[2, 4]).all()
    assert not np.isnan(np.delete(h, 4, axis=1)).any()


LAYERS: dict[str, Callable[..., Any]] = {
    "lstm": lambda **more: rnn.LSTM(24, num_layers=2, bidirectional=True, **more),
    "gru": lambda **more: rnn.GRU(24, num_layers=2, **more),
    "rnn_tanh": lambda **more: rnn.RNN(24, activation="tanh", bidirectional=True, **more),
    "rnn_relu": lambda **more: rnn.RNN(24, **more),
}


def _trained(mode: str, hybridize: bool, lengths: list[int] | None) -> list[Any]:
    """The outputs, and the gradients of all parameters and of the data."""
    hn.random.seed(3)
    layer = LAYERS[mode](use_sequence_length=lengths is not None)
    layer.initialize(hn.init.Xavier())
    if hybridize:
        layer.hybridize()
    x = hn.nd.array(_normal(np.random.default_rng(0), 5, 6, 12))
    x.attach_grad()
    for _ in range(2):
        with autograd.record():
            more = [] if lengths is None else [hn.nd.array(lengths)]
            y, _ = layer(x, layer.begin_state(6), *more)
            loss = (y * y).sum()
        loss.backward()
    return [y.asnumpy(), x.grad.asnumpy(), *(p.grad().asnumpy() for p in layer.collect_params().values())]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("lengths", [None, [5, 1, 3, 5, 2, 4]])
def test_layers_train_as_without_numba(mode: str, hybridize: bool, lengths: list[int] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _trained(mode, hybridize, lengths)
    monkeypatch.setattr(config, "disabled_libraries", frozenset({loops.NAME}))
    expected = _trained(mode, hybridize, lengths)
    for a, b in zip(found, expected, strict=True):
        near(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(found, expected, strict=True))  # else nothing was compared


def test_explain_says_what_computes() -> None:
    layer = rnn.GRU(16)
    layer.initialize()
    layer.hybridize()
    x = hn.nd.array(np.zeros((3, 4, 5), "float32"))
    layer(x)
    assert recurrent.NAME in layer.explain(x)


def _specs(dtype: str, units: int) -> tuple[tuple[Spec, ...], tuple[Spec, ...]]:
    shapes = (9, 8, units), (units, units), (units,), (8, units)
    return tuple(Spec(shape, hn.dtypes.as_dtype(dtype)) for shape in shapes), (Spec((9, 8, units), hn.dtypes.as_dtype(dtype)),)


def test_what_it_does_not_take_is_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    attrs: dict[str, Any] = {"mode": "rnn_tanh", "reverse": False}
    assert recurrence_host.states(*_specs("float32", 8), **attrs) is not None
    assert recurrence_host.states(*_specs("float32", 7), **attrs) is None
    with refusals.heard() as refused:
        assert recurrence_host.states(*_specs("float64", 8), **attrs) is None
    assert [(r.library, r.reason) for r in refused] == [(recurrent.NAME, "it is compiled for float32 alone")]
    monkeypatch.setattr(calls, "LEAST", 9 * 8 * 8 * 8 + 1)
    with refusals.heard() as refused:
        for dtype in ("float32", "float64"):
            assert recurrence_host.states(*_specs(dtype, 8), **attrs) is None
    assert not refused  # nor would it be compiled in another dtype


def test_a_gradient_is_compiled_of_gates_that_were_kept_and_steps_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def gradients(mode: str, keep: bool) -> Any:
        case = Case(mode, 3, 8, 8, keep=keep)
        arrays = [*case.of_states, *case.forward(), *case.operands]
        inputs = tuple(Spec(x.shape, hn.dtypes.as_dtype("float32")) for x in arrays)
        outputs = tuple(Spec(x.shape, hn.dtypes.as_dtype("float32")) for x in case.backward())
        return recurrence_host.gradients(inputs, outputs, mode=mode, reverse=False, keep=case.keep)

    for mode in MODES:
        assert gradients(mode, keep=True) is not None
        assert (gradients(mode, keep=False) is None) == (mode in KEPT)
    monkeypatch.setattr(calls, "PACKED", 25)
    assert gradients("lstm", keep=True) is None


def test_what_numba_cannot_compile_is_numpys_and_warned_of_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(lanes, "_compiled", {})
    monkeypatch.setattr(loops, "compiled", broken)
    for _ in range(2):
        with refusals.heard() as refused:
            assert recurrence_host.states(*_specs("float32", 8), mode="rnn_tanh", reverse=False) is None
        assert len(refused) == 1 and "numba cannot compile it" in refused[0].reason
    assert "numba cannot compile the recurrence of rnn_tanh, so NumPy computes it: no such instruction" in caplog.text
    assert len({r.getMessage() for r in caplog.records}) == len(caplog.records)


def test_a_process_that_was_forked_off_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_compiled", {})
    monkeypatch.setattr(loops, "is_forked", lambda: True)
    assert recurrence_host.states(*_specs("float32", 8), mode="rnn_tanh", reverse=False) is None
