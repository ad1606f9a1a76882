"""``SequentialModule``: modules one after another, each on the outputs of the one before."""

from __future__ import annotations

import logging
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.initializer import Uniform
from hybridnet.io import DataBatch, DataDesc
from hybridnet.module.base_module import BaseModule


class SequentialModule(BaseModule):
    """A chain of modules. ``add(module, take_labels=True)`` for those that need labels, ``auto_wiring=True`` for one whose data names
    are taken to be the outputs before it, in their order."""

    META_TAKE_LABELS = "take_labels"
    META_AUTO_WIRING = "auto_wiring"

    def __init__(self, logger: Any = logging) -> None:
        super().__init__(logger=logger)
        self._modules: list[Any] = []
        self._metas: list[dict[str, Any]] = []
        self._label_shapes: Any = None

    def add(self, module: Any, **kwargs: Any) -> SequentialModule:
        """Put a module at the end; itself, so that calls may be chained. All stages have to be gone through again."""
        for name in kwargs:
            if name not in (self.META_TAKE_LABELS, self.META_AUTO_WIRING):
                fail(ArgumentError, "SequentialModule.add", expected="take_labels or auto_wiring", got=repr(name))
        self._modules.append(module)
        self._metas.append(kwargs)
        self.binded = self.params_initialized = self.optimizer_initialized = False
        return self

    def _takes_labels(self, i: int) -> bool:
        return bool(self._metas[i].get(self.META_TAKE_LABELS))

    @property
    def data_names(self) -> list[str]:
        return self._modules[0].data_names if self._modules else []

    @property
    def output_names(self) -> list[str]:
        return self._modules[-1].output_names if self._modules else []

    @property
    def data_shapes(self) -> Any:
        self._needs("data_shapes", "binded")
        return self._modules[0].data_shapes

    @property
    def label_shapes(self) -> Any:
        self._needs("label_shapes", "binded")
        return self._label_shapes

    @property
    def output_shapes(self) -> Any:
        self._needs("output_shapes", "binded")
        return self._modules[-1].output_shapes

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        self._needs("get_params", "binded", "params_initialized")
        args: dict[str, Any] = {}
        aux: dict[str, Any] = {}
        for module in self._modules:
            own_args, own_aux = module.get_params()
            args.update(own_args)
            aux.update(own_aux)
        return args, aux

    def init_params(
        self,
        initializer: Any = Uniform(0.01),
        arg_params: Any = None,
        aux_params: Any = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Give each module's parameters their first values. ArgumentError if two modules have one of the same name."""
        if self.params_initialized and not force_init:
            return
        self._needs("init_params", "binded")
        owners: dict[str, int] = {}
        for i, module in enumerate(self._modules):
            # What is given is given for all of them.
            module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, allow_extra=True)
            for params in module.get_params():
                for name in params:
                    if name in owners:
                        got = f"{name!r} in modules {owners[name]} and {i}"
                        fail(ArgumentError, "SequentialModule.init_params", expected="parameters of different names", got=got)
                    owners[name] = i
        unknown = [n for given in (arg_params, aux_params) for n in given or () if n not in owners]
        if unknown and not allow_extra:
            fail(
                ArgumentError, "SequentialModule.init_params", expected="names of parameters", got=repr(unknown[0]), fix="allow_extra=True"
            )
        self.params_initialized = True

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
        """Bind each module to the outputs of the one before."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if shared_module is not None:
            fail(ArgumentError, "SequentialModule.bind", expected="no shared_module", got=type(shared_module).__name__)
        if not self._modules:
            fail(ArgumentError, "SequentialModule.bind", expected="modules", got="none", fix="add(module)")
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        shapes, labels_used = data_shapes, False
        for i, module in enumerate(self._modules):
            labels_used |= self._takes_labels(i)
            if self._metas[i].get(self.META_AUTO_WIRING):
                shapes = [(name, shape) for name, (_, shape) in zip(module.data_names, (tuple(s)[:2] for s in shapes), strict=True)]
            module.bind(
                shapes,
                label_shapes if self._takes_labels(i) else None,
                for_training,
                for_training and (inputs_need_grad or i > 0),
                force_rebind,
                None,
                grad_req,
            )
            shapes = module.output_shapes
        self._label_shapes = label_shapes if labels_used else None
        self.binded = True

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Prepare each module for :meth:`update`, with an optimizer of its own."""
        self._needs("init_optimizer", "binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        for module in self._modules:
            module.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        self.optimizer_initialized = True

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        self._needs("forward", "binded", "params_initialized")
        batch = data_batch
        for i, module in enumerate(self._modules):
            module.forward(batch, is_train=is_train)
            if i + 1 < len(self._modules):
                names = [name for name, _ in (tuple(s)[:2] for s in self._modules[i + 1].data_shapes)]
                outputs = module.get_outputs()
                described = [DataDesc(name, out.shape) for name, out in zip(names, outputs, strict=True)]
                batch = DataBatch(outputs, data_batch.label, data_batch.pad, data_batch.index, None, described, data_batch.provide_label)

    def backward(self, out_grads: Any = None) -> None:
        self._needs("backward", "binded", "params_initialized")
        for i, module in reversed(list(enumerate(self._modules))):
            module.backward(out_grads=out_grads)
            if i:
                out_grads = module.get_input_grads()

    def update(self) -> None:
        self._needs("update", "binded", "params_initialized", "optimizer_initialized")
        for module in self._modules:
            module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        self._needs("get_outputs", "binded", "params_initialized")
        return self._modules[-1].get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        self._needs("get_input_grads", "binded", "params_initialized")
        return self._modules[0].get_input_grads(merge_multi_context)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        self._needs("update_metric", "binded", "params_initialized")
        for i, module in enumerate(self._modules):
            if self._takes_labels(i):
                module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        self._needs("install_monitor", "binded")
        for module in self._modules:
            module.install_monitor(mon)
