"""Gradients through control flow: by differences, of higher orders, in training."""

import random
from typing import Any

import numpy as onp
import pytest
from support.control import RNG, array, check_gradients, gradients, loops_are_nodes, nested, rnn, rnn_sum, same, variable, variable_of  # noqa: F401

from hybridnet import autograd, gluon, initializer, nd, np, npx
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import as_class


def test_foreach_gradients() -> None:
    check_gradients(lambda x, h, w: (rnn(x, h, w)[0] ** 2).sum() + rnn(x, h, w)[1].sum(), variable(4, 2, 3), variable(2, 3), variable(3, 3))
    check_gradients(lambda x, h: npx.foreach(lambda e, s: (e * s, s), x, h)[0].sum(), variable(3, 2), variable(2))
    check_gradients(lambda x, w: npx.foreach(lambda e, s: (w * e, w), x, w)[0].sum(), variable(3, 2), variable(2))


def test_foreach_of_constants_and_integers_has_the_gradients_that_there_are() -> None:
    def fn(x: Any, w: Any) -> Any:
        def body(e: Any, s: Any) -> Any:
            count, total = s
            return [e * w * count, count], [count + 1, total.detach() * e]

        (y, _), (_, total) = npx.foreach(body, x, [np.zeros((), dtype="int64"), np.ones((2,), dtype="float64")])
        return y.sum() + total.sum() * 3

    x, w = variable(4, 2), variable(2)
    for mode in (fn, jit(fn)):
        found = gradients(mode, x, w)
        steps = onp.arange(4.0)[:, None]
        cut = onp.prod(x.asnumpy()[:3], axis=0)
        onp.testing.assert_allclose(found[1], (x.asnumpy() * steps).sum(0))
        expected = w.asnumpy() * steps + onp.where(steps == 3, 3 * cut, 0)
        onp.testing.assert_allclose(found[0], expected)


def test_while_loop_gradients() -> None:
    def fn(x: Any, w: Any) -> Any:
        outputs, (x, _) = npx.while_loop(lambda x, k: k < 3, lambda x, k: (x * w * k, [np.sin(x * w), k + 1]), [x, np.ones(())], 5)
        return (outputs**2).sum() + x.sum()

    check_gradients(fn, variable(2), variable(2))
    check_gradients(lambda x: npx.while_loop(lambda x: x.sum() < 10, lambda x: ([], x * 2), x, 9)[1].sum(), variable_of([0.7, 0.9]))


@pytest.mark.parametrize("sign", [1, -1])
def test_cond_gradients(sign: int) -> None:
    def fn(x: Any, w: Any) -> Any:
        a, b = npx.cond(sign * (x * x).sum() > 0, lambda: [np.exp(x) * w, x], lambda: [w * w, x * 3])
        return (a**2).sum() + b.sum()

    check_gradients(fn, variable(3), variable(3))


def test_nested_gradients() -> None:
    check_gradients(nested, variable(4, 2), variable(2))


def test_gradients_of_gradients() -> None:
    def fn(x: Any, w: Any) -> Any:
        y = npx.foreach(lambda e, s: (e * s * w, s * w), x, np.ones_like(w))[0].sum()
        y = y + npx.while_loop(lambda s: s.sum() < 9, lambda s: (s * w, s * 1.5), np.ones_like(w), 6)[0].sum()
        return y * npx.cond(y > 0, lambda: (w * w).sum(), lambda: (w**3).sum())

    def second(x: Any, w: Any) -> Any:
        x, w = x.copy(), w.copy()
        x.attach_grad()
        w.attach_grad()
        with autograd.record():
            y = fn(x, w)
            gx, gw = autograd.grad(y, [x, w], create_graph=True)
            z = (gw**2).sum() + (gx * w).sum()
            gz = autograd.grad(z, w, create_graph=True)
            u = (gz**2).sum()
        return autograd.grad(u, [x, w])

    args = np.array(RNG.uniform(0.5, 1, (3, 2))), np.array(RNG.uniform(0.5, 1, (2,)))
    same(jit(second)(*args), second(*args))


