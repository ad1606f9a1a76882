"""``amp``: automatic mixed precision, as MXNet's ``contrib.amp`` (1.x) and ``amp`` (2.x).

    amp.init("bfloat16")                    # before the first call of a network

or, with float16, whose range needs the loss to be scaled::

    amp.init("float16")
    trainer = gluon.Trainer(...)
    amp.init_trainer(trainer)
    with autograd.record():
        loss = loss_of(net(x), y)
        with amp.scale_loss(loss, trainer) as scaled:
            scaled.backward()
    trainer.step(batch_size)

Parameters, their gradients and the optimizer's states stay float32. It is the same imperatively, hybridized and
in a ``jit`` step. What is cast, and where, is in :mod:`hybridnet.core.precision`.
"""

import sys
from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.amp.blocks import convert_hybrid_block
from hybridnet.amp.loss_scaler import LossScaler
from hybridnet.amp.policy import (
    init,
    list_conditional_fp32_ops,
    list_fp32_ops,
    list_loss_output_functions,
    list_lp16_fp32_ops,
    list_lp16_ops,
    list_lp16_use_fp32_params,
    list_widest_type_cast,
)
from hybridnet.amp.symbols import convert_model, convert_symbol
from hybridnet.amp.training import init_trainer, scale_loss, unscale

amp = sys.modules[__name__]  # MXNet's module of these functions

__all__ = [
    "LossScaler",
    "amp",
    "convert_hybrid_block",
    "convert_model",
    "convert_symbol",
    "init",
    "init_trainer",
    "list_conditional_fp32_ops",
    "list_fp32_ops",
    "list_loss_output_functions",
    "list_lp16_fp32_ops",
    "list_lp16_ops",
    "list_lp16_use_fp32_params",
    "list_widest_type_cast",
    "scale_loss",
    "unscale",
]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
