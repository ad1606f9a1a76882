"""``Symbol``: one or several outputs of a graph of MXNet's operators, to be given its arrays later.

What it is made of is in :mod:`hybridnet.symbol.node`; the operators' methods are added by :mod:`hybridnet.symbol.methods`. A
symbol computes by being traced through the functions that ``nd`` calls (:mod:`hybridnet.symbol.evaluate`).
"""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from numbers import Number
from typing import TYPE_CHECKING, Any, NoReturn

from hybridnet import absent, disk, numpy_operators
from hybridnet.base import NotImplementedForSymbol
from hybridnet.device import Device, current_device
from hybridnet.errors import ArgumentError, SignatureError, fail
from hybridnet.ndarray.register import OPERATORS
from hybridnet.symbol import binding, infer, reading, writing
from hybridnet.symbol.compose import compose
from hybridnet.symbol.node import HIDDEN, Entry, Node, file_name, replaced, walk

#: For each argument, output and state a shape or a dtype, or ``None`` where some are not known.
Found = tuple[list[Any] | None, list[Any] | None, list[Any] | None]


class Symbol:
    """Outputs of a graph. Made by :func:`var`, by the operators of ``sym``, by Python's operators and by :func:`Group`."""

    # Not __slots__: what is listed of a symbol is found once and kept.
    __array_priority__ = 1000.0  # so that NumPy's numbers leave operators to it
    #: Whether shapes are shown, and taken, by NumPy's rules: -1 for a length that is not known, () for no axes.
    _shows_numpy = False
    __hash__ = object.__hash__

    def __init__(self, outputs: Sequence[Entry]) -> None:
        self._outputs = tuple(outputs)

    @cached_property
    def _numpy(self) -> bool:
        """Whether its arrays follow NumPy's rules: those of a graph that has an operator of ``sym.np`` do."""
        return any(node.operator is not None and node.operator.numpy for node in self._nodes)

    # -- the graph ------------------------------------------------------------------------------

    @cached_property
    def _nodes(self) -> list[Node]:
        return walk(self._outputs)

    @cached_property
    def _state_ids(self) -> set[int]:
        return {id(node.inputs[i].node) for node in self._nodes for i in node.states}

    @property
    def _variables(self) -> list[Node]:
        return [node for node in self._nodes if node.operator is None]

    @cached_property
    def _arguments(self) -> list[Node]:
        return [node for node in self._variables if id(node) not in self._state_ids]

    @cached_property
    def _states(self) -> list[Node]:
        return [node for node in self._variables if id(node) in self._state_ids]

    def list_arguments(self) -> list[str]:
        """The names of the variables to be given, in the order of MXNet; states are not among them."""
        return [node.name for node in self._arguments]

    def list_auxiliary_states(self) -> list[str]:
        """The names of the variables that operators write to, as the moving statistics of ``BatchNorm``."""
        return [node.name for node in self._states]

    def list_inputs(self) -> list[str]:
        """The names of all variables, states included, in the graph's order."""
        return [node.name for node in self._variables]

    def list_outputs(self) -> list[str]:
        """The names of its outputs: ``fc1_output``, of several ``split0_output0`` and on."""
        return [entry.node.output_names[entry.index] for entry in self._outputs]

    @property
    def num_outputs(self) -> int:
        """How many outputs it has."""
        return len(self._outputs)

    @property
    def name(self) -> str | None:
        """The name of its node; ``None`` of a group of several."""
        node = self._outputs[0].node
        return node.name if all(entry.node is node for entry in self._outputs) else None

    def __repr__(self) -> str:
        names = ", ".join(entry.node.name for entry in self._outputs)
        return f"<{type(self).__name__} {self.name if self.name is not None else f'group [{names}]'}>"

    def __len__(self) -> int:
        return len(self._outputs)

    def __iter__(self) -> Iterator[Symbol]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int | slice | str) -> Symbol:
        if isinstance(index, str):
            return self._of_name(index)
        if isinstance(index, slice):
            return type(self)(self._outputs[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"output {index} of a symbol that has {len(self)}")
        return type(self)([self._outputs[index]])

    def _of_name(self, wanted: str) -> Symbol:
        names = self.list_outputs()
        if names.count(wanted) != 1:
            near = difflib.get_close_matches(wanted, names, 3)
            got = f"{wanted!r}, which {'several have' if wanted in names else 'none has'}"
            fail(ArgumentError, "Symbol", expected="the name of one output", got=got, fix=" or ".join(map(repr, near)))
        return self[names.index(wanted)]

    def get_internals(self) -> Symbol:
        """All outputs of all nodes that it depends on, in order: ``net.get_internals()["fc1_output"]``."""
        return type(self)([Entry(node, i) for node in self._nodes for i in range(len(node.output_names))])

    def get_children(self) -> Symbol | None:
        """The inputs of its nodes; ``None`` of a variable."""
        nodes = {id(entry.node): entry.node for entry in self._outputs}
        entries = [entry for node in nodes.values() for entry in node.inputs]
        return type(self)(entries) if entries else None

    # -- attributes -----------------------------------------------------------------------------

    def attr(self, key: str) -> str | None:
        """The attribute of its node as a string; ``None`` if it has none of that name. Of a group always ``None``."""
        return self.list_attr().get(key)

    def list_attr(self, recursive: bool = False) -> dict[str, str]:
        """The attributes of its node, or (as MXNet once did) with ``recursive`` those of all, as ``<node>_<attribute>``."""
        if recursive:
            warnings.warn("list_attr(recursive=True) is MXNet's older way to say attr_dict()", DeprecationWarning, stacklevel=2)
            return {f"{node}_{key}": text for node, attrs in self.attr_dict().items() for key, text in attrs.items()}
        return _shown(self._outputs[0].node) if self.name is not None else {}

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """The attributes of all nodes that have some, by name."""
        return {node.name: shown for node in self._nodes if (shown := _shown(node))}

    def _set_attr(self, **kwargs: str) -> None:
        for key, value in kwargs.items():
            if not isinstance(value, str):
                fail(ArgumentError, "set_attr", expected=f"a string as the attribute {key}", got=type(value).__name__)
        self._outputs[0].node.set(kwargs)

    # -- composition ----------------------------------------------------------------------------

    def __call__(self, *args: Symbol, name: str | None = None, **kwargs: Symbol) -> Symbol:
        """A copy in which variables are replaced: by name, or all without keywords in the order of ``list_arguments()``.

        ``name``: the name of the copy's own node. SignatureError for a name that is none of its variables.
        """
        if args and kwargs:
            fail(SignatureError, "compose", expected="symbols all by place or all by name", got="both")
        variables = {node.name: node for node in self._variables}
        order = self.list_arguments()
        if len(args) > len(order):
            fail(SignatureError, "compose", expected=f"at most {len(order)} symbols", got=str(len(args)))
        by: dict[int, Entry] = {}
        for key, value in {**dict(zip(order, args, strict=False)), **kwargs}.items():
            if key not in variables:
                near = difflib.get_close_matches(key, variables, 3)
                fail(SignatureError, "compose", expected=f"one of the variables {', '.join(variables)}", got=key, fix=" or ".join(near))
            by.update({id(node): entry_of("compose", key, value) for node in self._variables if node.name == key})
        heads = {id(entry.node): name for entry in self._outputs if name is not None and entry.node.operator is not None}
        return type(self)(replaced(self._outputs, by, heads))

    def __copy__(self) -> Symbol:
        return type(self)(replaced(self._outputs, {}))

    def __deepcopy__(self, memo: Any) -> Symbol:
        return self.__copy__()

    def __reduce__(self) -> Any:
        return load_json, (self.tojson(remove_amp_cast=False),)

    # -- files ----------------------------------------------------------------------------------

    def tojson(self, remove_amp_cast: bool = True) -> str:
        """The text of a ``-symbol.json``, as MXNet 1.9.1 writes it; ``remove_amp_cast`` leaves casts of mixed precision out."""
        return writing.text(self._outputs, remove_amp_cast, self._numpy)

    def save(self, fname: str | os.PathLike[str], remove_amp_cast: bool = True) -> None:
        """Write :meth:`tojson` to a file."""
        disk.write_bytes(fname, self.tojson(remove_amp_cast).encode())

    def debug_str(self) -> str:
        """The graph in lines to read, node by node."""
        return writing.described(self._outputs)

    # -- shapes and dtypes ----------------------------------------------------------------------

    def infer_shape(self, *args: Any, **kwargs: Any) -> Found:
        """The shapes of arguments, outputs and states that follow from some, given by place or by name; 0 is a length not known.

        Three lists of tuples, or three ``None`` (and a warning that names what is missing) where not all follow. ShapeError for shapes that
        do not fit, which names the node and both; SignatureError for a name that is no argument.
        """
        found = self._infer_shapes(args, kwargs)
        unknown = [f"{n.name}: {infer.shown(found.of(n), self._shows_numpy)}" for n in self._variables if not infer.is_whole(found.of(n))]
        if unknown or not all(map(infer.is_whole, found.outputs)):
            # The place is that of the caller: infer_shape is called by users alone.
            listed = "\n\t".join(unknown)
            warnings.warn(f"Cannot decide shape for the following arguments (0s in shape means unknown):\n\t{listed}", stacklevel=2)
            return None, None, None
        return self._shapes_listed(found)

    def infer_shape_partial(self, *args: Any, **kwargs: Any) -> Found:
        """As :meth:`infer_shape`, with 0 for lengths that do not follow and () for shapes of which nothing does."""
        return self._shapes_listed(self._infer_shapes(args, kwargs))

    def _infer_shapes(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> infer.Shapes:
        given = self._given("infer_shape", args, kwargs)
        read = {name: infer.read(name, shape, self._shows_numpy) for name, shape in given.items()}
        return infer.shapes(self._outputs, self._nodes, read, self._numpy)

    def _shapes_listed(self, found: infer.Shapes) -> Found:
        arguments, outputs, states = self._listed(found)
        return tuple([infer.shown(shape, self._shows_numpy) for shape in part or ()] for part in (arguments, outputs, states))  # type: ignore[return-value]

    def infer_type(self, *args: Any, **kwargs: Any) -> Found:
        """The dtypes of arguments, outputs and states that follow from some, as NumPy's types; three ``None`` where not all do."""
        found = self.infer_type_partial(*args, **kwargs)
        unknown = [name for name, t in zip(self.list_arguments(), found[0] or [], strict=True) if t is None]
        if unknown or None in (found[1] or []):
            warnings.warn(f"Cannot decide type for the following arguments: {', '.join(unknown)}", stacklevel=2)
            return None, None, None
        return found

    def infer_type_partial(self, *args: Any, **kwargs: Any) -> Found:
        """As :meth:`infer_type`, with ``None`` for what does not follow."""
        found = infer.types(self._outputs, self._nodes, self._given("infer_type", args, kwargs))
        return self._listed(found)

    def _listed(self, found: Any) -> Found:
        return [found.of(n) for n in self._arguments], list(found.outputs), [found.of(n) for n in self._states]

    def _given(self, what: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """What is known of arguments, by name."""
        if args and kwargs:
            fail(SignatureError, what, expected="all by place or all by name", got="both")
        names = self.list_arguments()
        if len(args) > len(names):
            fail(SignatureError, what, expected=f"at most {len(names)} arguments", got=str(len(args)))
        known = {*names, *self.list_auxiliary_states()}
        for key in kwargs:
            if key not in known:
                near = difflib.get_close_matches(key, known, 3)
                fail(SignatureError, what, expected=f"one of {', '.join(self.list_inputs())}", got=key, fix=" or ".join(near))
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        return {key: value for key, value in given.items() if value is not None}

    # -- running --------------------------------------------------------------------------------

    def bind(
        self,
        ctx: Any,
        args: Any,
        args_grad: Any = None,
        grad_req: Any = "write",
        aux_states: Any = None,
        group2ctx: Any = None,
        shared_exec: Any = None,
    ) -> Any:
        """An :class:`~hybridnet.symbol.executor.Executor` on arrays of the caller's.

        ``args``, ``aux_states``: lists in the order of ``list_arguments()`` and ``list_auxiliary_states()``, or dicts by name.
        ``args_grad``: where gradients go, alike; what is left out has none. ``grad_req``: ``write``, ``add`` or ``null``, for all, in a
        list or by name. ``group2ctx`` and ``shared_exec`` mean nothing here: memory is planned, and one program is on one device.
        """
        return binding.bind(self, ctx, args, args_grad, grad_req, aux_states)

    def simple_bind(
        self,
        ctx: Any,
        grad_req: Any = "write",
        type_dict: Any = None,
        stype_dict: Any = None,
        group2ctx: Any = None,
        shared_arg_names: Any = None,
        shared_exec: Any = None,
        shared_buffer: Any = None,
        **kwargs: Any,
    ) -> Any:
        """An Executor on new arrays, zeros, of the shapes that follow from those given by name, ``data=(32, 784)``.

        ``type_dict``: dtypes by name; float32 where none follows. ``shared_exec``: an executor whose arrays of the names
        ``shared_arg_names``, and states, are taken where they fit; ``shared_buffer``: a dict of arrays to be used, and added to, alike.
        """
        return binding.simple_bind(self, ctx, grad_req, type_dict, kwargs, shared_arg_names, shared_exec, shared_buffer)

    def eval(self, ctx: Any = None, **kwargs: Any) -> list[Any]:
        """Its outputs for arrays by name."""
        return list(self.bind(current_device() if ctx is None else Device(ctx), kwargs, grad_req="null").forward())

    def optimize_for(self, backend: str, args: Any = None, aux: Any = None, ctx: Any = None, **kwargs: Any) -> Symbol:
        """The symbol itself: there is one back end, and it optimises when it compiles."""
        return self

    get_backend_symbol = optimize_for

    def as_nd_ndarray(self) -> Symbol:
        """The same outputs with the operators and methods of ``nd``."""
        return self

    def as_np_ndarray(self) -> Symbol:
        """The same outputs with the operators and methods of ``np``."""
        return _Symbol(self._outputs)

    # -- what only arrays have ------------------------------------------------------------------

    def __bool__(self) -> NoReturn:
        _has_no_values("bool()")


def _has_no_values(what: str) -> NoReturn:
    fail(NotImplementedForSymbol, what, expected="an array", got="a Symbol, which holds no values", fix="eval, bind or simple_bind")


def _only_arrays(method: str) -> Any:
    def refuse(self: Symbol, *args: Any, **kwargs: Any) -> NoReturn:
        _has_no_values(method)

    refuse.__name__ = method
    refuse.__doc__ = f"Always NotImplementedForSymbol: ``{method}`` is for arrays."
    return refuse


for _method in ("wait_to_read", "asnumpy", "asscalar", "copy", "as_in_context", "detach", "backward", "gradient"):
    setattr(Symbol, _method, _only_arrays(_method))


def _shown(node: Node) -> dict[str, str]:
    """The attributes as users see them: hidden ones under both of their names."""
    return node.attrs | {key: node.attrs[f"__{key}__"] for key in HIDDEN if f"__{key}__" in node.attrs}


def entry_of(op: str, key: str, x: Any) -> Entry:
    """The one output that a symbol given as the input ``key`` of ``op`` stands for; SignatureError for anything else."""
    if not isinstance(x, Symbol):
        fix = "sym.var(name), and the array when it is bound" if not isinstance(x, Number) else "an operator of a number, as x + 1"
        fail(SignatureError, op, expected=f"a Symbol as {key}", got=type(x).__name__, fix=fix)
    if len(x._outputs) != 1:
        fail(SignatureError, op, expected=f"a Symbol of one output as {key}", got=f"{x!r} with {len(x)}", fix="symbol[0]")
    return x._outputs[0]


def is_symbol(x: Any) -> bool:
    """Whether a value is a symbol."""
    return isinstance(x, Symbol)


_loaded, _ = absent.Later(__name__, {"numpy": "hybridnet.symbol.numpy"}).functions


class _Symbol(Symbol):
    """A symbol with the operators and methods of NumPy's arrays; see :mod:`hybridnet.symbol.numpy`."""

    __hash__ = object.__hash__
    _shows_numpy = True
    _numpy = True

    def __init__(self, outputs: Sequence[Entry]) -> None:
        _loaded("numpy")  # by which it gets those
        super().__init__(outputs)

    def as_nd_ndarray(self) -> Symbol:
        return Symbol(self._outputs)

    def as_np_ndarray(self) -> Symbol:
        return self


def called(op: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Symbol:
    """The symbol of a call of the operator that ``nd`` has under the name ``op``; beside a symbol of ``np``'s it is one of these."""
    operator = OPERATORS[op]
    node = compose(operator, file_name(op, operator), hint_of(op), args, kwargs, is_symbol, entry_of)
    cls = _Symbol if any(map(_is_numpy, args)) or any(map(_is_numpy, kwargs.values())) else Symbol
    return cls([Entry(node, i) for i in range(len(node.output_names))])


def _is_numpy(x: Any) -> bool:
    return isinstance(x, _Symbol) or (isinstance(x, (list, tuple)) and any(isinstance(item, _Symbol) for item in x))


def called_numpy(op: str, args: Sequence[Any], kwargs: Mapping[str, Any], hint: str = "") -> _Symbol:
    """The symbol of a call of an operator of ``np``, or of one of ``nd`` that MXNet has there too, under NumPy's rules.

    ``hint``: what its node is named after, where it is not the operator's name.
    """
    operator = numpy_operators.OPERATORS.get(op) or OPERATORS[op]
    node = compose(operator, operator.name, hint or numpy_hint(op), args, kwargs, is_symbol, entry_of)
    return _Symbol([Entry(node, i) for i in range(len(node.output_names))])


def numpy_hint(op: str) -> str:
    """What the nodes of an operator of ``np`` are named after."""
    return next((op.removeprefix(start) for start in ("_npi_", "_npx_", "_np_") if op.startswith(start)), op).removeprefix("_").lower()


#: What is left out of an operator's name where its function is in a namespace of its own.
NAMESPACES = {"contrib": "_contrib_", "linalg": "_linalg_", "image": "_image_", "sparse": "_sparse_"}


def hint_of(op: str) -> str:
    """What the nodes of an operator are named after, with a number: its function's name in small letters."""
    return next((op.removeprefix(start) for start in NAMESPACES.values() if op.startswith(start)), op).lower()


def Group(symbols: Sequence[Symbol], create_fn: Callable[[Sequence[Entry]], Any] | None = None) -> Any:
    """The outputs of several symbols, in order; ``create_fn``: the class of the result.

    SignatureError for what is no symbol, or for none.
    """
    listed = list(symbols)
    if not listed or not all(map(is_symbol, listed)):
        got = ", ".join(type(x).__name__ for x in listed) or "none"
        fail(SignatureError, "Group", expected="symbols", got=got)
    cls = create_fn or (_Symbol if all(isinstance(x, _Symbol) for x in listed) else Symbol)
    return cls([entry for symbol in listed for entry in symbol._outputs])


def load_json(json_str: str) -> Symbol:
    """The symbol of a ``-symbol.json``'s text, of MXNet 0.8 to 1.9 or of hybridnet; FileFormatError, with the node, for anything else."""
    return _read(json_str, "the given text")


fromjson = load_json


def load(fname: str | os.PathLike[str]) -> Symbol:
    """The symbol of a file; see :func:`load_json`."""
    return _read(disk.read_bytes(fname), os.fspath(fname))


def _read(text: str | bytes, source: str) -> Symbol:
    entries, numpy = reading.entries(text, source)
    return (_Symbol if numpy else Symbol)(entries)


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
