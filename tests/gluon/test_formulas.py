"""What MXNet has not, or draws at random, against its formula: see ``test_every.py``."""

from typing import Any

import numpy
import pytest
from support.gluon_blocks import sample

import hybridnet as hn
from hybridnet import autograd, gluon, init, np, optimizer
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon import nn


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(11)


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("cls", [nn.Concatenate, nn.HybridConcatenate])
def test_concatenate(cls: Any, hybridize: bool) -> None:
    net, x = cls(axis=-1), sample(2, 3)
    net.add(nn.Identity(), nn.Lambda("tanh") if cls is nn.Concatenate else nn.HybridLambda("tanh"))
    net.hybridize(hybridize)
    numpy.testing.assert_allclose(net(x).asnumpy(), numpy.concatenate([x.asnumpy(), numpy.tanh(x.asnumpy())], -1), rtol=1e-6)


@pytest.mark.parametrize("hybridize", [False, True])
def test_dropout(hybridize: bool) -> None:
    """While training, as many elements as ``rate`` says are 0 and the others larger by what is lost; along ``axes`` all alike."""
    x = np.ones((200, 300))
    for rate, axes in ((0.3, ()), (0.6, (1,))):
        net = nn.Dropout(rate, axes)
        net.hybridize(hybridize)
        assert (net(x) == 1).all(), "nothing happens in prediction"
        x.attach_grad()
        with autograd.record():
            y = net(x)
        y.backward()
        numpy.testing.assert_array_equal(x.grad.asnumpy(), y.asnumpy())
        kept = y.asnumpy() != 0
        numpy.testing.assert_allclose(y.asnumpy()[kept], 1 / (1 - rate), rtol=1e-6)
        decisions = kept[:, 0] if axes else kept
        assert (kept == kept[:, :1]).all() == bool(axes)
        assert abs(decisions.mean() - (1 - rate)) < 5 * (rate * (1 - rate) / decisions.size) ** 0.5


@pytest.mark.parametrize("compiled", [False, True])
def test_langevin_dynamics(compiled: bool) -> None:
    """weight -= lr / 2 · (clip(grad) + wd · weight), and noise of variance lr."""
    lr, wd = 0.04, 0.5
    opt = optimizer.SGLD(learning_rate=lr, wd=wd, clip_gradient=1.0, rescale_grad=0.5)
    before, grad = numpy.full((400, 500), 3.0), numpy.full((400, 500), 8.0)
    weight = np.array(before)
    state = opt.create_state(0, weight)
    if compiled:
        step = hn.jit(lambda g: opt.update_all([(0, weight, g, state)], lr, 1, 0.5))
        step(np.array(grad))
    else:
        opt.update(0, weight, np.array(grad), state)
    noise = weight.asnumpy().astype("float64") - (before - lr / 2 * (1.0 + wd * before))
    assert abs(noise.mean()) < 5 * (lr / noise.size) ** 0.5
    assert noise.std() == pytest.approx(lr**0.5, rel=0.01)
    assert abs(noise[:, 1:] * noise[:, :-1]).mean() == pytest.approx(lr * 2 / numpy.pi, rel=0.02), "each by itself"


def test_given_values() -> None:
    """Initializers that draw nothing."""
    values = numpy.arange(6, dtype="float32").reshape(2, 3)
    for made, expected in (
        (init.Zero(), numpy.zeros((2, 3))),
        (init.One(), numpy.ones((2, 3))),
        (init.Constant(2.5), numpy.full((2, 3), 2.5)),
        (init.Constant(np.array(values)), values),
        (init.Load({"arg:w_weight": np.array(values)}), values),
        (init.Load({"other": np.array(values)}, init.One()), numpy.ones((2, 3))),
    ):
        x = np.full((2, 3), 9.0)
        made(init.InitDesc("w_weight"), x)
        numpy.testing.assert_array_equal(x.asnumpy(), expected)
    with pytest.raises(ArgumentError, match=r"a value for 'w_weight'.*try default_init="):
        init.Load({})("w_weight", np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"shape \(3, 2\) for 'w_weight'; got \(2, 3\)"):
        init.Load({"w_weight": np.array(values)})("w_weight", np.zeros((3, 2)))
    net = nn.Dense(2, in_units=3, weight_initializer=init.Constant(np.array(values)))
    net.initialize()
    numpy.testing.assert_array_equal(net.weight.data().asnumpy(), values)


@pytest.mark.parametrize(
    ("made", "deviation", "limit"),
    [
        (init.Uniform(0.3), 0.3 / 3**0.5, 0.3),
        (init.Normal(0.3), 0.3, None),
        (init.Xavier("gaussian", "in", 2), (2 / 150) ** 0.5, None),
        (init.Xavier("gaussian", "out", 2), (2 / 200) ** 0.5, None),
        (init.Xavier(), (3 / 175) ** 0.5 / 3**0.5, (3 / 175) ** 0.5),
        (init.MSRAPrelu("in", 0.1), (2 / 1.01 / 150) ** 0.5, None),
        (init.TruncNorm(stdev=0.5), 0.5 * 0.8796, 1.0),  # of a normal distribution that is cut off at two deviations
    ],
)
def test_drawn_values(made: Any, deviation: float, limit: float | None) -> None:
    """Mean 0, the deviation of the formula, within its limits and nearly up to them; a seed gives the same again."""
    drawn = []
    for _ in range(2):
        hn.random.seed(3)
        x = np.zeros((200, 150))
        made("w_weight", x)
        drawn.append(x.asnumpy().astype("float64"))
    numpy.testing.assert_array_equal(*drawn)
    x = drawn[0]
    assert abs(x.mean()) < 5 * deviation / x.size**0.5
    assert x.std() == pytest.approx(deviation, rel=0.03)
    if limit is not None:
        assert 0.995 * limit < abs(x).max() <= limit * (1 + 1e-6)


def test_losses_have_two_names() -> None:
    assert gluon.loss.SoftmaxCELoss is gluon.loss.SoftmaxCrossEntropyLoss
    assert gluon.loss.SigmoidBCELoss is gluon.loss.SigmoidBinaryCrossEntropyLoss
