"""Functions that are written in several operators, of what is stored alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from hybridnet.core import local, tape, wrap


def of_values(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``function``, of each element by itself, 0 for 0 and without slope: of an array that is not dense it is taken of what is stored."""

    @functools.wraps(function)
    def wrapper(data: Any) -> Any:
        if data.stype == "default":
            return function(data)
        values = function(wrap(data._dense, data._data.data, data._device))
        result = wrap(type(data), data._data.with_values(values._data), data._device)
        if local.recording:
            tape.note_behind((data,), (result,))
        return result

    return wrapper
