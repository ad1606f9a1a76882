"""The bare array handle that operators take and give; ``NDArray`` adds the methods.

A handle holds a NumPy array, a CuPy array, or, while tracing, a value of the graph.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from hybridnet.core.identity import Identity
from hybridnet.device import Device
from hybridnet.dtypes import Dtype
from hybridnet.errors import DtypeError, fail


class Keeper(Protocol):
    """What depends on the values of a buffer that may be written: the tape's ``Node``, which keeps them."""

    def take_copy(self, storage: Storage) -> None:
        """The buffer of ``storage`` is about to be written: keep a copy, or note that what follows from it is out of date."""


class Spec(NamedTuple):
    """What is known of an array before it is computed. ``storage``: ``default`` (dense), ``csr`` or ``row_sparse``."""

    shape: tuple[int, ...]
    dtype: Dtype
    storage: str = "default"

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def nbytes(self) -> int:
        """The size of the elements in bytes."""
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        text = f"{self.dtype}[{','.join(map(str, self.shape))}]"
        return text if self.storage == "default" else f"{self.storage} {text}"


class Storage:
    """Shared by the handles that alias one buffer: knows who keeps what it holds now, and whether it is being written.

    Made only when a buffer gets a second handle or somebody keeps it, since most arrays never
    need one.
    """

    __slots__ = ("_begun", "_ended", "_keepers", "_limit", "viewed")

    def __init__(self) -> None:
        self.viewed = 0  # the id of the handle that others were made as views of
        self._begun = self._ended = 0  # writes
        self._keepers: list[weakref.ref[Keeper]] = []
        self._limit = 16

    def keep(self, keeper: Keeper) -> None:
        """Have ``keeper`` take a copy before the next write."""
        if len(self._keepers) >= self._limit:
            self._keepers = [r for r in self._keepers if r() is not None]
            self._limit = 2 * len(self._keepers) + 16
        self._keepers.append(weakref.ref(keeper))

    def before_write(self) -> None:
        """The buffer is about to be written: whoever keeps what it holds takes a copy first. :meth:`after_write` follows."""
        self._begun += 1
        if self._keepers:
            keepers, self._keepers = self._keepers, []
            for ref in keepers:
                if (keeper := ref()) is not None:
                    keeper.take_copy(self)

    def after_write(self) -> None:
        """A write that :meth:`before_write` has announced is over."""
        self._ended += 1

    def share(self) -> None:
        """Others, who tell nobody, may write the buffer from now on: a write that never ends."""
        self.before_write()

    @property
    def is_written(self) -> bool:
        """Whether a write has begun and not ended."""
        return self._begun != self._ended

    @property
    def only_write(self) -> int:
        """Which write is under way, counted from 1; 0 if there is none, or several."""
        begun = self._begun
        return begun if begun == self._ended + 1 else 0


class Array:
    """A handle to data on a device, with its place on the tape."""

    __slots__ = ("__weakref__", "_behind", "_data", "_device", "_identity", "_storage", "_tape")

    _data: Any
    _device: Device
    _tape: tuple[Any, int] | None
    _storage: Storage | None
    #: What compiled programs know it by; absent from most arrays: see ``core.identity``.
    _identity: Identity
    #: Recorded, but by an operator without a gradient: the nodes behind it, to which a backward from here gives zeros.
    _behind: tuple[Any, ...] | None
    #: The class of the same arrays under NumPy's rules: what operators and gradient rules see.
    _plain: ClassVar[type[Array]]
    #: The class as which the tape keeps one: that of ``_plain`` for the storage.
    _kept: ClassVar[type[Array]]
    #: Of classes of arrays of another storage, the class of dense ones beside them.
    _dense: ClassVar[type[Array] | None] = None
    #: The classes of arrays of other storages beside one of dense arrays, by the kind of their data.
    _stored_as: ClassVar[dict[type[Any], type[Array]]] = {}
    #: How the elements are stored: ``default`` (dense), ``csr`` or ``row_sparse``. It goes with the class.
    stype: ClassVar[str] = "default"

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape

    @property
    def dtype(self) -> Dtype:
        """The type of the elements."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._data.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self._data.size)

    def storage(self) -> Storage:
        """The alias record of this buffer, made at the first request."""
        if self._storage is None:
            self._storage = Storage()
        return self._storage


#: What functions of arrays take as one: an array, or what becomes one (NumPy's arrays and numbers, nested sequences of numbers).
ArrayLike: TypeAlias = "Array | np.ndarray[Any, Any] | np.generic | float | Sequence[Any]"
#: What names an element type, and a device; ``None``: that of the other operands, or the default one.
DTypeLike: TypeAlias = "np.dtype[Any] | type | str | None"
DeviceLike: TypeAlias = "Device | str | None"

A = TypeVar("A", bound=Array)
_new = object.__new__


def wrap(cls: type[A], data: Any, device: Device) -> A:
    """A new handle of class ``cls`` to ``data``."""
    array = _new(cls)
    array._data = data
    array._device = device
    array._tape = None
    array._storage = None
    array._behind = None
    return array


def is_writable(data: Any) -> bool:
    """Whether data may be written in place. CuPy does not mark views in which elements share memory: told by their strides."""
    if isinstance(data, np.ndarray):
        return bool(data.flags.writeable)
    return 0 not in data.strides or not data.size or not any(s == 0 and n > 1 for s, n in zip(data.strides, data.shape, strict=True))


def from_objects(data: np.ndarray[Any, Any], dtype: Dtype) -> np.ndarray[Any, Any]:
    """An array of objects, which are numbers, in the dtype that is asked for.

    DtypeError if one of them is no number. The shape stays.
    """
    odd = next((x for x in data.flat if not isinstance(x, (int, float, complex, np.number, np.bool_))), None)
    if odd is not None:
        fail(DtypeError, "array", expected="numbers", got=f"an object of type {type(odd).__name__} among them")
    return data.astype(dtype)


def spec_of(x: Any) -> Any:
    """The shape, dtype and storage of an array; a Python number stays what it is."""
    return Spec(x._data.shape, x._data.dtype, x.stype) if isinstance(x, Array) else x
