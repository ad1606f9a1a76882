"""``Optimizer``: how a parameter moves by its gradient.

One of ours is a ``rule`` that writes weight and state in place, and ``scalars`` that say what it needs
of learning rate, step count and hyper-parameters. Both are plain arithmetic: with numbers they run one update
at a time (:meth:`Optimizer.update`, MXNet's interface); with arrays of no dimensions in place of the numbers a
trace keeps them as graph inputs (:meth:`Optimizer.update_all`), so that one compiled program updates all
parameters at every step, at every learning rate and with every value of the hyper-parameters that are
listed in ``numbers``. A subclass that overrides ``update`` itself, as
MXNet programs do, runs one parameter at a time and imperatively.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from hybridnet import dtypes
from hybridnet.core import NDArray, changed, local, named
from hybridnet.core.array import Storage
from hybridnet.core.identity import name_of
from hybridnet.errors import ArgumentError, DtypeError, fail, scope
from hybridnet.ops.array.creation import zeros_like
from hybridnet.ops.array.selection import clip
from hybridnet.optimizer.numbers import Numbers
from hybridnet.optimizer.scaling import Scaled, scaled_in
from hybridnet.registry import Registry


class _Watch:
    """Whether a buffer was written."""

    __slots__ = ("__weakref__", "written")

    def __init__(self) -> None:
        self.written = False

    def take_copy(self, storage: Storage) -> None:
        self.written = True


REGISTRY: Registry[Optimizer] = Registry("optimizer")
register = REGISTRY.register
create = REGISTRY.create


class Optimizer:
    """The base.

    ``rescale_grad`` multiplies gradients; ``clip_gradient`` then limits their elements to
    ±clip_gradient; ``wd`` is the weight decay. ``learning_rate``, or a ``lr_scheduler`` of the number
    of updates (which then starts from ``learning_rate`` if that is given too). With
    ``multi_precision`` 16-bit weights are updated through a float32 copy. ``param_idx2name`` and
    ``param_dict`` (index to :class:`Parameter`) say where multipliers are looked up.
    """

    #: Hyper-parameters that :meth:`scalars` and :meth:`rule` calculate with and do not look at: inputs of compiled updates,
    #: in which they are arrays of no dimensions, so that their values may change at every step.
    numbers: tuple[str, ...] = ()
    #: What graphs call the arrays that :meth:`create_state` makes.
    state_names: tuple[str, ...] = ()

    #: Whether :meth:`rule` gives each element what follows from the same elements of its operands, and from ``layerwise.norm`` of them:
    #: then it may be given slices of parameters (``Trainer(shard_states=True)``).
    by_element = False

    #: Whether :meth:`rule` is linear in weight, gradient and state, so that it holds for complex numbers as it stands.
    linear = False

    _moves = False  # whether its rule was seen to write
    _inputs: dict[str, float] | None = None

    opt_registry = REGISTRY.classes
    register = staticmethod(REGISTRY.register)
    create_optimizer: Callable[..., Optimizer]

    def __init__(
        self,
        rescale_grad: float = 1.0,
        param_idx2name: Mapping[int, str] | None = None,
        wd: float = 0.0,
        clip_gradient: float | None = None,
        learning_rate: float | None = None,
        lr_scheduler: Callable[[int], float] | None = None,
        sym: Any = None,
        begin_num_update: int = 0,
        multi_precision: bool = False,
        param_dict: Mapping[int, Any] | None = None,
    ) -> None:
        if lr_scheduler is not None and hasattr(lr_scheduler, "base_lr"):
            if learning_rate is None:
                learning_rate = lr_scheduler.base_lr
            else:
                lr_scheduler.base_lr = learning_rate
        self.rescale_grad = rescale_grad
        self.wd = wd
        self.clip_gradient = clip_gradient if clip_gradient is not None and clip_gradient > 0 else None
        self.lr = 0.01 if learning_rate is None else learning_rate
        self.lr_scheduler = lr_scheduler
        self.multi_precision = multi_precision
        self.begin_num_update = begin_num_update
        self.num_update = begin_num_update
        self._index_update_count: dict[Any, int] = {}
        self.idx2name = dict(param_idx2name or {})
        self.param_dict = dict(param_dict or {})
        self.set_lr_mult({})
        self.set_wd_mult({})

    #: Attributes that a compiled update does not depend on.
    _FREE = frozenset({"lr", "num_update", "begin_num_update", "rescale_grad", "lr_scheduler"})

    def __setattr__(self, name: str, value: Any) -> None:
        # A hyper-parameter that is no input of a compiled update is a constant of it: a new value needs a new program.
        if name in self.__dict__ and name not in self._FREE and not name.startswith("_"):
            before = self.__dict__[name]
            if before is not value and not (name in self.numbers and is_input(name, before) and is_input(name, value)):
                changed(self, name)
        if isinstance(value, str) and (name in self.numbers or name == "lr"):
            fail(ArgumentError, type(self).__name__, expected=f"a number for {name}", got=repr(value), fix=f"float({value!r})")
        super().__setattr__(name, value)
        if name in self.numbers:
            self._inputs = None

    def inputs(self) -> dict[str, float]:
        """The hyper-parameters that are inputs of a compiled update, with their values of now: the same dict until one changes."""
        if self._inputs is None:
            self._inputs = {name: value for name in self.numbers if is_input(name, value := getattr(self, name))}
        return self._inputs

    # -- learning rate and multipliers ----------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        """The rate of now: the schedule's if there is one."""
        return self.lr if self.lr_scheduler is None else self.lr_scheduler(self.num_update)

    def set_learning_rate(self, lr: float) -> None:
        """Change the rate; with a schedule that is an error."""
        if self.lr_scheduler is not None:
            fail(
                ArgumentError,
                "set_learning_rate",
                expected="an optimizer without lr_scheduler",
                got=type(self.lr_scheduler).__name__,
                fix="lr_scheduler.base_lr = ...",
            )
        self.lr = lr

    def set_lr_mult(self, args_lr_mult: Mapping[Any, float]) -> None:
        """Multipliers of the learning rate by index or name."""
        self.lr_mult = dict(args_lr_mult)

    def set_lr_scale(self, args_lrscale: Mapping[Any, float]) -> None:
        """MXNet's older name of :meth:`set_lr_mult`, which is an error there too."""
        fail(ArgumentError, "set_lr_scale", expected="a name that is in use", got="one that MXNet has given up", fix="set_lr_mult")

    def set_wd_mult(self, args_wd_mult: Mapping[Any, float]) -> None:
        """Multipliers of the weight decay by index or name; names given to the optimizer other than weights and gammas have 0."""
        other = {n: 0.0 for n in self.idx2name.values() if not n.endswith(("_weight", "_gamma"))}
        self.wd_mult = {**other, **args_wd_mult}

    def _multiplier(self, index: Any, attribute: str) -> float:
        if index in self.param_dict:
            parameter = self.param_dict[index]
            if local.trace is not None:
                local.trace.depends_on(parameter, parameter.name)
            return float(getattr(parameter, attribute))
        table: dict[Any, float] = getattr(self, attribute)
        return table.get(index, table.get(self.idx2name.get(index), 1.0))

    def _update_count(self, index: Any) -> None:
        """Count an update of parameter ``index``."""
        for i in index if isinstance(index, (list, tuple)) else [index]:
            self._index_update_count[i] = self._index_update_count.get(i, self.begin_num_update) + 1
            self.num_update = max(self.num_update, self._index_update_count[i])

    def _get_lr(self, index: Any) -> float:
        """The learning rate of parameter ``index`` now."""
        return self.learning_rate * self._multiplier(index, "lr_mult")

    def _get_lrs(self, indices: Iterable[Any]) -> list[float]:
        return [self._get_lr(i) for i in indices]

    def _get_wd(self, index: Any) -> float:
        """The weight decay of parameter ``index``; the number 0 where there is none."""
        multiplier = self._multiplier(index, "wd_mult")
        return self.wd if multiplier == 1 else self.wd * multiplier if multiplier else 0.0

    def _get_wds(self, indices: Iterable[Any]) -> list[float]:
        return [self._get_wd(i) for i in indices]

    # -- what an optimizer is -------------------------------------------------------------------

    def create_state(self, index: Any, weight: Any) -> Any:
        """What is remembered between updates of ``weight``: ``None``, an array, or a tuple of such."""
        return None

    def scalars(self, lr: Any, t: Any) -> tuple[Any, ...]:
        """What :meth:`rule` needs of the learning rate and of the number of the update (from 1); calculated in float64."""
        return (lr,)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        """Write ``weight`` and ``state`` in place. ``grad`` is rescaled, but neither clipped nor decayed."""
        raise NotImplementedError(f"{type(self).__name__}.update(self, index, weight, grad, state), or rule")

    def rule_of(self, index: Any) -> Callable[..., None]:
        """The rule that moves parameter ``index``, for optimizers that have another for some."""
        return self.rule

    @property
    def traceable(self) -> bool:
        """Whether updates can be compiled: not where a subclass does them in a method of its own."""
        return type(self).update is Optimizer.update and type(self).update_multi_precision is Optimizer.update_multi_precision

    def _clip(self, grad: Any) -> Any:
        return grad if self.clip_gradient is None else clip(grad, -self.clip_gradient, self.clip_gradient)

    @staticmethod
    def _decayed(grad: Any, weight: Any, wd: float) -> Any:
        return grad if is_zero(wd) else grad + weight * wd

    # -- doing it -------------------------------------------------------------------------------

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Move ``weight`` (or each in a list) by its gradient."""
        if isinstance(index, (list, tuple)):
            for one in zip(index, weight, grad, state, strict=True):
                self.update(*one)
            return
        self._update_count(index)
        scalars = self.scalars(self._get_lr(index), self._index_update_count[index])
        if local.trace is not None:
            local.trace.depends_on(self, type(self).__name__.lower())
        own, scale, scalars = self._given(self._scaled_in(index, weight._data.dtype), self.rescale_grad, scalars)
        self._move(own.rule_of(index), weight, grad if scale is None else grad * scale, state, self._get_wd(index), *scalars)

    def _scaled_in(self, index: Any, dtype: Any) -> Scaled | None:
        """What of the rule of a parameter takes ``rescale_grad`` in."""
        return scaled_in(self.rule_of(index), self.clip_gradient is not None, not is_zero(self._get_wd(index)), dtype)

    def _given(
        self, scaled: Scaled | None, scale: Any, scalars: tuple[Any, ...], numbers: Numbers | None = None, dtype: Any = None
    ) -> tuple[Optimizer, Any, tuple[Any, ...]]:
        """An optimizer whose rule it is to be, what to multiply gradients by before (None: by nothing), and the scalars; in ``dtype``."""

        def narrow(x: Any) -> Any:
            return x.astype(dtype) if isinstance(x, NDArray) else x

        own = self._with(numbers, dtype)
        if scaled is None:
            return own, narrow(scale), tuple(map(narrow, scalars))
        inside = scaled.in_numbers(self._with(numbers, dtypes.float64), scale)
        own = own._but({name: narrow(value) for name, value in inside.items()})
        return own, None, tuple(map(narrow, scaled.in_scalars(scalars, scale)))

    def by_rows(self, weight: Any) -> bool:
        """Whether by a gradient of row_sparse storage only the rows that it has are updated, of weight and state; else it is made dense."""
        return False

    def _move_rows(self, rule: Callable[..., None], weight: Any, grad: Any, state: Any, *numbers: Any) -> None:
        """:meth:`rule` on the rows that a gradient of row_sparse storage has, which are then written back."""
        if not self.by_rows(weight) or grad.stype != "row_sparse":
            dense = weight if weight.stype == "default" else weight.tostype("default")
            self._move(rule, dense, grad.tostype("default"), state, *numbers)
            if dense is not weight:
                weight.set_rows(weight.indices, dense)
            return
        rows, own = grad.indices, [weight, *_arrays_of(state)]
        if not rows.size:
            return
        parts = [_rows_of(x, rows) for x in own]
        self._move(rule, parts[0], grad.data, _with_arrays(state, iter(parts[1:])), *numbers)
        for x, part in zip(own, parts, strict=True):
            if x.stype == "default":
                x[rows] = part
            else:
                x.set_rows(rows, part)

    def _move(self, rule: Callable[..., None], weight: Any, *args: Any) -> None:
        """:meth:`rule`, the first time with a look at whether it writes."""
        if "row_sparse" in (weight.stype, args[0].stype):
            self._move_rows(rule, weight, *args)
            return
        if self._moves:
            rule(weight, *args)
            return
        trace, watch = local.trace, _Watch()
        before = trace.read(weight) if trace is not None else None
        weight.storage().keep(watch)
        rule(weight, *args)
        self._moves = watch.written if trace is None else trace.read(weight) is not before
        if not self._moves:
            fail(
                ArgumentError,
                f"{type(self).__name__}.rule",
                expected="a rule that writes the new values into weight",
                got="one that leaves it as it is, so that nothing would be learnt",
                fix="weight -= step, or weight[:] = new, in place of returning them",
            )

    def _is_doubled(self, weight: Any) -> bool:
        return self.multi_precision and dtypes.is_floating(weight._data.dtype) and weight._data.dtype.itemsize == 2

    def create_state_multi_precision(self, index: Any, weight: Any) -> Any:
        """The state; for 16-bit weights with ``multi_precision``, a float32 copy of them and its state.

        DtypeError for complex weights whose rule is none for complex numbers.
        """
        if dtypes.is_complex(weight.dtype) and not self.linear:
            fix = "sgd or nag, or two parameters for the real and the imaginary part"
            fail(DtypeError, type(self).__name__, expected="weights of real numbers", got=str(weight.dtype), fix=fix)
        if self._is_doubled(weight):
            master = weight.detach().astype("float32")
            return master, self.create_state(index, master)
        return self.create_state(index, weight)

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """:meth:`update`, through the float32 copy where there is one."""
        if isinstance(index, (list, tuple)):
            for one in zip(index, weight, grad, state, strict=True):
                self.update_multi_precision(*one)
        elif self._is_doubled(weight):
            master, inner = state
            self.update(index, master, grad.astype("float32"), inner)
            weight._assign(master)
        else:
            self.update(index, weight, grad, state)

    def update_all(
        self, entries: Iterable[tuple[Any, Any, Any, Any]], lr: Any, t: Any, rescale: Any, numbers: Numbers | None = None
    ) -> None:
        """Move many parameters, ``(index, weight, grad, state)`` each.

        ``lr``, ``t`` (the number of the update) and ``rescale`` are numbers, or float64 arrays of no dimensions.
        ``numbers`` has such arrays for the hyper-parameters that :meth:`inputs` gives: in float64 for ``scalars``, and in
        a weight's dtype for ``rule``.
        """
        if local.trace is not None:
            local.trace.depends_on(self, type(self).__name__.lower())
        with scope("update"):  # what is computed for several parameters as well
            wide = self._with(numbers, dtypes.float64)
            made: dict[Any, tuple[Optimizer, Any, tuple[Any, ...]]] = {}
            for index, weight, grad, state in entries:
                master, inner = state if self._is_doubled(weight) else (weight, state)
                dtype = master._data.dtype
                times, scaled = self._multiplier(index, "lr_mult"), self._scaled_in(index, dtype)
                key = times, dtype, id(scaled)  # which is the rule's own
                if key not in made:
                    # In float64 up to here: 1 - beta2**t loses its digits in less.
                    scalars = wide.scalars(lr if times == 1 else lr * times, t)
                    made[key] = self._given(scaled, rescale, scalars, numbers, dtype)
                own, scale, scalars = made[key]
                with scope(self._name_of(index)):
                    grad = grad.astype(dtype, copy=False)
                    self._move(own.rule_of(index), master, grad if scale is None else grad * scale, inner, own._get_wd(index), *scalars)
                    if master is not weight:
                        weight._assign(master)

    def _name_of(self, index: Any) -> str:
        """What a parameter is called, in graphs."""
        return self.param_dict[index].name if index in self.param_dict else str(self.idx2name.get(index, index))

    def _with(self, numbers: Numbers | None, dtype: Any) -> Optimizer:
        """This optimizer with arrays of that type in place of the hyper-parameters that are inputs."""
        return self if numbers is None else self._but({name: numbers.array(name, dtype) for name in self.inputs()})

    def _but(self, values: Mapping[str, Any]) -> Optimizer:
        """This optimizer with other values of some attributes."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.__dict__.update(values)
        return other

    def name_states(self, prefix: str, weight: Any, state: Any) -> None:
        """Give what :meth:`create_state_multi_precision` made for ``weight`` the names under which graphs show it."""
        if self._is_doubled(weight):
            named(state[0], f"{prefix}.master")
            state = state[1]
        for i, array in enumerate(_arrays_of(state)):
            if not name_of(array):  # one that several weights share keeps its first
                named(array, f"{prefix}.{self.state_names[i] if i < len(self.state_names) else f'state{i}'}")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "param_dict": {}}


