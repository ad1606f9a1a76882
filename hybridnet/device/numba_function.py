"""A function that numba compiles from a text, and a process that does nothing else.

Numba changes the warnings' filters of the whole process while it compiles (``warnings.catch_warnings``), and holds Python's lock. A thread
that compiled beside a user's program would take away its warnings, or bring back those that it ignores. So what is compiled in the
background is compiled by a process (:class:`~hybridnet.device.loop_compiler.Compiler` starts it), which leaves it where numba keeps it.
This module imports nothing of the package: the process has started when numba is imported.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

#: Of a module that can be imported: numba does when it loads what it kept.
MODULE = "hybridnet.device.numba_function"


def function(path: str, types: Sequence[str], names: Mapping[str, Any], is_kept: bool = True) -> Callable[..., Any]:
    """The function ``loop`` of the text in a file, in which ``names`` are known besides; raises whatever numba does.

    types: of its arguments, as numba writes them. is_kept: load what numba keeps beside the file, or keep what it compiles; what is broken
    there is removed.
    """
    import numba

    known = {"__name__": MODULE, **names}
    exec(compile(Path(path).read_text(), path, "exec"), known)
    signature = f"void({', '.join(types)})"

    def made(signature: str | None = None) -> Any:
        return numba.njit(signature, cache=is_kept, nogil=True, error_model="numpy")(known["loop"])

    try:
        return made(signature)  # type: ignore[no-any-return]
    except Exception:
        if not is_kept:
            raise
        for kept in Path(made().stats.cache_path).glob(f"{Path(path).stem}.*.nb?"):
            kept.unlink(missing_ok=True)
        return made(signature)  # type: ignore[no-any-return]


def serve() -> None:
    """Compile what is asked for on the standard input, line by line, and answer each: null, or what went wrong.

    A line is a file, the types of the arguments and the path of imports, in JSON.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a user who interrupts the program: the input's end is this process's
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # so that nothing else is written there
    for line in sys.stdin:
        path, types, sys.path[:] = json.loads(line)
        error = None
        try:
            function(path, types, {})
        except Exception as raised:  # of numba, of LLVM, of the disk
            error = str(raised) or type(raised).__name__
        print(json.dumps(error), file=answers, flush=True)


if __name__ == "__main__":
    serve()