def test_higher_orders_through_a_recorded_call() -> None:
    x, w = variable(3, 2), variable(2)
    for mode in (rnn_sum, jit(rnn_sum)):
        with autograd.record():
            y = mode(x, w)
            (g,) = autograd.grad(y, [w], create_graph=True)
            z = (g**2).sum()
        z.backward()
        if mode is rnn_sum:
            expected = w.grad.asnumpy()
    onp.testing.assert_allclose(w.grad.asnumpy(), expected)


def test_a_recurrent_network_trains_alike() -> None:
    x, target = array(12, 4, 3), array(12, 4, 2)
    start = [array(3, 5, scale=0.4), array(5, 5, scale=0.4), array(5, 2, scale=0.4)]

    def train(compile: bool) -> tuple[list[float], list[Any]]:
        parameters = [p.copy() for p in start]
        for p in parameters:
            p.attach_grad()
        w_x, w_h, w_o = parameters

        def body(element: Any, h: Any) -> Any:
            h = np.tanh(np.dot(element, w_x) + np.dot(h, w_h))
            return np.dot(h, w_o), h

        def step(x: Any, target: Any) -> Any:
            with autograd.record():
                y, _ = npx.foreach(body, x, np.zeros((4, 5), dtype="float64"))
                loss = ((y - target) ** 2).mean()
            loss.backward()
            for p in parameters:
                p -= 0.5 * p.grad
            return loss

        run = jit(step) if compile else step
        return [float(run(x, target)) for _ in range(30)], parameters

    (losses, parameters), (expected, eager) = train(True), train(False)
    onp.testing.assert_allclose(losses, expected, rtol=1e-10)
    assert losses[-1] < 0.9 * losses[0]
    same(parameters, eager)


def test_a_training_loop_inside_foreach() -> None:
    """A body may record, go backward and write to arrays from outside: they are carried from step to step."""
    data = array(10, 4, 3)

    def train(compile: bool) -> tuple[Any, Any, Any]:
        w, seen = np.ones((3,), dtype="float64"), np.zeros((), dtype="int64")
        w.attach_grad()

        def body(batch: Any, states: Any) -> Any:
            with autograd.record():
                loss = ((np.dot(batch, w) - 1) ** 2).mean()
            loss.backward()
            w[...] = w - 0.1 * w.grad
            seen[...] = seen + 1
            return loss, states

        def epoch(data: Any) -> Any:
            return npx.foreach(body, data, [])[0]

        run = jit(epoch) if compile else epoch
        return [run(data), run(data)], w, seen

    (losses, w, seen), (expected, eager_w, eager_seen) = train(True), train(False)
    same(losses, expected)
    same(w, eager_w)
    assert seen.item() == eager_seen.item() == 20
    assert losses[1].sum() < losses[0].sum()


def test_random_numbers_in_a_body_are_new_at_each_step_and_replayed_by_the_gradient() -> None:
    w = variable(6)

    def fn(x: Any, w: Any) -> Any:
        return npx.foreach(lambda e, s: (npx.dropout(e * w, 0.5), s), x, np.zeros((1,)))[0]

    x = np.ones((9, 6), dtype="float64")
    results = []
    for mode in (fn, jit(fn)):
        npx.seed(5)
        with autograd.record():
            y = mode(x, w)
        y.backward()
        results.append([y, w.grad.copy()])
    same(*results)
    kept = results[1][0].asnumpy() != 0
    assert len({tuple(row) for row in kept}) > 1
    onp.testing.assert_allclose(results[1][1].asnumpy(), 2 * kept.sum(0))


class Reversed(autograd.Function):
    """The gradient of ``2 x``, negated: not what the graph of the forward says."""

    def forward(self, x: Any) -> Any:
        return x * 2

    def backward(self, g: Any) -> Any:
        return g * -2


