"""Winograd's transform of 3 × 3 convolutions: results against float64, what it computes, and when it is chosen."""

import logging
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.onednn_calls import needed

import hybridnet as hn
from hybridnet import autograd, nd
from hybridnet.config import config
from hybridnet.device import loops, onednn, threads, winograd
from hybridnet.device.winograd import calls, choice, transforms
from hybridnet.device.winograd import loops as of_winograd
from hybridnet.gluon import nn

pytestmark = [needed, pytest.mark.skipif(not loops.available(), reason="needs numba")]

RELU = onednn.Activation("relu")


def asked(data: Any, filters: int, pad: tuple[int, int] = (1, 1), **more: Any) -> onednn.Convolution:
    """A convolution of data (N, H, W, C)."""
    n, height, width, channels = data
    result = (n, height + 2 * pad[0] - 2, width + 2 * pad[1] - 2, filters)
    sizes = {"stride": (1, 1), "pad": pad, "dilate": (1, 1), "groups": 1, "last": True, **more}
    return onednn.Convolution("result", tuple(data), (filters, 3, 3, channels), result, **sizes)


def operands(wanted: onednn.Convolution, rng: Any) -> list[Any]:
    """Data, weight, and what comes behind."""
    return [rng.normal(size=x.shape).astype("float32") for x in wanted.operands()[:-1]]


def in_float64(wanted: onednn.Convolution, x: Any, w: Any, *behind: Any) -> Any:
    """The result as it should be."""
    wide = np.pad(x.astype(float), ((0, 0), *[(p, p) for p in wanted.pad], (0, 0)))
    _, rows, places, _ = wanted.result
    y = np.zeros(wanted.result)
    for i in range(3):
        for j in range(3):
            y += wide[:, i : i + rows, j : j + places] @ w[:, i, j].T.astype(float)
    for more in behind:
        y = y + more
    return np.maximum(y, 0) if wanted.activation else y


def computed(wanted: onednn.Convolution, given: list[Any], lay: Any = np.ascontiguousarray) -> Any:
    """The result by the transform, of scratch and results that hold anything."""
    found = winograd.planned(wanted)
    assert found is not None
    packing, call = found
    packed, scratch = np.full(packing.size, 255, np.uint8), np.full(call.workspace, 255, np.uint8)
    x, w, *behind = map(lay, given)
    packing(w, packed)
    around = np.full((wanted.result[0] + 2, *wanted.result[1:]), np.nan, "float32")
    out = around[1:-1]
    with onednn.Call.session:
        call.bind([None, packed, *behind, None], scratch)(x, out)
    assert np.isnan(around[0]).all()
    assert np.isnan(around[-1]).all()
    again = lay(np.full(wanted.result, np.nan, "float32"))
    call(x, packed, *behind, again)
    np.testing.assert_array_equal(again, out)
    return out


def test_the_matrices_are_a_convolution_in_exact_arithmetic() -> None:
    a, b = Fraction(transforms.A), Fraction(transforms.B)
    points = [Fraction(0), a, -a, b, -b]
    rng = np.random.default_rng(0)
    d, g = [[Fraction(int(n)) for n in rng.integers(-9, 9, size)] for size in (6, 3)]
    weight = [
        sum((Fraction(m).limit_denominator(10**6) * v for m, v in zip(row, g, strict=True)), Fraction()) for row in transforms.of_weight()
    ]
    data = [_polynomial(points[:i] + points[i + 1 :], d) for i in range(5)] + [_polynomial(points, d)]
    products = [u * v for u, v in zip(weight, data, strict=True)]
    powers = [[p**i for p in points] + [Fraction(i == 3)] for i in range(4)]
    for i, row in enumerate(powers):
        y = sum((p * m for p, m in zip(row, products, strict=True)), Fraction())
        assert y == sum((d[i + k] * g[k] for k in range(3)), Fraction())


def _polynomial(roots: list[Fraction], d: list[Fraction]) -> Fraction:
    """The data by the coefficients of the polynomial with those roots, the least power first: a row of Bᵀ d."""
    coefficients = [Fraction(1)]
    for root in roots:
        coefficients = [p - root * q for p, q in zip([Fraction(0), *coefficients], [*coefficients, Fraction(0)], strict=True)]
    return sum((c * n for c, n in zip(coefficients, d, strict=False)), Fraction())


