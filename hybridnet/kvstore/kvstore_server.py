"""``mx.kvstore.kvstore_server``: the process that holds a store for several workers. Refused: stores are of one process here."""

from __future__ import annotations

from typing import Any, NoReturn

from hybridnet.errors import ArgumentError, fail

__all__ = ["KVStoreServer"]


class KVStoreServer:
    """Refused, with the reason: there are no stores of several machines yet."""

    def __init__(self, kvstore: Any) -> None:
        self._refuse()

    def run(self) -> NoReturn:
        """Refused as well."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        fail(ArgumentError, "KVStoreServer", expected="training in one process", got="a server of several", fix="kvstore.create('device')")
