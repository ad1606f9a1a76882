"""``SplitParameter``: a parameter of which each rank of a group has a slice.

Its first value is drawn whole and then cut, so that it is the same on however many ranks; files hold it whole.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import asarray, call, suspended_trace
from hybridnet.core.identity import identity
from hybridnet.device import Device, cpu
from hybridnet.device.groups import Group
from hybridnet.errors import ShapeError, fail
from hybridnet.gluon.parameter.parameter import Parameter, is_known
from hybridnet.ops.collective.collective import all_gather


class SplitParameter(Parameter):
    """A parameter cut along ``axis`` into equal slices, of which each rank of ``group`` has the one of its number.

    ``shape``: of the whole; the attribute ``shape``, arrays and gradients are of a slice. ``set_data`` and loading take the whole or a
    slice. All ranks save at once, each the whole; one gives a file's name, the others ``os.devnull``. ShapeError unless the axis can be
    cut so.
    """

    def __init__(self, name: str, group: Group, axis: int, shape: Any, **kwargs: Any) -> None:
        self.group, self.axis = group, axis
        whole = tuple(map(int, shape))
        if whole[axis] % group.size:
            expected = f"{whole[axis]} along axis {axis} to be a multiple of {group.size}, the ranks that it is divided among"
            fail(ShapeError, name, expected=expected, got=f"shape {whole}")
        own = tuple(n // group.size if i == axis else n for i, n in enumerate(whole))
        super().__init__(name, shape=own, **kwargs)

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """The shape of all slices together."""
        assert self.shape is not None
        return tuple(n * self.group.size if i == self.axis and n > 0 else n for i, n in enumerate(self.shape))

    def slice_of(self, x: Any) -> Any:
        """This rank's slice of an array of the whole's shape; other arrays as they are."""
        if not is_known(self.shape) and x.ndim == len(self.shape or ()):  # a file tells how many inputs there are
            whole = tuple(n if n > 0 else x.shape[i] for i, n in enumerate(self.whole_shape))
        else:
            whole = self.whole_shape
        if self.group.size == 1 or tuple(x.shape) != whole:
            return x
        own = whole[self.axis] // self.group.size
        start = self.group.rank * own
        return x[(slice(None),) * self.axis + (slice(start, start + own),)]

    def whole_of(self, x: Any) -> Any:
        """The array of the whole that ``x``, of a slice's shape, is the slice of; other arrays as they are. All ranks call it."""
        if self.group.size == 1 or tuple(x.shape) != self.shape:
            return x
        with suspended_trace():
            order = (self.axis, *(i for i in range(x.ndim) if i != self.axis))
            back = tuple(order.index(i) for i in range(x.ndim))
            return call("transpose", all_gather(call("transpose", x, axes=order), self.group), axes=back)

    def _finish_deferred_init(self) -> None:
        if self._deferred_init is None:
            return
        if not is_known(self._shape):
            self._absent()
        init, devices, default_init = self._deferred_init
        whole = Parameter(self.name, "null", self.whole_shape, self.dtype)
        whole.initialize(init, cpu(), default_init)
        with suspended_trace():
            self._place_data(whole.data(), devices)
            if self._after_init is not None:
                self._after_init(self)

    def _init_grad(self) -> None:
        super()._init_grad()
        for leaf in self._leaves:
            if leaf is not None and self.group.size > 1:
                identity(leaf.grad).shared = self.group

    def _place_data(self, value: Any, devices: list[Device]) -> None:
        super()._place_data(self.slice_of(value), devices)

    def set_data(self, data: Any) -> None:
        """Write the whole, or this rank's slice, into it, on every device."""
        super().set_data(self.slice_of(asarray(data)))

    def _reduce(self) -> Any:
        return self.whole_of(super()._reduce())

    def _check_load(self, data: Any, cast_dtype: bool, dtype_source: str, source: str) -> None:
        super()._check_load(self.slice_of(data), cast_dtype, dtype_source, source)

    def _load_init(
        self, data: Any, ctx: Any = None, cast_dtype: bool = False, dtype_source: str = "current", source: str = "the given array"
    ) -> None:
        super()._load_init(self.slice_of(data), ctx, cast_dtype, dtype_source, source)
