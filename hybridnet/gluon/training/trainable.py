"""Training in one call: ``net.compile(...)``, ``net.fit(...)``, ``evaluate`` and ``predict``, which every block has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet import numpy as np
from hybridnet.compile import jit
from hybridnet.core import Array
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.training import together
from hybridnet.gluon.training.batches import Arrays, Batches, Place, batches, inputs_of
from hybridnet.gluon.training.events import EventHandler
from hybridnet.gluon.training.fitting import Fit
from hybridnet.gluon.training.network import initialize_missing, outputs_of, place_of
from hybridnet.gluon.training.progress import History, Progress
from hybridnet.gluon.training.run import Source
from hybridnet.gluon.training.session import Session
from hybridnet.gluon.training.steps import Plan, Programs, Steps


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
        loss_weights: Sequence[float] | None = None,
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

        A network of several outputs has a list of losses, whose sum, each times its number in ``loss_weights``, is minimised, and for each
        output an entry in ``metrics``: a metric, a list of them, or ``None``. Results are named ``output0_loss``, ``output1_accuracy``.
        """
        self._session = Session(optimizer, loss, metrics, optimizer_params, loss_weights)

    @together.on_data
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: Any = None,
        shuffle: bool = True,
        verbose: int | str = 1,
        callbacks: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        accumulate: int = 1,
        clip_global_norm: float | None = None,
    ) -> History:
        """Train, ``epochs`` times over the data, by one compiled step; gives the :class:`History`.

        ``x``, ``y``: arrays (ours or NumPy's) with the samples along their first axis; ``x`` a tuple of arrays for a
        network of several inputs, ``y`` for one of several outputs. Or ``x`` alone: an iterable of batches ``(x, y)`` that starts anew each
        epoch (a list, a ``DataLoader``, an iterator of ``hybridnet.io``); it then decides on ``batch_size`` and ``shuffle``. The last batch
        may be smaller; what fills up an iterator's last batch is trained on, as MXNet does, but neither measured nor predicted from.
        ``validation_data``: a tuple ``(x, y)`` or an iterable of batches, measured after each epoch. ``verbose``: 0
        shows nothing, 1 a progress bar an epoch, 2 a line an epoch.

        ``callbacks``: handlers of ``gluon.contrib.estimator``, or of your own. With a ``CheckpointHandler`` that resumes, ``epochs`` is
        what is trained in all, and a program that was killed and started again ends with the same parameters, to the bit.
        ``sample_weight``: a number for each sample, which its loss is multiplied by; an iterable gives ``(x, y, sample_weight)``.
        ``class_weight``: numbers by class, 1 for others. ``accumulate``: an update from the mean gradient over so many batches.
        ``clip_global_norm``: gradients are scaled so that the norm of all together is at most that.

        Parameters that have no values yet get them (Xavier's, unless they have an initializer of their own). Parameters on several devices
        have each batch divided among these; validation and prediction use the first.
        Where ``mpirun`` started several ranks and ``distributed.init()`` has found them, they train together: each takes its part of every
        batch of arrays, which all have; from an iterable each has its own batches, as many as the others. Rank 0 shows the progress,
        results are of all ranks' samples, and each sample counts the same. Ranks that divide layers among them have the same part.
        The order of the data follows ``hybridnet.random.seed``.
        """
        session = _session_of(self, "fit")
        if not isinstance(epochs, int) or epochs < 0:
            fail(ArgumentError, "fit", expected="epochs of 0 or more", got=repr(epochs))
        place = _ready_place(self)
        plan = _plan(session, place, accumulate, clip_global_norm, class_weight)
        data = batches("fit", x, y, batch_size, shuffle, place, times=epochs, padded=True, weight=sample_weight)
        source = Source(data, keeper=getattr(data, "batches", None))
        if isinstance(data, Batches):  # of which prepare takes the first
            source.prime()
        session.prepare(self, data)
        validation = None if validation_data is None else _validation(self, session, validation_data, batch_size, place, epochs)
        fit = Fit(self, session, place, plan, epochs)
        handlers = _handlers(callbacks)
        if not epochs:
            return fit.history
        return fit.go(source, validation, lambda data: _measure(self, session, data, place), handlers, verbose)

    @together.on_data
    def evaluate(self, x: Any = None, y: Any = None, batch_size: int = 32, verbose: int | str = 0) -> Any:
        """The loss and the metrics over data (as :meth:`fit` takes it), as a dict by name."""
        session = _session_of(self, "evaluate")
        place = _ready_place(self)
        data = batches("evaluate", x, y, batch_size, False, place)
        session.prepare(self, data)
        with Progress("Evaluate", data.samples, verbose if together.leads() else 0) as progress:
            results = _measure(self, session, data, place, progress)
            progress.stop_clock()
            progress.finish(results)
        return results

    def predict(self, x: Any, batch_size: int = 32, verbose: int | str = 0) -> Any:
        """The outputs for an array of samples (or a tuple of arrays, for several inputs), as one array; of several outputs a tuple.

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
            for batch in data:
                found.append(step(*batch.inputs))
                progress.advance(len(batch.inputs[0]), dict)
            progress.stop_clock()
            progress.finish({})
        if isinstance(found[0], Array):
            return _joined(found)
        return tuple(_joined(list(parts)) for parts in zip(*map(outputs_of, found), strict=True))


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
    steps = Steps(net, session.outputs, session.programs, Plan((place.device,)))
    for batch in data:
        steps.test(batch)
        if progress is not None:
            progress.advance(batch.total or len(batch.inputs[0]), session.results)
    return session.results(of_all=True)


def _joined(parts: list[Any]) -> Any:
    if not isinstance(parts[0], Array):
        fail(ArgumentError, "predict", expected="a network whose outputs are arrays", got=f"a {type(parts[0]).__name__}")
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _plan(session: Session, place: Place, accumulate: int, clip: float | None, class_weight: Mapping[int, float] | None) -> Plan:
    """How ``fit`` trains, from its arguments."""
    if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
        fail(ArgumentError, "fit", expected="accumulate of 1 or more batches", got=repr(accumulate))
    if accumulate > 1 and session.full_batch:
        fail(ArgumentError, "fit", expected="accumulate or the optimizer bgd, which accumulates over an epoch", got="both")
    if clip is not None and not (isinstance(clip, (int, float)) and clip > 0):
        fail(ArgumentError, "fit", expected="clip_global_norm to be a number above 0", got=repr(clip))
    classes = tuple(sorted((int(number), float(weight)) for number, weight in (class_weight or {}).items()))
    if classes and (len(session.outputs) > 1 or session.outputs[0].loss.kind not in ("classes", "binary")):
        got = "several losses" if len(session.outputs) > 1 else session.outputs[0].loss.name
        fail(ArgumentError, "fit", expected="one loss of classes, by name, beside class_weight", got=got, fix="sample_weight")
    if classes and classes[0][0] < 0:
        fail(ArgumentError, "fit", expected="class_weight by numbers of classes", got=str(classes[0][0]))
    return Plan(place.devices, 0 if session.full_batch else accumulate, clip, classes, together.ranks())


def _handlers(callbacks: Any) -> list[EventHandler]:
    handlers = [] if callbacks is None else list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for handler in handlers:
        if not isinstance(handler, EventHandler):
            fix = "gluon.contrib.estimator has them; of your own: class Mine(EpochEnd): def epoch_end(self, estimator): ..."
            fail(ArgumentError, "fit", expected="callbacks to be event handlers", got=repr(handler), fix=fix)
    return handlers
