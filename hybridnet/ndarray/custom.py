"""Operators that users write in Python: ``CustomOp``, ``CustomOpProp``, ``register``, and ``nd.Custom``, which calls them.

A call is one operator of the core, made for it: its shapes and dtypes are those that the ``CustomOpProp`` infers, and what it computes is
the user's Python, on arrays. So it is recorded like any other, and in a hybridized block it is a node that the program calls
between its own steps; ``explain`` shows it. The user's code runs unrecorded, once a run of the program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np

from hybridnet import core, dtypes
from hybridnet.core import Kind, Op, Spec, apply, local, wrap
from hybridnet.errors import ArgumentError, HybridnetError, ShapeError, SignatureError, fail, message
from hybridnet.ndarray.attributes import Array, attribute_of
from hybridnet.ndarray.classic import finish
from hybridnet.ndarray.record import Attributes, ClassicOperator, Shape, all_one
from hybridnet.ndarray.register import FUNCTIONS, OPERATORS, arrays_of
from hybridnet.ops.vocabulary import deliver

P = TypeVar("P", bound=type[Any])


class CustomOp:
    """What a custom operator computes; to be subclassed. ``CustomOpProp.create_operator`` makes one for each call."""

    def forward(self, is_train: bool, req: list[str], in_data: list[Any], out_data: list[Any], aux: list[Any]) -> None:
        """Writes the results to ``out_data`` by ``self.assign``, each as its ``req`` says. ``aux``: the states, which may be written."""
        raise NotImplementedError(f"{type(self).__name__}.forward(self, is_train, req, in_data, out_data, aux)")

    def backward(
        self, req: list[str], out_grad: list[Any], in_data: list[Any], out_data: list[Any], in_grad: list[Any], aux: list[Any]
    ) -> None:
        """Writes the inputs' gradients to ``in_grad`` by ``self.assign``, each as its ``req`` says; none by default: they are 0."""

    def assign(self, dst: Any, req: str, src: Any) -> None:
        """``src``, an array or a number, written to ``dst`` (``write``, ``inplace``), added to it (``add``) or left (``null``)."""
        if req in ("write", "inplace"):
            dst[:] = src
        elif req == "add":
            dst[:] += src
        elif req != "null":
            fail(ArgumentError, "CustomOp.assign", expected="req null, write, inplace or add", got=repr(req))


class CustomOpProp:
    """What is known of a custom operator before it runs; to be subclassed, and entered by :func:`register`.

    ``need_top_grad``: whether ``backward`` reads the gradient of the results; an output operator, which stands for a loss, does not.
    """

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad

    def list_arguments(self) -> list[str]:
        """The names of the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """The names of the results."""
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """The names of the states, which come after the inputs in a call."""
        return []

    def infer_shape(self, in_shape: list[Any]) -> Any:
        """The shapes of inputs, results and states, three lists, from the inputs'; by default all results have that of the first."""
        return in_shape, [in_shape[0]] * len(self.list_outputs()), []

    def infer_type(self, in_type: list[Any]) -> Any:
        """The dtypes of inputs, results and states, three lists, from the inputs'; by default all are that of the first."""
        return in_type, [in_type[0]] * len(self.list_outputs()), [in_type[0]] * len(self.list_auxiliary_states())

    def infer_storage_type(self, in_stype: list[str]) -> Any:
        """The storage of inputs, results and states: all dense, which is all that there is for custom operators."""
        return in_stype, ["default"] * len(self.list_outputs()), ["default"] * len(self.list_auxiliary_states())

    def infer_storage_type_backward(
        self, ograd_stype: list[str], in_stype: list[str], out_stype: list[str], igrad_stype: list[str], aux_stype: list[str]
    ) -> Any:
        """The storage of all that ``backward`` has, five lists: all dense."""
        lists = ograd_stype, in_stype, out_stype, igrad_stype, aux_stype
        return tuple(["default"] * len(stypes) for stypes in lists)

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        """Of the numbers of results' gradients, inputs and results those that ``backward`` reads; the rest is not kept for it."""
        return [*(out_grad if self.need_top_grad_ else []), *in_data, *out_data]

    def create_operator(self, ctx: Any, in_shapes: list[Any], in_dtypes: list[Any]) -> CustomOp:
        """The :class:`CustomOp` of a call on a device, for inputs and states of these shapes and dtypes (NumPy's types)."""
        return CustomOp()