def test_custom_gradients_in_a_body() -> None:
    def fn(x: Any, w: Any) -> Any:
        return npx.foreach(lambda e, s: (Reversed()(e * w) + s, Reversed()(s)), x, w)[0].sum()

    x, w = variable(4, 2), variable(2)
    for compiled, eager in zip(gradients(jit(fn), x, w), gradients(fn, x, w), strict=True):
        onp.testing.assert_allclose(compiled, eager)
    onp.testing.assert_allclose(x.grad.asnumpy(), onp.broadcast_to(-2 * w.asnumpy(), (4, 2)))


def test_gradients_are_by_the_values_at_the_call() -> None:
    """A captured array may be written to afterwards."""

    def fn(x: Any, w: Any, write: bool) -> Any:
        scale = w * 3
        y = npx.foreach(lambda e, s: (e * scale, s * scale), x, w)[0].sum()
        z = npx.cond(w.sum() > 0, lambda: scale * w, lambda: scale + w).sum()
        if write:
            scale[...] = scale * 100
        return y + z + (scale if write else scale * 100).sum()

    x, w = variable(4, 2), variable(2)
    written, expected = (gradients(jit(lambda x, w, write=write: fn(x, w, write)), x, w) for write in (True, False))
    for a, b in zip(written, expected, strict=True):
        onp.testing.assert_allclose(a, b)
    check_gradients(lambda x, w: fn(x, w, False), x, w)


def test_two_handles_of_one_variable_share_its_gradient() -> None:
    def fn(x: Any, w: Any) -> Any:
        other = as_class(w, nd.NDArray)
        y = npx.foreach(lambda e, s: (e * w * other.as_np_ndarray(), s), x, [])[0].sum()
        return y + npx.cond(y < 100, lambda: w * other.as_np_ndarray(), lambda: w).sum()

    check_gradients(fn, variable(4, 2), variable(2))


def test_a_trainer_in_a_loop_follows_its_learning_rate() -> None:
    x = nd.array(RNG.normal(size=(6, 4, 3)))

    def train(compile: bool) -> Any:
        net = gluon.nn.Dense(2, in_units=3)
        net.initialize(initializer.Constant(0.1))
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})

        def body(batch: Any, states: Any) -> Any:
            with autograd.record():
                loss = ((net(batch) - 1) ** 2).sum()
            loss.backward()
            trainer.step(4)
            return loss, states

        run = jit(lambda x: npx.foreach(body, x, [])[0]) if compile else lambda x: npx.foreach(body, x, [])[0]
        losses = [run(x)]
        trainer.set_learning_rate(0.01)
        losses.append(run(x))
        assert not compile or len(run.cache) == 1
        return losses, net.weight.data()

    same(train(True), train(False))


class Cell(gluon.HybridBlock):
    """A recurrent network whose loop runs dropout and batch normalisation at each step."""

    def __init__(self) -> None:
        super().__init__()
        with self.name_scope():
            self.inner = gluon.nn.Dense(5)
            self.hidden = gluon.nn.Dense(5)
            self.norm = gluon.nn.BatchNorm()
            self.dropout = gluon.nn.Dropout(0.3)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        def body(element: Any, states: Any) -> Any:
            h = self.dropout(self.norm(F.tanh(self.inner(element) + self.hidden(states[0]))))
            return h, [h]

        return F.contrib.foreach(body, x, [F.zeros((4, 5))])[0]


def test_a_gluon_block_with_a_loop_trains_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "disabled_libraries", frozenset({"oneDNN"}))  # which rounds a bias along with its product otherwise
    x = nd.array(RNG.normal(size=(11, 4, 3)))
    start: dict[str, Any] = {}
    results = []
    for hybridize in (False, True):
        net = Cell()
        net.initialize()
        net.hybridize(hybridize)
        net(x)  # the shapes are known, inside the loop, from here on
        for name, p in net.collect_params().items():
            p.set_data(start.setdefault(name.removeprefix(net.prefix), p.data().copy()))
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        npx.seed(5)
        for _ in range(3):
            with autograd.record():
                loss = (net(x) ** 2).sum()
            loss.backward()
            trainer.step(4)
        results.append([loss, [p.data() for p in net.collect_params().values()]])
        if hybridize:
            assert "for k0 in range(11)" in net.program(x)
    same(*results)