def _arrays_of(state: Any) -> tuple[Any, ...]:
    """The arrays of a state: none, one or several."""
    return state if isinstance(state, tuple) else () if state is None else (state,)


def _with_arrays(state: Any, arrays: Iterator[Any]) -> Any:
    """A state of the same form, of other arrays."""
    return tuple(arrays) if isinstance(state, tuple) else None if state is None else next(arrays)


def _rows_of(x: Any, rows: Any) -> Any:
    """A dense copy of the rows of an array; those that a weight of row_sparse storage has are all."""
    return x.retain(rows).data if x.stype == "row_sparse" else x[rows]


def is_zero(number: Any) -> bool:
    """Whether a hyper-parameter is the number 0, and no array of no dimensions, whose value a trace does not know."""
    return isinstance(number, (int, float)) and number == 0


def is_input(name: str, value: Any) -> bool:
    """Whether a hyper-parameter of that value is an input of a compiled update. Without a decay there is no term of it."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not (name == "wd" and value == 0)


Optimizer.create_optimizer = staticmethod(create)  # type: ignore[method-assign]


def like(weight: Any, n: int) -> tuple[Any, ...]:
    """``n`` arrays of zeros of a weight's shape and dtype."""
    return tuple(zeros_like(weight) for _ in range(n))
