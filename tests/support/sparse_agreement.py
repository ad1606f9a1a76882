"""Whether two answers to a call of arrays of all storages agree."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from support.paths import DATA

SAMPLE = DATA / "mxnet_1_9_1_sparse_calls.json.gz"

#: Where ours differs on purpose: a pattern of what is called, or of how it differs, and why.
ON_PURPOSE: list[tuple[str, str]] = [
    (r"^add_n: .*csr of float32, not default", "`add_n` of csr matrices is csr, as their sum by `+` is in both"),
    (r"^elementwise: nd.elemwise_mul.*a:default.*default of float32, not", "dense · stored is dense, as `*` of them is in both"),
    (r"^sparse_retain: x\.retain", "MXNet's method loses the array and takes the rows for it; ours is `nd.sparse.retain(x, rows)`"),
]


def reason(call: dict[str, Any], how: str) -> str:
    """Why a call differs on purpose, or nothing."""
    line = f"{call['family']}: {call['text']} [{storages(call)}]: {how}"
    return next((why for pattern, why in ON_PURPOSE if re.search(pattern, line)), "")


def storages(call: dict[str, Any]) -> str:
    """The arrays of a call in short."""
    return " ".join(f"{name}:{of[0]}{tuple(of[1])}" for name, of in call["arrays"].items())


def packed(sample: list[Any]) -> str:
    """Calls and answers as JSON."""
    return json.dumps(sample, default=_described)


def unpacked(text: str) -> list[Any]:
    """What :func:`packed` was given."""
    found: list[Any] = json.loads(text, object_hook=_made)
    return found


def _described(x: Any) -> dict[str, Any]:
    return {"bytes": x.hex()} if isinstance(x, bytes) else {"elements": x.tolist(), "dtype": str(x.dtype), "shape": x.shape}


def _made(x: dict[str, Any]) -> Any:
    if x.keys() == {"bytes"}:
        return bytes.fromhex(x["bytes"])
    return np.array(x["elements"], x["dtype"]).reshape(x["shape"]) if x.keys() == {"elements", "dtype", "shape"} else x


def verdict(expected: dict[str, Any], found: dict[str, Any]) -> tuple[str, str]:
    """``agrees``, ``more`` (which MXNet refuses and we compute) or ``differs``, and how."""
    if "error" in expected:
        return ("agrees", "") if "error" in found else ("more", expected["error"])
    if "error" in found:
        return "differs", f"refused: {found['error']}"
    how = _differs(expected["outputs"], found["outputs"]) or _differs(expected.get("after"), found.get("after"))
    if how:
        return "differs", how
    if "gradient_error" in expected:
        return ("agrees", "") if "gradient_error" in found else ("more", expected["gradient_error"])
    if "gradient_error" in found:
        return "differs", f"gradient refused: {found['gradient_error']}"
    how = _differs(expected.get("gradients"), found.get("gradients"))
    return ("differs", f"gradient: {how}") if how else ("agrees", "")


def _differs(a: Any, b: Any) -> str:
    if isinstance(a, dict) and isinstance(b, dict):
        return next((f"{name}: {how}" for name in a if (how := _differs(a[name], b[name]))), "")
    if isinstance(a, list) and len(a) == 4 and isinstance(a[2], np.ndarray):
        if a[:2] != b[:2]:
            return f"{b[0]} of {b[1]}, not {a[0]} of {a[1]}"
        if a[2].shape != b[2].shape:
            return f"shape {b[2].shape}, not {a[2].shape}"
        tolerance = 1e-2 if a[1] == "float16" else 1e-5
        return "" if np.allclose(a[2], b[2], tolerance, tolerance, equal_nan=True) else f"{b[2].tolist()}, not {a[2].tolist()}"
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return next((how for x, y in zip(a, b, strict=True) if (how := _differs(x, y))), "")
    return "" if a == b else f"{b!r}, not {a!r}"
