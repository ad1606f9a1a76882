"""``SVRGModule``: a module that trains by stochastic variance reduced gradients (Johnson and Zhang, 2013).

Every few epochs it keeps a copy of the parameters and the mean gradient of all the data at it. A batch's gradient is then corrected by
what the copy's gradient of the batch is away from that mean, so that it varies less the nearer the parameters are to the copy.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet import ndarray as nd
from hybridnet.contrib.svrg_optimization.svrg_optimizer import FULL, _SVRGOptimizer
from hybridnet.errors import ArgumentError, UninitializedError, fail
from hybridnet.module.module import Module

__all__ = ["SVRGModule"]


class SVRGModule(Module):
    """A :class:`~hybridnet.module.Module` with a second one, whose parameters are the copy.

    ``update_freq``: after how many epochs the copy and its mean gradient are renewed. All other arguments are the module's.
    ArgumentError for an ``update_freq`` that is no positive integer.
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
        update_freq: int | None = None,
    ) -> None:
        if not isinstance(update_freq, int) or update_freq < 1:
            fail(ArgumentError, "SVRGModule", expected="update_freq, a positive integer", got=repr(update_freq), fix="update_freq=2")
        arguments = (
            *(symbol, data_names, label_names, logger, context, work_load_list),
            *(fixed_param_names, state_names, group2ctxs, compression_params),
        )
        super().__init__(*arguments)
        self.update_freq = update_freq
        self._mod_aux = Module(*arguments)
        self._full_grads: list[list[Any]] = []  # by parameter, then by context; None where a parameter is fixed

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
        super().bind(data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, shared_module, grad_req)
        if for_training and (force_rebind or not self._mod_aux.binded):
            shared = shared_module._mod_aux if isinstance(shared_module, SVRGModule) else None
            self._mod_aux.bind(data_shapes, label_shapes, True, inputs_need_grad, force_rebind, shared, grad_req)

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Prepare for :meth:`update` as a module does; a store has a key more for the mean gradient of each parameter."""
        self._needs("init_optimizer", "binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        group = self._exec_group
        if isinstance(optimizer, str):
            count = len(self._context)
            indices = {i * count + k: name for i, name in enumerate(group.param_names) for k in range(count)}
            indices.update({name: name for name in group.param_names})
            arguments = {"rescale_grad": 1.0 / group.batch_size, **dict(optimizer_params)}
            own = _SVRGOptimizer(optimizer, param_idx2name=indices, **arguments)
        else:
            own = _SVRGOptimizer(optimizer, rescale_grad=optimizer.rescale_grad)
        super().init_optimizer(kvstore, own, force_init=force_init)
        self._full_grads = [[None if g is None else nd.zeros_like(g) for g in grads] for grads in group.grad_arrays]
        if self._kvstore is not None:
            for name, grads in zip(group.param_names, self._full_grads, strict=True):
                if grads[0] is not None:
                    self._kvstore.init(name + FULL, grads[0])

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch; in training the copy's too."""
        super().forward(data_batch, is_train)
        if (self.for_training if is_train is None else is_train) and self._mod_aux.params_initialized:
            self._mod_aux.forward(data_batch, True)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients, and the copy's; ``out_grads``: those of outputs that are no losses."""
        super().backward(out_grads)
        if self._mod_aux.params_initialized:
            self._mod_aux.backward(out_grads)

    def update(self) -> None:
        """Move the parameters by the gradients of the last backward, corrected. UninitializedError before :meth:`update_full_grads`."""
        self._needs("update", "binded", "params_initialized", "optimizer_initialized")
        if not self._mod_aux.params_initialized:
            way = "update_full_grads(train_data)"
            fail(UninitializedError, "SVRGModule.update", expected=f"a module after {way}", got="one before", fix=way)
        for grids in zip(self._exec_group.grad_arrays, self._mod_aux._exec_group.grad_arrays, self._full_grads, strict=True):
            for grad, of_copy, full in zip(*grids, strict=True):
                if grad is not None:
                    grad[:] = grad - of_copy + full
        super().update()

    def update_full_grads(self, train_data: Any) -> None:
        """Copy the parameters, and take the mean over batches of the gradients of all of ``train_data``, an iterator, at them.

        A mean that there was counts as one batch more, as in MXNet. What fills up the last batch counts as the part that it is of one.
        """
        self._needs("update_full_grads", "binded", "params_initialized", "optimizer_initialized")
        self._mod_aux.set_params(*self.get_params())
        train_data.reset()
        batches = 0.0
        for batch in train_data:
            self._mod_aux.forward_backward(batch)
            batches += 1 - (batch.pad or 0) / train_data.batch_size
            for totals, grads in zip(self._full_grads, self._mod_aux._exec_group.grad_arrays, strict=True):
                for total, grad in zip(totals, grads, strict=True):
                    if total is not None:
                        total += grad
        if not batches:
            fail(ArgumentError, "SVRGModule.update_full_grads", expected="an iterator with batches", got="one without")
        # A store sums over contexts, each of which has the gradients of its part of a batch.
        divisor = batches if self._kvstore is None else batches * len(self._context)
        for name, totals in zip(self._exec_group.param_names, self._full_grads, strict=True):
            if totals[0] is None:
                continue
            for total in totals:
                total /= divisor
            if self._kvstore is not None:
                self._kvstore.pushpull(name + FULL, totals)

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        super().prepare(data_batch, sparse_row_id_fn)
        if self._mod_aux.binded:
            self._mod_aux.prepare(data_batch, sparse_row_id_fn)

    def _fit_epoch(
        self, epoch: int, train_data: Any, eval_metric: Any, batch_end_callback: Any, monitor: Any, sparse_row_id_fn: Any
    ) -> None:
        if epoch % self.update_freq == 0:
            self.update_full_grads(train_data)
        train_data.reset()
        super()._fit_epoch(epoch, train_data, eval_metric, batch_end_callback, monitor, sparse_row_id_fn)
