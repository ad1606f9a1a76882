"""``mx.libinfo``: where MXNet's C library lies. There is none here: all is Python."""

from __future__ import annotations

__all__ = ["find_conf_path", "find_include_path", "find_lib_path"]


def find_lib_path(prefix: str = "libmxnet") -> list[str]:
    """The paths of MXNet's library: none."""
    return []


def find_include_path() -> str:
    """The folder of MXNet's C headers: none, an empty text."""
    return ""


def find_conf_path(prefix: str = "tvmop") -> str:
    """The path of TVM's configuration: none, an empty text."""
    return ""
