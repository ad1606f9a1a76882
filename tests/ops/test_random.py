"""Random operators: distributions, seeds, the same numbers eager and compiled, gradients through parameters."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from hybridnet import autograd
from hybridnet import ndarray as nd
from hybridnet import numpy as hnp
from hybridnet import random as mx_random
from hybridnet.compile import jit
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.ops.random.draws import _bounds_passed
from hybridnet.ops.random.philox import generator

N = 20000
CONTINUOUS: dict[str, tuple[tuple[float, ...], Any]] = {
    "uniform": ((-1.0, 3.0), stats.uniform(-1, 4)),
    "normal": ((1.0, 2.0), stats.norm(1, 2)),
    "lognormal": ((0.5, 0.25), stats.lognorm(0.25, scale=np.exp(0.5))),
    "exponential": ((2.0,), stats.expon(scale=2)),
    "gumbel": ((1.0, 2.0), stats.gumbel_r(1, 2)),
    "logistic": ((1.0, 2.0), stats.logistic(1, 2)),
    "laplace": ((1.0, 2.0), stats.laplace(1, 2)),
    "gamma": ((3.0, 2.0), stats.gamma(3, scale=2)),
    "beta": ((2.0, 3.0), stats.beta(2, 3)),
    "chisquare": ((4.0,), stats.chi2(4)),
    "f": ((4.0, 9.0), stats.f(4, 9)),
    "pareto": ((5.0,), stats.lomax(5)),
    "power": ((3.0,), stats.powerlaw(3)),
    "rayleigh": ((2.0,), stats.rayleigh(scale=2)),
    "weibull": ((1.5,), stats.weibull_min(1.5)),
    "standard_cauchy": ((), stats.cauchy()),
    "standard_t": ((3.0,), stats.t(3)),
    "noncentral_chisquare": ((3.0, 2.0), stats.ncx2(3, 2)),
    "noncentral_f": ((3.0, 8.0, 2.0), stats.ncf(3, 8, 2)),
    "wald": ((2.0, 3.0), stats.invgauss(2 / 3, scale=3)),
    "triangular": ((-1.0, 0.5, 3.0), stats.triang(1.5 / 4, loc=-1, scale=4)),
    "vonmises": ((0.5, 2.0), stats.vonmises(2.0, loc=0.5)),
}
DISCRETE: dict[str, tuple[tuple[float, ...], Any]] = {
    "poisson": ((4.0,), stats.poisson(4)),
    "binomial": ((10, 0.3), stats.binom(10, 0.3)),
    "negative_binomial": ((5.0, 0.4), stats.nbinom(5, 0.4)),
    "geometric": ((0.3,), stats.geom(0.3)),
    "bernoulli": ((0.3,), stats.bernoulli(0.3)),
    "logseries": ((0.6,), stats.logser(0.6)),
    "zipf": ((2.5,), stats.zipf(2.5)),
    "hypergeometric": ((7, 5, 6), stats.hypergeom(12, 7, 6)),
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    mx_random.seed(11)


# -- distributions --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous(name: str) -> None:
    parameters, expected = CONTINUOUS[name]
    drawn = getattr(hnp.random, name)(*parameters, size=N)
    assert drawn.dtype == np.float32 and drawn.shape == (N,)
    assert stats.kstest(drawn.asnumpy().astype(np.float64), expected.cdf).pvalue > 0.001


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete(name: str) -> None:
    parameters, expected = DISCRETE[name]
    drawn = getattr(hnp.random, name)(*parameters, size=N).asnumpy()
    np.testing.assert_array_equal(drawn, np.round(drawn))
    counts = np.bincount(drawn.astype(int))
    for value in np.flatnonzero(counts > 200):
        p = expected.pmf(value)
        assert abs(counts[value] / N - p) < 5 * np.sqrt(p * (1 - p) / N)


def test_generalized_negative_binomial_moments() -> None:
    x = nd.random.generalized_negative_binomial(3.0, 0.5, shape=(N,)).asnumpy()
    assert abs(x.mean() - 3) < 0.1 and abs(x.var() - (3 + 0.5 * 9)) < 0.5


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtypes(dtype: str) -> None:
    u = hnp.random.uniform(size=N, dtype=dtype)
    assert u.dtype == u.astype(dtype).dtype and str(u.dtype) == dtype
    values = u.astype("float64").asnumpy()
    assert values.min() >= 0 and values.max() < 1 and abs(values.mean() - 0.5) < 0.02
    assert str(hnp.random.normal(size=(2,), dtype=dtype).dtype) == dtype


def test_randint() -> None:
    x = hnp.random.randint(-2, 3, size=(1000,))
    assert x.dtype == np.int64 and set(x.tolist()) == {-2, -1, 0, 1, 2}
    assert set(hnp.random.randint(2, size=(100,), dtype="int8").tolist()) == {0, 1}
    with pytest.raises(ArgumentError, match="low below high"):
        hnp.random.randint(3, 3)


def test_parameters_are_arrays() -> None:
    x = hnp.random.normal(hnp.array([0.0, 100.0]), hnp.array([[1.0], [0.001]]), size=(500, 2, 2)).asnumpy()
    np.testing.assert_allclose(x.mean(0), [[0, 100], [0, 100]], atol=0.3)
    assert x[:, 1].std(0).max() < 0.01
    assert hnp.random.gamma(hnp.array([1.0, 2.0, 3.0])).shape == (3,)
    with pytest.raises(ShapeError, match="random_gamma"):
        hnp.random.gamma(hnp.array([1.0, 2.0, 3.0]), size=(2, 2))


def test_multivariate_normal() -> None:
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    x = hnp.random.multivariate_normal(hnp.array([1.0, -1.0]), hnp.array(cov), size=(N,)).asnumpy()
    np.testing.assert_allclose(x.mean(0), [1, -1], atol=0.06)
    np.testing.assert_allclose(np.cov(x.T), cov, atol=0.1)
    with pytest.raises(ShapeError, match="mean"):
        hnp.random.multivariate_normal(hnp.array([1.0]), hnp.array(cov))


def test_multinomial_counts() -> None:
    x = hnp.random.multinomial(1000, [0.2, 0.3, 0.5], size=(20,)).asnumpy()
    assert x.shape == (20, 3) and (x.sum(1) == 1000).all()
    np.testing.assert_allclose(x.mean(0), [200, 300, 500], rtol=0.05)


# -- orders and choices ---------------------------------------------------------------------------


def test_permutation_and_shuffle() -> None:
    assert sorted(hnp.random.permutation(50).tolist()) == list(range(50))
    x = hnp.array(np.arange(20).reshape(10, 2))
    hnp.random.shuffle(x)
    rows = x.asnumpy()
    assert (rows[:, 1] == rows[:, 0] + 1).all()
    assert sorted(rows[:, 0].tolist()) == list(range(0, 20, 2)) != rows[:, 0].tolist()


def test_choice() -> None:
    assert sorted(hnp.random.choice(6, 6, replace=False).tolist()) == [0, 1, 2, 3, 4, 5]
    picked = hnp.random.choice(hnp.array([5.0, 7.0, 9.0]), (1000,), p=[0.5, 0.0, 0.5]).asnumpy()
    assert set(picked.tolist()) == {5.0, 9.0} and abs((picked == 5).mean() - 0.5) < 0.08
    first = [int(hnp.random.choice(3, 2, replace=False, p=[0.8, 0.1, 0.1])[0]) for _ in range(300)]
    assert abs(np.mean(np.array(first) == 0) - 0.8) < 0.08
    with pytest.raises(ArgumentError, match="without replacement"):
        hnp.random.choice(3, 4, replace=False)


# -- seeds, modes ---------------------------------------------------------------------------------


def test_seed_repeats_and_draws_differ() -> None:
    mx_random.seed(5)
    a, b = hnp.random.normal(size=(4,)), hnp.random.normal(size=(4,))
    mx_random.seed(5)
    assert a.tolist() == hnp.random.normal(size=(4,)).tolist() != b.tolist()
    with pytest.raises(ArgumentError, match="non-negative"):
        mx_random.seed(-1)


def test_philox_is_numpys() -> None:
    drawn = generator(np.asarray(3, np.uint64), np.asarray(5, np.uint64)).normal(size=3)
    np.testing.assert_array_equal(drawn, np.random.Generator(np.random.Philox(key=3, counter=[0, 5, 0, 0])).normal(size=3))


def test_the_same_numbers_compiled() -> None:
    def draws(x: Any) -> Any:
        return [
            hnp.random.normal(size=(3,)) + x,
            hnp.random.gamma(2.0, size=(3,)),
            hnp.random.permutation(5),
            hnp.random.choice(hnp.array([1.0, 2.0, 3.0]), 2, replace=False),
            hnp.random.multinomial(9, hnp.array([0.25, 0.75])),
            nd.random.multinomial(hnp.array([0.5, 0.5]), shape=4),
        ]

    x = hnp.zeros((3,))
    compiled = jit(draws)
    for _ in range(2):
        mx_random.seed(7)
        eager = [[y.tolist() for y in draws(x)] for _ in range(2)]
        mx_random.seed(7)
        assert [[y.tolist() for y in compiled(x)] for _ in range(2)] == eager


# -- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["uniform", "normal", "gumbel", "laplace", "logistic"])
def test_reparameterised_gradients(name: str) -> None:
    a, b = hnp.array([1.0, 2.0]), hnp.array([3.0, 4.0])
    a.attach_grad()
    b.attach_grad()
    with autograd.record():
        y = getattr(hnp.random, name)(a, b, size=(5, 2))
    y.backward()
    inner = (y - a) / (b - a) if name == "uniform" else (y - a) / b
    np.testing.assert_allclose(a.grad.asnumpy(), (1 - inner).sum(0).asnumpy() if name == "uniform" else [5, 5], rtol=1e-4)
    np.testing.assert_allclose(b.grad.asnumpy(), inner.sum(0).asnumpy(), rtol=1e-4)


def test_policy_gradient() -> None:
    p = nd.array([[0.2, 0.8], [0.6, 0.4]])
    p.attach_grad()
    with autograd.record():
        drawn, log_p = nd.random.multinomial(p, shape=(3,), get_prob=True)
    log_p.backward()
    assert drawn.shape == log_p.shape == (2, 3)
    counts = np.stack([(drawn.asnumpy() == k).sum(1) for k in range(2)], 1)
    np.testing.assert_allclose(p.grad.asnumpy(), counts / p.asnumpy(), rtol=1e-5)


def test_classes_are_found_as_by_comparison_with_every_bound() -> None:
    rng = np.random.default_rng(2)
    for k in (0, 1, 2, 3, 7, 8, 9, 200):
        bounds, x = np.sort(rng.integers(0, 50, (5, k)), 1) * 1.0, rng.integers(-1, 52, (5, 33)) * 1.0
        assert (_bounds_passed(bounds, x) == (x[:, :, None] >= bounds[:, None, :]).sum(-1)).all()
