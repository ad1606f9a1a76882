"""``NDArrayIter``: arrays in memory, cut into batches of one size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy

from hybridnet.core import Array
from hybridnet.device import current_device
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.io.base import DataDesc, DataIter, array_of, check_batch_size

_OP = "NDArrayIter"
_HANDLES = ("pad", "discard", "roll_over")


class NDArrayIter(DataIter):
    """Batches of arrays whose first axis is the samples; all batches have ``batch_size`` samples.

    ``data``, ``label``: an array (ours, or of NumPy, which becomes float32), a list of them (named ``_0_data``, ``_1_data`` …) or a dict
    by name; ``label`` may be ``None``. ``shuffle`` draws an order at the start and at each ``reset``, from NumPy's global random state as
    MXNet does: ``numpy.random.seed`` gives the same order there and here. What happens where the samples end, ``last_batch_handle``:

    - ``"pad"``: the last batch is filled up from the start of the data; its ``pad`` says how many samples of it are such.
    - ``"discard"``: a rest is left out.
    - ``"roll_over"``: a rest begins the next epoch's first batch, whose ``pad`` says how many samples of it came so. Only where the epoch
      was gone through to its end before ``reset``.
    """

    def __init__(
        self,
        data: Any,
        label: Any = None,
        batch_size: int = 1,
        shuffle: bool = False,
        last_batch_handle: str = "pad",
        data_name: str = "data",
        label_name: str = "softmax_label",
        layout: str = "NCHW",
    ) -> None:
        super().__init__(check_batch_size(_OP, batch_size))
        if last_batch_handle not in _HANDLES:
            fail(ArgumentError, _OP, expected=f"a last_batch_handle of {', '.join(map(repr, _HANDLES))}", got=repr(last_batch_handle))
        self.data = _named(data, data_name)
        if not self.data:
            fail(ArgumentError, _OP, expected="data, at least one array", got="none")
        self.label = _named(label, label_name)
        self.num_data = _length([*self.data, *self.label])
        self.num_source = len(self.data) + len(self.label)
        self.data_list = [x for _, x in (*self.data, *self.label)]
        self.idx = numpy.arange(self.num_data)
        self.shuffle = bool(shuffle)
        self.last_batch_handle = last_batch_handle
        self.layout = layout
        self._order = self.idx.copy()  # what idx, which is shuffled on and on, has made of the samples
        self._rest = self.idx[:0]  # samples that the epoch before has left for this one
        self.cursor = -self.batch_size
        self._shuffle()

    @property
    def provide_data(self) -> list[DataDesc]:  # type: ignore[override]
        """Names, shapes and dtypes of the data of a batch."""
        return self._describe(self.data)

    @property
    def provide_label(self) -> list[DataDesc]:  # type: ignore[override]
        """Names, shapes and dtypes of the labels of a batch."""
        return self._describe(self.label)

    def _describe(self, arrays: list[tuple[str, Any]]) -> list[DataDesc]:
        return [DataDesc(name, (self.batch_size, *x.shape[1:]), x.dtype, self.layout) for name, x in arrays]

    def _shuffle(self) -> None:
        if self.shuffle:
            numpy.random.shuffle(self.idx)
            self._order = self._order[self.idx]

    def hard_reset(self) -> None:
        """Start anew, and forget what was to be rolled over."""
        self._start(0)

    def reset(self) -> None:
        """Start the next epoch, in a new order if ``shuffle``."""
        left = self.num_data - self.cursor
        self._start(left if self.last_batch_handle == "roll_over" and 0 < left < self.batch_size else 0)

    def _start(self, left: int) -> None:
        order = numpy.concatenate([self._rest, self._order])  # a batch may be larger than the data
        self._rest = order[len(order) - left :]
        self._shuffle()
        self.cursor = -left - self.batch_size

    def state_dict(self) -> dict[str, Any]:
        """Where the iterator is, after the last batch that it has given out."""
        return {"idx": self.idx.tolist(), "order": self._order.tolist(), "rest": self._rest.tolist(), "cursor": self.cursor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where an iterator over the same data was."""
        if len(state["idx"]) != self.num_data:
            fail(ArgumentError, _OP, expected=f"the state of an iterator over {self.num_data} samples", got=f"{len(state['idx'])} of them")
        for name, key in (("idx", "idx"), ("_order", "order"), ("_rest", "rest")):
            setattr(self, name, numpy.array(state[key], self.idx.dtype))
        self.cursor = state["cursor"]

    def iter_next(self) -> bool:
        """Go to the next batch; whether there is one."""
        if not self._reaches(self.cursor):  # already past the end
            return False
        self.cursor += self.batch_size
        return self._reaches(self.cursor)

    def _reaches(self, cursor: int) -> bool:
        return cursor < self.num_data if self.last_batch_handle == "pad" else cursor + self.batch_size <= self.num_data

    def _rows(self) -> Any:
        """The samples of the current batch: a slice where it can be, so that they are copied in one go."""
        first, end = self.cursor, self.cursor + self.batch_size
        if not -self.batch_size < first or not self._reaches(first):
            fail(
                ArgumentError,
                _OP,
                expected="a current batch",
                got="none yet" if first < 0 else "the end of the data",
                fix="next(), reset()",
            )
        if first >= 0 and end <= self.num_data and not self.shuffle:
            return slice(first, end)
        rows = self._order[numpy.arange(max(first, 0), end) % self.num_data]
        return rows if first >= 0 else numpy.concatenate([self._rest, rows])

    def _batch(self, arrays: list[tuple[str, Any]]) -> list[Any]:
        rows = self._rows()
        return [x[rows].copy() if isinstance(rows, slice) else x[rows] for _, x in arrays]

    def getdata(self) -> list[Any]:
        """The data of the current batch: copies, an array for each of ``provide_data``."""
        return self._batch(self.data)

    def getlabel(self) -> list[Any]:
        """The labels of the current batch: copies, an array for each of ``provide_label``."""
        return self._batch(self.label)

    def getpad(self) -> int:
        """How many samples of the current batch are padding, or have been rolled over into it."""
        if self.last_batch_handle == "pad":
            return max(self.cursor + self.batch_size - self.num_data, 0)
        return len(self._rest) if self.cursor < 0 else 0


