"""Handles of another class to the same data.

A front end may give its arrays rules of their own (``nd.NDArray``: comparisons in the input's
dtype, nothing of zero dimensions). Operators and gradient rules are written for NumPy's rules, so
they are handed plain arrays, and results get the class of the inputs again.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core.array import Array, wrap
from hybridnet.core.state import local
from hybridnet.device import Device
from hybridnet.device.transfer import placed


def as_class(x: Any, cls: type[Array]) -> Any:
    """A handle of class ``cls`` to the data of ``x``, at the same place on the tape. Of what is not dense, the class beside it."""
    cls = cls._dense or cls
    cls = cls._stored_as.get(x._data.__class__, cls)
    if type(x) is cls:
        return x
    trace = local.trace
    result = wrap(cls, x._data if trace is None else trace.read(x), x._device)
    result._tape = x._tape
    result._behind = x._behind
    if trace is None:
        result._storage = x.storage()
    return result


def plain(x: Any) -> Any:
    """``x`` under NumPy's rules; anything but an array as it is."""
    return x if not isinstance(x, Array) or type(x) is x._plain else as_class(x, x._plain)


def rebuilt(cls: type[Array], data: Any, device: Device) -> Array:
    """A new array with the values of a NumPy array, on a device: what a pickled one becomes."""
    return wrap(cls, placed(data, device), device)
