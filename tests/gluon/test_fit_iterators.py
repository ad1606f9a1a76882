"""``fit``, ``evaluate`` and ``predict`` with ``mx.io``'s iterators: each epoch anew, and padding that is not measured."""

from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import io
from hybridnet.errors import ArgumentError
from hybridnet.gluon import nn

X = numpy.random.RandomState(0).normal(size=(10, 3)).astype(numpy.float32)
Y = (X.sum(axis=1) > 0).astype(numpy.float32)


def network() -> Any:
    net = nn.Dense(2)
    net.initialize(hn.init.Constant(0.1))
    net.compile("sgd", "softmax_cross_entropy", ["accuracy"], {"learning_rate": 0.5})
    return net


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: io.PrefetchingIter(it)], ids=["plain", "ahead"])
def test_the_same_as_with_arrays(wrap: Any) -> None:
    """Batches of 4, 4 and 2: what fills up the last one is trained on, as MXNet does, and not measured."""
    with_arrays, with_iterator = network(), network()
    filled = [numpy.concatenate([x, x[:2]]) for x in (X, Y)]
    with_arrays.fit(*filled, epochs=3, batch_size=4, shuffle=False, verbose=0)
    history = with_iterator.fit(wrap(io.NDArrayIter(X, Y, 4)), epochs=3, validation_data=io.NDArrayIter(X, Y, 4), verbose=0)
    numpy.testing.assert_allclose(with_iterator.weight.data().asnumpy(), with_arrays.weight.data().asnumpy(), rtol=1e-5)
    assert len(history.history["val_accuracy"]) == 3
    expected = with_arrays.evaluate(X, Y, batch_size=4)
    it = wrap(io.NDArrayIter(X, Y, 4))
    for _ in range(2):  # the second time it is at its end
        assert with_iterator.evaluate(it)["accuracy"] == expected["accuracy"]
    with_arrays.fit(*filled, batch_size=4, shuffle=False, verbose=0)
    with_iterator.fit(it, verbose=0)
    numpy.testing.assert_allclose(with_iterator.weight.data().asnumpy(), with_arrays.weight.data().asnumpy(), rtol=1e-5)


def test_prediction_leaves_the_padding_out() -> None:
    net = network()
    outputs = net.predict(io.NDArrayIter(X, Y, 4))
    assert outputs.shape == (10, 2)
    numpy.testing.assert_allclose(outputs.asnumpy(), net.predict(X).asnumpy(), rtol=1e-5)
    assert net.predict(io.NDArrayIter(X, None, 4)).shape == (10, 2)


def test_an_iterator_in_the_middle_is_taken_from_there_once() -> None:
    """As MXNet's programs do: who has read some batches resets it, or means the rest."""
    it = io.NDArrayIter(X, Y, 5)
    next(it)
    assert network().predict(it).shape == (5, 2)


def test_an_iterator_without_batches_or_labels() -> None:
    with pytest.raises(ArgumentError, match=r"\[fit\] expected at least one batch; got none"):
        network().fit(io.NDArrayIter(X, Y, 20, last_batch_handle="discard"), verbose=0)
    with pytest.raises(ArgumentError, match=r"\[fit\] expected batches \(x, y\); got batches without labels"):
        network().fit(io.NDArrayIter(X, None, 4), verbose=0)
    with pytest.raises(ArgumentError, match=r"\[fit\] expected as many labels as the network has outputs, 1; got 2"):
        network().fit(io.NDArrayIter(X, [Y, Y], 4), verbose=0)


def test_samples_that_roll_over_are_trained_on_once() -> None:
    """Two epochs of an iterator that goes on behind its padding are one over the data twice."""
    twice, rolling = network(), network()
    twice.fit(numpy.concatenate([X, X]), numpy.concatenate([Y, Y]), batch_size=4, shuffle=False, verbose=0)
    rolling.fit(io.NDArrayIter(X, Y, 4, last_batch_handle="roll_over"), epochs=2, verbose=0)
    numpy.testing.assert_allclose(rolling.weight.data().asnumpy(), twice.weight.data().asnumpy(), rtol=1e-5)


def test_several_inputs() -> None:
    class Sum(hn.gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Dense(2)

        def forward(self, a: Any, b: Any) -> Any:
            return self.inner(a + b)

    net = Sum()
    net.compile("sgd", "softmax_cross_entropy")
    history = net.fit(io.NDArrayIter({"a": X, "b": -X}, Y, 4), epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2 and net.predict(io.NDArrayIter([X, X], None, 4)).shape == (10, 2)


def test_on_a_gpu(emulated_gpu: Any) -> None:
    """Batches lie on the host and are moved to the network's device."""
    gpu = hn.gpu()
    net = nn.Dense(2)
    net.initialize(hn.init.Constant(0.1), ctx=gpu)
    net.compile("sgd", "softmax_cross_entropy", None, {"learning_rate": 0.5})
    net.fit(io.NDArrayIter(X, Y, 5), epochs=2, verbose=0)
    host = network()
    host.fit(io.NDArrayIter(X, Y, 5), epochs=2, verbose=0)
    numpy.testing.assert_allclose(net.weight.data(gpu).asnumpy(), host.weight.data().asnumpy(), rtol=1e-5)
    assert net.predict(io.NDArrayIter(X, Y, 4)).device == gpu
    with gpu:
        assert io.NDArrayIter(X, Y, 4).next().data[0].device == gpu  # arrays that are made from NumPy's lie where new ones do
