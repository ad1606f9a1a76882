"""``mx.contrib.io``: a Gluon ``DataLoader`` where an iterator is wanted, as by ``Module.fit``."""

from __future__ import annotations

from typing import Any

from hybridnet import ndarray as nd
from hybridnet.errors import ArgumentError, fail
from hybridnet.io import DataDesc, DataIter

__all__ = ["DataLoaderIter"]


class DataLoaderIter(DataIter):
    """Batches of a loader that gives pairs (data, label). A smaller last one is filled up by repeating it, and says so by ``pad``.

    ``data_name``, ``label_name``: what they are called; ``dtype``: of both. ArgumentError for a loader without batches.
    """

    def __init__(self, loader: Any, data_name: str = "data", label_name: str = "softmax_label", dtype: Any = "float32") -> None:
        self._loader = loader
        self._batches = iter(loader)
        first = next(self._batches, None)
        if first is None:
            fail(ArgumentError, "DataLoaderIter", expected="a loader with batches", got="one without")
        data, label = first
        super().__init__(data.shape[0])
        self.dtype = dtype
        self.provide_data = [DataDesc(data_name, data.shape, dtype)]
        self.provide_label = [DataDesc(label_name, label.shape, dtype)]
        self._current: Any = None
        self.reset()

    def reset(self) -> None:
        self._batches = iter(self._loader)

    def iter_next(self) -> bool:
        self._current = next(self._batches, None)
        return self._current is not None

    def _whole(self, array: Any) -> list[Any]:
        """A part of the current batch, filled up."""
        array, missing = nd.array(array, dtype=self.dtype), self.getpad()
        while missing and array.shape[0] < self.batch_size:
            array = nd.concat(array, array[: self.batch_size - array.shape[0]], dim=0)
        return [array]

    def getdata(self) -> Any:
        return self._whole(self._current[0])

    def getlabel(self) -> Any:
        return self._whole(self._current[1])

    def getpad(self) -> int:
        return self.batch_size - int(self._current[0].shape[0])
