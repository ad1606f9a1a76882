"""What MXNet's ``Module`` and programs beside it move parameters by: ``mx.model._create_kvstore`` and the like."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet import kvstore as kvs
from hybridnet.errors import ArgumentError, fail
from hybridnet.io import DataDesc
from hybridnet.module import updating
from hybridnet.module.base_module import check_input_names
from hybridnet.module.executor_group import described

Grid = updating.Grid


def _create_kvstore(kvstore: Any, num_device: int, arg_params: Mapping[str, Any]) -> tuple[Any, bool]:
    """The store that was asked for (``None`` where one context needs none), and whether the optimizer works in it."""
    return updating.create_store(kvstore, num_device, arg_params)


def _create_sparse_kvstore(kvstore: Any) -> tuple[Any, bool]:
    """The store for parameters of which some are row-sparse: there is always one, and the optimizer works in it.

    ArgumentError for what is no store and no name.
    """
    if isinstance(kvstore, str):
        return kvs.create(kvstore), True
    if not isinstance(kvstore, kvs.KVStoreBase):
        fail(ArgumentError, "_create_sparse_kvstore", expected="a KVStore or its name", got=repr(kvstore))
    return kvstore, True


def _initialize_kvstore(
    kvstore: Any, param_arrays: Grid, arg_params: Mapping[str, Any], param_names: Sequence[str], update_on_kvstore: bool
) -> None:
    """Give the store the first values of parameters, and, where the optimizer works in it, the contexts the store's."""
    for name, arrays in zip(param_names, param_arrays, strict=True):
        if update_on_kvstore:
            kvstore.broadcast(name, arg_params[name], list(arrays))
        else:
            kvstore.init(name, arg_params[name])


def _update_params_on_kvstore(param_arrays: Grid, grad_arrays: Grid, kvstore: Any, param_names: Sequence[str]) -> None:
    """Push gradients, and pull the parameters that the store's optimizer has moved."""
    updating.update_in_store(kvstore, param_arrays, grad_arrays, param_names)


def _update_params(
    param_arrays: Grid,
    grad_arrays: Grid,
    updater: Any,
    num_device: int,
    kvstore: Any = None,
    param_names: Sequence[str] | None = None,
) -> None:
    """Move each context's parameters by an updater; the store, if there is one, sums their gradients. Without names numbers are keys."""
    names: Any = range(len(param_arrays)) if param_names is None else param_names
    updating.update_in_contexts(updater, param_arrays, grad_arrays, names, num_device, kvstore)


def _multiple_callbacks(callbacks: Any, *args: Any, **kwargs: Any) -> None:
    """Call one callback, all of a list, or none."""
    for callback in callbacks if isinstance(callbacks, list) else [callbacks] if callbacks else []:
        callback(*args, **kwargs)


def _check_input_names(symbol: Any, names: Sequence[str], typename: str, throw: bool) -> None:
    """ArgumentError (a warning, unless ``throw``) if one of ``names`` is no argument of the symbol. ``typename``: what they name."""
    check_input_names(symbol, names, f"{typename}_names", throw)


def _check_names_match(data_names: Sequence[str], data_shapes: Sequence[Any], name: str, throw: bool) -> None:
    """ArgumentError (a warning, unless ``throw``) unless descriptions are of the names, in any order. ``name``: what they describe."""
    actual = [shape[0] for shape in data_shapes]
    if sorted(data_names) != sorted(actual):
        if throw:
            fail(ArgumentError, "Module", expected=f"{name}_shapes of {list(data_names)}", got=str(actual))
        warnings.warn(f"{name}_shapes are of {actual}, {name}_names {list(data_names)}", stacklevel=2)


def _parse_data_desc(
    data_names: Sequence[str], label_names: Sequence[str], data_shapes: Sequence[Any], label_shapes: Sequence[Any] | None
) -> tuple[list[DataDesc], list[DataDesc] | None]:
    """Descriptions of data and labels from any form in which they are given. ArgumentError for data of other names."""
    data = described(data_shapes)
    _check_names_match(data_names, data, "data", True)
    labels = described(label_shapes) if label_shapes is not None else None
    _check_names_match(label_names, labels or [], "label", False)
    return data, labels
