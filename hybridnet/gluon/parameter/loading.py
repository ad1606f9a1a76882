"""Putting loaded values into parameters: all are checked before the first is written."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from hybridnet.errors import FileFormatError, fail
from hybridnet.gluon.parameter.parameter import Parameter


def _near(name: str, names: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, names, 3)
    return (
        f"it has {', '.join(map(repr, near))}"
        if near
        else f"it has {', '.join(map(repr, list(names)[:6]))}{' …' if len(names) > 6 else ''}"
    )


def load_values(
    parameters: Mapping[str, Parameter],
    values: Mapping[str, Any],
    source: str,
    *,
    ctx: Any,
    allow_missing: bool,
    ignore_extra: bool,
    cast_dtype: bool,
    dtype_source: str,
) -> None:
    """Write ``values`` into the ``parameters`` of the same names.

    Raises before anything is changed: :class:`FileFormatError` for a parameter without a value
    (unless ``allow_missing``; one that shares its array with a loaded one counts as loaded) and a
    value without a parameter (unless ``ignore_extra``), and what :meth:`Parameter._check_load` raises.
    """
    loaded = {id(parameters[name]) for name in values if name in parameters}
    for name, parameter in parameters.items():
        if id(parameter) not in loaded and not allow_missing:
            fail(
                FileFormatError,
                "load",
                expected=f"a value for parameter {name!r} in {source}",
                got=f"none: {_near(name, values)}",
                fix="allow_missing=True if that is meant",
            )
    for name, value in values.items():
        if name in parameters:
            parameters[name]._check_load(value, cast_dtype, dtype_source, source)
        elif not ignore_extra:
            fail(
                FileFormatError,
                "load",
                expected=f"parameters of this network in {source}",
                got=f"{name!r}, which the network lacks: {_near(name, parameters)}",
                fix="ignore_extra=True if that is meant",
            )
    for name, value in values.items():
        if name in parameters:
            parameters[name]._load_init(value, ctx, cast_dtype, dtype_source, source)
