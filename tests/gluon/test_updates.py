"""Optimizers on parameters with names, multipliers and 16 bits: MXNet 1.9.1's numbers, one by one and all in one compiled update."""

import json
from typing import Any

import numpy as np
import pytest
from support.mxnet_updates import CASES, PATH, evaluate, start

import hybridnet as hn
from hybridnet import optimizer

EXPECTED = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(CASES)]


def agree(found: Any, case: Any, expected: Any) -> None:
    assert expected["case"] == json.loads(json.dumps(case))
    # One unit in the last place of 11 bits, near 2.
    tolerance = 2e-3 if case[1].get("dtype") == "float16" else 1e-5
    np.testing.assert_allclose(found, expected["weights"], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("case", "expected"), list(zip(CASES, EXPECTED, strict=True)), ids=IDS)
def test_updates_are_mxnets(case: Any, expected: Any) -> None:
    agree(evaluate(hn, case), case, expected)


@pytest.mark.parametrize(("case", "expected"), list(zip(CASES, EXPECTED, strict=True)), ids=IDS)
def test_all_in_one_compiled_update(case: Any, expected: Any) -> None:
    opt, weights, grads = start(hn, case)
    if not opt.traceable:
        assert isinstance(opt, optimizer.LBSGD)
        return
    states = [opt.create_state_multi_precision(i, w) for i, w in enumerate(weights)]
    count = len(weights)

    @hn.jit
    def update(lr: Any, t: Any, *g: Any) -> None:
        opt.update_all(list(zip(range(count), weights, g, states, strict=True)), lr, t, 0.5)

    for t in range(6):
        for i in range(count):
            opt._update_count(i)
        lr, at = (hn.np.array(v, dtype="float64") for v in (opt.learning_rate, t + 1))
        update(lr, at, *grads[t * count : (t + 1) * count])
    assert update.retraces == []
    agree([w.asnumpy().ravel() for w in weights], case, expected)


def test_dcasgd_with_a_momentum() -> None:
    """By its formula: MXNet's fails."""
    rng = np.random.RandomState(0)
    w, m = rng.randn(5), np.zeros(5)
    weight, before = hn.np.array(w), w
    opt = optimizer.DCASGD(0.9, 0.5, learning_rate=0.1, wd=0.1)
    state = opt.create_state(0, weight)
    for _ in range(4):
        g = rng.randn(5)
        m = 0.9 * m - 0.1 * (g + 0.1 * w + 0.5 * g * g * (w - before))
        before, w = w, w + m
        opt.update(0, weight, hn.np.array(g), state)
    np.testing.assert_allclose(weight.asnumpy(), w, rtol=1e-5, atol=1e-6)


def test_other_names() -> None:
    assert optimizer.contrib.GroupAdaGrad is optimizer.GroupAdaGrad

    @optimizer.Optimizer.register
    class Mine(optimizer.SGD):
        pass

    try:
        assert isinstance(optimizer.create("mine"), Mine)
    finally:
        del optimizer.Optimizer.opt_registry["mine"]
    state = (hn.np.ones(2), None, (hn.np.ones(1),))
    moved = optimizer.get_updater(optimizer.SGD()).sync_state_context(state, hn.cpu(1))
    assert [moved[0].device, moved[1], moved[2][0].device] == [hn.cpu(1), None, hn.cpu(1)]
    with pytest.raises(hn.errors.ArgumentError, match="warmup_strategy linear, power2, sqrt or lars"):
        optimizer.LBSGD(warmup_strategy="cubic")


def updated(name: str, scale: float, dtype: str = "float32", **options: Any) -> list[Any]:
    """The weights after four updates by gradients that are to be multiplied by ``scale``: one by one, and in one compiled update."""
    rng = np.random.RandomState(0)
    start, grads = rng.randn(40), [rng.randn(40) / scale for _ in range(4)]
    found = []
    for compiled in (False, True):
        weight = hn.np.array(start, dtype=dtype)
        opt = optimizer.create(name, learning_rate=0.1, rescale_grad=scale, **options)
        state = opt.create_state(0, weight)

        @hn.jit
        def update(lr: Any, t: Any, rescale: Any, g: Any, opt: Any = opt, weight: Any = weight, state: Any = state) -> None:
            opt.update_all([(0, weight, g, state)], lr, t, rescale)

        for t, g in enumerate(hn.np.array(g, dtype=dtype) for g in grads):
            if compiled:
                update(*(hn.np.array(v, dtype="float64") for v in (0.1, t + 1, scale)), g)
            else:
                opt.update(0, weight, g, state)
        found.append(weight.asnumpy().astype("float64"))
    return found


@pytest.mark.parametrize("scale", [1 / 32, 1 / 7, 3.0, 2.0**-30])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adam", {}),
        ("adamw", {"wd": 0.1}),
        ("sgd", {}),
        ("sgd", {"momentum": 0.9}),
        ("adam", {"wd": 0.1}),
        ("sgd", {"momentum": 0.9, "wd": 0.1}),
    ],
)
def test_numbers_that_take_the_scale_in_change_nothing_but_the_rounding(name: str, options: dict[str, Any], scale: float) -> None:
    """Limits that nothing reaches are of scaled gradients: with them each element is multiplied."""
    first, *others = (*updated(name, scale, **options), *updated(name, scale, clip_gradient=1e30, **options))
    for other in others:
        np.testing.assert_allclose(first, other, rtol=1e-5, atol=1e-6)


def test_gradients_of_16_bits_are_scaled_first() -> None:
    """Their squares are more than float16 holds."""
    for weights in updated("adam", 2.0**-13, "float16", epsilon=1e-3):
        assert np.isfinite(weights).all()
        np.testing.assert_allclose(weights, updated("adam", 2.0**-13, epsilon=1e-3)[0], rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("mode", ["one by one", "in one program"])
def test_a_rule_that_overrides_one_is_given_scaled_gradients(mode: str) -> None:
    given = []

    class Watching(optimizer.Adam):
        def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
            given.append(grad)
            super().rule(weight, grad, state, wd, *scalars)

    weight, opt = hn.np.ones(3), Watching(rescale_grad=0.25)
    entry = 0, weight, hn.np.ones(3), opt.create_state(0, weight)
    if mode == "one by one":
        opt.update(*entry)
    else:
        opt.update_all([entry], 0.1, 1, 0.25)
    np.testing.assert_array_equal(given[0].asnumpy(), np.full(3, 0.25))
