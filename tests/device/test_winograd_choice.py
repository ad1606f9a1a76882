"""When Winograd's transform is chosen: by timing, which is kept, for weights that stay the same, beside oneDNN and beside NumPy alone."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.numba_loops import needed as compiled
from support.onednn_calls import needed
from support.winograd import RELU, asked, in_float64, operands, strided

import hybridnet as hn
from hybridnet import autograd, nd
from hybridnet.config import config
from hybridnet.device import lanes, loops, onednn, winograd
from hybridnet.device.winograd import by_numpy, choice
from hybridnet.device.winograd import loops as of_winograd
from hybridnet.gluon import nn
from hybridnet.ops.nn import convolution_numpy

ALONE = frozenset({"oneDNN", "numba"})


@pytest.fixture(autouse=True)
def as_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings that it hangs on, whatever tests before have left."""
    monkeypatch.setattr(config, "autotune", True)
    monkeypatch.setattr(config, "winograd", True)


@pytest.fixture(params=["alone", pytest.param("libraries", marks=[needed, compiled])])
def faster(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Any size is asked for, and by timing it is the faster; a list of what was timed. Choices are kept in an empty folder."""
    timed: list[Any] = []

    def fast(wanted: Any, ways: Any) -> tuple[float, float]:
        timed.append(wanted)
        return 1.0, 0.5

    if request.param == "alone":
        monkeypatch.setattr(config, "disabled_libraries", ALONE)
    else:
        of_winograd.piece()
    choice._chosen.clear()
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    monkeypatch.setattr(choice, "LEAST", 0)
    monkeypatch.setattr(choice, "_timed", fast)
    yield timed
    choice._chosen.clear()


def network() -> tuple[Any, Any]:
    """Two convolutions, a sum, and data."""
    rng = np.random.default_rng(4)

    class Net(hn.gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            with self.name_scope():
                self.first = nn.Conv2D(16, 3, padding=1, in_channels=3)
                self.second = nn.Conv2D(16, 3, padding=1, in_channels=16)

        def hybrid_forward(self, F: Any, x: Any) -> Any:
            y = F.relu(self.first(x))
            return F.relu(self.second(y) + y)

    net = Net()
    net.initialize(hn.init.Normal(0.3))
    net.hybridize()
    return net, nd.array(rng.normal(size=(2, 3, 13, 10)))


def is_used(net: Any, x: Any) -> bool:
    return winograd.NAME in str(net.explain(x))


@pytest.mark.usefixtures("faster")
def test_a_network_gives_the_same_to_a_hundred_thousandth_and_new_weights_count(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = network()
    for _ in range(2):
        monkeypatch.setattr(config, "winograd", True)
        mine = net(x).asnumpy()
        assert is_used(net, x)
        monkeypatch.setattr(config, "winograd", False)
        direct = net(x).asnumpy()
        assert not is_used(net, x)
        assert 0 < np.abs(mine - direct).max() <= 1e-5 * np.abs(direct).max()
        weight = net.second.weight
        weight.set_data(weight.data() * 2 + 0.1)


@pytest.mark.usefixtures("faster")
def test_a_recorded_call_is_not_computed_so() -> None:
    net, x = network()
    with autograd.record():
        recorded = net(x)
    recorded.backward()
    direct, _ = network()
    for mine, theirs in zip(direct.collect_params().values(), net.collect_params().values(), strict=True):
        mine.set_data(theirs.data())
    with autograd.record():
        config_before, config.winograd = config.winograd, False
        try:
            expected = direct(x)
        finally:
            config.winograd = config_before
    np.testing.assert_array_equal(recorded.asnumpy(), expected.asnumpy())


def test_what_was_chosen_is_kept(faster: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = network()
    net(x)
    assert len(faster) == (2 if config.disabled_libraries else 1)  # the loops take no three channels
    choice._chosen.clear()
    monkeypatch.setattr(choice, "_timed", None)
    again, _ = network()
    again(x)
    assert is_used(again, x)


@pytest.mark.parametrize("seconds", [(1.0, 0.95), (1.0, 2.0)])
def test_what_is_hardly_faster_is_left_to_the_library(faster: list[Any], seconds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_timed", lambda wanted, ways: seconds)
    net, x = network()
    net(x)
    assert not is_used(net, x)


def test_settings_forbid_it(faster: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    forbidding: list[tuple[str, Any]] = [("winograd", False), ("autotune", False)]
    if not config.disabled_libraries:
        forbidding.append(("disabled_libraries", frozenset({"numba"})))
    for name, value in forbidding:
        with monkeypatch.context() as patch:
            patch.setattr(config, name, value)
            net, x = network()
            net(x)
            assert not is_used(net, x), name
    assert not faster


@needed
@compiled
def test_both_are_timed_on_what_they_compute() -> None:
    wanted = asked((1, 28, 28, 64), 64, bias=True, added=True, activation=RELU)
    direct, way = onednn.plan(wanted), winograd.planned(wanted)
    assert direct is not None
    assert way is not None
    seconds = choice._timed(wanted, [direct.packing(1) or (None, direct), way])
    assert all(0 < s < 1 for s in seconds)


def test_numpy_is_timed_on_what_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "disabled_libraries", ALONE)
    wanted = asked((1, 64, 28, 28), 64, last=False)
    plain = convolution_numpy.offered(wanted)
    assert plain is not None
    seconds = choice._timed(wanted, [(None, plain), by_numpy.planned(wanted)])
    assert all(0 < s < 1 for s in seconds)


@pytest.mark.parametrize("lay", [np.ascontiguousarray, strided])
def test_numpys_call_gives_what_its_operator_gives(lay: Any) -> None:
    wanted = asked((2, 64, 30, 28), 64, last=False)
    plain = convolution_numpy.offered(wanted)
    assert plain is not None
    x, w = operands(wanted, np.random.default_rng(6))
    expected = in_float64(wanted, x, w)
    outs = [lay(np.full(wanted.result, np.nan, "float32")) for _ in range(3)]
    with plain.session:
        plain(lay(x), lay(w), outs[0])
        plain.bind([None, None, None], None)(lay(x), lay(w), outs[1])
        plain.bind([None, lay(w), outs[2]], None)(lay(x))
    for out in outs:
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-3)


@needed
def test_small_ones_are_not_asked_for() -> None:
    small = onednn.plan(asked((1, 8, 8, 16), 16))
    large = onednn.plan(asked((1, 56, 56, 64), 64))
    assert small is not None and large is not None
    assert not isinstance(winograd.offered(small), choice.Offered)
    assert isinstance(winograd.offered(large), choice.Offered)
    assert convolution_numpy.offered(asked((1, 16, 8, 8), 16, last=False)) is None
    assert convolution_numpy.offered(asked((1, 64, 56, 56), 64, last=False)) is not None


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loops are not compiled yet."""
    monkeypatch.setattr(lanes, "_compiled", {})


@needed
@compiled
@pytest.mark.parametrize("faster", ["libraries"], indirect=True)
@pytest.mark.usefixtures("faster", "forgotten")
def test_where_numba_fails_the_library_computes(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no LLVM today")

    monkeypatch.setattr(loops, "compiled", broken)
    net, x = network()
    with caplog.at_level(logging.WARNING, "hybridnet"):
        net(x)
    assert not is_used(net, x)
    assert "no LLVM today" in caplog.text


@needed
@compiled
@pytest.mark.usefixtures("forgotten")
def test_a_process_that_was_forked_off_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(loops.compiler, "is_forked", True)
        assert winograd.planned(asked((1, 8, 8, 16), 16)) is None
    assert winograd.planned(asked((1, 8, 8, 16), 16)) is not None
    monkeypatch.setattr(loops.compiler, "is_forked", True)
    assert winograd.planned(asked((1, 8, 8, 16), 16)) is not None  # it is there already
