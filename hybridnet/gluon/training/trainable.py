"""Training in one call: ``net.compile(...)``, ``net.fit(...)``, ``evaluate`` and ``predict``, which every block has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet import numpy as np
from hybridnet.compile import jit
from hybridnet.core import Array
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.training.batches import Arrays, Batches, Place, batches, inputs_of
from hybridnet.gluon.training.progress import History, Progress
from hybridnet.gluon.training.session import Programs, Session, initialize_missing, place_of


class Trainable:
    """What ``Block`` inherits: training, measuring and predicting over whole data sets, by compiled steps."""

    _session: Session | None = None
    _programs: Programs | None = None  # of prediction, which needs no ``compile``

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        optimizer_params: Mapping[str, Any] | None = None,
    ) -> None:
        """Say how :meth:`fit` trains.

        ``optimizer``: ``sgd``, ``adam``, ``rmsprop`` or another of :mod:`hybridnet.optimizer` by name, with
        ``optimizer_params`` (``{"learning_rate": 0.1}``), or an ``Optimizer``. ``bgd`` is full-batch gradient descent:
        one update an epoch, by the gradient over all data, which is added up batch by batch.

        ``loss``: ``softmax_cross_entropy``, ``categorical_crossentropy``, ``sparse_categorical_crossentropy``,
        ``binary_crossentropy``, ``sigmoid_binary_cross_entropy``, ``mse``, ``mae``, ``huber``, ``l1``, ``l2``, a
        ``gluon.loss`` block, or a function ``(output, label)`` of arrays. The cross-entropies take one-hot labels
        (of the output's shape) and numbers of classes. Those named after a softmax or sigmoid take the network's
        outputs as logits, the others as probabilities; but if the network itself ends in a softmax (sigmoid), every
        one of them means the cross-entropy of the probabilities that come out, computed from what went into
        that softmax. It is never taken twice.

        ``metrics``: ``accuracy`` (``acc``), ``top_k_accuracy`` (of 5; ``top_3_accuracy`` of 3), any loss by name, or
        metrics of :mod:`hybridnet.metric` by name or as objects.
        """
        self._session = Session(optimizer, loss, metrics, optimizer_params)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: Any = None,
        shuffle: bool = True,
        verbose: int | str = 1,
    ) -> History:
        """Train, ``epochs`` times over the data, by one compiled step; gives the :class:`History`.

        ``x``, ``y``: arrays (ours or NumPy's) with the samples along their first axis; ``x`` a tuple of arrays for a
        network of several inputs. Or ``x`` alone: an iterable of batches ``(x, y)`` that starts anew each epoch (a
        list, a ``DataLoader``, an iterator of ``hybridnet.io``); it then decides on ``batch_size`` and ``shuffle``. The last batch may be
        smaller; what fills up an iterator's last batch is trained on, as MXNet does, but neither measured nor predicted from.
        ``validation_data``: a tuple ``(x, y)`` or an iterable of batches, measured after each epoch. ``verbose``: 0
        shows nothing, 1 a progress bar an epoch, 2 a line an epoch.

        Parameters that have no values yet get them (Xavier's, unless they have an initializer of their own).
        The order of the data follows ``hybridnet.random.seed``.
        """
        session = _session_of(self, "fit")
        if not isinstance(epochs, int) or epochs < 0:
            fail(ArgumentError, "fit", expected="epochs of 0 or more", got=repr(epochs))
        place = _ready_place(self)
        data = batches("fit", x, y, batch_size, shuffle, place, times=epochs, padded=True)
        session.prepare(self, data)
        validation = None if validation_data is None else _validation(self, session, validation_data, batch_size, place, epochs)
        history = History()
        for epoch in range(epochs):
            session.start(self, place.device)
            with Progress(f"Epoch {epoch + 1}/{epochs}", data.samples, verbose) as progress:
                for inputs, label in data:
                    session.train(self, inputs, label)
                    progress.advance(len(inputs[0]), session.results)
                session.finish_epoch(self, place.device)
                results = session.results()
                progress.stop_clock()
                if validation is not None:
                    results |= {f"val_{name}": value for name, value in _measure(self, session, validation, place).items()}
                progress.finish(results)
            history.add(epoch, results)
        return history

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int = 32, verbose: int | str = 0) -> Any:
        """The loss and the metrics over data (as :meth:`fit` takes it), as a dict by name."""
        session = _session_of(self, "evaluate")
        place = _ready_place(self)
        data = batches("evaluate", x, y, batch_size, False, place)
        session.prepare(self, data)
        with Progress("Evaluate", data.samples, verbose) as progress:
            results = _measure(self, session, data, place, progress)
            progress.stop_clock()
            progress.finish(results)
        return results

    def predict(self, x: Any, batch_size: int = 32, verbose: int | str = 0) -> Any:
        """The outputs for an array of samples (or a tuple of arrays, for several inputs), as one array.

        ``x`` may be a ``DataLoader``, an iterator of ``hybridnet.io`` or another iterable of batches as well, ``x`` or ``(x, y)``, of which
        ``y`` is left aside.
        Layers behave as in prediction. Needs no ``compile``, but parameters that have values.
        """
        if self._programs is None:
            self._programs = Programs()
        step = self._programs.steps.setdefault("predict", jit(lambda *inputs: self(*inputs), name="predict"))  # type: ignore[operator]
        found = []
        data = inputs_of("predict", x, batch_size, place_of(self))
        with Progress("Predict", data.samples, verbose) as progress:
            for arrays, _ in data:
                found.append(step(*arrays))
                progress.advance(len(arrays[0]), dict)
            progress.stop_clock()
            progress.finish({})
        if not isinstance(found[0], Array):
            fail(ArgumentError, "predict", expected="a network with one output", got=f"a {type(found[0]).__name__}")
        return np.concatenate(found) if len(found) > 1 else found[0]


def _session_of(net: Trainable, what: str) -> Session:
    session = net._session
    if session is None:
        got = f"{type(net).__name__} without optimizer and loss"
        way_out = "net.compile(optimizer='adam', loss='softmax_cross_entropy') first"
        fail(ArgumentError, what, expected="a compiled network", got=got, fix=way_out)
    return session


def _ready_place(net: Trainable) -> Place:
    initialize_missing(net)
    return place_of(net)


def _validation(net: Trainable, session: Session, given: Any, batch_size: int, place: Place, epochs: int) -> Arrays | Batches:
    x, y = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    data = batches("validation_data", x, y, batch_size, False, place, times=epochs)
    session.prepare(net, data)
    return data


def _measure(net: Trainable, session: Session, data: Arrays | Batches, place: Place, progress: Progress | None = None) -> dict[str, float]:
    """Loss and metrics over data, in prediction mode."""
    session.reset(place.device)
    for inputs, label in data:
        session.test(net, inputs, label)
        if progress is not None:
            progress.advance(len(inputs[0]), session.results)
    return session.results()
