"""The straight way through ``apply`` gives what the general one gives; recording, its contexts and policies leave nothing behind."""

import gc
import threading
from typing import Any

import numpy
import pytest

from hybridnet import autograd, nd, np
from hybridnet.core import OPS, apply, computing_in, local, tape
from hybridnet.core.apply import _in_general
from hybridnet.core.lines import CALLS
from hybridnet.core.state import COMPUTING, ELSEWHERE, RECORDING
from hybridnet.errors import HybridnetError
from hybridnet.hooks import operator_hook

BINARY = ("add", "multiply", "true_divide", "power", "maximum", "less", "mod", "bitwise_and", "arctan2")
UNARY = ("exp", "negative", "sign", "isnan", "invert", "copy")
DTYPES = ("float32", "float32", "float64", "float16", "int32", "int8", "uint8", "bool", "bfloat16")


def _operand(rng: numpy.random.Generator) -> Any:
    kind = rng.integers(8)
    if kind == 0:
        return rng.choice([2.5, -1.0, 0.0]).item()
    if kind == 1:
        return int(rng.integers(-3, 200))
    if kind == 2:
        return rng.choice([True, numpy.float64(1.5), numpy.int8(3)])
    shape = [(), (3,), (2, 3), (2, 1), (0, 3)][rng.integers(5)]
    x = np.array(rng.integers(0, 4, shape)).astype(DTYPES[rng.integers(len(DTYPES))])
    if kind == 3:
        x = x.T
    if x.dtype.kind == "f" and rng.integers(2):
        x.attach_grad()
    return x if kind != 4 else x.as_nd_ndarray()


def _outcome(run: Any, op: Any, operands: Any) -> Any:
    try:
        y = run(op, operands, {}, None, None, None)
    except (HybridnetError, AttributeError) as error:  # numbers alone lie on no device
        return type(error), str(error)
    behind = [_named(n) for n in y._behind or ()]
    return type(y), y._data.dtype, y.shape, y._data.tobytes(), behind, None if y._tape is None else _kept(y._tape[0])


def _named(node: Any) -> Any:
    """A variable as it is, a node by its operator: it may be the cast of an operand, made for this call."""
    return node if isinstance(node, tape.Leaf) else node.op


def _kept(node: Any) -> Any:
    parents = [p and (_named(p[0]), p[1]) for p in node.parents]
    return node.op, parents, node.shapes, node.outputs, sorted((i, s[0].tobytes()) for i, s in node.saved.items())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(8))
def test_random_calls_give_what_the_general_way_gives(seed: int) -> None:
    """Values to the bit, dtypes, classes, errors, and what the tape keeps."""
    rng = numpy.random.default_rng(seed)
    for _ in range(150):
        unary = rng.integers(4) == 0
        op = OPS[str(rng.choice(UNARY if unary else BINARY))]
        operands = tuple(_operand(rng) for _ in range(1 if unary else 2))
        recording = bool(rng.integers(2))
        with autograd.record() if recording else autograd.pause():
            found, expected = _outcome(apply, op, operands), _outcome(_in_general, op, operands)
        assert found == expected, (op, operands, recording)


def test_views_share_the_alias_record_of_their_source_whatever_they_are_views_of() -> None:
    whole = np.arange(24.0).reshape(4, 6)
    for x in (whole, whole[1:], whole.T, np.array(numpy.frombuffer(bytes(96), "f")).reshape(4, 6)):
        for view in (x[1:3], x[0], x.T, x[::-1], x[:, 1:], np.broadcast_to(x, (2, *x.shape)), np.expand_dims(x, 0)):
            assert view._storage is x._storage is not None
        for copy in (x.copy(), x + 1, whole.T.reshape(24)):
            assert copy._storage is None


