"""``mx.kvstore.kvstore_server``: the process that holds a store for several workers. Refused: every process has the store here."""

from __future__ import annotations

from typing import Any, NoReturn

from hybridnet.errors import ArgumentError, fail

__all__ = ["KVStoreServer"]


class KVStoreServer:
    """Refused, with the reason: sums are made by all processes together, and none serves the others."""

    def __init__(self, kvstore: Any) -> None:
        self._refuse()

    def run(self) -> NoReturn:
        """Refused as well."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        fail(ArgumentError, "KVStoreServer", expected="workers alone", got="a server", fix="mpirun -n 4 python train.py")
