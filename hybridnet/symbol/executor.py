"""``Executor``: a symbol bound to arrays. Its forward and its backward are compiled programs, as those of ``jit`` are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.compile import Jit
from hybridnet.core import Array, local, tape, wrap
from hybridnet.device import Device, current_device
from hybridnet.errors import ArgumentError, AutogradError, ShapeError, fail
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.creation import array, zeros
from hybridnet.symbol.infer import is_whole
from hybridnet.symbol.program import Computation

#: ``callback(name, array)``.
Monitor = Callable[[str, Any], None]


def _handle(x: Any) -> Any:
    """Another array of the same memory, without what is recorded of it: of ``nd``, or of its own storage."""
    return wrap(NDArray if x.stype == "default" else type(x), x._data, x._device)


class Executor:
    """Runs a symbol on the arrays that it is bound to; made by ``Symbol.bind`` and ``Symbol.simple_bind``.

    ``arg_arrays``, ``grad_arrays``, ``aux_arrays``: in the order of ``list_arguments()`` and ``list_auxiliary_states()``;
    the gradient of an argument that has none is ``None``. Arrays are read at each forward, as they are then.
    """

    def __init__(
        self,
        symbol: Any,
        ctx: Device,
        arg_arrays: Sequence[NDArray],
        grad_arrays: Sequence[NDArray | None],
        grad_req: Sequence[str],
        aux_arrays: Sequence[NDArray],
        program: Jit | None = None,
    ) -> None:
        self._symbol, self._ctx = symbol, ctx
        self._arg_names, self._aux_names = symbol.list_arguments(), symbol.list_auxiliary_states()
        self._output_names = symbol.list_outputs()
        self.arg_arrays, self.grad_arrays, self.aux_arrays = list(arg_arrays), list(grad_arrays), list(aux_arrays)
        self._grad_req = dict(zip(self._arg_names, grad_req, strict=True))
        # Integers have no gradients: what is bound for them stays as it is.
        self._leaves = [
            None if g is None or req == "null" or not dtypes.is_floating(x._data.dtype) else tape.Leaf(g, req)
            for x, g, req in zip(arg_arrays, grad_arrays, grad_req, strict=True)
        ]
        self._differentiable = any(leaf is not None for leaf in self._leaves)
        self._program = program or Jit(
            Computation(symbol._outputs, [*symbol._arguments, *symbol._states], symbol._numpy), symbol.name or "symbol"
        )
        self._monitor: tuple[Monitor, bool] | None = None
        self._outputs: list[NDArray] | None = None
        self._heads: list[Any] | None = None  # of the last forward, with their place on the tape until a backward
        self._training = False

    # -- arrays by name -------------------------------------------------------------------------

    @property
    def arg_dict(self) -> dict[str, NDArray]:
        """The arguments by name."""
        return _by_name("arguments", self._arg_names, self.arg_arrays)

    @property
    def grad_dict(self) -> dict[str, NDArray | None]:
        """The gradients by the names of arguments; ``None`` where there is none."""
        return _by_name("arguments", self._arg_names, self.grad_arrays)

    @property
    def aux_dict(self) -> dict[str, NDArray]:
        """The states by name."""
        return _by_name("auxiliary states", self._aux_names, self.aux_arrays)

    @property
    def output_dict(self) -> dict[str, NDArray]:
        """The outputs by name."""
        return _by_name("outputs", self._output_names, self.outputs)

    @property
    def outputs(self) -> list[NDArray]:
        """What the last forward gave; zeros before the first."""
        if self._outputs is None:
            shapes = self._symbol.infer_shape_partial(**self._shapes())[1]
            types = self._symbol.infer_type_partial(**{n: x.dtype for n, x in zip(self._arg_names, self.arg_arrays, strict=True)})[1]
            self._outputs = [zeros(shape, self._ctx, t or "float32") for shape, t in zip(shapes, types, strict=True)]
        return self._outputs

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: x.shape for name, x in zip(self._arg_names, self.arg_arrays, strict=True)}

    # -- running --------------------------------------------------------------------------------

    def forward(self, is_train: bool = False, **kwargs: Any) -> list[NDArray]:
        """Compute the outputs, a list of arrays; with ``is_train`` in training mode and for a backward.

        Keywords are new values of arguments, arrays of their shapes. ArgumentError for one that is no argument, ShapeError for
        another shape.
        """
        for name, value in kwargs.items():
            self._set(name, value)
        self._run(recording=is_train and self._differentiable, training=bool(is_train))
        assert self._outputs is not None
        return self._outputs

    def _set(self, name: str, value: Any) -> None:
        arguments = self.arg_dict
        if name not in arguments:
            fail(ArgumentError, "forward", expected=f"one of the arguments {', '.join(arguments)}", got=name)
        given: Any = value if isinstance(value, Array) else array(value, self._ctx)
        if given.shape != arguments[name].shape:
            fail(ShapeError, "forward", expected=f"{name} of shape {arguments[name].shape}", got=str(given.shape), fix="reshape()")
        arguments[name]._assign(given.as_in_context(arguments[name]._device))

    def _run(self, recording: bool, training: bool) -> None:
        """A forward in these modes. Programs take arrays that share the memory of those bound, with gradients of this executor's."""
        arguments = []
        for x, leaf in zip(self.arg_arrays, self._leaves, strict=True):
            handle: Any = _handle(x)
            if recording and leaf is not None:
                handle._tape = (leaf, 0)
            arguments.append(handle)
        self._heads = None  # its memory is free for this run
        before = local.set(recording=recording, training=training)
        try:
            if self._ctx is current_device():
                results = self._computed(arguments)
            else:
                with self._ctx:
                    results = self._computed(arguments)
        finally:
            local.set(recording=before[0], training=before[1])
        self._heads, self._training = results if recording else None, training
        self._outputs = [_handle(y) for y in results]

    def _computed(self, arguments: Sequence[Any]) -> list[Any]:
        if self._monitor is None:
            # Programs are of dense arrays; operators of others are called one by one, each by its rule of storage.
            dense = all(x.stype == "default" for x in arguments)
            results: list[Any] = (self._program if dense else self._program.fn)(*arguments, *self.aux_arrays)
            return results
        callback, everything = self._monitor

        def watch(name: str, x: Any, is_input: bool) -> None:
            if everything or not is_input:
                callback(name, _handle(x))

        watched: list[Any] = self._program.fn(*arguments, *self.aux_arrays, watch=watch)
        return watched

    def backward(self, out_grads: Any = None, is_train: bool = True) -> None:
        """Deliver the gradients of the last forward's outputs into ``grad_arrays``, as ``grad_req`` says.

        ``out_grads``: the outputs' gradients, an array, a list or a dict by output; ones without, which operators that are losses
        ignore. After a forward that was not in training mode, or a second time, the forward is computed again. AutogradError
        before any forward; ShapeError for a gradient of another shape than its output.
        """
        if self._outputs is None:
            fail(AutogradError, "backward", expected="a forward before", got="none", fix="forward(is_train=True)")
        if not self._differentiable:
            return
        if self._heads is None:
            self._repeat()
        assert self._heads is not None
        pairs = [(y, g) for y, g in zip(self._heads, self._head_grads(out_grads), strict=True) if y._tape is not None]
        for leaf in self._leaves:
            if leaf is not None:
                leaf.fresh = False
        self._heads = None
        if pairs:
            tape.backward([y for y, _ in pairs], [g for _, g in pairs])
        for leaf in self._leaves:
            if leaf is not None and not leaf.fresh and leaf.req == "write":  # no output depends on it
                leaf.grad._assign(leaf.grad * 0)  # type: ignore[union-attr, operator]

    def _repeat(self) -> None:
        """The last forward once more, recorded; states stay as that one left them."""
        kept, outputs = [x.copy() for x in self.aux_arrays], self._outputs
        self._run(recording=True, training=self._training)
        self._outputs = outputs
        for x, before in zip(self.aux_arrays, kept, strict=True):
            x._assign(before)

    def _head_grads(self, given: Any) -> list[Any]:
        assert self._outputs is not None
        if given is None:
            return [None] * len(self._outputs)
        listed: Any = [given] if isinstance(given, Array) else given
        if isinstance(listed, Mapping):
            listed = [listed.get(name) for name in self._output_names]
        if len(listed) != len(self._outputs):
            fail(ArgumentError, "backward", expected=f"{len(self._outputs)} gradients, one an output", got=str(len(listed)))
        for name, g, y in zip(self._output_names, listed, self._outputs, strict=True):
            if g is not None and g.shape != y.shape:
                fail(ShapeError, "backward", expected=f"a gradient of shape {y.shape} for {name}", got=str(g.shape))
        return [None if g is None else wrap(NDArray, g.as_in_context(self._ctx)._data, self._ctx) for g in listed]

    def set_monitor_callback(self, callback: Monitor | None, monitor_all: bool = False) -> None:
        """Have ``callback(name, array)`` called with every operator's outputs, with ``monitor_all`` its inputs too, at each forward.

        While there is one, nodes are computed one by one.
        """
        self._monitor = None if callback is None else (callback, monitor_all)

    # -- other arrays ---------------------------------------------------------------------------

    def copy_params_from(
        self, arg_params: Mapping[str, Any], aux_params: Mapping[str, Any] | None = None, allow_extra_params: bool = False
    ) -> None:
        """Take values of arguments and states by name. ArgumentError for a name that is none, unless ``allow_extra_params``."""
        for mine, given in ((self.arg_dict, arg_params), (self.aux_dict, aux_params or {})):
            for name, value in given.items():
                if name in mine:
                    if value.shape != mine[name].shape:
                        fail(ShapeError, "copy_params_from", expected=f"{name} of shape {mine[name].shape}", got=str(value.shape))
                    mine[name]._assign(value.as_in_context(mine[name]._device))
                elif not allow_extra_params:
                    fix = "allow_extra_params=True if that is meant"
                    fail(ArgumentError, "copy_params_from", expected=f"one of {', '.join(mine) or 'none'}", got=name, fix=fix)

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: Any) -> Executor:
        """An executor of the same symbol for other shapes of some arguments, given by name; arrays whose shapes stay are shared.

        ``partial_shaping``: shapes of arguments that are not named may change too. ``allow_up_sizing``: arrays may become larger.
        Otherwise both are an ArgumentError.
        """
        shapes, _, states = self._symbol.infer_shape(**kwargs)
        if shapes is None or states is None:
            fail(ArgumentError, "reshape", expected="shapes from which all others follow", got=", ".join(kwargs) or "none")
        args, grads = [], []
        for name, x, g, shape in zip(self._arg_names, self.arg_arrays, self.grad_arrays, shapes, strict=True):
            if shape != x.shape and name not in kwargs and not partial_shaping:
                fix = "partial_shaping=True if that is meant"
                fail(ArgumentError, "reshape", expected=f"{name} of shape {x.shape}", got=f"{shape}, which follows", fix=fix)
            args.append(_fitted(name, x, shape, allow_up_sizing))
            grads.append(None if g is None else _fitted(name, g, shape, allow_up_sizing))
        aux = [_fitted(name, x, s, allow_up_sizing) for name, x, s in zip(self._aux_names, self.aux_arrays, states, strict=True)]
        return Executor(self._symbol, self._ctx, args, grads, list(self._grad_req.values()), aux, self._program)

    # -- looking inside -------------------------------------------------------------------------

    def debug_str(self) -> str:
        """The graph, node by node, and the memory that its program plans."""
        planned = self._program.memory(*self.arg_arrays, *self.aux_arrays).planned
        return f"{self._symbol.debug_str()}Total {planned / 2**20:.3g} MB allocated\n"

    def get_optimized_symbol(self) -> Any:
        """The symbol: what is optimised is the program, which ``hybridnet.jit`` shows."""
        return self._symbol


def _by_name(what: str, names: Sequence[str], arrays: Sequence[Any]) -> dict[str, Any]:
    found = dict(zip(names, arrays, strict=True))
    if len(found) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        fail(ArgumentError, "Executor", expected=f"{what} of different names", got=f"{', '.join(twice)} more than once")
    return found


def _fitted(name: str, x: NDArray, shape: tuple[int, ...], allow_up_sizing: bool) -> NDArray:
    """An array of a shape: ``x`` if it is of it, else a new one that begins with its elements."""
    if x.shape == shape:
        return x
    made: NDArray = zeros(shape, x._device, x.dtype)
    if made.size > x.size and not allow_up_sizing:
        fail(ArgumentError, "reshape", expected=f"{name} no larger than {x.shape}", got=str(shape), fix="allow_up_sizing=True")
    if is_whole(shape) and made.size <= x.size:
        made._assign(x.reshape((-1,))[: made.size].reshape(shape))
    return made
