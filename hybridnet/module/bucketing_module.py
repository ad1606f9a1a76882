"""``BucketingModule``: one network for inputs of several lengths: a symbol a length, and one set of parameters."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet import ndarray as nd
from hybridnet import symbol as sym
from hybridnet.checkpoint import load_params
from hybridnet.errors import ArgumentError, fail
from hybridnet.initializer import Uniform
from hybridnet.module.base_module import BaseModule, check_input_names
from hybridnet.module.module import Module


class BucketingModule(BaseModule):
    """A module for each ``bucket_key`` that batches bring; they share parameters and the optimizer.

    ``sym_gen(bucket_key)`` gives a symbol, its data names and its label names. ``default_bucket_key``: that of the largest, which is bound
    first and whose parameters all others use.
    """

    def __init__(
        self,
        sym_gen: Callable[[Any], tuple[Any, Any, Any]],
        default_bucket_key: Any = None,
        logger: Any = logging,
        context: Any = None,
        work_load_list: Sequence[float] | None = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(logger=logger)
        if default_bucket_key is None:
            fail(ArgumentError, "BucketingModule", expected="a default_bucket_key", got="None", fix="the key of the largest bucket")
        self._default_bucket_key = default_bucket_key
        self._sym_gen = sym_gen
        symbol, data_names, label_names = sym_gen(default_bucket_key)
        check_input_names(symbol, list(data_names or ()), "data_names", True)
        check_input_names(symbol, list(label_names or ()), "label_names", False)
        check_input_names(symbol, list(state_names or ()), "state_names", True)
        check_input_names(symbol, list(fixed_param_names or ()), "fixed_param_names", True)
        self._arguments = {
            "logger": logger,
            "context": context,
            "work_load_list": work_load_list,
            "fixed_param_names": fixed_param_names,
            "state_names": state_names,
            "group2ctxs": group2ctxs,
            "compression_params": compression_params,
        }
        self._monitor: Any = None
        self._grad_req: Any = None
        self._reset_bind()
        self._params_dirty = False
        self._loaded_params: Any = None  # a checkpoint's, until the module is bound

    def _reset_bind(self) -> None:
        self.binded = False
        self._buckets: dict[Any, Module] = {}
        self._curr_module: Any = None
        self._curr_bucket_key: Any = None

    def _module(self, bucket_key: Any) -> Module:
        symbol, data_names, label_names = self._sym_gen(bucket_key)
        return Module(symbol, data_names, label_names, **self._arguments)

    # -- what it is -----------------------------------------------------------------------------

    @property
    def data_names(self) -> list[str]:
        return list(self._curr_module.data_names if self.binded else self._sym_gen(self._default_bucket_key)[1])

    @property
    def output_names(self) -> list[str]:
        return self._curr_module.output_names if self.binded else self._sym_gen(self._default_bucket_key)[0].list_outputs()

    @property
    def data_shapes(self) -> Any:
        self._needs("data_shapes", "binded")
        return self._curr_module.data_shapes

    @property
    def label_shapes(self) -> Any:
        self._needs("label_shapes", "binded")
        return self._curr_module.label_shapes

    @property
    def output_shapes(self) -> Any:
        self._needs("output_shapes", "binded")
        return self._curr_module.output_shapes

    @property
    def symbol(self) -> Any:
        self._needs("symbol", "binded")
        return self._curr_module.symbol

    # -- stages ---------------------------------------------------------------------------------

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
        """Bind the default bucket's module; those of others are bound when their batches come."""
        if shared_module is not None:
            fail(ArgumentError, "BucketingModule.bind", expected="no shared_module: its buckets share already", got=repr(shared_module))
        params = self.get_params() if self.params_initialized else None
        if force_rebind:
            self._reset_bind()
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        module = self._module(self._default_bucket_key)
        module.bind(data_shapes, label_shapes, for_training, inputs_need_grad, grad_req=grad_req)
        self._curr_module, self._curr_bucket_key = module, self._default_bucket_key
        self._buckets[self._default_bucket_key] = module
        self.binded = True
        if params is not None:
            self._loaded_params = None
            self.set_params(*params)

    def switch_bucket(self, bucket_key: Any, data_shapes: Any, label_shapes: Any = None) -> None:
        """Make the module of ``bucket_key`` the current one, binding it if it is not."""
        self._needs("switch_bucket", "binded")
        if bucket_key not in self._buckets:
            module = self._module(bucket_key)
            default = self._buckets[self._default_bucket_key]
            current = self._curr_module
            module.bind(
                data_shapes, label_shapes, current.for_training, current.inputs_need_grad, shared_module=default, grad_req=self._grad_req
            )
            if self._monitor is not None:
                module.install_monitor(self._monitor)
            self._buckets[bucket_key] = module
        self._curr_module, self._curr_bucket_key = self._buckets[bucket_key], bucket_key

    def init_params(
        self,
        initializer: Any = Uniform(0.01),
        arg_params: Any = None,
        aux_params: Any = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Give parameters their first values, as ``Module.init_params``."""
        if self.params_initialized and not force_init:
            return
        self._needs("init_params", "binded")
        self._curr_module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._params_dirty = False
        self.params_initialized = True

    def set_params(
        self, arg_params: Any, aux_params: Any, allow_missing: bool = False, force_init: bool = True, allow_extra: bool = False
    ) -> None:
        if not allow_missing:
            self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)
            return
        if self.params_initialized and not force_init:
            warnings.warn("Parameters already initialized and force_init=False. set_params call ignored.", stacklevel=2)
            return
        self._curr_module.set_params(arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._params_dirty = True
        self.params_initialized = True

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        self._needs("get_params", "params_initialized")
        if self._loaded_params is not None:
            return self._loaded_params
        self._curr_module._params_dirty = self._params_dirty
        params = self._curr_module.get_params()
        self._params_dirty = False
        return params

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Prepare for :meth:`update`, in all buckets."""
        self._needs("init_optimizer", "binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        self._curr_module.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        for module in self._buckets.values():
            if module is not self._curr_module:
                module.borrow_optimizer(self._curr_module)
        self.optimizer_initialized = True

    # -- computing ------------------------------------------------------------------------------

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """Bind the module of a batch that comes next, if it is not bound."""
        self._needs("prepare", "binded", "params_initialized")
        current = self._curr_bucket_key
        self._switch_to(data_batch)
        self._curr_module.prepare(data_batch, sparse_row_id_fn=sparse_row_id_fn)
        self._curr_module, self._curr_bucket_key = self._buckets[current], current

    def _switch_to(self, batch: Any) -> None:
        key = batch.bucket_key if batch.bucket_key is not None else self._default_bucket_key
        new = key not in self._buckets
        self.switch_bucket(key, batch.provide_data or self.data_shapes, batch.provide_label if batch.provide_data else self.label_shapes)
        if new and self.optimizer_initialized and not self._curr_module.optimizer_initialized:
            self._curr_module.borrow_optimizer(self._buckets[self._default_bucket_key])
        self._curr_module.params_initialized = self.params_initialized

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        self._needs("forward", "binded", "params_initialized")
        self._switch_to(data_batch)
        self._curr_module.forward(data_batch, is_train=is_train)

    def backward(self, out_grads: Any = None) -> None:
        self._needs("backward", "binded", "params_initialized")
        self._curr_module.backward(out_grads=out_grads)

    def update(self) -> None:
        self._needs("update", "binded", "params_initialized", "optimizer_initialized")
        self._params_dirty = True
        self._curr_module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        self._needs("get_outputs", "binded", "params_initialized")
        return self._curr_module.get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        self._needs("get_input_grads", "binded", "params_initialized")
        return self._curr_module.get_input_grads(merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        self._needs("get_states", "binded", "params_initialized")
        return self._curr_module.get_states(merge_multi_context)

    def set_states(self, states: Any = None, value: Any = None) -> None:
        self._needs("set_states", "binded", "params_initialized")
        self._curr_module.set_states(states, value)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        self._needs("update_metric", "binded", "params_initialized")
        self._curr_module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        self._needs("install_monitor", "binded")
        self._monitor = mon
        for module in self._buckets.values():
            module.install_monitor(mon)

    # -- files ----------------------------------------------------------------------------------

    def save_checkpoint(self, prefix: str, epoch: int, remove_amp_cast: bool = False) -> None:
        """Write each bucket's symbol, ``prefix-KEY-symbol.json``, their keys, ``prefix.buckets`` (JSON), and ``prefix-NNNN.params``."""
        self._needs("save_checkpoint", "binded", "params_initialized")
        for key, module in self._buckets.items():
            module.symbol.save(f"{prefix}-{key}-symbol.json", remove_amp_cast=remove_amp_cast)
        args, aux = self.get_params()
        nd.save(f"{prefix}-{epoch:04d}.params", {**{f"arg:{k}": v for k, v in args.items()}, **{f"aux:{k}": v for k, v in aux.items()}})
        with open(f"{prefix}.buckets", "w", encoding="utf-8") as file:
            json.dump(list(self._buckets), file)

    @staticmethod
    def load(prefix: str, epoch: int, sym_gen: Any = None, default_bucket_key: Any = None, **kwargs: Any) -> BucketingModule:
        """A module of the checkpoint that :meth:`save_checkpoint` wrote; its symbols are read, unless ``sym_gen`` makes them.

        Keyword arguments are the constructor's; its data and label names are then ``data_names`` and ``label_names``.
        """
        data_names, label_names = kwargs.pop("data_names", ("data",)), kwargs.pop("label_names", ("softmax_label",))
        args, aux = load_params(prefix, epoch)
        if sym_gen is None:
            with open(f"{prefix}.buckets", encoding="utf-8") as file:
                keys = [tuple(key) if isinstance(key, list) else key for key in json.load(file)]
            symbols = {key: sym.load(f"{prefix}-{key}-symbol.json") for key in keys}
            default_bucket_key = keys[0] if default_bucket_key is None else default_bucket_key

            def sym_gen(key: Any) -> tuple[Any, Any, Any]:
                return symbols[key], data_names, label_names

        return BucketingModule._of_params(sym_gen, default_bucket_key, args, aux, kwargs)

    @staticmethod
    def load_dict(
        sym_dict: Mapping[Any, Any] | None = None,
        sym_gen: Any = None,
        default_bucket_key: Any = None,
        arg_params: Any = None,
        aux_params: Any = None,
        **kwargs: Any,
    ) -> BucketingModule:
        """A module of symbols by bucket (or of ``sym_gen``) and parameters by name."""
        if (sym_dict is None) == (sym_gen is None):
            fail(ArgumentError, "BucketingModule.load_dict", expected="either sym_dict or sym_gen", got="both or neither")
        data_names, label_names = kwargs.pop("data_names", ("data",)), kwargs.pop("label_names", ("softmax_label",))
        if sym_dict is not None:
            symbols = dict(sym_dict)

            def sym_gen(key: Any) -> tuple[Any, Any, Any]:
                return symbols[key], data_names, label_names

        return BucketingModule._of_params(sym_gen, default_bucket_key, arg_params or {}, aux_params or {}, kwargs)

    @staticmethod
    def _of_params(sym_gen: Any, default_bucket_key: Any, args: Any, aux: Any, kwargs: Mapping[str, Any]) -> BucketingModule:
        module = BucketingModule(sym_gen, default_bucket_key, **kwargs)
        module._loaded_params = args, aux
        module.params_initialized = True
        return module


if not TYPE_CHECKING:  # what MXNet imports there, and programs take from there
    __getattr__, __dir__ = absent.Later(__name__, {"ctx": "hybridnet.context"}).functions
