"""Batches to where they are wanted: page-locked memory, or a device, to which the next is copied while this one is computed with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy

from hybridnet.core import Array, wrap
from hybridnet.device import Device
from hybridnet.device.copies import Copies
from hybridnet.device.transfer import moved, page_locked


class Run(Protocol):
    """Batches to come, of which the next may be there already."""

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...

    def is_ready(self) -> bool:
        """Whether the next one is there, so that asking for it does not wait."""


def placed(run: Run, device: Device | None) -> Iterator[Any]:
    """The batches of ``run`` on ``device`` (``None``: where they are)."""
    if device is not None and device.is_gpu:
        return _copied_ahead(run, device)
    return run if device is None else (_each(batch, lambda x: _put(x, device)) for batch in run)


def _put(x: Any, device: Device) -> Any:
    if x._device is device:
        return x
    data = page_locked(x._data) if device.device_type == "cpu_pinned" and isinstance(x._data, numpy.ndarray) else moved(x._data, device)
    return wrap(type(x), data, device)


def _each(batch: Any, function: Callable[[Any], Any]) -> Any:
    """A batch with each array of ours replaced, in lists, tuples and dicts."""
    if isinstance(batch, Array):
        return function(batch)
    if isinstance(batch, dict):
        return {key: _each(part, function) for key, part in batch.items()}
    if isinstance(batch, (list, tuple)):
        parts = [_each(part, function) for part in batch]
        if isinstance(batch, list):
            return parts
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    return batch


class _Arriving:
    """A batch on its way to a GPU."""

    def __init__(self, batch: Any, device: Device) -> None:
        self._device, self._batch = device, batch
        hosts: list[Any] = []
        _each(batch, lambda x: hosts.append(x._data) if isinstance(x._data, numpy.ndarray) else None)
        self._copies = Copies(hosts, device)

    def arrived(self) -> Any:
        data = iter(self._copies.arrived())
        device = self._device

        def there(x: Any) -> Any:
            return wrap(type(x), next(data), device) if isinstance(x._data, numpy.ndarray) else x.to_device(device)

        return _each(self._batch, there)


def _copied_ahead(run: Run, device: Device) -> Iterator[Any]:
    """The copy of the next batch begins before one is handed out, if that is there by then; else nothing waits for it."""
    coming: _Arriving | None = None
    late: Exception | None = None  # what came in place of the next batch
    try:
        while True:
            if late is not None:
                raise late
            now = _Arriving(next(run), device) if coming is None else coming
            coming = None
            if run.is_ready():
                try:
                    coming = _Arriving(next(run), device)
                except Exception as error:
                    late = error
            yield now.arrived()
    except StopIteration:
        return
    finally:
        if coming is not None and not sys.is_finalizing():  # memory that a copy still writes to goes back behind it
            coming.arrived()