def test_what_a_node_keeps_is_as_it_was_though_it_is_kept_twice_and_written_twice() -> None:
    x = np.array([2.0, 3.0])
    x.attach_grad()
    with autograd.record():
        h = x + 1
        y = h * h  # one buffer, twice an operand
        z = np.exp(h) * h[:1]  # and through a view
    h[:] = 100
    h[:] = 200
    y.backward(retain_graph=True)
    assert x.grad.asnumpy().tolist() == [6.0, 8.0]
    z.backward()
    e = numpy.exp(numpy.array([3.0, 4.0], "f"))
    numpy.testing.assert_allclose(x.grad.asnumpy(), [3 * e[0] + e.sum(), 3 * e[1]], rtol=1e-6)


def test_contexts_are_shared_and_put_back_what_each_found() -> None:
    assert autograd.record() is autograd.record() is not autograd.record(train_mode=False)
    context, seen = autograd.record(), []
    with context:
        with autograd.pause(), context, context, autograd.predict_mode():
            seen.append((autograd.is_recording(), autograd.is_training(), local.special))
            thread = threading.Thread(target=lambda: seen.append((autograd.is_recording(), autograd.is_training(), local.special)))
            thread.start()
            thread.join()
        seen.append((autograd.is_recording(), autograd.is_training(), local.special))
        with operator_hook(lambda call, compute: compute()):
            seen.append((True, True, local.special))
            with autograd.pause():
                seen.append((False, False, local.special))
    assert seen == [
        (True, False, RECORDING),
        (False, False, COMPUTING),
        (True, True, RECORDING),
        (True, True, ELSEWHERE),
        (False, False, ELSEWHERE),
    ]
    with pytest.raises(ZeroDivisionError), context:
        1 / 0
    assert not autograd.is_recording() and local.special == COMPUTING and not local.modes


@pytest.mark.parametrize("array", [nd.array, np.array])
def test_recording_leaves_nothing_to_the_collector(array: Any) -> None:
    """Neither tapes, run backward or dropped, nor policies refer to themselves."""
    x = array([1.0, 2.0])
    x.attach_grad()

    def step() -> None:
        with autograd.record():
            y = (nd.softmax(x) if array is nd.array else np.exp(x)) * x
            y.sum().backward()
            np.exp(x.as_np_ndarray())[1:] * 2
        with computing_in(None):
            pass

    for _ in range(2 * CALLS):  # lines are written, whose graphs are left to the collector once
        step()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            step()
        assert gc.collect() == 0
    finally:
        gc.enable()


REDUCTIONS = [(np, n) for n in ("sum", "prod", "max", "min", "any", "all")] + [(nd, n) for n in ("sum", "prod", "max", "min")]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "bool"])
@pytest.mark.parametrize(("module", "name"), REDUCTIONS)
def test_methods_that_call_the_operator_are_the_functions(module: Any, name: str, dtype: str) -> None:
    function = getattr(module, name)
    for shape in ((3, 4), (5,), (1, 1, 2), (300, 2)):
        x = module.array(numpy.random.default_rng(0).integers(0, 3, shape), dtype=dtype)
        for axis in (None, 0, -1, 7, "0", 1.5, (0,), ()):
            outcomes = []
            for call in (lambda x=x, axis=axis: getattr(x, name)(axis), lambda x=x, axis=axis: function(x, axis)):
                try:
                    y = call()
                    outcomes.append((type(y), y.shape, y.dtype, y.asnumpy().tobytes()))
                except Exception as error:
                    outcomes.append((type(error), str(error)))
            assert outcomes[0] == outcomes[1]


def test_an_operator_that_is_applied_by_the_user_is_recorded_at_that_line() -> None:
    x = np.ones(2)
    x.attach_grad()
    with autograd.record():
        y = apply(OPS["exp"], (x,))
    assert y._tape is not None
    assert str(y._tape[0].site).startswith("test_straight_path.py:")
    assert y._tape[0].site.line == test_an_operator_that_is_applied_by_the_user_is_recorded_at_that_line.__code__.co_firstlineno + 4
