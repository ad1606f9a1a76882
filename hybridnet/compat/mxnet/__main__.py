"""``python -m hybridnet.compat.mxnet script.py …``: a script of MXNet's, run on hybridnet."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from hybridnet.compat.mxnet.alias import DISTRIBUTION, install

USAGE = """usage: python -m hybridnet.compat.mxnet [script.py | -m module | -c code | --distribution] [arguments]

Runs a program that imports mxnet on hybridnet. --distribution prints the folder of a package mxnet that does so once it is installed."""


def main(arguments: list[str]) -> int | None:
    """Run what the command line asks for; the exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    first, rest = arguments[0], arguments[1:]
    if first == "--distribution":
        print(DISTRIBUTION)
        return 0
    if first in ("-m", "-c") and not rest:
        print(USAGE, file=sys.stderr)
        return 2
    install()
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = arguments
        sys.path[0] = str(Path(first).resolve().parent)
        runpy.run_path(first, run_name="__main__")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
