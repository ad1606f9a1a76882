"""``Block``: a network or a layer, made of parameters and of other blocks."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hybridnet import disk, serialization
from hybridnet.core import Array, StoredArray, changed, local
from hybridnet.core.tree import flatten
from hybridnet.errors import ArgumentError, DeferredInitializationError, check_call, fail, refuse_unknown, scope_path
from hybridnet.gluon import architecture, naming, symbolic
from hybridnet.gluon.parameter import ParameterDict
from hybridnet.gluon.parameter.loading import load_values
from hybridnet.gluon.parameter.parameter import Parameter, is_known
from hybridnet.gluon.reporting import OpHook
from hybridnet.gluon.summary import summarize
from hybridnet.gluon.training import Trainable
from hybridnet.name import NameManager

Hook = Callable[..., Any]


class HookHandle:
    """What registering a hook gives: ``detach()``, or the end of its ``with`` block, takes the hook away again."""

    def __init__(self, block: Block, hooks: list[Hook], hook: Hook) -> None:
        self._block, self._hooks, self._hook = block, hooks, hook
        hooks.append(hook)
        block._note_change("hooks")

    def detach(self) -> None:
        """Take the hook away; nothing happens the second time."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
            self._block._note_change("hooks")

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()


class Block(Trainable):
    """The base of networks and layers: define ``forward(self, *inputs)``.

    Blocks and parameters assigned to attributes are found by ``collect_params``, ``initialize``,
    ``save_parameters`` and the rest. ``prefix`` begins the parameters' names; ``params``: the
    parameters of another block, to share those of the same names.
    """

    _compiled: Any = None  # of a hybridized block
    _op_hooks: tuple[OpHook, ...] = ()

    def __init__(self, prefix: str | None = None, params: ParameterDict | None = None, **unknown: Any) -> None:
        if unknown:  # what none of the classes between has taken out
            refuse_unknown(type(self).__name__, type(self), unknown)
        self._own_prefix, self._prefix, self._params = naming.create(prefix, params, self._alias())
        self._label = self._own_prefix.rstrip("_") or type(self).__name__.lower()
        self._child_names = NameManager()  # numbers the blocks that are made in its name scope
        self._children: dict[str, Block] = {}
        self._reg_params: dict[str, Parameter] = {}
        self._forward_hooks: list[Hook] = []
        self._forward_pre_hooks: list[Hook] = []
        self._ready = False  # whether every parameter of its own has values
        self._sparse: tuple[Parameter, ...] | None = None  # its and its children's parameters that no program can have, once sought
        self._plain = False  # whether a call is nothing but ``forward``

    def _alias(self) -> str:
        return type(self).__name__.lower()

    def __repr__(self) -> str:
        lines = "".join(f"  ({name}): " + repr(child).replace("\n", "\n  ") + "\n" for name, child in self._children.items())
        return f"{type(self).__name__}(\n{lines})" if lines else f"{type(self).__name__}()"

    # -- parts ----------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Block, Parameter)) or isinstance(self.__dict__.get(name), (Block, Parameter)):
            self._register(name, value)
        super().__setattr__(name, value)

    def _register(self, name: str, value: Any) -> None:
        """Note a block or parameter that is about to become an attribute."""
        if "_children" not in self.__dict__:
            fail(
                ArgumentError,
                type(self).__name__,
                expected="super().__init__() before blocks and parameters are assigned",
                got=f"self.{name} = {type(value).__name__}",
            )
        before = self.__dict__.get(name)
        for kind in (Block, Parameter):
            if isinstance(before, kind) and not isinstance(value, kind):
                raise TypeError(f"{type(self).__name__}.{name} is a {type(before).__name__} and cannot become a {type(value).__name__}")
        if isinstance(value, Block):
            self.register_child(value, name)
        else:
            self._params._take(name, value)
            self._reg_params[name] = value
            self._note_change("parameters")
            if isinstance(before, Parameter) and before is not value:
                before._changed(f"place as {type(self).__name__}.{name}")  # for programs that use it without calling this block

    def register_child(self, block: Block, name: str | None = None) -> None:
        """Make ``block`` a part of this one, under ``name`` or the next number."""
        if not isinstance(block, Block):
            fail(ArgumentError, type(self).__name__, expected="a Block as a child", got=type(block).__name__, fix="nn.Lambda(function)")
        key = str(len(self._children)) if name is None else name
        before = self._children.get(key)
        self._children[key] = block
        if not block._own_prefix:  # its own name does not tell it from others of its class
            block._label = f"{type(block).__name__.lower()}_{key}" if key.isdigit() else key
        self._note_change("children")
        if before is not None and before is not block:
            changed(before, f"place in {type(self).__name__}")  # for programs that call it without calling this block

    def _note_change(self, what: str) -> None:
        """Something changed that calls and compiled programs depend on."""
        self._ready = self._plain = False
        self._sparse = None
        changed(self, what)

    @property
    def prefix(self) -> str:
        """What its parameters' names begin with."""
        return self._prefix

    @property
    def name(self) -> str:
        """The prefix without the underscore at its end."""
        return self._prefix.removesuffix("_")

    def name_scope(self) -> naming.NameScope:
        """``with self.name_scope():`` gives blocks made in it names that begin with this one's prefix."""
        return naming.NameScope(self)

    @property
    def params(self) -> ParameterDict:
        """Its own parameters, without those of its children."""
        return self._params

    def collect_params(self, select: str | None = None) -> ParameterDict:
        """Its parameters and its children's; with ``select``, those whose names match that regular expression."""
        self._warn_of_hidden_blocks()
        found = ParameterDict(self._params.prefix)
        found.structure = self._collect_params_with_prefix()
        pattern = re.compile(select) if select is not None else None
        for block in self._blocks():
            found.update({name: p for name, p in block._params.items() if pattern is None or pattern.match(name)})
        return found

    def _blocks(self) -> Iterator[Block]:
        """The block and everything below it, parents first."""
        yield self
        for child in self._children.values():
            yield from child._blocks()

    def _collect_params_with_prefix(self, prefix: str = "") -> dict[str, Parameter]:
        """The parameters by their place in the structure, ``0.weight``: the names of parameter files."""
        prefix = prefix + "." if prefix else ""
        found = {prefix + name: p for name, p in self._reg_params.items()}
        for name, child in self._children.items():
            found.update(child._collect_params_with_prefix(prefix + name))
        return found

    def _warn_of_hidden_blocks(self) -> None:
        children = set(map(id, self._children.values()))
        for name, value in self.__dict__.items():
            items = value.values() if isinstance(value, dict) else value
            if name != "_children" and isinstance(value, (list, tuple, dict)):
                hidden = [x for x in items if isinstance(x, Block) and id(x) not in children]
                if hidden:
                    where = f"{type(self).__name__}.{name}"
                    warnings.warn(
                        f"{where} holds blocks that are not registered; use nn.Sequential, or register_child for each", stacklevel=3
                    )

    def apply(self, fn: Callable[[Block], Any]) -> Block:
        """Call ``fn`` on everything below this block, children first, and on the block; gives the block."""
        for child in self._children.values():
            child.apply(fn)
        fn(self)
        return self

    # -- parameters, all at once ----------------------------------------------------------------

    def initialize(self, init: Any = None, ctx: Any = None, verbose: bool = False, force_reinit: bool = False) -> None:
        """Give every parameter values: by its own initializer, else by ``init`` (uniform on ±0.07), on ``ctx``."""
        self.collect_params().initialize(init, ctx, verbose, force_reinit)

    def cast(self, dtype: Any) -> None:
        """Change the element type of all parameters."""
        for child in self._children.values():
            child.cast(dtype)
        for parameter in self._params.values():
            parameter.cast(dtype)

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        self.collect_params().zero_grad()

    def reset_ctx(self, ctx: Any) -> None:
        """Move all parameters to one device or several."""
        self.collect_params().reset_ctx(ctx)

    reset_device = reset_ctx

    def setattr(self, name: str, value: Any) -> None:
        """Set an attribute of every parameter, ``grad_req`` say."""
        self.collect_params().setattr(name, value)

    def share_parameters(self, shared: Mapping[str, Parameter]) -> Block:
        """Use the parameters in ``shared`` in place of its own of the same names; gives the block.

        ``shared`` is what ``collect_params()`` of a block of the same structure gives, or a dict by
        places in the structure (``0.weight``).
        """
        by_place = shared.structure if isinstance(shared, ParameterDict) else shared
        own = self._collect_params_with_prefix()
        others = {id(own[place]): other for place, other in by_place.items() if place in own}
        for block in self._blocks():
            for name, parameter in list(block._reg_params.items()):
                if id(parameter) in others:
                    block._params._params.pop(parameter.name, None)
                    setattr(block, name, others[id(parameter)])
        return self

    # -- files ----------------------------------------------------------------------------------

    def save_parameters(self, filename: str, deduplicate: bool = False) -> None:
        """Write all parameters to a file in MXNet's format, by their place in the structure.

        With ``deduplicate`` a parameter that stands in several places is written once.
        """
        parameters = self._collect_params_with_prefix()
        if deduplicate:
            first = {p: name for name, p in reversed(parameters.items())}
            parameters = {name: p for name, p in parameters.items() if first[p] == name}
        serialization.save(filename, {name: p._reduce() for name, p in parameters.items()})

    save_params = save_parameters

    def load_parameters(
        self,
        filename: str,
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Read parameters from a file that hybridnet or MXNet wrote. Either all are loaded or none.

        ``ctx``: where to put them, if elsewhere than now. ``allow_missing``: parameters that the
        file lacks stay as they are. ``ignore_extra``: what the network lacks is left out.
        ``cast_dtype``: dtypes may differ; values are cast to the parameter's dtype, or with
        ``dtype_source="saved"`` the parameters to the file's.
        """
        self.load_dict(serialization.load_named(filename), ctx, allow_missing, ignore_extra, cast_dtype, dtype_source, source=str(filename))

    load_params = load_parameters

    def load_dict(
        self,
        param_dict: Mapping[str, Any],
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        cast_dtype: bool = False,
        dtype_source: str = "current",
        source: str = "the given dict",
    ) -> None:
        """Take parameters from a dict of arrays, as :meth:`load_parameters` does from a file."""
        parameters = self._collect_params_with_prefix()
        values = {name.removeprefix("arg:").removeprefix("aux:"): value for name, value in param_dict.items()}
        if values and not any(name in parameters for name in values):
            by_name = self.collect_params()
            if any(self._prefix + name in by_name or name in by_name for name in values):
                # Full names, with the prefix or without: what ParameterDict.save and export write.
                parameters = dict(by_name.items())
                values = {name if name in by_name else self._prefix + name: value for name, value in values.items()}
        load_values(
            parameters,
            values,
            source,
            ctx=ctx,
            allow_missing=allow_missing,
            ignore_extra=ignore_extra,
            cast_dtype=cast_dtype,
            dtype_source=dtype_source,
        )

    def save(self, prefix: str) -> None:
        """Write the structure to ``<prefix>-model.json`` and the parameters to ``<prefix>-model.params``, as MXNet does."""
        disk.write_bytes(f"{prefix}-model.json", json.dumps(architecture.described(self)).encode())
        self.save_parameters(f"{prefix}-model.params")

    def load(self, prefix: str) -> None:
        """Read what :meth:`save` wrote, here or in MXNet, into a network made in the same way; it takes over the names that were saved."""
        path = f"{prefix}-model.json"
        architecture.restore_names(self, disk.read_bytes(path).decode(), path)
        self.load_parameters(f"{prefix}-model.params")

    def _rename(self, prefix: str) -> None:
        """Begin the names of its own parameters with ``prefix`` in place of what they begin with now."""
        self._params._rename(self._prefix, prefix)
        self._prefix = prefix
        self._note_change("prefix")

    # -- calling --------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._plain:
            path = scope_path()
            path.append(self._label)
            try:
                if local.trace is not None:
                    local.trace.depends_on(self, self._label)
                return self.forward(*args, **kwargs)
            except TypeError:
                self._check_inputs(args, kwargs)
                raise
            finally:
                path.pop()
        for hook in list(self._forward_pre_hooks):
            hook(self, args)
        compiles = self._compiled is not None and local.trace is None and not self._op_hooks
        if compiles and not symbolic.is_symbolic(args) and self._is_dense(args):
            result = self._compiled(*args, **kwargs)
        else:
            result = self._run(*args, **kwargs)
        for hook in list(self._forward_hooks):
            hook(self, args, result)
        return result

    def _is_dense(self, args: tuple[Any, ...]) -> bool:
        """Whether inputs, parameters and the gradients that are recorded are: what is not stays out of programs, which it runs between."""
        for x in args:
            if isinstance(x, StoredArray):
                return False
        sparse = self._sparse
        if sparse is None:
            sparse = self._sparse = tuple(p for p in self._collect_params_with_prefix().values() if not p.is_dense)
        return not sparse or not (local.recording or any(p.stype != "default" for p in sparse))

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """``forward``, after finding the shapes that wait for an input."""
        path = scope_path()
        path.append(self._label)
        try:
            if not self._ready and not symbolic.is_symbolic(args):
                self._get_ready(args)
            if local.trace is not None:
                local.trace.depends_on(self, self._label)
            return self.forward(*args, **kwargs)
        except TypeError:
            self._check_inputs(args, kwargs)
            raise
        finally:
            path.pop()

    def _check_inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise if its call does not take these: what is called with a ``TypeError``."""
        check_call(type(self).__name__, self.forward, args, kwargs)

    def _get_ready(self, args: tuple[Any, ...]) -> None:
        own = list(self._reg_params.values())
        if any(p._deferred_init is not None and not is_known(p.shape) for p in own):
            first_array(args, self)  # infer_shape asks it for its shape
            self.infer_shape(*args)
        for p in own:
            p._finish_deferred_init()
        self._ready = all(p._data is not None for p in own)
        self._plain = self._ready and not self._forward_hooks and not self._forward_pre_hooks and self._compiled is None

    def infer_shape(self, *args: Any) -> None:
        """Set the unknown shapes of its own parameters from its inputs; layers with such parameters define it."""
        unknown = {name: p for name, p in self._reg_params.items() if not is_known(p.shape)}
        if unknown:
            name, p = next(iter(unknown.items()))
            fail(
                DeferredInitializationError,
                p.name,
                expected=f"a known shape, or {type(self).__name__}.infer_shape(self, *inputs) that finds it",
                got=f"shape {p.shape}",
                fix=f"giving the whole shape, or defining infer_shape, which sets self.{name}.shape from the inputs",
            )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the block computes; each subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__}.forward(self, *inputs)")

    def register_forward_pre_hook(self, hook: Hook) -> HookHandle:
        """Have ``hook(block, inputs)`` called before each forward."""
        return HookHandle(self, self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Have ``hook(block, inputs, output)`` called after each forward."""
        return HookHandle(self, self._forward_hooks, hook)

    def register_op_hook(self, callback: Callable[[str, str, Any], None], monitor_all: bool = False) -> None:
        """Have ``callback(name, operator, array)`` called with the result of every operator of ``F`` in the hybrid blocks below.

        ``name``: the node's, as ``dense0_fwd_output``. With ``monitor_all`` of its inputs too. The blocks run imperatively from then on.
        """
        for child in self._children.values():
            child.register_op_hook(callback, monitor_all)

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Compile the hybrid blocks below; see :meth:`HybridBlock.hybridize`."""
        for child in self._children.values():
            child.hybridize(active, **kwargs)

    def summary(self, *inputs: Any) -> None:
        """Print a table of the layers that ``inputs`` go through: output shapes and numbers of parameters."""
        print(summarize(self, inputs))


def first_array(values: Any, block: Block) -> Array:
    """The first array in nested inputs; ArgumentError if there is none."""
    leaves: list[Array] = []
    flatten(values, leaves)
    if not leaves:
        got = ", ".join(type(v).__name__ for v in values)
        fail(ArgumentError, type(block).__name__, expected="an array among the inputs", got=got, fix="np.array(x)")
    return leaves[0]
