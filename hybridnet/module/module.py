"""``Module``: a symbol that is trained."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hybridnet import absent, disk
from hybridnet import ndarray as nd
from hybridnet import optimizer as opt
from hybridnet.base import _as_list
from hybridnet.checkpoint import load_checkpoint
from hybridnet.core import Array
from hybridnet.device import Device, cpu
from hybridnet.errors import ArgumentError, fail
from hybridnet.initializer import InitDesc, Uniform
from hybridnet.io import DataDesc
from hybridnet.module.base_module import BaseModule, check_input_names
from hybridnet.module.executor_group import DataParallelExecutorGroup, described, put
from hybridnet.module.updating import create_store, enter, update_in_contexts, update_in_store


class Module(BaseModule):
    """A symbol with its parameters on one or several contexts.

    ``data_names`` and ``label_names``: which of the symbol's arguments are inputs; all others are parameters, except ``state_names``,
    which are kept from batch to batch. ``fixed_param_names``: parameters that do not move. With several contexts each takes its part of a
    batch, in proportion to ``work_load_list``. ArgumentError for names that the symbol does not have.
    """

    def __init__(
        self,
        symbol: Any,
        data_names: Sequence[str] | None = ("data",),
        label_names: Sequence[str] | None = ("softmax_label",),
        logger: Any = logging,
        context: Any = None,
        work_load_list: Sequence[float] | None = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(logger=logger)
        self._context = [Device(c) for c in _as_list(cpu() if context is None else context)]
        self._work_load_list = [1.0] * len(self._context) if work_load_list is None else list(work_load_list)
        if len(self._work_load_list) != len(self._context):
            fail(ArgumentError, "Module", expected=f"a load for each of {len(self._context)} contexts", got=str(work_load_list))
        self._group2ctxs = group2ctxs
        self._compression_params = compression_params
        self._symbol = symbol
        self._data_names = list(data_names or ())
        self._label_names = list(label_names or ())
        self._state_names = list(state_names or ())
        self._fixed_param_names = list(fixed_param_names or ())
        for names, what, strict in (
            (self._data_names, "data_names", True),
            (self._label_names, "label_names", False),
            (self._state_names, "state_names", True),
            (self._fixed_param_names, "fixed_param_names", True),
        ):
            check_input_names(symbol, names, what, strict)
        inputs = {*self._data_names, *self._label_names, *self._state_names}
        self._param_names = [name for name in symbol.list_arguments() if name not in inputs]
        self._aux_names = symbol.list_auxiliary_states()
        self._output_names = symbol.list_outputs()
        self._arg_params: dict[str, Any] | None = None
        self._aux_params: dict[str, Any] | None = None
        self._params_dirty = False  # whether the contexts' parameters have moved on from these
        self._optimizer: Any = None
        self._kvstore: Any = None
        self._update_on_kvstore = False
        self._updater: Any = None
        self._preload_opt_states: str | None = None
        self._grad_req: Any = None
        self._exec_group: Any = None
        self._data_shapes: list[DataDesc] | None = None
        self._label_shapes: list[DataDesc] | None = None

    @staticmethod
    def load(prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> Module:
        """A module of the checkpoint that :meth:`save_checkpoint` wrote. Keyword arguments are the constructor's."""
        symbol, args, aux = load_checkpoint(prefix, epoch)
        module = Module(symbol=symbol, **kwargs)
        module._arg_params, module._aux_params = args, aux
        module.params_initialized = True
        if load_optimizer_states:
            module._preload_opt_states = f"{prefix}-{epoch:04d}.states"
        return module

    def save_checkpoint(self, prefix: str, epoch: int, save_optimizer_states: bool = False, remove_amp_cast: bool = True) -> None:
        """Write ``prefix-symbol.json``, ``prefix-NNNN.params`` and, if asked for, the optimizer's states in ``prefix-NNNN.states``."""
        self._symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
        self.save_params(f"{prefix}-{epoch:04d}.params")
        logging.info('Saved checkpoint to "%s-%04d.params"', prefix, epoch)
        if save_optimizer_states:
            self.save_optimizer_states(f"{prefix}-{epoch:04d}.states")
            logging.info('Saved optimizer state to "%s-%04d.states"', prefix, epoch)

    # -- what it is -----------------------------------------------------------------------------

    @property
    def data_names(self) -> list[str]:
        return self._data_names

    @property
    def label_names(self) -> list[str]:
        """The names of the labels."""
        return self._label_names

    @property
    def output_names(self) -> list[str]:
        return self._output_names

    @property
    def data_shapes(self) -> Any:
        self._needs("data_shapes", "binded")
        return self._data_shapes

    @property
    def label_shapes(self) -> Any:
        self._needs("label_shapes", "binded")
        return self._label_shapes

    @property
    def output_shapes(self) -> Any:
        self._needs("output_shapes", "binded")
        return self._exec_group.get_output_shapes()

    # -- parameters -----------------------------------------------------------------------------

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        self._needs("get_params", "params_initialized")
        if self._params_dirty:
            self._sync_params_from_devices()
        return self._arg_params or {}, self._aux_params or {}

    def _sync_params_from_devices(self) -> None:
        self._exec_group.get_params(self._arg_params, self._aux_params)
        if self._kvstore is not None and self._update_on_kvstore:
            for name in sorted(self._arg_params or {}):
                if name in self._exec_group.param_names:
                    self._kvstore.pull(name, self._arg_params[name])  # type: ignore[index]
        self._params_dirty = False

    def init_params(
        self,
        initializer: Any = Uniform(0.01),
        arg_params: Any = None,
        aux_params: Any = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Give parameters and auxiliary states their first values.

        They are those of ``arg_params`` and ``aux_params`` by name; one that is missing there is an error, or with ``allow_missing`` the
        initializer's, as are all where nothing is given. Names that the symbol does not have are passed over. A module that has its
        parameters keeps them, unless ``force_init``.
        """
        if self.params_initialized and not force_init:
            warnings.warn("Parameters already initialized and force_init=False. init_params call ignored.", stacklevel=2)
            return
        self._needs("init_params", "binded")
        group = self._exec_group
        if self._arg_params is None:
            self._arg_params = {n: _on_cpu(a[0]) for n, a in zip(group.param_names, group.param_arrays, strict=True)}
        if self._aux_params is None:
            self._aux_params = {n: _on_cpu(a[0]) for n, a in zip(group.aux_names, group.aux_arrays, strict=True)}
        attributes = self._symbol.attr_dict()
        for own, given in ((self._arg_params, arg_params), (self._aux_params, aux_params)):
            for name in sorted(own):
                self._first_value(InitDesc(name, attributes.get(name), initializer), own[name], given, initializer, allow_missing)
        self.params_initialized = True
        self._params_dirty = False
        group.set_params(self._arg_params, self._aux_params, allow_extra=allow_extra)

    def _first_value(self, desc: InitDesc, target: Any, given: Any, initializer: Any, allow_missing: bool) -> None:
        if given and desc in given:
            if given[desc] is not target:
                put(given[desc], target)
            return
        if given is not None and not allow_missing:
            fail(
                ArgumentError,
                "Module.init_params",
                expected="a value for each parameter",
                got=f"none for {str(desc)!r}",
                fix="allow_missing=True",
            )
        if initializer is not None:
            initializer(desc, target)

    def set_params(
        self, arg_params: Any, aux_params: Any, allow_missing: bool = False, force_init: bool = True, allow_extra: bool = False
    ) -> None:
        """Give parameters and auxiliary states values by name: all of them, or with ``allow_missing`` some."""
        if not allow_missing:
            self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)
            return
        if self.params_initialized and not force_init:
            warnings.warn("Parameters already initialized and force_init=False. set_params call ignored.", stacklevel=2)
            return
        self._needs("set_params", "binded")
        self._exec_group.set_params(arg_params or {}, aux_params or {}, allow_extra=allow_extra)
        if self._arg_params is None or self._aux_params is None:
            group = self._exec_group
            self._arg_params = {n: _on_cpu(a[0]) for n, a in zip(group.param_names, group.param_arrays, strict=True)}
            self._aux_params = {n: _on_cpu(a[0]) for n, a in zip(group.aux_names, group.aux_arrays, strict=True)}
        self._params_dirty = True
        self.params_initialized = True

    # -- binding --------------------------------------------------------------------------------

    def bind(
        self,
        data_shapes: Any,
        label_shapes: Any = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Any = None,
        grad_req: Any = "write",
    ) -> None:
        """Prepare for batches of these shapes (``(name, shape)`` pairs or ``DataDesc``).

        ``shared_module``: another module whose parameters are this one's too, as buckets have them. Ignored, with a warning, by a module
        that is bound, unless ``force_rebind``. ArgumentError for gradients of inputs without training; ShapeError for shapes that conflict.
        """
        if force_rebind:
            self._exec_group, self.binded = None, False
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if inputs_need_grad and not for_training:
            fail(ArgumentError, "Module.bind", expected="for_training=True where inputs_need_grad=True", got="for_training=False")
        data, labels = described(data_shapes), described(label_shapes)
        if sorted(d.name for d in data) != sorted(self._data_names):
            names = [d.name for d in data]
            fail(ArgumentError, "Module.bind", expected=f"shapes of {self._data_names}, the module's data_names", got=str(names))
        self._data_shapes, self._label_shapes = data, labels or None
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        self.binded = True
        self._exec_group = DataParallelExecutorGroup(
            self._symbol,
            self._context,
            self._work_load_list,
            data,
            labels,
            self._param_names,
            for_training,
            inputs_need_grad,
            None if shared_module is None else shared_module._exec_group,
            logger=self.logger,
            fixed_param_names=self._fixed_param_names,
            grad_req=grad_req,
            state_names=self._state_names,
            group2ctxs=self._group2ctxs,
        )
        if shared_module is not None:
            self.params_initialized = shared_module.params_initialized
            self._arg_params, self._aux_params = shared_module._arg_params, shared_module._aux_params
            if shared_module.optimizer_initialized:
                self.borrow_optimizer(shared_module)
        elif self.params_initialized:
            self._exec_group.set_params(self._arg_params, self._aux_params, allow_extra=True)

    def reshape(self, data_shapes: Any, label_shapes: Any = None) -> None:
        """Prepare for other shapes of inputs; parameters and the optimizer stay."""
        self._needs("reshape", "binded")
        self._data_shapes, self._label_shapes = described(data_shapes), described(label_shapes) or None
        self._exec_group.reshape(self._data_shapes, self._label_shapes)

    # -- the optimizer --------------------------------------------------------------------------

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Prepare for :meth:`update`: an optimizer or its name with its arguments, and the store that sums gradients over contexts.

        Gradients are of a batch's sum: an optimizer that is made here divides them by the size of the batch.
        """
        self._needs("init_optimizer", "binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        if self._params_dirty:
            self._sync_params_from_devices()
        store, in_store = create_store(kvstore, len(self._context), self._arg_params or {})
        together = store is not None and "dist" in store.type and "_sync" in store.type  # as MXNet asks
        rescale = 1.0 / (self._exec_group.batch_size * (store.num_workers if together else 1))
        names = self._exec_group.param_names
        count = len(self._context)
        numbered = {i * count + k: n for i, n in enumerate(names) for k in range(count)}
        indices = {n: n for n in names} if in_store else numbered
        if isinstance(optimizer, str):
            arguments = {"rescale_grad": rescale, **dict(optimizer_params)}
            optimizer = opt.create(optimizer, sym=self._symbol, param_idx2name=indices, **arguments)
            for table, key in ((optimizer.lr_mult, "__lr_mult__"), (optimizer.wd_mult, "__wd_mult__")):
                table.update({name: float(attrs[key]) for name, attrs in self._symbol.attr_dict().items() if key in attrs})
        elif optimizer.rescale_grad != rescale:
            warnings.warn(
                f"Optimizer created manually outside Module but rescale_grad is not normalized to 1.0/batch_size "
                f"({optimizer.rescale_grad} vs. {rescale}). Is this intended?",
                stacklevel=2,
            )
        if not optimizer.idx2name:
            optimizer.idx2name = dict(indices)
        self._optimizer, self._kvstore, self._update_on_kvstore, self._updater = optimizer, store, in_store, None
        if store is not None:
            if self._compression_params:
                store.set_gradient_compression(self._compression_params)
            if in_store:
                store.set_optimizer(optimizer)
            enter(store, self._exec_group.param_arrays, self._arg_params or {}, names, in_store)
        if not in_store:
            self._updater = opt.get_updater(optimizer)
        self.optimizer_initialized = True
        if self._preload_opt_states is not None:
            self.load_optimizer_states(self._preload_opt_states)
            self._preload_opt_states = None

    def borrow_optimizer(self, shared_module: Any) -> None:
        """Use another module's optimizer, with its states."""
        shared_module._needs("borrow_optimizer", "optimizer_initialized")
        for name in ("_optimizer", "_kvstore", "_update_on_kvstore", "_updater"):
            setattr(self, name, getattr(shared_module, name))
        self.optimizer_initialized = True

    def save_optimizer_states(self, fname: str) -> None:
        """Write the optimizer's states to a file."""
        self._needs("save_optimizer_states", "optimizer_initialized")
        if self._update_on_kvstore:
            self._kvstore.save_optimizer_states(fname)
        else:
            disk.write_bytes(fname, self._updater.get_states())

    def load_optimizer_states(self, fname: str) -> None:
        """Read the file that :meth:`save_optimizer_states` wrote. FileFormatError for another."""
        self._needs("load_optimizer_states", "optimizer_initialized")
        if self._update_on_kvstore:
            self._kvstore.load_optimizer_states(fname)
        else:
            self._updater.set_states(disk.read_bytes(fname))

    # -- computing ------------------------------------------------------------------------------

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch; where its shapes are others than those bound, the module is bound to them first."""
        self._needs("forward", "binded", "params_initialized")
        self._fit_shapes(data_batch)
        self._exec_group.forward(data_batch, is_train)

    def _fit_shapes(self, batch: Any) -> None:
        """Reshape where a batch has other shapes than the last."""
        if isinstance(batch, list):
            first = batch[0]
            sizes = [b.data[0].shape[0] for b in batch]
            shapes = [(sum(sizes), *x.shape[1:]) for x in first.data]
            label_shapes = [(sum(sizes), *x.shape[1:]) for x in first.label or []]
        else:
            first = batch
            shapes = [x.shape for x in batch.data]
            label_shapes = [x.shape for x in batch.label or []]
        before = [d.shape for d in self._data_shapes or []]
        if [tuple(s) for s in before] == [tuple(s) for s in shapes]:
            return
        data = first.provide_data or _with_shapes(self._data_shapes or [], shapes)
        labels = first.provide_label or (_with_shapes(self._label_shapes, label_shapes) if self._label_shapes and label_shapes else None)
        self.reshape(data, labels if labels is not None else _batched(self._label_shapes, before, shapes))

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients; ``out_grads``: those of outputs that are no losses."""
        self._needs("backward", "binded", "params_initialized")
        self._exec_group.backward(out_grads)

    def update(self) -> None:
        """Move the parameters by the gradients of the last backward."""
        self._needs("update", "binded", "params_initialized", "optimizer_initialized")
        self._params_dirty = True
        group = self._exec_group
        if self._update_on_kvstore:
            update_in_store(self._kvstore, group.param_arrays, group.grad_arrays, group.param_names)
        else:
            update_in_contexts(self._updater, group.param_arrays, group.grad_arrays, group.param_names, len(self._context), self._kvstore)

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The outputs of the last forward: arrays of the whole batch, or (``False``) a list of each context's parts."""
        self._needs("get_outputs", "binded", "params_initialized")
        return self._exec_group.get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the inputs, of a module that is bound with ``inputs_need_grad=True``."""
        self._needs("get_input_grads", "binded", "params_initialized")
        return self._exec_group.get_input_grads(merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """The arrays of ``state_names``."""
        self._needs("get_states", "binded", "params_initialized")
        return self._exec_group.get_states(merge_multi_context)

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Give the arrays of ``state_names`` values: lists with each context's, or one number for all."""
        self._needs("set_states", "binded", "params_initialized")
        self._exec_group.set_states(states, value)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        self._exec_group.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        self._needs("install_monitor", "binded")
        self._exec_group.install_monitor(mon)

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """Fetch the rows of sparse parameters that a batch needs, which ``sparse_row_id_fn`` tells by the parameters' names."""
        self._needs("prepare", "binded")
        if sparse_row_id_fn is None or self._kvstore is None or not self._update_on_kvstore:
            return
        rows = sparse_row_id_fn(data_batch)
        for name, row_id in rows.items():
            arrays = self._exec_group.param_arrays[self._exec_group.param_names.index(name)]
            self._kvstore.row_sparse_pull(name, arrays, row_ids=[row_id] * len(arrays) if isinstance(row_id, Array) else row_id)


def _on_cpu(array: Any) -> Any:
    return nd.zeros(array.shape, ctx=cpu(), dtype=array.dtype)


def _with_shapes(descriptions: Sequence[DataDesc], shapes: Sequence[Any]) -> list[DataDesc]:
    return [DataDesc(d.name, s, d.dtype, d.layout) for d, s in zip(descriptions, shapes, strict=False)]


def _batched(labels: Sequence[DataDesc] | None, before: Sequence[Any], after: Sequence[Any]) -> list[DataDesc] | None:
    """Label descriptions for a batch that comes without labels and has another size than the last."""
    if not labels:
        return None
    old, new = before[0][0], after[0][0]
    return [DataDesc(d.name, (new, *d.shape[1:]) if d.shape[0] == old else d.shape, d.dtype, d.layout) for d in labels]


if not TYPE_CHECKING:  # what MXNet imports there, and programs take from there
    __getattr__, __dir__ = absent.Later(__name__, {"ctx": "hybridnet.context"}).functions