_registered: dict[str, Callable[..., CustomOpProp]] = {}


def register(reg_name: str) -> Callable[[P], P]:
    """Enter a subclass of :class:`CustomOpProp` under the ``op_type`` by which ``Custom`` finds it; the last of a name counts.

    ArgumentError for what is no subclass.
    """

    def enter(prop_cls: P) -> P:
        if not (isinstance(prop_cls, type) and issubclass(prop_cls, CustomOpProp)):
            got = getattr(prop_cls, "__name__", repr(prop_cls))
            fail(ArgumentError, "operator.register", expected="a subclass of CustomOpProp", got=got)
        _registered[reg_name] = prop_cls
        return prop_cls

    return enter


def registered_names() -> list[str]:
    """The custom operators that there are, by ``op_type``."""
    return sorted(_registered)


def prop_of(op_type: str, attributes: Mapping[str, Any]) -> CustomOpProp:
    """The property of a call, made with its attributes, which are strings to it. ArgumentError for an unknown ``op_type``."""
    made = _registered.get(op_type)
    if made is None:
        expected = f"an op_type that is registered: {', '.join(registered_names()) or 'there is none'}"
        fail(ArgumentError, "Custom", expected=expected, got=repr(op_type), fix=f'@mx.operator.register("{op_type}")')
    return made(**{key: str(value) for key, value in attributes.items()})


def _listed(op_type: str, what: str, found: Any, count: int) -> list[Any]:
    """A list of what a property inferred, of one item for each; ShapeError for another number."""
    items = list(found)
    if len(items) != count:
        fail(ShapeError, f"Custom:{op_type}", expected=f"{what}: {count}", got=f"{len(items)} from the CustomOpProp")
    return items


