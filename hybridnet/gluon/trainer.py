"""``Trainer``: moves parameters by their gradients, imperatively, compiled, or inside a compiled step.

What changes from step to step lives in arrays of no dimensions that the update reads (learning rate,
gradient scale, step count), and what must happen on the host before each step (the schedule) is one
method. So the update is the same code whether it runs, is compiled on its own by the trainer, or is
traced with the rest of a training step by the user's ``jit``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hybridnet import absent, disk, dtypes
from hybridnet import kvstore as kvstores
from hybridnet import optimizer as optimizers
from hybridnet.compile import Jit, jit
from hybridnet.core import Array, array, local, named, suspended_trace
from hybridnet.core.identity import identity
from hybridnet.core.tree import flatten
from hybridnet.device import Device
from hybridnet.errors import ArgumentError, AutogradError, FileFormatError, TraceError, fail
from hybridnet.gluon import slices
from hybridnet.gluon.parameter import Parameter, ParameterDict
from hybridnet.gluon.ranks import Ranks
from hybridnet.gluon.shards import Shards
from hybridnet.kvstore import DistKVStore, KVStore, KVStoreBase
from hybridnet.optimizer import Optimizer
from hybridnet.optimizer import states as files
from hybridnet.optimizer.numbers import Numbers
from hybridnet.owned import OwnedMethod


class _Scalars:
    """What an update on one device reads, as arrays of no dimensions: the step count, learning rate, gradient scale, hyper-parameters."""

    def __init__(self, device: Device, optimizer: Optimizer) -> None:
        with suspended_trace():
            self.t = named(array(float(optimizer.num_update), "float64", device), "trainer.num_update")
        self.rates = Numbers(device, "trainer.")
        self.rates.write({"rescale_grad": 1.0, "learning_rate": optimizer.learning_rate})
        self.numbers = Numbers(device, "trainer.")
        self._written: Any = None

    def write(self, numbers: Mapping[str, float]) -> None:
        """Set hyper-parameters from the host."""
        if self._written is not numbers:  # which are another dict when one of them changed
            self.numbers.write(numbers)
            self._written = numbers


class Trainer:
    """Applies an optimizer to parameters.

    ``params``: what ``collect_params()`` gives, a dict, or a list. ``optimizer``: a name, with its
    arguments in ``optimizer_params``, or an :class:`Optimizer`.

    For parameters on several devices ``kvstore`` sums their gradients: ``device``, ``local``, or a store (see :mod:`hybridnet.kvstore`);
    with ``None`` each device's copy goes its own way. With ``update_on_kvstore``, which is the default for a store of the first two
    kinds, the first device alone updates, and the others get its parameters; without, each updates its own copy by the summed gradients,
    which can be looked at and changed between ``allreduce_grads`` and ``update``.

    With ``dist_sync``, ``dist_device_sync``, ``nccl`` or ``horovod`` it sums over the ranks that ``mpirun`` started, each of which has one
    device: all begin with rank 0's parameters, also those that are initialized later, and move them alike. ``step`` divides by what it is
    given, so give it the batch size of all ranks together (as MXNet has it; see docs/distributed.md). RankError where ranks differ.
    ``compression_params={"type": "fp16"}``, or ``bf16``, has gradients travel in 16 bits, and summed in float32.
    With ``shard_states`` each rank has, and updates, a slice of the optimizer's states alone; gradients stay as they are, unsummed.
    """

    def __init__(
        self,
        params: Any,
        optimizer: str | Optimizer,
        optimizer_params: Mapping[str, Any] | None = None,
        kvstore: Any = "device",
        compression_params: Any = None,
        update_on_kvstore: bool | None = None,
        shard_states: bool = False,
    ) -> None:
        self._params = _listed(params)
        self._param2idx = {p.name: i for i, p in enumerate(self._params)}
        self._has_rows = not all(p.is_dense for p in self._params)  # which no program updates
        by_index = dict(enumerate(self._params))
        if isinstance(optimizer, Optimizer):
            if optimizer_params:
                fail(
                    ArgumentError,
                    "Trainer",
                    expected="no optimizer_params with an optimizer that is made already",
                    got=str(dict(optimizer_params)),
                )
            optimizer.param_dict = by_index
            self._optimizer = optimizer
        else:
            self._optimizer = optimizers.create(optimizer, param_dict=by_index, **(optimizer_params or {}))
        self._scale = self._optimizer.rescale_grad
        self._states: list[list[Any]] = []  # of each parameter, on each of its devices
        self._scalars: dict[Device, _Scalars] = {}
        self._compiled: dict[Device, Jit] = {}
        self._kvstore = kvstores.create(kvstore) if isinstance(kvstore, str) else kvstore
        self._update_on_kvstore = self._on_store(update_on_kvstore)
        self._broadcast = False  # whether a store of the user's has been told of the parameters
        if compression_params is not None and self._kvstore is not None:
            self._kvstore.set_gradient_compression(compression_params)
        store = self._kvstore
        self._ranks = Ranks(self._params, store.sent) if isinstance(store, DistKVStore) and store.num_workers > 1 else None
        self._shard_states = shard_states and self._ranks is not None  # one rank has all
        self._shards: Shards | None = None
        self._summing = jit(OwnedMethod(self._sum_over_ranks), name="sum_gradients")
        self._amp_loss_scaler: Any = None  # from ``amp.init_trainer``: the name is MXNet's, and programs read it

    def _on_store(self, asked: bool | None) -> bool | None:
        """Whether one device updates for all; ``None``: as long as the user does not sum gradients by himself."""
        store = self._kvstore
        if store is not None and not isinstance(store, KVStoreBase):
            fail(ArgumentError, "Trainer", expected="kvstore to be a store, its name or None", got=repr(store), fix="kvstore='device'")
        if asked and not isinstance(store, KVStore):
            got = "no store" if store is None else type(store).__name__
            fail(ArgumentError, "Trainer", expected="a store of one machine for update_on_kvstore", got=got, fix="kvstore='device'")
        return asked if isinstance(store, KVStore) else False

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer."""
        return self._optimizer

    @property
    def _contexts(self) -> list[Any]:
        """The contexts that the parameters are in, as programs for MXNet ask for them."""
        return self._params[0].list_ctx() if self._params else []

    @property
    def learning_rate(self) -> float:
        """The learning rate of now."""
        return self._optimizer.learning_rate

    def set_learning_rate(self, lr: float) -> None:
        """Change the learning rate; nothing is compiled anew."""
        self._optimizer.set_learning_rate(lr)

    # -- one step -------------------------------------------------------------------------------

    def step(self, batch_size: float, ignore_stale_grad: bool = False) -> None:
        """Sum the gradients over devices and ranks, then move every parameter by its gradient over ``batch_size``.

        That may be an array of no dimensions: ``distributed.all_reduce(len(data))``, where ranks have batches of other lengths.
        A gradient that no backward delivered since the last step is an error, or with
        ``ignore_stale_grad`` its parameter stays where it is.
        """
        self._allreduce()
        self._update(batch_size, ignore_stale_grad, self._ranks is not None)

    def allreduce_grads(self) -> None:
        """Make the gradients on all devices and ranks of each parameter their sum: for :meth:`update`, in place of ``step``."""
        self._by_hand("allreduce_grads")
        self._allreduce()
        if self._ranks is not None:
            self._summing()

    def update(self, batch_size: float, ignore_stale_grad: bool = False) -> None:
        """Move the parameters, without summing over devices first: for gradients that were changed after ``allreduce_grads``."""
        self._by_hand("update")
        self._update(batch_size, ignore_stale_grad, False)

    def _by_hand(self, op: str) -> None:
        """The two halves of a step one by one: from now on each device updates its own copy."""
        if self._update_on_kvstore and self._divided():
            fix = "Trainer(..., update_on_kvstore=False)"
            fail(ArgumentError, f"Trainer.{op}", expected="a trainer without update_on_kvstore, or step", got="one with it", fix=fix)
        if self._update_on_kvstore is None and self._divided():
            self._update_on_kvstore = False

    def _divided(self) -> bool:
        """Whether a parameter is on several devices."""
        return any(len(parameter.list_ctx()) > 1 for parameter in self._params)

    def _allreduce(self) -> None:
        store = self._kvstore
        if store is None:
            return
        if self._ranks is not None and self._divided():
            got = f"{max(len(p.list_ctx()) for p in self._params)} devices in one process"
            fix = "mpirun with as many ranks, each with ctx=mx.gpu(distributed.local_rank())"
            fail(ArgumentError, "Trainer", expected="with several ranks, one device each", got=got, fix=fix)
        foreign = not isinstance(store, KVStore)  # one of the user's, which may sum over processes
        if foreign and not self._broadcast:
            self._broadcast = True
            for i, parameter in enumerate(self._params):
                store.broadcast(i, parameter.list_data()[0], parameter.list_data())
        for i, parameter in enumerate(self._params):
            if parameter.grad_req != "null" and (foreign or len(parameter.list_ctx()) > 1):
                store.pushpull(i, parameter.list_grad(), out=parameter.list_grad(), priority=-i)

    def _sum_over_ranks(self) -> None:
        assert self._ranks is not None
        self._ranks.sum_gradients(p for _, p in self._trained(None))

    def _update(self, batch_size: float, ignore_stale_grad: bool, summed: bool) -> None:
        """``summed``: whether gradients are summed over ranks by the update itself."""
        self._prepare()
        fresh = self._fresh(ignore_stale_grad)
        if fresh is not None and self._ranks is not None:
            fix = "grad_req = 'null' on all ranks, or adding zero times such parameters to the loss"
            fail(ArgumentError, "Trainer.step", expected="with several ranks, a gradient of every parameter", got="stale ones", fix=fix)
        if isinstance(batch_size, Array):
            batch_size = batch_size.item() if local.trace is None else batch_size  # type: ignore[attr-defined]
        elif batch_size == 0:
            fix = "loss.shape[0], or 1 where the loss is a mean"
            fail(ArgumentError, "Trainer.step", expected="a batch_size that gradients can be divided by", got="0", fix=fix)
        rescale = self._scale / batch_size
        self._refuse_rows(fresh)
        divide = self._must_divide()
        if not self._optimizer.traceable:
            self._update_one_by_one(fresh, rescale, divide, summed)
        elif local.trace is not None:
            local.trace.before_run(self._write_numbers)
            if self._ranks is not None:
                local.trace.note(self._ranks.explain(self._scale, batch_size))  # type: ignore[attr-defined]
            now = self._optimizer.learning_rate
            rates = local.trace.from_host(self._next_rate, dtypes.float64, list(self._scalars), "trainer.learning_rate", now)
            for device, rate in zip(self._scalars, rates, strict=True):
                self._update_on(device, fresh, divide, summed, rescale, rate)
        else:
            rate = self._next_rate()
            self._write_numbers()
            for device, scalars in self._scalars.items():
                scalars.rates.write({"rescale_grad": rescale, "learning_rate": rate})
                self._compiled[device](fresh, divide, summed)
                self._update_rows(device, fresh, rescale)
        if self._update_on_kvstore is not False:
            self._copy_to_others(fresh)

    def _refuse_rows(self, fresh: tuple[int, ...] | None) -> None:
        """Refuse what cannot update by rows, where there is something to be updated so: a compiled step, and one with loss scaling."""
        rows = next((p for _, p in self._trained_by_rows(fresh)), None)
        if rows is None or (local.trace is None and self._amp_loss_scaler is None):
            return
        got = f"{rows.name!r} of stype {rows.stype}, grad_stype {rows.grad_stype}"
        if local.trace is None:
            fail(ArgumentError, "Trainer.step", expected="with loss scaling, dense weights and gradients", got=got)
        fix = "calling trainer.step outside jit: it compiles the update of the others"
        fail(TraceError, "Trainer.step", expected="dense weights and gradients in a compiled step", got=got, fix=fix)

    def _copy_to_others(self, fresh: tuple[int, ...] | None) -> None:
        """Give the other devices what the first has updated."""
        for _, parameter in self._trained(fresh):
            first, *others = parameter._arrays()
            for x in others:
                x._assign(first.detach().to_device(x.device))
        if self._amp_loss_scaler is not None:
            for device in self._scalars:
                self._amp_loss_scaler.spread(device)

    def _updating(self, parameter: Parameter) -> list[Any]:
        """The arrays of a parameter that are updated, each with a state of its own."""
        return parameter._arrays() if self._update_on_kvstore is False else parameter._arrays()[:1]

    def _prepare(self) -> None:
        """Make the states, once; again after parameters moved to other devices."""
        where = [[x.device for x in self._updating(p)] for p in self._params]
        if self._states and [len(s) for s in self._states] == [len(w) for w in where] and all(d in self._scalars for w in where for d in w):
            return
        if self._shard_states:
            assert self._ranks is not None
            self._shards = Shards(list(self._trained(None)), self._optimizer, self._ranks.data, self._ranks.sent)
            self._states = [[None] * len(w) for w in where]
        else:
            self._make_states()
        identity(self._optimizer, "trainer")
        self._scalars = {d: _Scalars(d, self._optimizer) for d in dict.fromkeys(d for w in where for d in w)}
        self._compiled = {d: jit(functools.partial(OwnedMethod(self._update_on), d), name="update") for d in self._scalars}

    def _make_states(self) -> None:
        with suspended_trace():
            self._states = [
                [self._optimizer.create_state_multi_precision(i, x) for x in self._updating(p)] for i, p in enumerate(self._params)
            ]
        for parameter, states in zip(self._params, self._states, strict=True):
            for x, state in zip(self._updating(parameter), states, strict=True):
                self._optimizer.name_states(parameter.name, x, state)

    def _fresh(self, ignore_stale_grad: bool) -> tuple[int, ...] | None:
        """The parameters to move, ``None`` for all that are trained; notes that their gradients are used now."""
        stale = []
        for i, parameter in enumerate(self._params):
            if parameter._grad_req == "null":
                continue
            for leaf in parameter._leaves:
                if leaf is not None and not leaf.fresh:
                    if not ignore_stale_grad:
                        fail(
                            AutogradError,
                            "Trainer.step",
                            expected="a backward that delivers every gradient before each step",
                            got=f"none for {parameter.name!r} since the last step",
                            fix="ignore_stale_grad=True to leave such parameters alone, or grad_req = 'null' for them",
                        )
                    stale.append(i)
        for parameter in self._params:
            for leaf in parameter._leaves:
                if leaf is not None:
                    leaf.fresh = False
        return tuple(i for i in range(len(self._params)) if i not in stale) if stale else None

    def _must_divide(self) -> bool:
        """Whether the gradients are those of a scaled loss."""
        if self._amp_loss_scaler is None:
            return False
        if len({tuple(p.list_ctx()) for p in self._params}) > 1:
            got = "parameters on different ones"
            fail(ArgumentError, "Trainer.step", expected="with loss scaling, all parameters on the same devices", got=got)
        return bool(self._amp_loss_scaler.take())

    def _next_rate(self) -> float:
        """What happens on the host before every update: count it, follow the schedule, whose rate it gives."""
        if self._ranks is not None:
            self._ranks.compare(self._params, self._optimizer)
        self._optimizer.num_update += 1
        return self._optimizer.learning_rate

    def _write_numbers(self) -> None:
        """Put the hyper-parameters of now where updates read them."""
        numbers = self._optimizer.inputs()
        for scalars in self._scalars.values():
            scalars.write(numbers)

    def _trained(self, indices: Sequence[int] | None) -> Any:
        """(index, parameter) of those that are trained, among ``indices``."""
        for i in range(len(self._params)) if indices is None else indices:
            if self._params[i]._grad_req != "null":
                yield i, self._params[i]

    def _trained_by_rows(self, indices: Sequence[int] | None) -> list[tuple[int, Parameter]]:
        """Those of which weight or gradient is not dense: mostly none, and then nothing is gone through."""
        return [(i, p) for i, p in self._trained(indices) if not p.is_dense] if self._has_rows else []

    def _update_on(
        self, device: Device, fresh: tuple[int, ...] | None, divide: bool, summed: bool, rescale: Any = None, rate: Any = None
    ) -> None:
        """The update on one device; what the trainer compiles, and what a user's compiled step contains.

        ``divide``: whether the gradients are those of a scaled loss. ``summed``: whether they are summed over ranks first.
        ``rescale``, ``rate``: the gradients' factor and the learning rate, where they are not read from arrays of the trainer.
        """
        if local.trace is not None:
            local.trace.depends_on(self, "trainer")  # whether there is a loss scaler
        if summed and self._shards is None:
            self._sum_over_ranks()
        scalars = self._scalars[device]
        entries = []
        for i, parameter in self._trained(fresh):
            devices = [x.device for x in self._updating(parameter)]
            if device in devices and parameter.is_dense:
                at = devices.index(device)
                entries.append((i, parameter._data[at], parameter.list_grad()[at], self._states[i][at]))  # type: ignore[index]
        rescale = scalars.rates.array("rescale_grad", dtypes.float64) if rescale is None else rescale
        lr = scalars.rates.array("learning_rate", dtypes.float64) if rate is None else rate
        scalars.numbers.write(self._optimizer.inputs())  # there may be one that was no input so far

        def move(factor: Any) -> None:
            scalars.t += 1
            how = lr, scalars.t, rescale * factor, scalars.numbers
            if self._shards is None:
                slices.update_all(self._optimizer, self._params, entries, *how)
            else:
                self._shards.update(list(self._trained(None)), summed, *how)

        if self._amp_loss_scaler is None or not entries:
            move(1.0)
        elif self._shards is not None:
            fail(ArgumentError, "Trainer.step", expected="with shard_states no loss scaling", got="it", fix="bfloat16, which needs none")
        elif slices.group_of(self._params) is not None:
            fail(
                ArgumentError, "Trainer.step", expected="with split parameters no loss scaling", got="it", fix="bfloat16, which needs none"
            )
        else:
            written: list[Any] = [scalars.t]
            flatten([(weight, state) for _, weight, _, state in entries], written)
            self._amp_loss_scaler.guard(device, [grad for _, _, grad, _ in entries], written, divide, move)

    def _update_rows(self, device: Device, fresh: tuple[int, ...] | None, rescale: float) -> None:
        """The update on one device of what no program updates: parameters of which weight or gradient is not dense."""
        entries = []
        for i, parameter in self._trained_by_rows(fresh):
            for x, grad, state in zip(self._updating(parameter), parameter.list_grad(), self._states[i], strict=False):
                if x.device == device:
                    entries.append((i, x, grad, state))
        if entries:
            self._optimizer.update_all(entries, self._optimizer.learning_rate, self._optimizer.num_update, rescale)

    def _update_one_by_one(self, fresh: tuple[int, ...] | None, rescale: float, divide: bool, summed: bool) -> None:
        """For optimizers with an ``update`` of their own."""
        name = type(self._optimizer).__name__
        if local.trace is not None:
            fail(
                TraceError,
                "Trainer.step",
                expected="an optimizer that can be compiled",
                got=f"{name}, which overrides update",
                fix=f"defining {name}.rule (see Optimizer), or calling trainer.step outside jit",
            )
        if self._ranks is not None:
            self._ranks.compare(self._params, self._optimizer)
            if summed:
                self._summing()
        if (scaler := self._amp_loss_scaler) is not None:
            rescale = rescale / scaler.loss_scale if divide else rescale
            grads: dict[Device, list[Any]] = {}
            for _, parameter in self._trained(fresh):
                for grad in parameter.list_grad():
                    grads.setdefault(grad.device, []).append(grad)
            if not scaler.admits(grads):
                return
        self._optimizer.rescale_grad = rescale
        counts = self._optimizer._index_update_count
        for at in range(max((len(states) for states in self._states), default=0)):
            self._optimizer._index_update_count = dict(counts)  # a step is one update, on however many devices
            for i, parameter in self._trained(fresh):
                if at < len(self._states[i]):
                    weight, grad = parameter._arrays()[at], parameter.list_grad()[at]
                    self._optimizer.update_multi_precision(i, weight, grad, self._states[i][at])

    # -- files ----------------------------------------------------------------------------------

    def _kept_states(self, devices: int) -> dict[str, Any]:
        """The states by parameter, of the first device or of so many: those of several are alike, unless nothing sums their gradients."""
        if self._shards is not None:
            return {str(i): state for i, state in self._shards.whole().items()}
        if devices == 1:
            return {str(i): states[0] for i, states in enumerate(self._states)}
        return {f"{i}@{at}": state for i, states in enumerate(self._states) for at, state in enumerate(states)}

    def save_states(self, fname: str) -> None:
        """Write optimizer states, step count, learning rate and the loss's scale to a file.

        With ``shard_states``, or parameters that are split, all ranks call it, and each writes all of the states: give all but one
        ``os.devnull``.
        """
        self._prepare()
        opt, scaler = self._optimizer, self._amp_loss_scaler
        devices = 1 if self._kvstore is not None else max(map(len, self._states), default=1)
        header = {
            "optimizer": type(opt).__name__,
            "num_update": opt.num_update,
            "lr": opt.lr,
            "counts": list(opt._index_update_count.items()),
            "devices": devices,
            # With a loss scaler these are not the number of updates: steps that it left out do not count.
            "t": [scalars.t.item() for scalars in self._scalars.values()],
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        disk.write_bytes(fname, files.pack(slices.whole_states(self._params, self._kept_states(devices)), header))

    def load_states(self, fname: str) -> None:
        """Continue from a file that :meth:`save_states` wrote. Either all is loaded or nothing; no code in it is run."""
        header, arrays = files.unpack(disk.read_bytes(fname), fname)
        opt = self._optimizer
        if header.get("optimizer") != type(opt).__name__:
            fail(FileFormatError, "load_states", expected=f"states of {type(opt).__name__} in {fname}", got=f"of {header.get('optimizer')}")
        self._prepare()
        arrays = slices.own_arrays(self._params, arrays)
        whole = {} if self._shards is None else self._shards.whole()
        if self._shards is not None:
            checked = [files.check({str(i): s for i, s in whole.items()}, arrays, fname)]
        elif (devices := header.get("devices", 1)) > 1:
            checked = [files.check(self._kept_states(devices), arrays, fname)]
        else:
            checked = [
                files.check({i: s[at] for i, s in enumerate(self._states) if at < len(s)}, arrays, fname)
                for at in range(max(map(len, self._states), default=0))
            ]
        for found in checked:
            files.write(found, arrays)
        if self._shards is not None:
            self._shards.take(whole)
        opt.num_update, opt.lr = header["num_update"], header.get("lr", opt.lr)
        opt._index_update_count = dict(header["counts"])
        counts = header.get("t", [])
        for at, scalars in enumerate(self._scalars.values()):
            with suspended_trace():
                scalars.t[...] = counts[at] if len(counts) == len(self._scalars) else counts[0] if counts else float(opt.num_update)
        if self._amp_loss_scaler is not None and header.get("scaler") is not None:
            self._amp_loss_scaler.load_state_dict(header["scaler"])


def _listed(params: Any) -> list[Parameter]:
    """The parameters in MXNet's order: by name from a dict, as they stand from a list."""
    if isinstance(params, (dict, ParameterDict)):
        params = [params[name] for name in sorted(params.keys())]
    if not isinstance(params, (list, tuple)) or not all(isinstance(p, Parameter) for p in params):
        fail(ArgumentError, "Trainer", expected="a dict or list of Parameters", got=type(params).__name__, fix="net.collect_params()")
    return list(params)


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
