"""What all data iterators share: the description of an array, the batch, and the base class.

Relies on arrays alone, so that whatever gives batches (``hybridnet.image``, ``gluon.training``) can import it.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy

from hybridnet import ndarray
from hybridnet.core import Array, NDArray, wrap
from hybridnet.core.stored import KINDS
from hybridnet.device import Device, cpu
from hybridnet.device.transfer import placed
from hybridnet.errors import ArgumentError, fail
from hybridnet.util import is_np_array

_NameAndShape = namedtuple("_NameAndShape", ["name", "shape"])


class DataDesc(_NameAndShape):
    """Name, shape, dtype and layout of an array of a batch. As a tuple, and compared with one, it is ``(name, shape)``.

    ``layout`` names the axes: ``"NCHW"`` for images, ``"NTC"`` for sequences; ``N`` is where the samples are.
    """

    dtype: Any
    layout: str | None

    def __new__(cls, name: str, shape: Sequence[int], dtype: Any = numpy.float32, layout: str | None = "NCHW") -> DataDesc:
        self = super().__new__(cls, name, shape)
        self.dtype = dtype
        self.layout = layout
        return self

    def __repr__(self) -> str:
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.shape, self.dtype, self.layout)

    @staticmethod
    def get_batch_axis(layout: str | None) -> int:
        """The axis of a layout along which the samples are: 0 without a layout, -1 where the layout has no ``N``."""
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(shapes: Any, types: Any) -> list[DataDesc]:
        """Descriptions of ``(name, shape)`` pairs, or of a dict of them; ``types`` gives dtypes by name in either form, or is ``None``."""
        pairs = shapes.items() if isinstance(shapes, Mapping) else shapes
        dtypes = dict(types) if types is not None else {}
        names = [pair[0] for pair in pairs]
        missing = [name for name in names if types is not None and name not in dtypes]
        if missing:
            fail(ArgumentError, "DataDesc.get_list", expected="a type for each shape", got=f"none for {missing[0]!r}")
        return [DataDesc(name, shape, dtypes[name]) if name in dtypes else DataDesc(name, shape) for name, shape in pairs]


class DataBatch:
    """A batch: lists of arrays, and how many of its last samples are padding that prediction should leave out.

    ``data`` and ``label`` are lists of arrays (``label`` may be ``None``), ``index`` the numbers of the samples where they are known,
    ``bucket_key`` what bucketing sorts by, ``provide_data`` and ``provide_label`` descriptions, if this batch has its own.
    """

    def __init__(
        self,
        data: Any,
        label: Any = None,
        pad: int | None = None,
        index: Any = None,
        bucket_key: Any = None,
        provide_data: list[DataDesc] | None = None,
        provide_label: list[DataDesc] | None = None,
    ) -> None:
        for what, given in (("data", data), ("label", label)):
            if given is not None and not isinstance(given, (list, tuple)):
                fail(ArgumentError, "DataBatch", expected=f"a list of arrays as {what}", got=f"a {type(given).__name__}", fix=f"[{what}]")
        self.data = data
        self.label = label
        self.pad = pad
        self.index = index
        self.bucket_key = bucket_key
        self.provide_data = provide_data
        self.provide_label = provide_label

    def __str__(self) -> str:
        shapes = [[x.shape for x in part] if part else None for part in (self.data, self.label)]
        return f"{type(self).__name__}: data shapes: {shapes[0]} label shapes: {shapes[1]}"


class DataIter:
    """The base class of data iterators: ``for batch in data_iter`` goes through one epoch, ``reset()`` starts the next.

    A subclass gives ``provide_data`` and ``provide_label`` (lists of :class:`DataDesc`) and either ``next``, or ``iter_next`` with
    ``getdata``, ``getlabel``, ``getindex`` and ``getpad``.
    """

    provide_data: list[DataDesc]
    provide_label: list[DataDesc]

    def __init__(self, batch_size: int = 0) -> None:
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[DataBatch]:
        return self

    def __next__(self) -> DataBatch:
        return self.next()

    def reset(self) -> None:
        """Start anew."""

    def next(self) -> DataBatch:
        """The next batch; ``StopIteration`` at the end."""
        if not self.iter_next():
            raise StopIteration
        return DataBatch(data=self.getdata(), label=self.getlabel(), pad=self.getpad(), index=self.getindex())

    def iter_next(self) -> bool:
        """Go to the next batch; whether there is one."""
        return False

    def getdata(self) -> Any:
        """The data of the current batch."""

    def getlabel(self) -> Any:
        """The labels of the current batch."""

    def getindex(self) -> Any:
        """The numbers of the samples of the current batch, or ``None``."""

    def getpad(self) -> int | None:
        """How many samples at the end of the current batch are padding."""
        return None


def array_of(values: Any, device: Device | None = None) -> Array:
    """An array over ``values`` (which the caller gives away), NumPy's or stored, of the class that the current rules ask for.

    On the CPU unless told.
    """
    place = cpu() if device is None else device
    cls = NDArray if is_np_array() else ndarray.NDArray
    if isinstance(values, KINDS):
        return wrap(ndarray.NDArray._stored_as[type(values)], values, place)
    return wrap(cls, placed(values, place), place)


def check_batch_size(op: str, batch_size: Any) -> int:
    """``batch_size`` as an int. ArgumentError, in the name of ``op``, if it is no integer of 1 or more."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, numpy.integer)) or batch_size < 1:
        fail(ArgumentError, op, expected="a batch_size of 1 or more", got=repr(batch_size))
    return int(batch_size)
