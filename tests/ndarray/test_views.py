"""Which arrays share memory: as in MXNet 1.9.1 a row, rows in one piece, the method ``reshape`` and what says ``inplace``; no operator."""

import operator
import pickle
from typing import Any

import numpy
import pytest
from support.agreement import sample_by_operator
from support.mxnet_answers import array_of, function_of

import hybridnet as mx
from hybridnet import autograd, nd

BY_OPERATOR = sample_by_operator()

VIEWS: dict[str, Any] = {
    "a row": lambda x: x[1],
    "rows": lambda x: x[0:2],
    "an element": lambda x: x[1, 2],
    "a part of a row": lambda x: x[1, 1:3],
    "a new axis": lambda x: x[None],
    "all": lambda x: x[:],
    "reshape": lambda x: x.reshape(4, 3),
    "expand_dims in place": lambda x: x.expand_dims(0, inplace=True),
    "flatten in place": lambda x: x.flatten(inplace=True),
    "squeeze in place": lambda x: x.reshape(1, 3, 4).squeeze(0, inplace=True),
    "detach": lambda x: x.detach(),
    "as_in_context": lambda x: x.as_in_context(mx.cpu()),
    "as_np_ndarray": lambda x: x.as_np_ndarray(),
    "_at": lambda x: x._at(1),
    "_slice": lambda x: x._slice(0, 2),
}

COPIES: dict[str, Any] = {
    "every other row": lambda x: x[::2],
    "a column": lambda x: x[:, 1:2],
    "backwards": lambda x: x[::-1],
    "by indices": lambda x: x[[0, 1]],
    "T": lambda x: x.T,
    "tostype": lambda x: x.tostype("default"),
    "nd.cast_storage": lambda x: nd.cast_storage(x, "default"),
    "nd.reshape": lambda x: nd.reshape(x, (4, 3)),
    "nd.array": nd.array,
    "nd.moveaxis": lambda x: nd.moveaxis(x, 0, 1),
    "nd.split_v2": lambda x: nd.split_v2(x, 3)[0],
    **{name: operator.methodcaller(name) for name in ("transpose", "flatten", "squeeze", "copy", "diag")},
    "expand_dims": lambda x: x.expand_dims(0),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "flip": lambda x: x.flip(0),
    "slice": lambda x: x.slice(begin=(0,), end=(2,)),
    "slice_axis": lambda x: x.slice_axis(0, 0, 2),
    "split": lambda x: x.split(3, axis=0)[0],
    "broadcast_to": lambda x: x.broadcast_to((3, 4)),
    "reshape_like": lambda x: x.reshape_like(nd.ones((4, 3))),
    "astype": lambda x: x.astype("float32"),
}


def _source() -> Any:
    return nd.array(numpy.arange(12).reshape(3, 4))


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_to_a_view_shows_in_the_array(name: str) -> None:
    x = _source()
    VIEWS[name](x)[...] = 100
    assert (x.asnumpy() == 100).any()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", COPIES)
def test_a_write_to_a_copy_does_not(name: str, compiled: bool) -> None:
    def write(x: Any) -> Any:
        y = COPIES[name](x)
        y[:] = 100
        return y

    if compiled and name in ("every other row", "a column", "backwards", "nd.array"):
        pytest.skip("what a key's part of an array is, a trace knows by NumPy's rules; it holds no new constants")
    x = _source()
    assert ((mx.jit(write) if compiled else write)(x).asnumpy() == 100).all()
    assert x.tolist() == _source().tolist()


@pytest.mark.parametrize("op", sorted(BY_OPERATOR))
def test_no_operator_gives_memory_of_its_inputs(op: str) -> None:
    for call, theirs in BY_OPERATOR[op]:
        if "error" in theirs or "out" in call:
            continue
        arrays = [nd.array(array_of(d), dtype=d[2]) for d in call["inputs"]]
        attrs = {key: str(v) if call.get("strings") else tuple(v) if isinstance(v, list) else v for key, v in call["attrs"].items()}
        for mode in (autograd.predict_mode(), autograd.train_mode()):
            with mode, numpy.errstate(all="ignore"):
                found = function_of(nd, op)(*arrays, **attrs)
            for y in found if isinstance(found, list) else [found]:
                assert not any(numpy.shares_memory(y._data, x._data) for x in arrays), call


def test_gradients_flow_through_copies() -> None:
    x = _source()
    x.attach_grad()
    with autograd.record():
        loss = (x.T.expand_dims(0) * 2).sum() + (x[:, 1:2] * 3).sum() + nd.split(x, 3, axis=0)[0].sum()
    loss.backward()
    expected = numpy.full((3, 4), 2.0)
    expected[:, 1] += 3
    expected[0] += 1
    assert x.grad.tolist() == expected.tolist()


def test_methods_that_write() -> None:
    """The values are MXNet 1.9.1's."""
    x = _source()
    assert x.slice_assign(nd.ones((1, 2)), (0, 1), (1, 3), (None, None)) is x
    assert x.tolist()[0] == [0, 1, 1, 3]
    assert x.slice_assign_scalar(7, (0, 1), (1, 3), (None, None)) is x
    assert x.tolist()[0] == [0, 7, 7, 3]


def test_other_libraries_and_files() -> None:
    x = _source()
    shared = nd.from_dlpack(x.to_dlpack_for_write())
    shared[0, 0] = 5
    assert x[0, 0].asscalar() == 5
    assert nd.from_dlpack(x.to_dlpack_for_read()).shape == (3, 4)
    assert type(nd.from_numpy(numpy.ones(2), array_cls=type(mx.np.ones(1)))) is type(mx.np.ones(1))
    again = pickle.loads(pickle.dumps(x))
    assert type(again) is nd.NDArray
    assert again.tolist() == x.tolist()
    assert nd.utils.zeros is nd.zeros
