"""Winograd's transform of 3 × 3 convolutions: results against float64, and what it computes."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from support import numba_loops
from support.onednn_calls import needed
from support.winograd import RELU, asked, in_float64, operands, strided
from support.winograd import computed as by_call

from hybridnet.config import config
from hybridnet.device import onednn, threads, winograd
from hybridnet.device.winograd import calls, transforms

pytestmark = [needed, numba_loops.needed]


def computed(wanted: onednn.Convolution, given: list[Any], lay: Any = np.ascontiguousarray) -> Any:
    """The result by the transform."""
    found = winograd.planned(wanted)
    assert found is not None
    return by_call(wanted, given, found, lay)


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
    lay = strided if rng.integers(2) else np.ascontiguousarray
    expected = in_float64(wanted, *given)
    scale = np.abs(in_float64(asked(data, wanted.weight[0], pad), *given[:2])).max()
    assert np.abs(computed(wanted, given, lay) - expected).max() <= 5e-6 * scale


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


def test_one_thread_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "count", lambda: 1)
    wanted = asked((1, 7, 7, 32), 512)
    given = operands(wanted, np.random.default_rng(5))
    expected = in_float64(wanted, *given)
    assert np.abs(computed(wanted, given) - expected).max() <= 4e-6 * np.abs(expected).max()
