"""Winograd's transform by NumPy alone: random convolutions against float64."""

from typing import Any

import numpy as np
import pytest
from support.winograd import asked, computed, in_float64, operands, strided

from hybridnet.config import config
from hybridnet.device.winograd import by_numpy


@pytest.mark.parametrize("seed", range(40))
def test_random_convolutions_are_those_of_float64(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pad = tuple(int(p) for p in rng.integers(0, 4, 2))
    size = [int(rng.integers(max(1, 3 - 2 * p), 22)) for p in pad]
    data = (int(rng.integers(1, 7)), int(rng.integers(1, 60)), *size)
    wanted = asked(data, int(rng.integers(1, 60)), pad, last=False)
    assert by_numpy.takes(wanted)
    given = operands(wanted, rng)
    expected = in_float64(wanted, *given)
    lay = strided if rng.integers(2) else np.ascontiguousarray
    assert np.abs(computed(wanted, given, by_numpy.planned(wanted), lay) - expected).max() <= 5e-6 * np.abs(expected).max()


@pytest.mark.parametrize("channels", [64, 512, by_numpy.CHANNELS])
def test_the_error_of_many_channels_is_below_a_hundred_thousandth_of_the_largest_result(channels: int) -> None:
    wanted = asked((1, channels, 14, 14), 64, last=False)
    given = operands(wanted, np.random.default_rng(channels))
    expected = in_float64(wanted, *given)
    assert np.abs(computed(wanted, given, by_numpy.planned(wanted)) - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("data", [(1, 32, 28, 28), (7, 16, 9, 30)])
def test_results_do_not_depend_on_the_threads(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = asked(data, 48, last=False)
    given = operands(wanted, np.random.default_rng(1))
    results = []
    for number in (1, 2, 3):
        monkeypatch.setattr(config, "threads", number)
        results.append(computed(wanted, given, by_numpy.planned(wanted)))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("more", [{"stride": (2, 1)}, {"dilate": (1, 2)}, {"groups": 2}])
def test_other_convolutions_are_not_its(more: dict[str, Any]) -> None:
    assert not by_numpy.takes(asked((1, 8, 8, 8), 8, last=False, **more))
    assert not by_numpy.takes(asked((1, 8, 8, 8), 8))
    assert not by_numpy.takes(asked((0, 8, 8, 8), 8, last=False))
    assert not by_numpy.takes(asked((1, by_numpy.CHANNELS + 1, 8, 8), 8, last=False))
