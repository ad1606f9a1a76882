"""Checkpoints of symbols: ``prefix-symbol.json`` beside ``prefix-0001.params``, as MXNet writes them; ``mx.model`` shows these names."""

from __future__ import annotations

import logging
from collections import namedtuple
from collections.abc import Mapping
from typing import Any

from hybridnet import ndarray as nd
from hybridnet import symbol as sym
from hybridnet.errors import ArgumentError, FileFormatError, fail

#: What callbacks of batches are given.
BatchEndParam = namedtuple("BatchEndParam", ["epoch", "nbatch", "eval_metric", "locals"])


def save_checkpoint(
    prefix: str,
    epoch: int,
    symbol: Any,
    arg_params: Mapping[str, Any],
    aux_params: Mapping[str, Any],
    remove_amp_cast: bool = True,
) -> None:
    """Write a symbol to ``prefix-symbol.json`` (``None``: not) and its parameters to ``prefix-NNNN.params``, NNNN being the epoch.

    ``remove_amp_cast`` leaves out the casts that mixed precision put into the symbol.
    """
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
    name = f"{prefix}-{epoch:04d}.params"
    nd.save(name, {**{f"arg:{k}": v for k, v in arg_params.items()}, **{f"aux:{k}": v for k, v in aux_params.items()}})
    logging.info('Saved checkpoint to "%s"', name)


def load_params(prefix: str, epoch: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the auxiliary states in ``prefix-NNNN.params``, by name.

    FileFormatError for a file whose names do not say which of the two they are.
    """
    file = f"{prefix}-{epoch:04d}.params"
    return split_params(nd.load(file), file)


def split_params(saved: Any, file: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Named arrays whose names begin with ``arg:`` or ``aux:``, apart and without it. FileFormatError, with ``file``, for others."""
    groups: dict[str, dict[str, Any]] = {"arg": {}, "aux": {}}
    if not saved:
        logging.warning("Params file '%s' is empty", file)
        return {}, {}
    if not isinstance(saved, dict):
        fail(FileFormatError, "load_params", expected="named arrays", got=f"a list of {len(saved)} without names in {file}", fix="nd.load")
    for key, value in saved.items():
        kind, _, name = key.partition(":")
        if kind not in groups or not name:
            fail(FileFormatError, "load_params", expected="names arg:… and aux:…", got=f"{key!r} in {file}", fix="nd.load")
        groups[kind][name] = value
    return groups["arg"], groups["aux"]


def load_checkpoint(prefix: str, epoch: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """The symbol, the parameters and the auxiliary states that :func:`save_checkpoint` wrote. FileFormatError for other files."""
    if not isinstance(epoch, int):
        fail(ArgumentError, "load_checkpoint", expected="the number of an epoch", got=repr(epoch))
    symbol = sym.load(f"{prefix}-symbol.json")
    return symbol, *load_params(prefix, epoch)
