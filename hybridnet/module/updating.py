"""How a module's parameters move: by a store that sums the contexts' gradients, or by an updater in each context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hybridnet import kvstore as kvs
from hybridnet.errors import ArgumentError, fail

Grid = Sequence[Sequence[Any]]  # by parameter, then by context


def create_store(kvstore: Any, num_device: int, arg_params: Mapping[str, Any]) -> tuple[Any, bool]:
    """The store that was asked for (``None`` where one context needs none), and whether the optimizer works in it.

    ArgumentError for what is no store and no name.
    """
    if kvstore is None:
        return None, False
    if isinstance(kvstore, kvs.KVStoreBase):
        store = kvstore
    elif isinstance(kvstore, str):
        if num_device == 1 and "dist" not in kvstore:
            return None, False
        store = kvs.create(kvstore)
        largest = max((param.size for param in arg_params.values()), default=0)
        if kvstore == "local" and largest > 1 << 24:  # MXNet's limit, above which each context updates for itself
            return store, False
    else:
        fail(ArgumentError, "Module.init_optimizer", expected="a KVStore, its name or None", got=repr(kvstore))
    return store, bool(store.is_capable(kvs.KVStoreBase.OPTIMIZER))


def enter(store: Any, params: Grid, arg_params: Mapping[str, Any], names: Sequence[str], update_on_kvstore: bool) -> None:
    """Give the store the first values of parameters, and the contexts the store's."""
    for name, arrays in zip(names, params, strict=True):
        if update_on_kvstore:
            store.init(name, arg_params[name])
            store.pull(name, list(arrays))
        else:
            store.broadcast(name, arg_params[name], list(arrays))


def update_in_store(store: Any, params: Grid, grads: Grid, names: Sequence[str]) -> None:
    """Push gradients, and pull the parameters that the store's optimizer has moved."""
    for name, arrays, own in zip(names, params, grads, strict=True):
        if own[0] is not None:
            store.push(name, list(own))
            store.pull(name, list(arrays))


def update_in_contexts(updater: Any, params: Grid, grads: Grid, names: Sequence[str], num_device: int, store: Any = None) -> None:
    """Sum gradients over contexts by the store, if there is one, and move each context's parameters by them, all of one at once.

    To the updater parameter ``i`` of context ``k`` is number ``i · num_device + k``.
    """
    trained = [(i, name, arrays, own) for i, (name, arrays, own) in enumerate(zip(names, params, grads, strict=True)) if own[0] is not None]
    if store is not None:
        for _, name, _, own in trained:
            store.pushpull(name, list(own))
    if trained:
        for k in range(num_device):
            updater([i * num_device + k for i, *_ in trained], [own[k] for *_, own in trained], [arrays[k] for *_, arrays, _ in trained])