# -- random programs ------------------------------------------------------------------------------


class RandomProgram:
    """A random nest of loops and conditions over arrays of three elements; the same at every call."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, x: Any, w: Any) -> Any:
        return self.block(random.Random(self.seed), [x, w], 2).sum()

    def expression(self, rng: random.Random, values: list[Any]) -> Any:
        a, b = rng.choice(values), rng.choice(values)
        return rng.choice(
            [
                lambda: a + b,
                lambda: a * b,
                lambda: np.tanh(a) - b,
                lambda: np.sin(a),
                lambda: np.maximum(a, b),
                lambda: a.detach() * b,
                lambda: np.zeros_like(a) + 0.3,
            ]
        )()

    def block(self, rng: random.Random, values: list[Any], depth: int) -> Any:
        values = list(values)
        for _ in range(rng.randrange(1, 4)):
            values.append(self.expression(rng, values))
        if depth:
            values.append(rng.choice([self.cond, self.foreach, self.while_loop])(rng, values, depth - 1))
        return self.expression(rng, [*values[-2:], values[-1]]) + values[-1]

    def cond(self, rng: random.Random, values: list[Any], depth: int) -> Any:
        seed = rng.random()
        branch = lambda i: lambda: self.block(random.Random(seed + i), values, depth)
        return npx.cond(values[-1].sum() > 0.1, branch(0), branch(1))

    def foreach(self, rng: random.Random, values: list[Any], depth: int) -> Any:
        seed, count, length = rng.random(), rng.randrange(1, 4), rng.randrange(1, 5)
        order, changed = [rng.randrange(count) for _ in range(count)], rng.randrange(count)
        states = [rng.choice([*values, np.zeros((3,), dtype="float64")]) for _ in range(count)]

        def body(element: Any, states: Any) -> Any:
            y = self.block(random.Random(seed), [*values, element, *states], depth)
            following = [states[i] for i in order]
            following[changed] = y * 0.3
            return [y, states[0]], following

        outputs, last = npx.foreach(body, np.stack([rng.choice(values) * 0.3 * i for i in range(1, length + 1)]), states)
        return outputs[0][-1] + rng.choice(last) + outputs[1].sum(0) * 0.1

    def while_loop(self, rng: random.Random, values: list[Any], depth: int) -> Any:
        seed, limit = rng.random(), rng.randrange(4)

        def body(a: Any, b: Any, i: Any) -> Any:
            y = self.block(random.Random(seed), [*values, a, b], depth)
            return [y * i, a], [b, y * 0.5, i + 1]

        start = [rng.choice(values), rng.choice(values), np.zeros((), dtype="int64")]
        outputs, last = npx.while_loop(lambda a, b, i: (i < limit) * ((a * a).sum() < 40), body, start, rng.randrange(1, 5))
        return outputs[0].sum(0) + last[0] + (outputs[1] ** 2).sum(0) * 0.1


@pytest.mark.parametrize("seed", range(24))
def test_random_programs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "block_bytes", 8 if seed % 2 else 1 << 17)  # with and without regions in bodies
    fn = RandomProgram(seed)
    x, w = variable(3), variable(3)

    def all_of(x: Any, w: Any) -> Any:
        return fn(x, w) + (x * w * x).sum() + (w**3).sum()

    def second(x: Any, w: Any) -> Any:
        x, w = x.copy(), w.copy()
        x.attach_grad()
        w.attach_grad()
        with autograd.record():
            gx, gw = autograd.grad(all_of(x, w), [x, w], create_graph=True)
            z = (gx * gx).sum() + (gw * gw * gw).sum() + (gx * w).sum()
        return autograd.grad(z, [x, w])

    same(jit(all_of)(x, w), all_of(x, w))
    for a, b in zip(gradients(jit(all_of), x, w), gradients(all_of, x, w), strict=True):
        onp.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
    if seed % 3 == 0:
        for a, b in zip(jit(second)(x, w), second(x, w), strict=True):
            onp.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-8, atol=1e-9)
