"""Rows of a table mixed by shares, spread, and multiplied: held to sums written out, and to what GPUs are given in their place."""

from typing import Any

import numpy as np
import pytest

from hybridnet.core import NDArray, call, wrap
from hybridnet.core.cuda_rules import cuda_rule
from hybridnet.core.op import OPS
from hybridnet.device import cpu
from hybridnet.errors import AxisError


def array(x: Any) -> Any:
    return wrap(NDArray, np.asarray(x), cpu())


def _drawn(seed: int) -> tuple[Any, Any, list[Any], list[Any]]:
    """Rows, others for each place, numbers of rows (some from the end) and shares, of some shape, empty ones among them."""
    rng = np.random.RandomState(seed)
    shape = tuple(rng.randint(0 if seed % 5 == 0 else 1, 5, rng.randint(1, 4)))
    n, channels, count = rng.randint(1, 7), rng.randint(1, 5), rng.randint(1, 6)
    numbers = [rng.randint(-n, n, shape).astype(rng.choice(["int32", "int64"])) for _ in range(count)]
    shares = [rng.randn(*shape) * rng.randint(0, 2, shape) for _ in range(count)]
    return rng.randn(n, channels), rng.randn(*shape, channels), numbers, shares


@pytest.mark.parametrize("seed", range(30))
def test_sums_written_out(seed: int) -> None:
    rows, others, numbers, shares = _drawn(seed)
    wanted = sum(rows[i] * share[..., None] for i, share in zip(numbers, shares, strict=True))
    spread = np.zeros_like(rows)
    for i, share in zip(numbers, shares, strict=True):
        np.add.at(spread, i, others * share[..., None])
    products = [(others * rows[i]).sum(-1) for i in numbers]
    given = [array(x) for x in (*numbers, *shares)]
    mixed = call("weighted_rows", array(rows), *given)
    np.testing.assert_allclose(mixed.asnumpy(), wanted, rtol=1e-12, atol=1e-12)
    made = call("spread_rows", array(others), *given, rows=len(rows))
    np.testing.assert_allclose(made.asnumpy(), spread, rtol=1e-12, atol=1e-12)
    found = call("row_products", array(others), array(rows), *given[: len(numbers)])
    for x, y in zip(found if isinstance(found, tuple) else (found,), products, strict=True):
        np.testing.assert_allclose(x.asnumpy(), y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_their_parts_are_the_same(seed: int) -> None:
    """A GPU's programs compute them in parts, which are operators with kernels."""
    rows, others, numbers, shares = _drawn(seed)
    given = [array(x) for x in (*numbers, *shares)]
    for name, inputs, attrs in (
        ("weighted_rows", (array(rows), *given), {}),
        ("spread_rows", (array(others), *given), {"rows": len(rows)}),
        ("row_products", (array(others), array(rows), *given[: len(numbers)]), {}),
    ):
        parts: Any = cuda_rule(OPS[name]).decomposition
        whole, in_parts = call(name, *inputs, **attrs), parts(*inputs, **attrs)
        for x, y in zip(*[z if isinstance(z, tuple) else (z,) for z in (whole, in_parts)], strict=True):
            assert x.shape == y.shape
            np.testing.assert_allclose(x.asnumpy(), y.asnumpy(), rtol=1e-12, atol=1e-12)


def test_many_that_are_added_to_one_row_are_added_in_runs() -> None:
    rng = np.random.RandomState(3)
    g, share = rng.rand(100_000, 2).astype("float32"), rng.rand(100_000).astype("float32")
    numbers = np.zeros(100_000, int)
    made = call("spread_rows", array(g), array(numbers), array(share), rows=2).asnumpy()
    np.testing.assert_allclose(made[0], (g.astype(float) * share[:, None]).sum(0), rtol=1e-6)
    assert not made[1].any()


@pytest.mark.parametrize("number", [5, -6])
def test_a_number_that_no_row_has(number: int) -> None:
    rows, one, numbers = array(np.ones((5, 2))), array(np.ones(1)), array(np.array([number]))
    with pytest.raises(AxisError, match="indices from -5 to 4"):
        call("weighted_rows", rows, numbers, one)
    with pytest.raises(AxisError, match="indices from -5 to 4"):
        call("spread_rows", array(np.ones((1, 2))), numbers, one, rows=5)
    with pytest.raises(AxisError, match="indices from -5 to 4"):
        call("row_products", array(np.ones((1, 2))), rows, numbers)
