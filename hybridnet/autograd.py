"""Recording and differentiation: ``record``, ``pause``, ``backward``, ``grad``, ``Function``.

The tape itself is in :mod:`hybridnet.core.tape`; this is MXNet's ``autograd`` over it.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import Kind, NDArray, Op, Spec, as_class, local, paused_recording, tape
from hybridnet.core.state import COMPUTING, ELSEWHERE, RECORDING
from hybridnet.errors import ArgumentError, AutogradError, ShapeError, fail


class _Mode:
    """A context that sets recording and training and puts both back.

    What it found is kept by the thread, so that there is one of each for everyone, however they are nested.
    """

    __slots__ = ("recording", "training")

    def __init__(self, recording: bool | None, training: bool | None) -> None:
        self.recording = recording
        self.training = training

    def __enter__(self) -> None:
        own = local.__dict__
        own["modes"].append((own["recording"], own["training"]))
        if (recording := self.recording) is not None:
            own["recording"] = recording
            if own["special"] != ELSEWHERE:  # which a trace or hooks are, recorded or not
                own["special"] = RECORDING if recording else COMPUTING
        if self.training is not None:
            own["training"] = self.training

    def __exit__(self, *exc: object) -> None:
        own = local.__dict__
        own["recording"], own["training"] = own["modes"].pop()
        if own["special"] != ELSEWHERE:
            own["special"] = RECORDING if own["recording"] else COMPUTING


_RECORD = {mode: _Mode(True, mode) for mode in (False, True)}
_PAUSE = {mode: _Mode(False, mode) for mode in (False, True)}
_TRAIN, _PREDICT = _Mode(None, True), _Mode(None, False)


def record(train_mode: bool = True) -> _Mode:
    """Record operators for ``backward``; layers behave as in training unless ``train_mode`` is false."""
    return _RECORD[bool(train_mode)]


def pause(train_mode: bool = False) -> _Mode:
    """Do not record; layers behave as in prediction unless ``train_mode`` is true."""
    return _PAUSE[bool(train_mode)]


def train_mode() -> _Mode:
    """Layers behave as in training; recording is unchanged."""
    return _TRAIN


def predict_mode() -> _Mode:
    """Layers behave as in prediction; recording is unchanged."""
    return _PREDICT


def is_recording() -> bool:
    """Whether operators are being recorded."""
    return local.recording


def is_training() -> bool:
    """Whether layers behave as in training."""
    return local.training


def set_recording(is_recording: bool) -> bool:
    """Switch recording; gives what it was."""
    return local.set(recording=bool(is_recording))[0]


def set_training(train_mode: bool) -> bool:
    """Switch training behaviour; gives what it was."""
    return local.set(training=bool(train_mode))[1]


def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


def mark_variables(variables: Any, gradients: Any, grad_reqs: Any = "write") -> None:
    """Make ``variables`` differentiable; their gradients will be delivered into ``gradients``.

    ShapeError if a gradient is not of its variable's shape.
    """
    variables, gradients = _listed(variables), _listed(gradients)
    reqs = [grad_reqs] * len(variables) if isinstance(grad_reqs, str) else list(grad_reqs)
    for x, g, req in zip(variables, gradients, reqs, strict=True):
        if g.shape != x.shape:
            fail(ShapeError, "mark_variables", expected=f"a gradient array of shape {x.shape}", got=str(g.shape))
        x.attach_grad(req)
        if req != "null":
            x._tape[0].grad = g


def backward(heads: Any, head_grads: Any = None, retain_graph: bool = False, train_mode: bool = True) -> None:
    """Deliver the gradients of ``heads`` to the variables that they were computed from.

    ``head_grads``: a gradient for each head, or ``None`` for ones. The tape is freed unless
    ``retain_graph``. ArgumentError unless there are as many head gradients as heads.
    """
    heads = _listed(heads)
    grads = [None] * len(heads) if head_grads is None else _listed(head_grads)
    if len(grads) != len(heads):
        fail(ArgumentError, "backward", expected=f"{len(heads)} head gradients", got=str(len(grads)))
    tape.backward(heads, grads, retain_graph=retain_graph, train_mode=train_mode)


class _Lists:
    """What :func:`grad` gives for one variable, in this process."""

    always = False


_lists = _Lists()


def give_lists() -> None:
    """Have :func:`grad` give a list for one variable too from now on, as MXNet 1.x does: its programs say ``grad(y, x)[0]``."""
    _lists.always = True


def grad(
    heads: Any,
    variables: Any,
    head_grads: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    train_mode: bool = True,
) -> Any:
    """The gradients of ``heads`` with respect to ``variables``, returned rather than delivered.

    With ``create_graph`` they are recorded themselves, for gradients of gradients. One variable gives one array, a list gives a list;
    in a program of MXNet 1.x's (:mod:`hybridnet.compat.mxnet`) one variable gives a list as well. AutogradError for a variable that is
    none, or that no head was computed from.
    """
    heads, single = _listed(heads), not isinstance(variables, (list, tuple))
    variables = _listed(variables)
    grads = [None] * len(heads) if head_grads is None else _listed(head_grads)
    targets = []
    for v in variables:
        if v._tape is None:
            fail(
                AutogradError,
                "grad",
                expected="variables that heads were computed from",
                got=f"{Spec(v.shape, v._data.dtype)} that is not on the tape",
                fix="attach_grad() before recording",
            )
        targets.append(v._tape)
    before = local.set(recording=create_graph, training=train_mode)
    try:
        retain = create_graph if retain_graph is None else retain_graph
        found = tape.propagate(heads, grads, targets=targets, retain_graph=retain)
    finally:
        local.set(recording=before[0], training=before[1])
    results = []
    for v, target in zip(variables, targets, strict=True):
        if target not in found:
            fail(
                AutogradError,
                "grad",
                expected="variables that heads were computed from",
                got=f"{Spec(v.shape, v._data.dtype)} that no head depends on",
            )
        results.append(as_class(found[target], type(v)))
    return results[0] if single and not _lists.always else results


def get_symbol(x: Any) -> Any:
    """MXNet's way to see the recorded graph; here ``net.graph(x)`` shows it. Always an ArgumentError, which says so."""
    fail(ArgumentError, "get_symbol", expected="net.graph(x) or hybridnet.jit(fn).graph(x)", got="get_symbol")


