"""``foreach``, ``while_loop`` and ``cond``: imperative and compiled alike, values and gradients, and what bodies must keep to."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as onp
import pytest

from hybridnet import autograd, nd, np, npx
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import local
from hybridnet.errors import ArgumentError, DtypeError, HybridnetError, ShapeError, TraceError
from hybridnet.graph import control_flow
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph
from hybridnet.graph.passes import optimize
from hybridnet.graph.trace import Trace, tracing
from hybridnet.graph.verify import verify

RNG = onp.random.default_rng(7)


@pytest.fixture(autouse=True)
def loops_are_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No loop is short enough to be written out, and graphs are verified after every pass."""
    monkeypatch.setattr(control_flow, "UNROLLED", 0)
    monkeypatch.setattr(config, "debug", 1)


def array(*shape: int, dtype: Any = "float64", scale: float = 1.0) -> Any:
    return np.array(RNG.normal(size=shape) * scale, dtype=dtype)


def variable(*shape: int) -> Any:
    x = array(*shape)
    x.attach_grad()
    return x


def flat(result: Any) -> list[Any]:
    return [x for r in result for x in flat(r)] if isinstance(result, (list, tuple)) else [result.asnumpy()]


def same(a: Any, b: Any) -> None:
    for x, y in zip(flat(a), flat(b), strict=True):
        assert x.dtype == y.dtype
        onp.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7)


def compiled_like_eager(fn: Callable[..., Any], *args: Any) -> Any:
    """The result, after checking that the compiled program, twice, and the reference interpreter give the same."""
    expected = fn(*args)
    program = jit(fn)
    same(program(*args), expected)
    same(program(*args), expected)
    return expected


def gradients(fn: Callable[..., Any], *args: Any) -> list[Any]:
    with autograd.record():
        y = fn(*args)
    y.backward()
    return [x.grad.asnumpy().copy() for x in args]


def check_gradients(fn: Callable[..., Any], *args: Any) -> None:
    """Gradients of a scalar function by its arguments: eager, compiled, and by differences."""
    for mode in (fn, jit(fn)):
        found = gradients(mode, *args)
        for x, g in zip(args, found, strict=True):
            values = x.asnumpy()
            numeric = onp.zeros_like(values)
            for at in onp.ndindex(values.shape):
                ends = []
                for eps in (1e-5, -1e-5):
                    moved = values.copy()
                    moved[at] += eps
                    with autograd.pause():
                        ends.append(float(fn(*[np.array(moved) if a is x else a for a in args])))
                numeric[at] = (ends[0] - ends[1]) / 2e-5
            onp.testing.assert_allclose(g, numeric, rtol=1e-5, atol=1e-7)


def ops_of(graph: Graph) -> list[str]:
    found = []
    for node in graph.nodes:
        found.append(node.op.name)
        for value in node.attrs.values():
            if isinstance(value, Graph):
                found += ops_of(value)
    return found


# -- foreach --------------------------------------------------------------------------------------


def rnn(x: Any, h: Any, w: Any) -> Any:
    def body(element: Any, state: Any) -> tuple[Any, Any]:
        following = np.tanh(np.dot(state, w) + element)
        return following * 2, following

    return npx.foreach(body, x, h)


def test_foreach_stacks_outputs_and_carries_states() -> None:
    outputs, last = compiled_like_eager(
        lambda a, s: npx.foreach(lambda x, st: (x + st, st * 2), a, s), np.arange(6.0).reshape(3, 2), np.ones((2,))
    )
    assert outputs.tolist() == [[1, 2], [4, 5], [8, 9]]  # as MXNet 1.9.1
    assert last.tolist() == [8, 8]


def test_foreach_is_one_loop_in_the_program() -> None:
    args = array(20, 3, 4), array(3, 4), array(4, 4)
    compiled_like_eager(rnn, *args)
    text = jit(rnn).program(*args)
    assert "for k0 in range(20):" in text
    assert text.count("matmul(") == 1


def test_short_foreach_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_flow, "UNROLLED", 8)
    args = array(8, 3, 4), array(3, 4), array(4, 4)
    assert "foreach" not in ops_of(jit(rnn).graph(*args))
    args = array(9, 3, 4), array(3, 4), array(4, 4)
    assert "foreach" in ops_of(jit(rnn).graph(*args))
    compiled_like_eager(rnn, *args)


