"""``python -m emulator.names``, from ``tests/``: what the installed CuPy has, written to the table that the emulated one goes by."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent.with_name("data") / "cupy_14_2.json"
MODULES = ("cupy", "cupy.fft", "cupy.linalg", "cupy.random", "cupyx.scipy.special")
_STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def described(name: str) -> dict[str, Any]:
    """The public functions of a module of CuPy: their parameters, or the element types of a ufunc's routines."""
    module, found = importlib.import_module(name), {}
    for key in sorted(k for k in dir(module) if not k.startswith("_")):
        value = getattr(module, key, None)
        if type(value).__name__ == "ufunc":
            found[key] = {"types": value.types} | ({"at": True} if value._scatter_op is not None else {})
        elif inspect.isfunction(value):
            parameters = inspect.signature(value).parameters.values()
            found[key] = {"parameters": [_STARS.get(p.kind, "") + p.name for p in parameters]}
        elif callable(value) and not isinstance(value, type):
            found[key] = {}  # written in C: CuPy itself does not know their parameters
    return found


def installed() -> dict[str, Any]:
    """The whole table."""
    cupy = importlib.import_module("cupy")
    methods = [n for n in dir(cupy.ndarray) if not n.startswith("_")]
    return {"version": cupy.__version__} | {name: described(name) for name in MODULES} | {"ndarray": methods}


def text(table: dict[str, Any]) -> str:
    """As JSON, one name a line."""
    parts = []
    for key, value in table.items():
        if isinstance(value, dict):
            lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(what)}" for name, what in value.items())
            parts.append(f"{json.dumps(key)}: {{\n{lines}\n}}")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    TABLE.write_text(text(installed()))