class Function:
    """A function with a gradient of its own.

    Subclass it with ``forward(self, *inputs)`` and ``backward(self, *output_grads)``, which run
    without recording; keep what ``backward`` needs with ``save_for_backward`` (or on ``self``).
    An instance is called once. ``backward`` gives a gradient for each input, ``None`` for one that is no array.
    """

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()

    def save_for_backward(self, *arrays: Any) -> None:
        """Keep arrays for ``backward``, there as ``self.saved_tensors``."""
        self._saved = arrays

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` was given."""
        return self._saved

    def forward(self, *inputs: Any) -> Any:
        """Computes the results from ``inputs``, unrecorded; to be written by the subclass."""
        raise NotImplementedError(f"{type(self).__name__}.forward(self, *inputs)")

    def backward(self, *output_grads: Any) -> Any:
        """The inputs' gradients, each of its input's shape, from the results'; to be written by the subclass."""
        raise NotImplementedError(f"{type(self).__name__}.backward(self, *output_grads)")

    def __call__(self, *inputs: Any) -> Any:
        with paused_recording():
            outputs = self.forward(*inputs)
        single = not isinstance(outputs, (list, tuple))
        results = [y if not any(y is x for x in inputs) else y.copy() for y in _listed(outputs)]
        if local.recording:
            name = type(self).__name__
            is_array = [isinstance(x, NDArray) for x in inputs]

            def rule(needs: tuple[bool, ...], g: Any, y: Any, *xs: Any) -> tuple[Any, ...]:
                gs = g if isinstance(g, tuple) else (g,)
                grads = self.backward(*(as_class(one, type(r)) for one, r in zip(gs, results, strict=True)))
                grads = _listed(grads)
                if len(grads) != len(is_array):
                    fail(AutogradError, name, expected=f"{len(is_array)} gradients from backward, one an input", got=str(len(grads)))
                return tuple(g for g, kept in zip(grads, is_array, strict=True) if kept)

            op = Op(name, Kind.OPAQUE, lambda *specs: specs[0], compute=lambda xp, *xs: xs, grad=rule)
            arrays = [x for x in inputs if isinstance(x, NDArray)]
            operands = [local.trace.read(x) if local.trace is not None else x._data for x in arrays]
            tape.record(op, arrays, operands, {}, tuple(results) if len(results) > 1 else results[0])
        return results[0] if single else type(outputs)(results)
