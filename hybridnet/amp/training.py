"""Loss scaling in a training loop: attached to a trainer, around the backward, undone by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hybridnet import dtypes
from hybridnet.amp.loss_scaler import LossScaler
from hybridnet.core import changed, local
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon import Trainer


def init_trainer(optimizer_or_trainer: Trainer) -> None:
    """Have a trainer leave out the steps whose gradients overflow, and its scale follow them.

    ``trainer._amp_loss_scaler.loss_scale`` is the scale. With bfloat16, whose range is float32's, there is nothing to do.
    ArgumentError if :func:`init` was not called before.
    """
    if local.precision is None:
        fail(ArgumentError, "amp.init_trainer", expected="amp.init() before it", got="no mixed precision")
    trainer = optimizer_or_trainer
    if local.precision.half == dtypes.float16 and trainer._amp_loss_scaler is None:
        trainer._amp_loss_scaler = LossScaler()
        changed(trainer, "loss scaling")  # updates compiled so far know nothing of it


@contextmanager
def scale_loss(loss: Any, optimizer_or_trainer: Trainer) -> Iterator[Any]:
    """The loss, or each of a list of losses, times the scale: call ``backward`` of that, inside ``autograd.record()``.

    Too large a scale is found out by trying, so that NumPy may warn of overflows on the CPU.
    The gradients are too large by the scale until ``trainer.step`` divides by it, or :func:`unscale` does. ArgumentError in
    float16 if :func:`init_trainer` has not seen the trainer.
    """
    scaler = optimizer_or_trainer._amp_loss_scaler
    if scaler is None:
        if local.precision is not None and local.precision.half == dtypes.float16:
            fail(
                ArgumentError, "amp.scale_loss", expected="a trainer for float16", got="one as it was made", fix="amp.init_trainer(trainer)"
            )
        yield loss
    elif isinstance(loss, (list, tuple)):
        yield [scaler.scaled(one) for one in loss]
    else:
        yield scaler.scaled(loss)


def unscale(optimizer_or_trainer: Trainer) -> None:
    """Divide the gradients by the scale now, before they are looked at or limited.

    Then ``trainer.update(batch_size)`` in place of ``step``; with several devices ``trainer.allreduce_grads()`` comes first.
    ArgumentError if no loss was scaled since the last update.
    """
    scaler = optimizer_or_trainer._amp_loss_scaler
    if scaler is None:
        return
    if not scaler.pending:
        fail(ArgumentError, "amp.unscale", expected="a loss that amp.scale_loss scaled since the last update", got="none")
    scaler.unscale([g for p in optimizer_or_trainer._params if p.grad_req != "null" for g in p.list_grad()])
