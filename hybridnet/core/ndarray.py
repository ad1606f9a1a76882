"""``NDArray``: NumPy's array interface over :class:`Array`, on any device, recorded and traced.

Operators are reached by name (:func:`hybridnet.core.apply.call`); this module knows none of them.
Vocabularies are registered from above: ``METHODS`` maps a method's name to the function that it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hybridnet import dtypes
from hybridnet.core import tape
from hybridnet.core.apply import apply, call
from hybridnet.core.array import Array, Storage, is_writable, spec_of, wrap
from hybridnet.core.handles import rebuilt
from hybridnet.core.identity import changed
from hybridnet.core.indexing import decode, encode, fail_index, is_truth, plain_template
from hybridnet.core.op import OPS, Kind, Op
from hybridnet.core.operators import Operators
from hybridnet.core.protocols import Protocols
from hybridnet.core.state import local
from hybridnet.core.stored import STORAGES, nothing
from hybridnet.device import Device
from hybridnet.device.transfer import before_write, moved, placed
from hybridnet.errors import ArgumentError, AutogradError, DeviceError, DtypeError, ShapeError, TraceError, fail


class NDArray(Operators, Protocols, Array):
    """An array on a device; NumPy's interface and semantics.

    Made by ``hybridnet.np.array`` and by operators. Under ``autograd.record()`` operators on it
    are recorded; in a hybridized block or under ``hybridnet.jit`` they are traced.
    """

    __slots__ = ()
    __array_priority__ = 1000.0

    if TYPE_CHECKING:  # the methods that hybridnet.ops.methods attaches

        def __getattr__(self, name: str) -> Any: ...

    # -- what it is -----------------------------------------------------------------------------

    @property
    def device(self) -> Device:
        """The device that it lies on."""
        return self._device

    ctx = context = device

    @property
    def itemsize(self) -> int:
        """The size of one element in bytes."""
        return self._data.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The size of all elements in bytes."""
        return self.size * self._data.dtype.itemsize

    @property
    def T(self) -> Any:
        """The array with its axes reversed."""
        return apply(OPS["transpose"], (self,), {"axes": tuple(range(len(self._data.shape) - 1, -1, -1))})

    @property
    def mT(self) -> Any:
        """The matrices, its last two axes, transposed."""
        n = len(self._data.shape)
        if n < 2:
            fail(ShapeError, "mT", expected="two dimensions or more", got=f"shape {self.shape}", fix="x.T")
        return apply(OPS["transpose"], (self,), {"axes": (*range(n - 2), n - 1, n - 2)})

    def __len__(self) -> int:
        if not self.shape:
            fail(ShapeError, "len", expected="an array of one dimension or more", got="zero dimensions")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self)):
            yield self[i]

    def __contains__(self, value: Any) -> bool:
        found = call("equal", self, value)
        return bool(call("any", found, axis=tuple(range(found.ndim)), keepdims=False))

    @staticmethod
    def _untold() -> tuple[dtypes.Dtype, ...]:
        """The types that an array has which is made of what is printed."""
        return dtypes.bool_, dtypes.default_whole(), dtypes.default_float(), dtypes.default_complex()

    def __repr__(self) -> str:
        if self._is_traced():
            return f"<traced {spec_of(self)} @{self._device}>"
        suffix = "" if self._device == Device("cpu", 0) else f", device={self._device}"
        text = np.array2string(self.asnumpy(), separator=", ", prefix="array(")
        if not self.size and self.shape != (0,):
            text += f", shape={self.shape}"
        dtype = "" if self._data.dtype in self._untold() else f", dtype={self._data.dtype}"
        return f"array({text}{dtype}{suffix})"

    def __str__(self) -> str:
        if self._is_traced():
            return repr(self)
        suffix = "" if self._device.device_type == "cpu" or not self.shape else f" @{self._device}"
        return f"{self.asnumpy()}{suffix}"

    __hash__ = object.__hash__

    # -- concrete values ------------------------------------------------------------------------

    def _is_traced(self) -> bool:
        return hasattr(self._data, "node")

    def _concrete(self, asked: str) -> Any:
        """The data, or the error that says why there is none while tracing."""
        data = self._data
        if type(data) is np.ndarray and local.trace is None:
            return data
        if self._is_traced() or (local.trace is not None and local.trace.is_written(self)):  # type: ignore[attr-defined]
            fail(
                TraceError,
                asked,
                expected="an array with values",
                got=f"a traced {spec_of(self)}: a hybridized or jitted function runs once with symbols to learn its graph",
                fix="np.where, npx.cond, npx.while_loop or npx.foreach for decisions on values; or leave this part out of hybridize()",
            )
        return data

    def asnumpy(self) -> np.ndarray[Any, Any]:
        """A copy of the values as a NumPy array."""
        data = self._concrete("asnumpy")
        return np.array(data) if isinstance(data, np.ndarray) else data.get()

    def item(self, *args: Any) -> Any:
        """The one element (or the element at ``args``) as a Python number."""
        data = self._concrete("item")
        if not args and data.size != 1:
            fail(ShapeError, "item", expected="an array of one element", got=f"shape {self.shape}")
        return data.item(*args)

    asscalar = item

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self._concrete("tolist").tolist()

    def __bool__(self) -> bool:
        if self.size != 1:
            fail(ArgumentError, "bool", expected="an array of one element", got=f"shape {self.shape}", fix="x.any() or x.all()")
        return bool(self._concrete("bool(x)"))

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if not (dtypes.is_integer(self._data.dtype) or self._data.dtype == dtypes.bool_) or self.size != 1:
            fail(DtypeError, "index", expected="one integer", got=str(spec_of(self)))
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.size == 1 else format(str(self), spec)

    def wait_to_read(self) -> None:
        """Return once the values are computed; an error of the computation is raised here."""
        data = self._concrete("wait_to_read")
        if not isinstance(data, np.ndarray):
            self._device.xp.cuda.get_current_stream().synchronize()

    def __reduce__(self) -> tuple[Any, ...]:
        data = self._concrete("pickle")
        return rebuilt, (type(self), data if isinstance(data, np.ndarray) else data.get(), self._device)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        duplicate = self.copy()
        duplicate._tape = None
        if self.grad is not None:
            duplicate.attach_grad(self._tape[0].req)  # type: ignore[index]
        memo[id(self)] = duplicate
        return duplicate

    # -- copies, dtypes, devices ----------------------------------------------------------------

    def copy(self, order: str = "C") -> Any:
        """A new array with the same values, in C order, whatever ``order`` asks for."""
        return call("copy", self)

    def astype(self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True) -> Any:
        """The values cast to ``dtype``; the array itself if nothing changes and ``copy`` is false.

        DtypeError for what ``casting`` forbids. Results lie in C order and have the array's class, whatever ``order`` and ``subok`` are.
        Of complex numbers as real ones the real parts are kept, with NumPy's ComplexWarning.
        """
        dtype = dtypes.as_dtype(dtype)
        if casting != "unsafe" and not (dtypes.bfloat16 in (dtype, self._data.dtype) or np.can_cast(self._data.dtype, dtype, casting)):  # type: ignore[arg-type]
            fail(DtypeError, "astype", expected=f"what {casting!r} casts to {dtype}", got=str(self._data.dtype))
        if dtype == self._data.dtype:
            return self.copy() if copy else self
        if self._data.dtype.kind == "c" and dtype.kind != "c" and dtype != dtypes.bool_:
            warnings.warn("imaginary parts are dropped; np.real(x) says so", np.exceptions.ComplexWarning, stacklevel=2)
        return call("cast", self, dtype=dtype)

    def tostype(self, stype: str) -> Any:
        """The same elements in storage ``default``, ``csr`` (of matrices) or ``row_sparse``: itself if that is its own."""
        return self if stype == self.stype else call("cast_storage", self, stype=stype)

    def to_device(self, device: Device, /, *, stream: Any = None) -> Any:
        """The array itself if it lies on ``device``, else a copy there. ``stream``, of the array API standard, must be None."""
        if stream is not None:
            fail(ArgumentError, "to_device", expected="stream None: work is in order on a stream of ours", got=repr(stream))
        device = Device(device)
        if device is self._device:
            return self
        return self._moved(device)

    def as_in_context(self, context: Device) -> Any:
        """The array itself if it lies on the device ``context``, else a copy there: MXNet 1.x's name."""
        return self.to_device(context)

    def as_in_ctx(self, ctx: Device) -> Any:
        """The array itself if it lies on the device ``ctx``, else a copy there: MXNet's name."""
        return self.to_device(ctx)

    def _moved(self, device: Device) -> Any:
        if local.trace is not None:
            fail(
                TraceError,
                "to_device",
                expected="one device in a compiled function",
                got=f"a move from {self._device} to {device}",
                fix="moving the arrays before the call",
            )
        result = wrap(type(self), self._copied_to(device), device)
        if local.recording and self._tape is not None:
            tape.record(_MOVE, (self,), (self._data,), {"source": self._device}, result)
        return result

    def _copied_to(self, device: Device) -> Any:
        """A copy of its data on a device."""
        return moved(self._concrete("to_device"), device)

    def copyto(self, other: Any) -> Any:
        """Copy the values into ``other`` (an array of the same shape, or a device)."""
        if isinstance(other, Device):
            return self.copy() if other is self._device else self._moved(other)
        if other.shape != self.shape:
            fail(ShapeError, "copyto", expected=f"a target of shape {self.shape}", got=str(other.shape))
        other._assign(self.to_device(other._device))
        return other

    # -- indexing -------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        if (plain := plain_template(key, self._data.shape)) is not None:
            return apply(OPS["slice"], (self,), {"key": plain})
        if is_truth(key):
            once = apply(OPS["reshape"], (self,), {"shape": (1, *self._data.shape)})
            return once[np.zeros(int(bool(key)), np.int64)]
        template, arrays = encode(key, self._data.shape)
        if not arrays:
            return apply(OPS["slice"], (self,), {"key": template})
        template, indices = self._index_operands(key, template, arrays)
        return apply(OPS["index"], (self, *indices), {"key": template})

    def __setitem__(self, key: Any, value: Any) -> None:
        if is_truth(key):
            if key:
                self[...] = value
            return
        template, arrays = encode(key, self._data.shape)
        template, indices = self._index_operands(key, template, arrays)
        if not isinstance(value, Array):
            value = self._like(value)
        elif value._device is not self._device and local.trace is None:
            value = value.to_device(self._device)  # type: ignore[attr-defined]
        if value._data.dtype != self._data.dtype:
            value = self._own_type(value)
        if local.special and not template and value.ndim <= self.ndim:
            self._assign(value)  # all of it: nothing of what it held remains
            return
        if local.special:
            if local.trace is not None and not indices and local.trace.is_part(value, self, template):
                return  # it was written through the view
            self._assign(apply(OPS["index_set"], (self, value, *indices), {"key": template}))
            return
        storage = self._before_write()
        data, source = self._data, value._data
        where = decode(template, [i._data for i in indices])
        try:
            if source.shape[:1] == (1,):  # leading 1s that the place does not have, which NumPy drops
                lead = next((i for i, n in enumerate(source.shape) if n != 1), source.ndim)
                source = source.reshape(source.shape[min(lead, max(source.ndim - data[where].ndim, 0)) :])
            data[where] = source
        except IndexError as error:
            fail_index("index_set", self.shape, indices, error)
        except ValueError:
            fail(ShapeError, "x[key] = value", expected=f"a value that broadcasts to {data[where].shape}", got=str(value.shape))
        finally:
            if storage is not None:
                storage.after_write()

    def _index_operands(self, key: Any, template: Any, arrays: list[Any]) -> tuple[Any, list[Any]]:
        """Index arrays as arrays of this class; a boolean mask becomes the indices of its true elements."""
        operands: list[Any] = []
        items: list[Any] = []
        pending = iter(arrays)
        for item in template:
            if item[0] != "array":
                items.append(item)
                continue
            index = next(pending)
            if not isinstance(index, Array):
                index = wrap(type(self), placed(index, self._device), self._device)
            if index._data.dtype == dtypes.bool_:
                mask = index._concrete("boolean mask")  # type: ignore[attr-defined]
                found = mask.nonzero() if mask.ndim else self._device.xp.zeros((int(mask),), np.int64)
                if not mask.ndim:
                    fail(DtypeError, "index", expected="a mask with dimensions", got="a single bool")
                operands.extend(wrap(type(self), f, self._device) for f in found)
                items.extend([("array",)] * mask.ndim)
                continue
            if dtypes.is_complex(index._data.dtype):
                fail(DtypeError, "index", expected="indices that are integers", got=str(index._data.dtype))
            if dtypes.is_floating(index._data.dtype):
                index = call("cast", index, dtype=dtypes.int64)  # MXNet's indices are often float32
            elif not index.size:
                index = call("cast", index, dtype=dtypes.int64)
            operands.append(index)
            items.append(item)
        return tuple(items), operands

    def _like(self, value: Any) -> Any:
        """A Python or NumPy value as an array of this one's class, dtype and device; of complex values the dtype is their own."""
        if self._data.dtype.kind != "c" and np.iscomplexobj(value):
            return wrap(type(self), placed(np.asarray(value), self._device), self._device)
        return wrap(type(self), placed(value, self._device, self._data.dtype), self._device)

    # -- writing in place -----------------------------------------------------------------------

    def _assign(self, value: Any) -> None:
        """Make this array hold ``value`` (same shape after broadcasting; cast if need be)."""
        if self._tape is not None and isinstance(self._tape[0], tape.Leaf) and local.recording:
            fail(
                AutogradError,
                "in-place write",
                expected="variables to be left alone while recording",
                got=f"a write to a variable of shape {self.shape}",
                fix="with autograd.pause():",
            )
        data = self._data
        if value._data.dtype != data.dtype:
            value = self._own_type(value)
        if value._data.shape != data.shape:
            value = call("broadcast_to", value, shape=data.shape)
        if value.stype != self.stype:
            value = call("cast_storage", value, stype=self.stype)
        recorded = value._tape if local.recording else None
        trace = local.trace
        if recorded is not None and self._is_view():
            fail(
                AutogradError,
                "in-place write",
                expected="while recording, writes to an array itself",
                got=f"a write to {spec_of(self)}, a view of another array, whose gradient would not know of it",
                fix="x[key] = value on the array, or y = y + 1 in place of y += 1",
            )
        if trace is not None:
            trace.write(self, trace.read(value))
        else:
            if value._device is not self._device:
                fail(DeviceError, "in-place write", expected=f"a value on {self._device}", got=str(value._device), fix="as_in_context")
            if value._data is not data:
                self._write(value._data)
        if recorded is not None or not (self._tape is not None and isinstance(self._tape[0], tape.Leaf)):
            self._tape, self._behind = recorded, value._behind if local.recording else None

    def _own_type(self, value: Any) -> Any:
        """What is to be written, cast to this array's dtype; complex numbers are not cut down to real ones."""
        if value._data.dtype.kind == "c":
            fail(DtypeError, "in-place write", expected=f"values that {self._data.dtype} holds", got=str(spec_of(value)), fix="np.real(x)")
        return call("cast", value, dtype=self._data.dtype)

    def _write(self, data: Any) -> None:
        """Make data of this array's shape, dtype, storage and device its own."""
        storage = self._before_write()
        self._data[...] = data
        if storage is not None:
            storage.after_write()

    def _is_view(self) -> bool:
        """Whether it is a view of another array."""
        if local.trace is not None:
            return local.trace.is_view(self)
        return self._storage is not None and self._storage.viewed not in (0, id(self))

    def _before_write(self) -> Storage | None:
        """Refuse a write to what is read-only; tell whoever keeps the buffer's values. Gives what is told of the end, if anybody is."""
        if self._device.device_type != "cpu":
            before_write(self._device)
        if not is_writable(self._data):
            fail(
                ArgumentError,
                "in-place write",
                expected="an array that can be written",
                got="a read-only view, as broadcast_to gives",
                fix="x.copy()",
            )
        storage = self._storage
        if storage is not None:
            storage.before_write()
        return storage

    # -- autograd -------------------------------------------------------------------------------

    #: Whether integers may be variables, which MXNet 1.x has.
    _integer_variables: ClassVar[bool] = False

    def attach_grad(self, grad_req: str = "write", stype: str | None = None) -> None:
        """Make it a variable: ``backward`` will deliver its gradient in ``grad``.

        ``grad_req``: ``write`` replaces, ``add`` accumulates, ``null`` delivers none. ``stype``: the storage of the gradient; without,
        that of the array.
        """
        if grad_req not in ("write", "add", "null"):
            fail(ArgumentError, "attach_grad", expected="grad_req write, add or null", got=repr(grad_req))
        if not (dtypes.is_inexact(self._data.dtype) or (self._integer_variables and dtypes.is_integer(self._data.dtype))):
            fail(DtypeError, "attach_grad", expected="a floating or complex dtype", got=str(self._data.dtype), fix="x.astype('float32')")
        self._tape = (tape.Leaf(self._zeros(stype or self.stype), grad_req), 0) if grad_req != "null" else None
        changed(self, "grad_req")

    def _zeros(self, stype: str) -> Any:
        """Zeros of this array's shape and dtype, on its device, in a storage."""
        if stype in STORAGES:
            data = nothing(stype, self.shape, self._data.dtype, self._device.xp)
            return wrap((self._dense or type(self))._stored_as[type(data)], data, self._device)
        if stype != "default":
            fail(ArgumentError, "attach_grad", expected="stype default, csr or row_sparse", got=repr(stype))
        attrs = {"shape": self.shape, "value": 0, "dtype": self._data.dtype}
        return apply(OPS["full"], (), attrs, self._device, self._dense or type(self))

    @property
    def grad(self) -> Any:
        """The gradient that ``backward`` delivered; ``None`` unless ``attach_grad`` was called."""
        if self._tape is not None and isinstance(self._tape[0], tape.Leaf):
            return self._tape[0].grad
        return None

    def zero_grad(self) -> None:
        """Set the gradient to zero."""
        if self.grad is not None:
            self.grad[...] = 0

    def detach(self) -> Any:
        """The same data, apart from the tape."""
        trace = local.trace
        result = wrap(type(self), self._data if trace is None else trace.read(self), self._device)
        if trace is None:
            result._storage = storage = self.storage()
            storage.viewed = storage.viewed or id(self)
        else:
            trace.alias(self, result)
        return result

    def backward(self, out_grad: Any = None, retain_graph: bool = False, train_mode: bool = True) -> None:
        """Deliver the gradients of this array (of its sum, without ``out_grad``) to its variables."""
        tape.backward([self], [out_grad], retain_graph=retain_graph, train_mode=train_mode)

    @property
    def fresh_grad(self) -> bool:
        """Kept for MXNet programs; gradients here are always current."""
        return True


#: A copy on another device, as the tape knows it: its gradient goes back. No graph has one and ``apply`` never sees it.
_MOVE = Op(
    "to_device",
    Kind.OPAQUE,
    lambda x, *, source: x,
    compute=lambda xp, x, *, source: x,
    grad=(lambda g, y, x, *, source: g.to_device(source),),
)
