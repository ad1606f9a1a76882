"""``Parameter``: an array that a network learns, its gradient, and when and how it gets its first value.

A parameter keeps one array for each device for its whole life: initialising again, ``set_data``
and loading write into it in place, so that compiled programs and optimizers that hold the array stay
right. Of a change that a compiled program must know of (``grad_req``, a multiplier, dtype, device)
the arrays' identities are told (:mod:`hybridnet.core.identity`), which also bear the parameter's name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from hybridnet import dtypes, initializer, ndarray, symbol
from hybridnet.core import Array, NDArray, asarray, changed, named, suspended_trace, wrap
from hybridnet.core.random import alike
from hybridnet.device import Device, cpu, current_device
from hybridnet.errors import ArgumentError, DeferredInitializationError, DtypeError, ShapeError, UninitializedError, fail
from hybridnet.ops.array.creation import zeros
from hybridnet.symbol import Symbol
from hybridnet.util import is_np_array

_REQUESTS = ("write", "add", "null")
_UNIFORM = initializer.Uniform()


def is_known(shape: tuple[int, ...] | None) -> bool:
    """Whether every dimension is known; unknown ones are 0 (MXNet 1.x) or -1 (2.x)."""
    return shape is not None and all(n > 0 for n in shape)


def as_devices(ctx: Any) -> list[Device]:
    """A list of devices from one, several, or ``None`` for the current one. ArgumentError if one is named twice."""
    if ctx is None:
        return [current_device()]
    devices = [Device(d) for d in ctx] if isinstance(ctx, (list, tuple)) else [Device(ctx)]
    if len(set(devices)) != len(devices):
        fix = "each once: gluon.utils.split_and_load cuts a batch into several parts for one device"
        fail(ArgumentError, "Parameter", expected="devices that differ", got=str(devices), fix=fix)
    return devices


def _array_class() -> type[NDArray]:
    """The class of new arrays, by the rules of now; a block whose inputs are of another class changes it."""
    return NDArray if is_np_array() else ndarray.NDArray


class Parameter:
    """An array to be learnt.

    ``grad_req``: ``write`` replaces the gradient at each backward, ``add`` accumulates, ``null``
    has none. ``shape`` may have unknown dimensions (0 or -1) if ``allow_deferred_init``: the first
    forward finds them. ``lr_mult`` and ``wd_mult`` multiply learning rate and weight decay.
    ``init`` is the parameter's own initializer. ``grad_stype`` is the storage of the gradient. A parameter of ``stype`` ``row_sparse`` is
    read by rows, :meth:`row_sparse_data`, in place of :meth:`data`. With ``dtype=None``
    it is float32 until :meth:`HybridBlock.infer_type` finds another.
    """

    def __init__(
        self,
        name: str = "weight",
        grad_req: str = "write",
        shape: Any = None,
        dtype: Any = "float32",
        lr_mult: float = 1.0,
        wd_mult: float = 1.0,
        init: Any = None,
        allow_deferred_init: bool = False,
        differentiable: bool = True,
        stype: str = "default",
        grad_stype: str = "default",
    ) -> None:
        if stype not in ("default", "row_sparse"):
            fail(ArgumentError, name, expected="stype default or row_sparse", got=repr(stype))
        if grad_stype not in ("default", "row_sparse", "csr"):
            fail(ArgumentError, name, expected="grad_stype default, row_sparse or csr", got=repr(grad_stype))
        self.name = name
        self._stype, self._grad_stype = stype, grad_stype
        self.init = init
        self._shape: tuple[int, ...] | None = (shape,) if isinstance(shape, int) else None if shape is None else tuple(map(int, shape))
        self._dtype = dtypes.as_dtype(dtype)
        self._takes_dtype = dtype is None  # from what it is computed with, by ``HybridBlock.infer_type``
        self._lr_mult, self._wd_mult = lr_mult, wd_mult
        self._allow_deferred_init = allow_deferred_init
        self._differentiable = differentiable
        self._in_dict = False  # whether a ParameterDict gave it its full name
        self._data: list[Any] | None = None
        self._leaves: list[Any] = []  # the gradients' places on the tape, kept while grad_req is null
        self._deferred_init: tuple[Any, list[Device], Any] | None = None
        self._after_init: Callable[[Parameter], None] | None = None  # a trainer's of several ranks: all get one's values
        self._var: tuple[Any, Symbol] | None = None  # the variable that stands for it in symbols, and what it says of it
        self._grad_req = "null"
        self.grad_req = grad_req

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.name} (shape={self.shape}, dtype={self.dtype})"

    # -- what it is -----------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape; unknown dimensions are 0 or -1. Assigning may only fill in unknown ones."""
        return self._shape

    @shape.setter
    def shape(self, new: Sequence[int]) -> None:
        new = tuple(map(int, new))
        old = self._shape
        if old is not None and not (len(old) == len(new) and all(m < 1 or n < 1 or m == n for m, n in zip(old, new, strict=True))):
            fail(ShapeError, self.name, expected=f"a shape that fits {old} (0 and -1 are unknown)", got=str(new))
        self._shape = new if old is None else tuple(m if m > 0 else n for m, n in zip(old, new, strict=True))

    @property
    def dtype(self) -> dtypes.Dtype:
        """The element type; assigning is :meth:`cast`."""
        return self._dtype

    @dtype.setter
    def dtype(self, dtype: Any) -> None:
        self.cast(dtype)

    @property
    def grad_req(self) -> str:
        """What backward does with the gradient: ``write``, ``add`` or ``null``."""
        return self._grad_req

    @grad_req.setter
    def grad_req(self, req: str) -> None:
        if req not in _REQUESTS:
            fail(ArgumentError, self.name, expected="grad_req write, add or null", got=repr(req))
        if not self._differentiable:
            req = "null"
        if req != self._grad_req:
            self._grad_req = req
            self._init_grad()
            self._changed("grad_req")

    @property
    def lr_mult(self) -> float:
        """What the learning rate is multiplied by."""
        return self._lr_mult

    @lr_mult.setter
    def lr_mult(self, value: float) -> None:
        if value != self._lr_mult:
            self._lr_mult = value
            changed(self, "lr_mult")

    @property
    def wd_mult(self) -> float:
        """What the weight decay is multiplied by."""
        return self._wd_mult

    @wd_mult.setter
    def wd_mult(self, value: float) -> None:
        if value != self._wd_mult:
            self._wd_mult = value
            changed(self, "wd_mult")

    def var(self) -> Symbol:
        """The parameter as a variable of a symbol, with what is known of it; one variable until that changes."""
        init = self.init if self.init is None or isinstance(self.init, str) else initializer.create(self.init).dumps()
        dtype = None if self._takes_dtype else self._dtype
        known = self.name, self._shape, dtype, self._lr_mult, self._wd_mult, init
        if self._var is None or self._var[0] != known:
            shape = None if self._shape is None else tuple(max(n, 0) for n in self._shape)
            made = symbol.var(self.name, None, shape, float(self._lr_mult), float(self._wd_mult), dtype, init, self.stype)
            self._var = known, made
        return self._var[1]

    def _changed(self, what: str) -> None:
        """Something changed that compiled programs which read the arrays depend on."""
        for x in self._data or ():
            changed(x, what)

    @property
    def stype(self) -> str:
        """The storage of its arrays: ``default`` or ``row_sparse``."""
        return self._stype

    @property
    def grad_stype(self) -> str:
        """The storage of its gradients: ``default``, ``row_sparse`` or ``csr``."""
        return self._grad_stype

    @property
    def is_dense(self) -> bool:
        """Whether its arrays and gradients are, so that compiled programs can read and write them."""
        return self._stype == self._grad_stype == "default"

    # -- its arrays -----------------------------------------------------------------------------

    def data(self, ctx: Any = None) -> Any:
        """The array on device ``ctx``; without it the only one, or the one on the current device."""
        arrays = self._data
        if arrays is not None and self._stype == "default":
            first = arrays[0]
            if first._device is ctx or (ctx is None and len(arrays) == 1):
                return first
        return self.list_data()[self._place(ctx)]

    def row_sparse_data(self, row_id: Any) -> Any:
        """The rows that ``row_id`` (an array of numbers, in any order) names, on its device, as an array of row_sparse storage.

        ArgumentError unless the parameter's ``stype`` is ``row_sparse``.
        """
        return self._rows_of(self._arrays()[self._place(row_id.device)], row_id)

    def list_row_sparse_data(self, row_id: Any) -> list[Any]:
        """Those rows on every device. ArgumentError unless the parameter's ``stype`` is ``row_sparse``."""
        return [self._rows_of(x, row_id.to_device(x._device)) for x in self._arrays()]

    def _rows_of(self, x: Any, row_id: Any) -> Any:
        if self._stype != "row_sparse":
            fail(ArgumentError, self.name, expected="stype row_sparse, to read by rows", got=self._stype, fix="data()")
        return x.retain(row_id.reshape((-1,)))

    def _place(self, ctx: Any) -> int:
        devices = self.list_ctx()
        device = current_device() if ctx is None else Device(ctx)
        if device not in devices:
            fail(
                UninitializedError,
                self.name,
                expected=f"a device it was initialized on, {devices}",
                got=str(device),
                fix=f"net.reset_ctx({device}), or moving the input there",
            )
        return devices.index(device)

    def _absent(self) -> NoReturn:
        if self._deferred_init is not None:
            fail(
                DeferredInitializationError,
                self.name,
                expected="a parameter with values",
                got=f"one of shape {self.shape} whose initialization waits for the first forward",
                fix="calling the network on one batch first, or giving in_units, in_channels and the like",
            )
        fail(
            UninitializedError,
            self.name,
            expected="an initialized parameter",
            got=f"shape {self.shape} without values",
            fix="net.initialize()",
        )

    def list_data(self) -> list[Any]:
        """The arrays, one a device. ArgumentError for one of row_sparse storage, which is read by rows."""
        if self._stype != "default":
            fail(ArgumentError, self.name, expected="a dense parameter", got=self._stype, fix=f"{self.name}.row_sparse_data(row_id)")
        return self._arrays()

    def _arrays(self) -> list[Any]:
        """The arrays, one a device, of whatever storage."""
        if self._data is None:
            self._absent()
        return list(self._data)

    def grad(self, ctx: Any = None) -> Any:
        """The gradient on device ``ctx``: one array for the parameter's life."""
        grads = self.list_grad()
        return grads[0] if ctx is None and len(grads) == 1 else grads[self._place(ctx)]

    def list_grad(self) -> list[Any]:
        """The gradients, one a device."""
        grads = [x.grad for x in self._arrays()]
        if any(g is None for g in grads):
            fail(
                UninitializedError,
                self.name,
                expected="a parameter with a gradient",
                got=f"grad_req {self.grad_req!r}, dtype {self.dtype}",
                fix=f"{self.name}.grad_req = 'write'",
            )
        return grads

    @property
    def _grad(self) -> list[Any] | None:
        """The gradients or ``None``: what MXNet programs look at."""
        return None if self._data is None or self._grad_req == "null" else self.list_grad()

    def list_ctx(self) -> list[Device]:
        """The devices that it lies on, or will once it is initialized."""
        if self._data is not None:
            return [x._device for x in self._data]
        if self._deferred_init is None:
            self._absent()
        return list(self._deferred_init[1])

    list_device = list_ctx

    def zero_grad(self) -> None:
        """Set the gradients to zero."""
        for g in self._grad or ():
            g._assign(g._zeros(g.stype))

    # -- first values ---------------------------------------------------------------------------

    def initialize(self, init: Any = None, ctx: Any = None, default_init: Any = _UNIFORM, force_reinit: bool = False) -> None:
        """Give it values: of ``init``, else of its own initializer, else of ``default_init``.

        ``ctx``: one device or a list. Nothing happens to an initialized parameter, unless ``force_reinit``.
        """
        if self._data is not None and not force_reinit:
            warnings.warn(
                f"Parameter {self.name!r} is already initialized and stays as it is; force_reinit=True initializes it again.", stacklevel=2
            )
            return
        if init is None:
            init = default_init if self.init is None else self.init
        if not is_known(self._shape) and not self._allow_deferred_init:
            fail(
                ShapeError,
                self.name,
                expected="a shape without unknown dimensions",
                got=str(self._shape),
                fix="giving the whole shape, or allow_deferred_init=True",
            )
        self._deferred_init = init, as_devices(ctx), default_init
        if is_known(self._shape):
            self._finish_deferred_init()

    def _finish_deferred_init(self) -> None:
        """Make the arrays, once the shape is known."""
        if self._deferred_init is None:
            return
        if not is_known(self._shape):
            self._absent()
        init, devices, default_init = self._deferred_init
        # On the CPU whatever the devices, as MXNet does it: with one seed a network starts from the same values everywhere.
        with suspended_trace(), cpu(), alike():
            data = wrap(_array_class(), zeros(self._shape, self._dtype, cpu())._data, cpu())
            initializer.create(default_init)(initializer.InitDesc(self.name, {"__init__": initializer.create(init)}), data)
            self._place_data(data, devices)
            if self._after_init is not None:
                self._after_init(self)

    def _place_data(self, value: Any, devices: list[Device]) -> None:
        """Hold ``value`` on each of ``devices``, in the arrays that it has there already."""
        old = self._data or []
        before = {x._device: (x, leaf) for x, leaf in zip(old, self._leaves, strict=True)}
        cls = type(old[0]) if old else _array_class()
        arrays, leaves = [], []
        for device in devices:
            array, leaf = before.get(device, (None, None))
            moved = asarray(value, self._dtype, device)
            if array is None:
                array = self._owned(moved, cls)
            elif array.shape == moved.shape and array.dtype == moved.dtype and array.stype == "default":
                array._assign(moved)
            else:
                array._data, array._storage = self._owned(moved, cls)._data, None
                changed(array, "shape or dtype")
            arrays.append(array)
            leaves.append(leaf)
        if list(map(id, old)) != list(map(id, arrays)):
            for array in old:
                changed(array, "device")
        self._data, self._leaves, self._deferred_init = arrays, leaves, None
        self._init_grad()
        self.zero_grad()

    def _owned(self, value: Any, cls: type[NDArray]) -> Any:
        """A copy of an array in this parameter's storage."""
        dense = value.tostype("default")
        if self._stype == "row_sparse":
            return ndarray.sparse.RowSparseNDArray.of_all_rows(dense)
        return wrap(cls, dense._data.copy() if dense is value else dense._data, dense._device)

    def _init_grad(self) -> None:
        """Tie each array to its gradient as ``grad_req`` asks."""
        if self._data is None:
            return
        wanted = self._grad_req != "null" and dtypes.is_inexact(self._dtype)
        for i, x in enumerate(self._data):
            leaf = self._leaves[i]
            named(x, self.name)
            if not wanted:
                x._tape = None
                continue
            if leaf is None:
                with suspended_trace():
                    x.attach_grad(self._grad_req, self._grad_stype)
                self._leaves[i] = x._tape[0]
                named(x.grad, f"{self.name}.grad")
                continue
            if leaf.grad.shape != x.shape or leaf.grad.dtype != x.dtype:
                with suspended_trace():
                    leaf.grad._data = x._zeros(self._grad_stype)._data
            leaf.req = self._grad_req
            x._tape = (leaf, 0)

    # -- changing it ----------------------------------------------------------------------------

    def set_data(self, data: Any) -> None:
        """Write ``data`` (an array or anything that makes one) into it, on every device."""
        if not isinstance(data, Array):
            data = asarray(data)
        self.shape = data.shape
        if self._data is None:
            if self._deferred_init is None:
                self._absent()
            with suspended_trace():
                self._place_data(data, self._deferred_init[1])
            return
        for x in self._data:
            moved = data.to_device(x._device)
            if x.stype == "default":
                x._assign(moved)
            else:
                x._write(self._owned(moved.astype(x.dtype, copy=False), type(x))._data)

    def cast(self, dtype: Any) -> None:
        """Change the element type of the array and of its gradient."""
        dtype = dtypes.as_dtype(dtype)
        self._takes_dtype = False
        if dtype == self._dtype:
            return
        self._dtype = dtype
        for x in self._data or ():
            x._data, x._storage = x._data.astype(dtype), None
            changed(x, "dtype")
        self._init_grad()

    def reset_ctx(self, ctx: Any) -> None:
        """Move it to one device or several."""
        devices = as_devices(ctx)
        if self._data is not None:
            with suspended_trace():
                self._place_data(self._reduce(), devices)
        elif self._deferred_init is not None:
            init, _, default_init = self._deferred_init
            self._deferred_init = init, devices, default_init
        else:
            self._absent()

    reset_device = reset_ctx

    def _reduce(self) -> Any:
        """The mean over devices, as an array on the host."""
        arrays = [x.to_device(Device("cpu", 0)) for x in self._arrays()]
        return arrays[0].detach() if len(arrays) == 1 else sum(arrays[1:], arrays[0].detach()) / len(arrays)

    def _check_load(self, data: Any, cast_dtype: bool, dtype_source: str, source: str) -> None:
        """Raise what stands against loading ``data``, before anything is changed."""
        old, new = self._shape, tuple(data.shape)
        if old is not None and not (len(old) == len(new) and all(m < 1 or m == n for m, n in zip(old, new, strict=True))):
            fail(
                ShapeError,
                "load",
                expected=f"shape {old} for parameter {self.name!r}",
                got=f"{new} in {source}",
                fix="the file that belongs to this network",
            )
        if not cast_dtype and data.dtype != self._dtype:
            fail(
                DtypeError,
                "load",
                expected=f"{self._dtype} for parameter {self.name!r}",
                got=f"{data.dtype} in {source}",
                fix="cast_dtype=True",
            )
        if dtype_source not in ("current", "saved"):
            fail(ArgumentError, "load", expected="dtype_source current or saved", got=repr(dtype_source))

    def _load_init(
        self, data: Any, ctx: Any = None, cast_dtype: bool = False, dtype_source: str = "current", source: str = "the given array"
    ) -> None:
        """Take ``data`` as value, initialized or not."""
        self._check_load(data, cast_dtype, dtype_source, source)
        if cast_dtype and dtype_source == "saved":
            self.cast(data.dtype)
        self.shape = data.shape
        known = self._data is not None or self._deferred_init is not None
        with suspended_trace():
            self._place_data(asarray(data), self.list_ctx() if ctx is None and known else as_devices(ctx))

    def _adopt(self, cls: type[NDArray]) -> None:
        """Make the arrays of class ``cls``: results, and what programs do with ``data()``, follow the network's inputs."""
        for x in self._data or ():
            if type(x) is not cls:
                for own in (x, x.grad):
                    if own is not None and own.stype == "default":
                        own.__class__ = cls._dense or cls

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._leaves = [x._tape[0] if x._tape is not None else None for x in self._data or ()]
        self._init_grad()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_leaves": [], "_var": None}