def test_foreach_nested_structures() -> None:
    def body(x: Any, s: Any) -> Any:
        return [x[0], (x[1], [x[0] * x[1]])], (s[0] + 1, [s[1][0] + x[0]])

    a, b = array(5, 2), array(5, 2)
    outputs, states = compiled_like_eager(lambda a, b: npx.foreach(body, [a, b], [np.zeros((2,)), [np.zeros((2,), dtype="float64")]]), a, b)
    assert isinstance(outputs, list) and isinstance(outputs[1], list) and isinstance(states, list)
    onp.testing.assert_allclose(outputs[1][1][0].asnumpy(), (a * b).asnumpy())
    assert states[0].tolist() == [5, 5]


@pytest.mark.parametrize("data_shape", [(4,), (4, 1), (4, 0)])
def test_foreach_without_outputs_or_states(data_shape: tuple[int, ...]) -> None:
    x = array(*data_shape)
    outputs, last = compiled_like_eager(lambda x: npx.foreach(lambda e, s: ([], s + e), x, np.zeros(data_shape[1:], dtype="float64")), x)
    assert outputs == [] and last.shape == data_shape[1:]
    outputs, last = compiled_like_eager(lambda x: npx.foreach(lambda e, s: (e, []), x, []), x)
    assert last == [] and outputs.shape == data_shape
    assert compiled_like_eager(lambda x: npx.foreach(lambda e, s: ([], []), x, []), x) == ([], [])


def test_foreach_of_no_steps_knows_the_outputs_shapes() -> None:
    outputs, last = compiled_like_eager(lambda x: npx.foreach(lambda e, s: (e.sum() + s, s * 2), x, np.ones((2,))), np.zeros((0, 3)))
    assert outputs.shape == (0, 2) and last.tolist() == [1, 1]


def test_foreach_states_may_swap_stay_and_be_outputs() -> None:
    def body(e: Any, s: Any) -> Any:
        a, b, c = s
        return [a, c, a], [b, a + e, c]

    compiled_like_eager(
        lambda x, c: npx.foreach(body, x, [np.zeros((2,), dtype="float64"), np.ones((2,), dtype="float64"), c]), array(5, 2), array(2)
    )


def test_foreach_keeps_its_arguments() -> None:
    x, h, w = array(12, 3, 4), array(3, 4), array(4, 4)
    before = [a.asnumpy() for a in (x, h, w)]
    compiled_like_eager(rnn, x, h, w)
    for a, b in zip((x, h, w), before, strict=True):
        assert (a.asnumpy() == b).all()


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


def rnn_sum(x: Any, w: Any) -> Any:
    return npx.foreach(lambda e, s: (np.tanh(s * w + e), s * e), x, w)[0].sum()


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


def test_classic_arrays_have_classic_elements() -> None:
    x, s = nd.arange(4), nd.zeros((1,))
    seen = []

    def body(e: Any, s: Any) -> Any:
        seen.append((type(e), e.shape))
        return e * 2, s + e

    outputs, last = compiled_like_eager(lambda x, s: nd.contrib.foreach(body, x, s), x, s)
    assert set(seen) == {(nd.NDArray, (1,))}
    assert type(outputs) is nd.NDArray and outputs.shape == (4, 1)  # as MXNet 1.9.1
    assert last.asscalar() == 6


# -- while_loop -----------------------------------------------------------------------------------


def test_while_loop_pads_with_zeros() -> None:
    def fn(i: Any, s: Any) -> Any:
        return npx.while_loop(lambda i, s: i < 3, lambda i, s: ([i, s], [i + 1, s + i]), [i, s], max_iterations=5)

    (a, b), (i, s) = compiled_like_eager(fn, np.array([0.0]), np.zeros((2,)))
    assert a.tolist() == [[0], [1], [2], [0], [0]] and b.tolist() == [[0, 0], [0, 0], [1, 1], [0, 0], [0, 0]]
    assert i.tolist() == [3] and s.tolist() == [3, 3]


def test_while_loop_is_a_loop_in_the_program() -> None:
    text = jit(lambda i: npx.while_loop(lambda i: i < 3, lambda i: (i * 2, i + 1), i, 5)).program(np.zeros((), dtype="int64"))
    assert "while k0 < 5:" in text and "break" in text


@pytest.mark.parametrize("limit, steps", [(0, 0), (2, 2), (7, 4)])
def test_while_loop_stops_at_max_iterations(limit: int, steps: int) -> None:
    outputs, last = compiled_like_eager(lambda i: npx.while_loop(lambda i: i < 4, lambda i: (i * 2, i + 1), i, limit), np.zeros(()))
    assert outputs.tolist() == [2.0 * k if k < steps else 0.0 for k in range(limit)]
    assert last.item() == steps