def _named(given: Any, default: str) -> list[tuple[str, Any]]:
    """Arrays by name, of an array, a list of them or a dict; dicts in the order of their names, as MXNet has them."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        return [(str(name), _array(str(name), given[name])) for name in sorted(given)]
    if isinstance(given, (list, tuple)):
        names = [default] if len(given) == 1 else [f"_{i}_{default}" for i in range(len(given))]
        return [(name, _array(name, x)) for name, x in zip(names, given, strict=True)]
    return [(default, _array(default, given))]


def _array(name: str, x: Any) -> Any:
    """An array of ours as it is; anything else that NumPy can read, as float32 on the current device."""
    if isinstance(x, Array):
        result: Any = x
    else:
        if hasattr(x, "tocsr"):
            _refuse(name, "a sparse matrix", f"{name}.toarray()")
        if isinstance(x, (str, bytes)):
            _refuse(name, repr(x[:40]), "")
        try:
            result = array_of(numpy.array(x, numpy.float32), current_device())
        except (TypeError, ValueError) as error:
            _refuse(name, f"a {type(x).__name__} ({error})", "numbers, all rows equally long")
    if not result.ndim:
        fail(ShapeError, _OP, expected=f"{name} with samples along its first axis", got="an array without axes")
    return result


def _refuse(name: str, got: str, fix: str) -> NoReturn:
    fail(DtypeError, _OP, expected=f"{name} as a dense array of numbers, a list of them or a dict of them", got=got, fix=fix)


def _length(arrays: list[tuple[str, Any]]) -> int:
    """The number of samples, which all arrays must agree on."""
    if len({len(x) for _, x in arrays}) > 1:
        fail(ShapeError, _OP, expected="as many samples in each array", got=", ".join(f"{name}: {x.shape}" for name, x in arrays))
    samples = len(arrays[0][1])
    if not samples:
        fail(ArgumentError, _OP, expected="at least one sample", got=", ".join(f"{name}: {x.shape}" for name, x in arrays))
    return samples
