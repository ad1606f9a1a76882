"""``foreach``, ``while_loop`` and ``cond``: imperative and compiled alike, one loop in the program."""

from dataclasses import replace
from typing import Any

import numpy as onp
import pytest
from support.control import (  # noqa: F401
    RNG,
    array,
    check_gradients,
    compiled_like_eager,
    gradients,
    loops_are_nodes,
    nested,
    ops_of,
    rnn,
    rnn_sum,
    same,
    variable,
)

from hybridnet import autograd, nd, np, npx
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.graph.backend import NUMPY
from hybridnet.graph.interpret import interpret
from hybridnet.graph.passes import optimize
from hybridnet.graph.trace import Trace, tracing
from hybridnet.graph.verify import verify

# -- foreach --------------------------------------------------------------------------------------


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
    args[2].attach_grad()
    with autograd.record():
        forward, _ = jit(rnn).program(*args).split("# backward")
    assert forward.count("copyto(") == 1, "the state before each step, kept for the gradient, and none to carry it on"


def test_short_foreach_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NUMPY, "limits", replace(NUMPY.limits, unrolled_steps=8))
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


def test_nested_control_flow() -> None:
    args = array(5, 2), array(2)
    compiled_like_eager(nested, *args)
    names = ops_of(jit(nested).graph(*args))
    assert [names.count(name) for name in ("foreach", "while_loop", "cond")] == [2, 1, 1]


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


@pytest.mark.parametrize("pass_name", ["subgraphs", "fuse", "fold"])
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


def test_conditions_see_what_the_body_writes() -> None:
    for compile in (False, True):
        level = np.zeros(())

        def body(i: Any, level: Any = level) -> Any:
            level += 2
            return level * 1, i + 1

        def fn(i: Any, level: Any = level, body: Any = body) -> Any:
            return npx.while_loop(lambda i: level < 5, body, i, 10)

        outputs, last = (jit(fn) if compile else fn)(np.zeros((), dtype="int32"))
        assert outputs.tolist()[:4] == [2, 4, 6, 0]
        assert (last.item(), level.item()) == (3, 6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int8", "int64", "uint8", "bool"])
def test_dtypes(dtype: str) -> None:
    x = np.array(RNG.integers(0, 2, (5, 3))).astype(dtype)

    def fn(x: Any) -> Any:
        outputs, last = npx.foreach(lambda e, s: (np.maximum(e, s), np.minimum(s, e)), x, np.ones((3,), dtype=dtype))
        return outputs, npx.while_loop(lambda v: v.any(), lambda v: (v, np.minimum(v, last)), x[0], 4)

    compiled_like_eager(fn, x)


def test_a_constant_that_states_start_from_may_be_used_otherwise() -> None:
    def fn(x: Any) -> Any:
        zeros = np.zeros((2,), dtype="float64")
        return np.concatenate([npx.foreach(lambda e, s: ([], s + e), x, zeros)[1], zeros])

    compiled_like_eager(fn, array(5, 2))
