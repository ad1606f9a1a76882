"""``x.__array_namespace__()``: the array API standard's namespace of an array, which is loaded when it is first asked for."""

from __future__ import annotations

from typing import Any

from hybridnet.absent import Later
from hybridnet.core import NDArray

_loaded, _ = Later(__name__, {"array_api": "hybridnet.array_api"}).functions


def _namespace(self: Any, *, api_version: str | None = None) -> Any:
    """The namespace of the array API standard for this array."""
    return _loaded("array_api").of_version(api_version)


setattr(NDArray, "__array_namespace__", _namespace)  # noqa: B010 (the class does not declare it)
