"""Checkpoints of networks with cells, whose files have each gate's parameters apart, and the older form of ``unroll``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from hybridnet import symbol as sym
from hybridnet.base import _as_list
from hybridnet.checkpoint import load_checkpoint, save_checkpoint
from hybridnet.rnn.base import BaseRNNCell

__all__ = ["do_rnn_checkpoint", "load_rnn_checkpoint", "rnn_unroll", "save_rnn_checkpoint"]


def rnn_unroll(
    cell: BaseRNNCell, length: int, inputs: Any = None, begin_state: Any = None, input_prefix: str = "", layout: str = "NTC"
) -> tuple[Any, list[Any]]:
    """The older form of ``cell.unroll``; without inputs they are variables ``t0_data`` … behind the prefix."""
    warnings.warn("rnn_unroll is deprecated. Please call cell.unroll directly.", DeprecationWarning, stacklevel=2)
    if inputs is None:
        inputs = [sym.Variable(f"{input_prefix}t{i}_data") for i in range(length)]
    return cell.unroll(length, inputs=inputs, begin_state=begin_state, layout=layout)


def save_rnn_checkpoint(cells: Any, prefix: str, epoch: int, symbol: Any, arg_params: Any, aux_params: Any) -> None:
    """``model.save_checkpoint``, with the parameters of a cell, or of several, unpacked."""
    for cell in _as_list(cells):
        arg_params = cell.unpack_weights(arg_params)
    save_checkpoint(prefix, epoch, symbol, arg_params, aux_params)


def load_rnn_checkpoint(cells: Any, prefix: str, epoch: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """What :func:`save_rnn_checkpoint` wrote: symbol, parameters (packed as these cells have them), auxiliary states."""
    symbol, args, aux = load_checkpoint(prefix, epoch)
    for cell in _as_list(cells):
        args = cell.pack_weights(args)
    return symbol, args, aux


def do_rnn_checkpoint(cells: Any, prefix: str, period: int = 1) -> Callable[..., None]:
    """A callback of epochs that calls :func:`save_rnn_checkpoint` every ``period`` epochs."""
    period = max(1, int(period))

    def save(iter_no: int, symbol: Any = None, arg: Any = None, aux: Any = None) -> None:
        if (iter_no + 1) % period == 0:
            save_rnn_checkpoint(cells, prefix, iter_no + 1, symbol, arg, aux)

    return save
