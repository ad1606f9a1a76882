"""NumPy's default types, ``npx.set_np(dtype=True)``: what is made without a dtype has NumPy's type, thread by thread."""

import pickle
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, gluon, nd, np, npx, util
from hybridnet.errors import ArgumentError

#: Without a dtype in them, and the same for both libraries.
CALLS = (
    "np.array([1, 2])", "np.array([True])", "np.array(1.5)", "np.array([1j])", "np.array([1, 2.5])", "np.asarray([1.0])", "np.asarray(3)",
    "np.arange(3)", "np.arange(3.0)", "np.arange(1, 3, 0.5)", "np.full(2, 1)", "np.full(2, 1.0)", "np.full(2, True)", "np.full(2, 1j)",
    "np.zeros(2)", "np.ones((2, 3))", "np.empty(2)", "np.eye(2)", "np.identity(2)", "np.tri(3)", "np.indices((2, 2))",
    "np.linspace(0, 1, 3)", "np.logspace(0, 1, 3)", "np.geomspace(1, 2, 3)", "np.linspace([0, 1], [1, 2], 3)", "np.hanning(3)",
    "np.bartlett(3)", "np.kaiser(3, 2.0)", "np.mgrid[0:3]", "np.mgrid[0:1:3j]", "np.r_[0:3]", "np.r_[1.0, 2]",
    "np.fromiter([1, 2], float)", "np.arange(3) / 2", "np.sin(np.arange(3))", "np.arange(3) + 1.5", "np.arange(3) + 1j",
    "np.arange(3, dtype='uint64') + np.arange(3)", "np.arange(3).mean()", "np.var(np.arange(3))", "np.median(np.arange(3))",
    "np.histogram(np.arange(3))[1]", "np.cov(np.arange(3))", "np.fft.fft(np.arange(3))", "np.fft.rfft(np.arange(3))",
    "np.linalg.norm(np.arange(3))", "np.linalg.inv(np.eye(2))", "np.ones(2, 'float32') / 2", "np.arange(3, dtype='int32') + 1",
    "np.random.normal(size=2)", "np.random.uniform(size=2)", "np.random.rand(2)", "np.random.gamma(2.0, size=2)",
    "np.random.randint(3, size=2)", "np.random.poisson(size=2)", "np.random.binomial(3, 0.5, size=2)",
    "np.random.geometric(0.5, size=2)", "np.random.hypergeometric(3, 4, 2, size=2)", "np.random.zipf(3.0, size=2)",
    "np.random.logseries(0.5, size=2)", "np.random.negative_binomial(3, 0.5, size=2)", "np.random.multinomial(3, [0.5, 0.5])",
)  # fmt: skip


@pytest.fixture(autouse=True)
def numpys_types() -> Iterator[None]:
    with util.np_default_dtype():
        yield


@pytest.mark.parametrize("call", CALLS)
def test_what_is_made_has_the_type_that_numpy_gives(call: str) -> None:
    assert eval(call).dtype == eval(call, {"np": numpy}).dtype


def test_the_standards_namespace_follows() -> None:
    xp = np.ones(1).__array_namespace__()
    kinds = {"real floating": "float64", "complex floating": "complex128", "integral": "int64", "indexing": "int64"}
    assert xp.__array_namespace_info__().default_dtypes() == kinds
    made = xp.full(2, 1.5), xp.full(2, 1), xp.linspace(0, 1, 3), xp.asarray([1j]), xp.linspace(0, 1j, 2), xp.arange(2.0)
    assert [str(x.dtype) for x in made] == ["float64", "int64", "float64", "complex128", "complex128", "float64"]


def test_classic_arrays_stay_float32() -> None:
    drawn = nd.random.normal(shape=(2,)), nd.random.poisson(shape=(2,))
    made = nd.array([1, 2]), nd.zeros(2), nd.arange(3), nd.full((2,), 3), nd.eye(2), *drawn
    assert {str(numpy.dtype(x.dtype)) for x in made} == {"float32"}


def test_an_array_is_printed_as_it_would_be_made() -> None:
    assert repr(np.arange(2)) == "array([0, 1])" and repr(np.ones(1)) == "array([1.])" and repr(np.ones(1) * 1j) == "array([0.+1.j])"
    assert repr(np.ones(1, "float32")) == "array([1.], dtype=float32)"


