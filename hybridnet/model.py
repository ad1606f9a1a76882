"""``mx.model``: checkpoints of a symbol and its parameters, in MXNet's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hybridnet import ndarray as nd
from hybridnet import serialization, symbol
from hybridnet.errors import FileFormatError, fail
from hybridnet.ndarray.file import as_arrays

Arrays = dict[str, Any]


def save_checkpoint(
    prefix: str,
    epoch: int,
    symbol: Any,
    arg_params: Mapping[str, Any],
    aux_params: Mapping[str, Any],
    remove_amp_cast: bool = True,
) -> None:
    """Write a symbol (unless it is ``None``) to ``prefix-symbol.json``, arguments and states to ``prefix-0001.params``, by ``epoch``."""
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json", remove_amp_cast)
    arrays = {f"arg:{name}": x for name, x in arg_params.items()} | {f"aux:{name}": x for name, x in aux_params.items()}
    nd.save(f"{prefix}-{epoch:04d}.params", arrays)


def load_params(prefix: str, epoch: int) -> tuple[Arrays, Arrays]:
    """Arguments and states of a checkpoint, by name. FileFormatError for a name in the file that is neither's."""
    path = f"{prefix}-{epoch:04d}.params"
    found: dict[str, Arrays] = {"arg": {}, "aux": {}}
    for key, array in as_arrays(serialization.load_named(path), nd.NDArray).items():
        kind, colon, name = key.partition(":")
        if not colon or kind not in found:
            fail(FileFormatError, "load_params", expected=f"names that begin with arg: or aux: in {path}", got=repr(key))
        found[kind][name] = array
    return found["arg"], found["aux"]


def load_checkpoint(prefix: str, epoch: int) -> tuple[Any, Arrays, Arrays]:
    """The symbol of a checkpoint, its arguments and its states."""
    return symbol.load(f"{prefix}-symbol.json"), *load_params(prefix, epoch)
