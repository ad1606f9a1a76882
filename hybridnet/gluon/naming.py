"""MXNet 1.x's names: prefixes of blocks, and the scopes that join them.

A block made inside ``with parent.name_scope():`` is ``<parent's prefix><hint><number>_``, its
parameters ``<prefix>weight`` and so on; one made outside takes the next number of its hint.
"""

from __future__ import annotations

import threading
from typing import Any

from hybridnet import name
from hybridnet.gluon.parameter import ParameterDict


class _Scopes(threading.local):
    def __init__(self) -> None:
        self.blocks: list[Any] = []


_scopes = _Scopes()


class NameScope:
    """One ``with block.name_scope():``."""

    def __init__(self, block: Any) -> None:
        self.block = block

    def __enter__(self) -> NameScope:
        # A block whose own part of the prefix is empty adds nothing: its children are named, and numbered, where it stands.
        named = bool(self.block._own_prefix)
        _scopes.blocks.append(self.block if named else _scopes.blocks[-1] if _scopes.blocks else None)
        # Symbols that are made in it are named, and numbered, after the block.
        self._symbols = name.Prefix(self.block.prefix) if named else name.current()
        self._symbols.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._symbols.__exit__(*exc)
        _scopes.blocks.pop()


def create(prefix: str | None, params: ParameterDict | None, hint: str) -> tuple[str, str, ParameterDict]:
    """A new block's own part of the prefix, its whole prefix, and its parameters, shared with ``params`` if given."""
    parent = _scopes.blocks[-1] if _scopes.blocks else None
    if prefix is None:
        prefix = (name.current().get(None, hint) if parent is None else parent._child_names.next(hint)) + "_"
    if params is not None:
        return prefix, (parent.prefix if parent is not None else "") + prefix, ParameterDict(params.prefix, params)
    if parent is None:
        return prefix, prefix, ParameterDict(prefix)
    return prefix, parent.prefix + prefix, ParameterDict(parent.params.prefix + prefix, parent.params._shared)