def test_scopes_decorators_and_switches() -> None:
    assert util.is_np_default_dtype() and npx.is_np_default_dtype()
    with npx.np_default_dtype(False):
        assert np.zeros(1).dtype == numpy.float32
        with npx.np_default_dtype():
            assert np.zeros(1).dtype == numpy.float64
        assert np.zeros(1).dtype == numpy.float32 and not npx.is_np_default_dtype()
        assert npx.use_np_default_dtype(lambda: np.arange(2).dtype)() == numpy.int64

        @npx.use_np_default_dtype
        class Maker:
            def made(self) -> Any:
                return np.ones(1)

        assert Maker().made().dtype == numpy.float64 and np.ones(1).dtype == numpy.float32
        assert npx.set_np_default_dtype() is False and np.ones(1).dtype == numpy.float64
        assert npx.set_np_default_dtype(False) is True and np.ones(1).dtype == numpy.float32
        npx.set_np(dtype=True)
        assert np.ones(1).dtype == numpy.float64
        npx.set_np()
        assert np.ones(1).dtype == numpy.float32


def test_the_switch_is_each_threads_own() -> None:
    found = SimpleNamespace()
    thread = threading.Thread(target=lambda: setattr(found, "dtype", np.zeros(1).dtype))
    thread.start()
    thread.join()
    assert found.dtype == numpy.float32 and np.zeros(1).dtype == numpy.float64


def test_a_compiled_function_is_compiled_for_either() -> None:
    step = hn.jit(lambda n: np.arange(3) / 2 + n.mean())
    whole = np.array([1, 2], "int32")
    assert step(whole).dtype == numpy.float64
    with util.np_default_dtype(False):
        assert step(whole).dtype == numpy.float32
        assert step.retraces == ["numpy_types: True became False"]
    assert step(whole).dtype == numpy.float64 and len(step.retraces) == 1


def test_a_composite_that_came_often_is_not_given_in_the_other_types() -> None:
    x = np.array([1, 2, 3], "int32")
    with util.np_default_dtype(False):
        before = [(npx.softmax(x).dtype, np.std(x).dtype, npx.gelu(x * 1.0).dtype) for _ in range(12)]
    after = [(npx.softmax(x).dtype, np.std(x).dtype, npx.gelu(x * 1.0).dtype) for _ in range(12)]
    assert set(before) == {(numpy.dtype("float32"),) * 3} and set(after) == {(numpy.dtype("float64"),) * 3}


def test_gradients_of_gradients_are_taken_in_the_types_of_the_forward() -> None:
    x = np.array([1.0, 2.0])
    x.attach_grad()
    cube = hn.jit(lambda x: (x**3 * np.array([1.0, 1.0 / 3])).sum())
    with autograd.record():
        y = cube(x)
    with util.np_default_dtype(False), autograd.record():
        slope = autograd.grad(y, x, create_graph=True)
        slope.sum().backward()
    numpy.testing.assert_allclose(x.grad.asnumpy(), [6.0, 12.0 / 3], rtol=1e-14)
    assert x.grad.dtype == numpy.float64


def test_networks_keep_their_own_types() -> None:
    net = gluon.nn.Dense(2)
    net.initialize()
    assert net(np.ones((1, 3), "float32")).dtype == numpy.float32
    cell = gluon.rnn.LSTM(3)
    cell.initialize()
    out, states = cell(np.ones((2, 1, 4), "float32"), cell.begin_state(1))
    assert {str(x.dtype) for x in (out, *states)} == {"float32"}


class _Halves:
    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> Any:
        return np.array([i / 2])


@pytest.mark.parametrize("workers", [0, 1])
def test_loaders_make_what_their_process_would(workers: int) -> None:
    for batch in gluon.data.DataLoader(_Halves(), 2, num_workers=workers, thread_pool=True):
        assert batch.dtype == numpy.float64
    with util.np_default_dtype(False):
        for batch in gluon.data.DataLoader(_Halves(), 2, num_workers=workers, thread_pool=True):
            assert batch.dtype == numpy.float32


def test_what_was_made_is_kept() -> None:
    x = np.ones(2)
    with util.np_default_dtype(False):
        assert pickle.loads(pickle.dumps(x)).dtype == numpy.float64 and np.array(x).dtype == numpy.float64


def test_rules_of_arrays_need_those_of_shapes() -> None:
    with pytest.raises(ArgumentError, match="shape=True"):
        npx.set_np(shape=False, dtype=True)