def test_while_loop_of_no_steps() -> None:
    outputs, last = compiled_like_eager(lambda i: npx.while_loop(lambda i: i < 0, lambda i: ([i, i.sum()], i), [i], 3), np.ones((1,)))
    assert [y.shape for y in outputs] == [(3, 1), (3,)] and not outputs[0].any()
    assert last[0].tolist() == [1]


def test_while_loop_length_depends_on_data() -> None:
    def collatz(n: Any) -> Any:
        step = lambda n, k: (n, [np.where(n % 2 == 0, n // 2, 3 * n + 1), k + 1])
        return npx.while_loop(lambda n, k: n != 1, step, [n, np.zeros_like(n)], 200)

    run = jit(collatz)
    for n, steps in ((6, 8), (27, 111), (1, 0)):
        _, (last, count) = run(np.array(n))
        assert (last.item(), count.item()) == (1, steps)
    assert len(run.cache) == 1


@pytest.mark.parametrize("always", [True, 1, 2.5, None, 0])
def test_while_loop_takes_python_conditions(always: Any) -> None:
    _, last = compiled_like_eager(lambda i: npx.while_loop(lambda i: always, lambda i: ([], i + 1), i, 4), np.zeros(()))
    assert last.item() == (4 if always else 0)


def test_while_loop_gradients() -> None:
    def fn(x: Any, w: Any) -> Any:
        outputs, (x, _) = npx.while_loop(lambda x, k: k < 3, lambda x, k: (x * w * k, [np.sin(x * w), k + 1]), [x, np.ones(())], 5)
        return (outputs**2).sum() + x.sum()

    check_gradients(fn, variable(2), variable(2))
    check_gradients(lambda x: npx.while_loop(lambda x: x.sum() < 10, lambda x: ([], x * 2), x, 9)[1].sum(), np_variable([0.7, 0.9]))


def np_variable(values: Any) -> Any:
    x = np.array(onp.array(values))
    x.attach_grad()
    return x


# -- cond -----------------------------------------------------------------------------------------


def test_cond_chooses_by_value() -> None:
    run = jit(lambda x: npx.cond(x.sum() > 2, lambda: x * 2, lambda: x * 3))
    assert run(np.array([3.0])).tolist() == [6] and run(np.array([1.0])).tolist() == [3]
    assert len(run.cache) == 1
    text = run.program(np.array([3.0]))
    assert "if t" in text and "else:" in text


def test_cond_takes_a_function_and_inputs() -> None:
    for x in (np.array([3.0]), np.array([1.0])):
        fn = lambda x: npx.cond(lambda y, z: y > 2, lambda y, z: [y * 2, z], lambda y, z: (y * 3, y), [x, x + 1])
        result = compiled_like_eager(fn, x)
        assert isinstance(result, list)
    assert compiled_like_eager(lambda x: npx.cond(x, lambda y: y, lambda y: -y, x), np.array(0.0)).item() == 0


def test_cond_runs_one_branch() -> None:
    x = np.array([4.0])
    same(jit(lambda x: npx.cond(x > 0, lambda: np.sqrt(x), lambda: np.linalg.inv(x.reshape(1, 1))[0]))(x), np.array([2.0]))
    assert npx.cond(True, lambda: x, lambda: 1 / 0) is x
    assert jit(lambda x: npx.cond(False, lambda: 1 / 0, lambda: x))(x).tolist() == [4]


def test_cond_by_a_concrete_array_is_decided_at_every_call() -> None:
    flag = np.array(True)
    run = jit(lambda x: npx.cond(flag, lambda: x, lambda: -x))
    assert run(np.ones(())).item() == 1
    flag[...] = False
    assert run(np.ones(())).item() == -1


@pytest.mark.parametrize("sign", [1, -1])
def test_cond_gradients(sign: int) -> None:
    def fn(x: Any, w: Any) -> Any:
        a, b = npx.cond(sign * (x * x).sum() > 0, lambda: [np.exp(x) * w, x], lambda: [w * w, x * 3])
        return (a**2).sum() + b.sum()

    check_gradients(fn, variable(3), variable(3))


def test_cond_writes_to_arrays_from_outside() -> None:
    for x, expected in ((np.ones(()), (2, 5)), (-np.ones(()), (1, 6))):
        for compile in (False, True):
            ups, level = np.ones(()), np.array(5.0)

            def up(x: Any, ups: Any = ups) -> Any:
                ups[...] = ups + 1
                return x * 2

            def down(x: Any, level: Any = level) -> Any:
                level[...] = level + 1
                return x * 3

            def fn(x: Any, up: Any = up, down: Any = down) -> Any:
                return npx.cond(x > 0, up, down, x)

            assert abs((jit(fn) if compile else fn)(x).item()) in (2, 3)
            assert (ups.item(), level.item()) == expected


# -- together -------------------------------------------------------------------------------------


def nested(x: Any, w: Any) -> Any:
    """A loop of conditional loops over an array of the trace outside, a variable outside and its own state."""
    y = x * 2

    def body(e: Any, s: Any) -> Any:
        def grow() -> Any:
            return npx.while_loop(lambda v: (v * v).sum() < 3, lambda v: (v * e, v * 1.5 + w * 0.1), s, 6)[1]

        s = npx.cond(e.sum() > 0, grow, lambda: s * w + y[0])
        return npx.foreach(lambda u, t: (u * t, t + u * s), y, e)[0].sum(), s

    outputs, last = npx.foreach(body, y, np.ones((2,), dtype="float64"))
    return outputs.sum() + (last * last).sum()


def test_nested_control_flow() -> None:
    args = array(5, 2), array(2)
    compiled_like_eager(nested, *args)
    names = ops_of(jit(nested).graph(*args))
    assert [names.count(name) for name in ("foreach", "while_loop", "cond")] == [2, 1, 1]


def test_nested_gradients() -> None:
    check_gradients(nested, variable(4, 2), variable(2))


def test_graphs_inside_nodes_are_optimised_and_trimmed() -> None:
    def fn(x: Any, w: Any) -> Any:
        def body(e: Any, s: Any) -> Any:
            used, unused, zero = s
            return [used + 0 * 1, np.exp(unused)], [used * e * w + zero, unused * w, zero]

        outputs, states = npx.foreach(body, x, [w, w, np.zeros((2,), dtype="float64")])
        return outputs[0], states[0]

    (node,) = [n for n in jit(fn).graph(array(20, 2), array(2)).nodes if n.op.name == "foreach"]
    assert len(node.outputs) == 3, "one result, the state that it needs, and the zeros"
    assert "exp" not in ops_of(node.attrs["body"])


def test_interpreting_the_graph_gives_the_same() -> None:
    x, w = array(5, 2), array(2)
    trace = Trace()
    with tracing(trace):
        from hybridnet.core import Spec, wrap

        inputs = [wrap(type(a), trace.argument(Spec(a.shape, a.dtype), a.device, ""), a.device) for a in (x, w)]
        outputs = [trace.read(nested(*inputs))]
    expected = nested(x, w).asnumpy()
    for graph in (trace.graph(outputs), optimize(trace.graph(outputs))):
        verify(graph)
        onp.testing.assert_allclose(interpret(graph, [x._data, w._data])[0], expected)


@pytest.mark.parametrize("pass_name", ["bodies", "fuse", "fold"])
def test_passes_can_be_left_out(pass_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "disabled_passes", frozenset({pass_name}))
    compiled_like_eager(nested, array(5, 2), array(2))
    check_gradients(rnn_sum, variable(3, 2), variable(2))


def test_large_bodies_are_fused_and_keep_their_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "block_bytes", 256)

    def fn(x: Any) -> Any:
        def body(e: Any, s: Any) -> Any:
            ones = np.full((40, 30), 0.5, dtype="float64")
            return np.concatenate([e, ones]).sum(), np.tanh(e * s + 1) * 0.5 + s

        y, s = npx.foreach(body, x, np.ones((40, 30), dtype="float64"))
        return y.sum() + (np.exp(s) * 2 + 1).sum()

    x = variable(12, 40, 30)
    assert "sweep(" in jit(fn).program(x)
    compiled_like_eager(fn, x)
    onp.testing.assert_allclose(gradients(jit(fn), x)[0], gradients(fn, x)[0])


# -- errors ---------------------------------------------------------------------------------------

X, S = np.ones((9, 2)), np.ones((2,))

ERRORS: dict[str, tuple[type[HybridnetError], Callable[[Any, Any], Any], str]] = {
    "state shape": (ShapeError, lambda x, s: npx.foreach(lambda e, t: (e, np.concatenate([t, t])), x, s), "keep its states' shapes"),
    "state dtype": (DtypeError, lambda x, s: npx.foreach(lambda e, t: (e, t.astype("int32")), x, s), "keep its states' dtypes"),
    "state structure": (ArgumentError, lambda x, s: npx.foreach(lambda e, t: (e, [t, t]), x, s), "structure"),
    "no pair": (ArgumentError, lambda x, s: npx.foreach(lambda e, t: e, x, s), r"\(output, states\)"),
    "output number": (ArgumentError, lambda x, s: npx.foreach(lambda e, t: (3, t), x, s), "output that are arrays"),
    "data number": (ArgumentError, lambda x, s: npx.foreach(lambda e, t: (e, t), 3, s), "data that are arrays"),
    "lengths": (ShapeError, lambda x, s: npx.foreach(lambda e, t: (e[0], t), [x, x[:2]], s), "same length"),
    "no axis": (ShapeError, lambda x, s: npx.foreach(lambda e, t: (e, t), x.sum(), s), "first axis"),
    "no data": (ShapeError, lambda x, s: npx.foreach(lambda e, t: (e, t), [], s), "no array"),
    "no max_iterations": (ArgumentError, lambda x, s: npx.while_loop(lambda t: t < 3, lambda t: (t, t), s), "max_iterations"),
    "no variables": (ArgumentError, lambda x, s: npx.while_loop(lambda: True, lambda: (x, []), [], 3), "loop variable"),
    "while condition": (ShapeError, lambda x, s: npx.while_loop(lambda t: t < 3, lambda t: (t, t), s, 3), "one element"),
    "while state": (ShapeError, lambda x, s: npx.while_loop(lambda t: t.sum() < 3, lambda t: (t, t[:1]), s, 3), "keep its states' shapes"),
    "predicate": (ShapeError, lambda x, s: npx.cond(s > 0, lambda: s, lambda: s), "one element"),
    "predicate type": (ArgumentError, lambda x, s: npx.cond(lambda: "yes", lambda: s, lambda: s), "one number"),
    "branch result": (ArgumentError, lambda x, s: npx.cond(s.sum() > 0, lambda: 3, lambda: s), "result that are arrays"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_the_same_eager_and_traced(name: str) -> None:
    kind, fn, text = ERRORS[name]
    for mode in (fn, jit(fn)):
        with pytest.raises(kind, match=text) as caught:
            mode(X, S)
        assert "test_control_flow.py" in str(caught.value)
    assert local.trace is None


TRACED_ERRORS: dict[str, tuple[type[HybridnetError], Callable[[Any, Any], Any], str]] = {
    "branch shapes": (ShapeError, lambda x, s: npx.cond(s.sum() > 0, lambda: s, lambda: x), "the same shapes"),
    "branch dtypes": (DtypeError, lambda x, s: npx.cond(s.sum() > 0, lambda: s, lambda: s > 0), "the same dtypes"),
    "branch structures": (ArgumentError, lambda x, s: npx.cond(s.sum() > 0, lambda: s, lambda: [s]), "the same structure"),
    "argument written": (TraceError, lambda x, s: npx.foreach(lambda e, t: (e, t.__iadd__(1)), x, s), "leaves its arguments"),
    "value asked": (TraceError, lambda x, s: npx.foreach(lambda e, t: (e, t if e.sum() > 0 else -t), x, s), "npx.cond"),
    "condition writes": (
        TraceError,
        lambda x, s: npx.while_loop(lambda t: np.random.uniform() < 2, lambda t: (t, t), s, 3),
        "writes to nothing",
    ),
}


@pytest.mark.parametrize("name", TRACED_ERRORS)
def test_errors_of_traced_bodies(name: str) -> None:
    kind, fn, text = TRACED_ERRORS[name]
    with pytest.raises(kind, match=text) as caught:
        jit(fn)(X, S)
    assert "test_control_flow.py" in str(caught.value)


def test_recorded_writes_to_outside_arrays_are_refused() -> None:
    w, memory = variable(2), np.zeros((2,), dtype="float64")

    def body(e: Any, s: Any) -> Any:
        memory[...] = e * w
        return memory * 2, s

    with pytest.raises(TraceError, match="in-place writes without gradients"), autograd.record():
        jit(lambda x: npx.foreach(body, x, [])[0])(np.ones((3, 2), dtype="float64"))
    assert memory._tape is None


def test_arrays_of_a_finished_body_are_refused() -> None:
    kept: list[Any] = []

    def fn(x: Any) -> Any:
        npx.foreach(lambda e, s: (kept.append(e) or e, s), x, [])
        return kept[0] + 1

    with pytest.raises(HybridnetError, match="another trace"):
        jit(fn)(X)


@pytest.fixture(autouse=True)
def nothing_is_left_on_captured_arrays() -> Iterator[None]:
    yield
    assert X._tape is None and S._tape is None