@pytest.mark.parametrize("seed", range(40))
def test_random_convolutions_are_those_of_float64(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pad = tuple(int(p) for p in rng.integers(0, 4, 2))
    height, width = (int(rng.integers(max(1, 3 - 2 * p), 22)) for p in pad)
    data = (int(rng.integers(1, 4)), height, width, 8 * int(rng.integers(1, 9)))
    more = {"bias": bool(rng.integers(2)), "added": bool(rng.integers(2)), "activation": RELU if rng.integers(2) else None}
    wanted = asked(data, 16 * int(rng.integers(1, 6)), pad, **more)
    given = operands(wanted, rng)
    lay = _strided if rng.integers(2) else np.ascontiguousarray
    expected = in_float64(wanted, *given)
    scale = np.abs(in_float64(asked(data, wanted.weight[0], pad), *given[:2])).max()
    assert np.abs(computed(wanted, given, lay) - expected).max() <= 5e-6 * scale


def _strided(x: Any) -> Any:
    wide = np.zeros((*x.shape[::-1], 2), x.dtype)[..., 0].T
    wide[...] = x
    return wide


@pytest.mark.parametrize("channels", [64, 512, calls.CHANNELS])
@pytest.mark.parametrize("positive", [False, True])
def test_the_error_of_many_channels_is_below_a_hundred_thousandth_of_the_largest_result(channels: int, positive: bool) -> None:
    wanted = asked((1, 14, 14, channels), 64)
    x, w = operands(wanted, np.random.default_rng(channels))
    x = np.maximum(x, 0) if positive else x
    expected = in_float64(wanted, x, w)
    assert np.abs(computed(wanted, [x, w]) - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("data", [(1, 28, 28, 32), (1, 4, 4, 64), (2, 9, 30, 16)])
def test_results_do_not_depend_on_the_threads(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = asked(data, 256, bias=True, activation=RELU)
    given = operands(wanted, np.random.default_rng(1))
    results = []
    for number in (1, 2, 3):
        monkeypatch.setattr(config, "threads", number)
        results.append(computed(wanted, given))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_pieces_are_all_of_the_work_once() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        tiles, panels, channels, workers = (int(rng.integers(1, most)) for most in (3000, 40, 1000, 20))
        done = np.zeros((tiles, panels), int)
        for t0, t1, f0, f1 in calls._pieces(tiles, 16 * panels, channels, workers):
            assert t0 < t1 and f0 < f1 and f0 % 16 == f1 % 16 == 0
            done[t0:t1, f0 // 16 : f1 // 16] += 1
        assert (done == 1).all()


def test_nan_stays_nan_behind_a_relu_and_far_places_are_not_touched() -> None:
    wanted = asked((1, 16, 16, 8), 16, activation=RELU)
    x, w = operands(wanted, np.random.default_rng(3))
    x[0, 2, 2, 3] = np.nan
    out = computed(wanted, [x, w])
    assert np.isnan(out[0, 1:4, 1:4]).all()
    assert not np.isnan(out[0, 8:, 8:]).any()


@pytest.mark.parametrize(
    "more",
    [
        {"stride": (2, 1)},
        {"dilate": (1, 2)},
        {"last": False},
        {"activation": onednn.Activation("clip", 0.0, 6.0)},
        {"groups": 2},
    ],
)
def test_other_convolutions_are_not_its(more: dict[str, Any]) -> None:
    assert winograd.takes(asked((1, 8, 8, 16), 16))
    assert not winograd.takes(asked((1, 8, 8, 16), 16, **more))


def test_other_shapes_are_not_its() -> None:
    assert not winograd.takes(asked((1, 8, 8, 12), 16))
    assert not winograd.takes(asked((1, 8, 8, 16), 24))
    assert not winograd.takes(asked((0, 8, 8, 16), 16))
    assert not winograd.takes(asked((1, 8, 8, calls.CHANNELS + 8), 16))


# -- the choice --------------------------------------------------------------------------------------


@pytest.fixture
def faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Any size is asked for, and by timing it is the faster; a list of what was timed. Choices are kept in an empty folder."""
    timed: list[Any] = []

    def fast(wanted: Any, ways: Any) -> tuple[float, float]:
        timed.append(wanted)
        return 1.0, 0.5

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
    assert len(faster) == 1  # the first has three channels
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
    for name, value in (("winograd", False), ("autotune", False), ("disabled_libraries", frozenset({"numba"}))):
        with monkeypatch.context() as patch:
            patch.setattr(config, name, value)
            net, x = network()
            net(x)
            assert not is_used(net, x), name
    assert not faster


def test_both_are_timed_on_what_they_compute() -> None:
    wanted = asked((1, 28, 28, 64), 64, bias=True, added=True, activation=RELU)
    direct, way = onednn.plan(wanted), winograd.planned(wanted)
    assert direct is not None
    assert way is not None
    seconds = choice._timed(wanted, [direct.packing(1) or (None, direct), way])
    assert all(0 < s < 1 for s in seconds)


def test_small_ones_are_not_asked_for() -> None:
    small = onednn.plan(asked((1, 8, 8, 16), 16))
    large = onednn.plan(asked((1, 56, 56, 64), 64))
    assert small is not None and large is not None
    assert not isinstance(winograd.offered(small), choice.Offered)
    assert isinstance(winograd.offered(large), choice.Offered)


def test_where_numba_fails_the_library_computes(
    faster: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no LLVM today")

    of_winograd._piece.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(loops, "compiled", broken)
        net, x = network()
        with caplog.at_level(logging.WARNING, "hybridnet"):
            net(x)
        assert not is_used(net, x)
    assert "no LLVM today" in caplog.text
    of_winograd._piece.cache_clear()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_was_forked_off_compiles_nothing(faster: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops._compiler, "is_forked", True)
    assert of_winograd.piece() is not None  # it is there already
    of_winograd._piece.cache_clear()
    assert of_winograd.piece() is None
    assert winograd.planned(asked((1, 8, 8, 16), 16)) is None


def test_one_thread_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "count", lambda: 1)
    wanted = asked((1, 7, 7, 32), 512)
    given = operands(wanted, np.random.default_rng(5))
    expected = in_float64(wanted, *given)
    assert np.abs(computed(wanted, given) - expected).max() <= 4e-6 * np.abs(expected).max()