@dataclass(eq=False)
class _Call:
    """One call: its property, the operator that it made, its device, and the shapes and dtypes of results and states.

    ``traced``: whether a program calls it, whose buffers have other values soon: the user's code is handed copies, which it may keep.
    """

    op_type: str
    prop: CustomOpProp
    device: Any
    cls: type[core.NDArray]
    training: bool
    inputs: int
    traced: bool
    outputs: list[Spec] = field(default_factory=list)
    states: list[Spec] = field(default_factory=list)
    operator: CustomOp = field(default_factory=CustomOp)
    needed: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "custom_" + re.sub(r"\W", "_", self.op_type)  # a word, as programs' texts have operators

    def infer(self, arrays: Sequence[Any]) -> None:
        """Ask the property for shapes and dtypes, and have it make the operator. ``arrays``: inputs, then states."""
        prop, n = self.prop, self.inputs
        shapes, types = [list(x.shape) for x in arrays], [x._data.dtype.type for x in arrays]
        found = tuple(prop.infer_shape([list(shape) for shape in shapes[:n]]))
        in_shapes, out_shapes, aux_shapes = found if len(found) == 3 else (*found, [])
        kinds = tuple(prop.infer_type(types[:n]))
        _, out_types, aux_types = kinds if len(kinds) == 3 else (*kinds, [])
        results, states = prop.list_outputs(), prop.list_auxiliary_states()
        in_shapes = _listed(self.op_type, "shapes of inputs", in_shapes, n)
        aux_shapes = _listed(self.op_type, "shapes of states", aux_shapes, len(states))
        for label, x, wanted in zip([*prop.list_arguments(), *states], arrays, [*in_shapes, *aux_shapes], strict=True):
            if tuple(x.shape) != tuple(wanted):
                fail(ShapeError, self.name, expected=f"{label} of shape {tuple(wanted)}", got=str(tuple(x.shape)))
        self.outputs = [
            Spec(tuple(map(int, shape)), dtypes.as_dtype(kind))
            for shape, kind in zip(
                _listed(self.op_type, "shapes of results", out_shapes, len(results)),
                _listed(self.op_type, "dtypes of results", out_types, len(results)),
                strict=True,
            )
        ]
        _listed(self.op_type, "dtypes of states", aux_types, len(states))
        self.states = [Spec(tuple(x.shape), x._data.dtype) for x in arrays[n:]]
        self.operator = prop.create_operator(self.device, shapes, types)
        # Numbered as MXNet does: the results' gradients, the inputs, the results.
        m = len(results)
        order = list(range(m)), list(range(m, m + n)), list(range(m + n, 2 * m + n))
        self.needed = sorted(prop.declare_backward_dependency(*order))

    # -- the two operators ------------------------------------------------------------------------

    def forward(self) -> Op:
        """The operator that runs ``forward``: of inputs and states, giving results and what the states then are."""
        specs, n, m = (*self.outputs, *self.states), self.inputs, len(self.outputs)

        def compute(xp: Any, *data: Any) -> Any:
            data = self._kept(data)
            made = [xp.zeros(spec.shape, spec.dtype) for spec in self.outputs] + [x if self.traced else x.copy() for x in data[n:]]
            arrays = self._handles(made)
            self._run(self.operator.forward, self.training, ["write"] * m, self._handles(data[:n]), arrays[:m], arrays[m:])
            return self._data(arrays)

        kept = [i - m for i in self.needed if m <= i < m + n]
        results = [f"y{i - m - n}" for i in self.needed if i >= m + n] + [f"y{m + i}" for i in range(len(self.states))]
        return Op(
            self.name,
            Kind.OPAQUE,
            lambda *inputs, **attrs: specs if len(specs) > 1 else specs[0],
            compute=compute,
            grad=self._rule,
            saves=(*kept, *(["y"] if results and len(specs) == 1 else results)),
            python=True,
        )

    def _rule(self, needs: tuple[bool, ...], g: Any, y: Any, *xs: Any) -> tuple[Any, ...]:
        m = len(self.outputs)
        gs, ys = (g, y) if len(self.outputs) + len(self.states) > 1 else ((g,), (y,))
        places = (*gs[:m], *xs[: self.inputs], *ys[:m])
        read = [places[i] for i in self.needed] + list(ys[m:])
        wanted = [i for i in range(self.inputs) if needs[i]]
        specs = [Spec(xs[i].shape, getattr(xs[i], "_data", xs[i]).dtype) for i in wanted]
        found = apply(self._backward(wanted, specs, [Spec(x.shape, getattr(x, "_data", x).dtype) for x in xs[: self.inputs]]), read)
        grads = dict(zip(wanted, found if isinstance(found, tuple) else (found,), strict=True))
        return tuple(grads.get(i) for i in range(len(xs)))

    def _backward(self, wanted: list[int], specs: list[Spec], shapes: list[Spec]) -> Op:
        """The operator that runs ``backward``: of what it reads and the states, giving the gradients of the inputs ``wanted``."""
        n, m, needed = self.inputs, len(self.outputs), self.needed

        def compute(xp: Any, *data: Any) -> Any:
            data = self._kept(data)
            places = [xp.zeros((0,), np.float32) for _ in range(2 * m + n)]  # of what was not declared there is nothing to read
            for i, x in zip(needed, data, strict=False):
                places[i] = x
            arrays, states = self._handles(places), self._handles(data[len(needed) :])
            grads = self._handles([xp.zeros(spec.shape, spec.dtype) for spec in shapes])
            req = ["write" if i in wanted else "null" for i in range(n)]
            self._run(self.operator.backward, req, arrays[:m], arrays[m : m + n], arrays[m + n :], grads, states)
            return self._data([grads[i] for i in wanted])

        return Op(
            f"{self.name}_backward",
            Kind.OPAQUE,
            lambda *inputs, **attrs: tuple(specs) if len(specs) > 1 else specs[0],
            compute=compute,
            python=True,
        )

    # -- running the user's code ------------------------------------------------------------------

    def _kept(self, data: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x.copy() for x in data) if self.traced else data

    def _handles(self, data: Sequence[Any]) -> list[Any]:
        return [wrap(self.cls, x, self.device) for x in data]

    def _data(self, arrays: list[Any]) -> Any:
        data = tuple(x._data for x in arrays)
        return data if len(data) > 1 else data[0]

    def _run(self, function: Callable[..., None], *args: Any) -> None:
        """Call the user's code: unrecorded, untraced, in the mode of training of the call."""
        before = local.set(recording=False, training=self.training)
        try:
            function(*args)
        except HybridnetError:
            raise
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
            raise HybridnetError(message(self.name, expected=f"{function.__qualname__} to run", got=got)) from error
        finally:
            local.set(recording=before[0], training=before[1])


