"""The process manager that MPICH's ranks ask who the others are where no launcher of MPI started them: its PMI-1, in lines of text.

This file is run by a process of its own (see :mod:`hybridnet.device.rendezvous`), and imports nothing of the package.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

_LONGEST = 65536  # bytes of a line: who says more is none of the ranks


class Manager:
    """What ``size`` processes ask, ``local`` of them on each machine: who they are, and what the others have put into its table."""

    def __init__(self, size: int, local: int) -> None:
        self.size = size
        self._name = f"hybridnet-{uuid.uuid4().hex}"  # after which MPICH names what its ranks share in memory
        self._table = {"PMI_process_mapping": f"(vector,(0,{-(-size // local)},{local}))"}
        self._waiting: list[Any] = []

    def answers(self, asker: Any, line: str) -> Iterator[tuple[Any, str]]:
        """The lines that an asker's line is answered with, and to whom."""
        words = dict(word.partition("=")[::2] for word in line.split(" ") if "=" in word)
        match words.pop("cmd", ""):
            case "initack":
                yield asker, "cmd=initack"
                said = {"size": self.size, "rank": words["pmiid"], "debug": 0}
                yield from ((asker, f"cmd=set {name}={value}") for name, value in said.items())
            case "init":
                yield asker, "cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1"
            case "get_maxes":
                yield asker, "cmd=maxes rc=0 kvsname_max=256 keylen_max=64 vallen_max=1024"
            case "get_appnum":
                yield asker, "cmd=appnum rc=0 appnum=0"
            case "get_my_kvsname":
                yield asker, f"cmd=my_kvsname rc=0 kvsname={self._name}"
            case "get_universe_size":
                yield asker, f"cmd=universe_size rc=0 size={self.size}"
            case "put":
                self._table[words["key"]] = line.partition("value=")[2]
                yield asker, "cmd=put_result rc=0 msg=success"
            case "get":
                value = self._table.get(words["key"])
                yield asker, "cmd=get_result rc=-1 msg=unknown" if value is None else f"cmd=get_result rc=0 msg=success value={value}"
            case "barrier_in":
                self._waiting.append(asker)
                if len(self._waiting) == self.size:
                    yield from ((other, "cmd=barrier_out rc=0") for other in self._waiting)
                    self._waiting = []
            case "finalize":
                yield asker, "cmd=finalize_ack rc=0"


def serve(listener: socket.socket, manager: Manager, timeout: float) -> None:
    """Answer until all that came have gone; nobody is waited for longer than the time, or than the process lives that started this one."""
    parent, end = os.getppid(), time.monotonic() + timeout
    begun: dict[Any, bytes] = {}  # of each connection what it has said of the next line
    came = False
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while begun if came else time.monotonic() < end and os.getppid() == parent:
            for key, _ in selector.select(0.5):
                connection: Any = key.fileobj
                if connection is listener:
                    connection = listener.accept()[0]
                    begun[connection] = b""
                    selector.register(connection, selectors.EVENT_READ)
                    continue
                text = b""
                with suppress(OSError):
                    text = connection.recv(4096)
                if not text or len(begun[connection]) > _LONGEST:
                    selector.unregister(connection)
                    del begun[connection]
                    connection.close()
                    continue
                came = True
                *lines, begun[connection] = (begun[connection] + text).split(b"\n")
                for line in lines:
                    with suppress(KeyError, UnicodeDecodeError):  # of a stranger, who gets no answer
                        for other, answer in manager.answers(connection, line.decode()):
                            with suppress(OSError):
                                other.sendall(f"{answer}\n".encode())


if __name__ == "__main__":
    _, _address, _port, _size, _local, _timeout = sys.argv
    with socket.create_server((_address, int(_port)), backlog=int(_size)) as _listener:
        serve(_listener, Manager(int(_size), int(_local)), float(_timeout))