def custom(*data: Array, op_type: str, out: Array | Sequence[Array] | None = None, **attributes: object) -> Any:
    """Calls the custom operator that is registered as ``op_type``, with arrays in the order of its arguments and states, or by their names.

    All other keywords are given to its ``CustomOpProp``, as strings. Gives one array, or a list of as many as it lists outputs. ``out``:
    an array, or several, that receive the results. ArgumentError for an unknown ``op_type``; ShapeError for arrays of other shapes than it
    infers.

    ``op_type``: string, required.
    """
    named = {key: attributes.pop(key) for key in list(attributes) if isinstance(attributes[key], core.NDArray)}
    for key in ("name", "attr"):
        attributes.pop(key, None)
    prop = prop_of(op_type, attributes)
    arguments, states = prop.list_arguments(), prop.list_auxiliary_states()
    arrays = _ordered(op_type, arrays_of(data), named, [*arguments, *states])
    call = _Call(op_type, prop, arrays[0].device, type(arrays[0]), local.training, len(arguments), local.trace is not None)
    call.infer(arrays)
    made = apply(call.forward(), arrays)
    results = list(made) if isinstance(made, tuple) else [made]
    for state, value in zip(arrays[len(arguments) :], results[len(call.outputs) :], strict=True):
        state._assign(value)
    results = [finish(y, call.cls) for y in results[: len(call.outputs)]]
    if out is None:
        return results if len(results) > 1 else results[0]
    return deliver("Custom", results if len(results) > 1 else results[0], out)


def _ordered(op_type: str, given: list[Any], named: Mapping[str, Any], names: list[str]) -> list[Any]:
    """The arrays of a call in the order of ``names``: those without a name first, the others by it."""
    rest = names[len(given) :]
    if sorted(rest) != sorted(named) or len(given) > len(names) or not names:
        got = ", ".join([*(f"{len(given)} arrays" for _ in given[:1]), *named]) or "none"
        fail(SignatureError, f"Custom:{op_type}", expected=f"the arrays {', '.join(names)}", got=got)
    return [*given, *(named[name] for name in rest)]


# -- the record, for symbols ----------------------------------------------------------------------


def _prop_with(a: Attributes) -> CustomOpProp:
    return prop_of(a["op_type"], {key: value for key, value in a.items() if key != "op_type"})


def _shapes(known: Mapping[str, Shape], a: Attributes) -> dict[str, Shape]:
    """The shapes of inputs and states that follow, where those of some inputs say enough for the operator's ``infer_shape``."""
    prop = _prop_with(a)
    arguments, states = prop.list_arguments(), prop.list_auxiliary_states()
    asked = [list(known.get(name, ())) for name in arguments]
    try:
        found = tuple(prop.infer_shape(asked))
    except (IndexError, TypeError):  # it looked at the shape of an input that is not known
        return {}
    shapes = zip([*arguments, *states], [*found[0], *(found[2] if len(found) == 3 else [])], strict=False)
    return {name: tuple(shape) for name, shape in shapes if len(shape)}


class CustomRecord(ClassicOperator):
    """The record of ``Custom``, whose attributes beside ``op_type``, inputs, states and outputs are those of the registered operator."""

    is_open: ClassVar[bool] = True

    def complete(self, given: Attributes) -> dict[str, Any]:
        """The attributes as they are given: only the operator's own ``CustomOpProp`` knows what they are."""
        if "op_type" not in given:
            fail(SignatureError, self.name, expected="the attributes op_type", got="none")
        return dict(given)

    def texts(self, given: Attributes) -> dict[str, str]:
        """Attributes as strings."""
        return {key: str(value) for key, value in given.items()}

    def inputs_with(self, a: Attributes) -> tuple[str, ...]:
        """The inputs, and the states after them."""
        return (*_prop_with(a).list_arguments(), *self.aux_names(a))

    def aux_names(self, given: Attributes) -> tuple[str, ...]:
        """The states."""
        return tuple(_prop_with(given).list_auxiliary_states())


OPERATORS["Custom"] = CustomRecord(
    name="Custom",
    aliases=(),
    function=custom,
    inputs=("data",),
    variadic="",
    listed=lambda a: (),
    aux=(),
    asked={},
    attributes={"op_type": attribute_of("op_type", str, "", True)},
    positions=(),
    outputs=lambda a: tuple(_prop_with(a).list_outputs()),
    types=all_one,
    shapes=_shapes,
    by_class=True,
    numpy=False,
)
custom.__name__ = custom.__qualname__ = "Custom"
FUNCTIONS["Custom"] = custom
