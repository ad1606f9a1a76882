"""Helpers of MXNet's Gluon: texts of lists, names of blocks, what arguments hold, cells of recurrent networks, data sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from hybridnet import ndarray as nd
from hybridnet import symbol
from hybridnet.core import NDArray
from hybridnet.gluon import naming
from hybridnet.gluon.data.dataset import Dataset
from hybridnet.image import pixels
from hybridnet.symbol import Symbol
from hybridnet.util import is_np_shape

tensor_types = (Symbol, NDArray)


def _indent(s_: str, numSpaces: int) -> str:
    """A text with spaces before all of its lines but the first."""
    return ("\n" + " " * numSpaces).join(s_.split("\n"))


def _brief_print_list(lst: Sequence[Any], limit: int = 7) -> str:
    """The elements in quotes, of a long list the first and the last ones, ``limit`` in all."""
    lst = list(lst)
    if len(lst) > limit:
        return f"{_brief_print_list(lst[: limit // 2], limit)}, ..., {_brief_print_list(lst[-((limit + 1) // 2) :], limit)}"
    return ", ".join(f"'{x}'" for x in lst)


def shape_is_known(shape: Sequence[int] | None) -> bool:
    """Whether a shape is known as a whole: by NumPy's rules an unknown length is -1, else 0, and () is unknown."""
    if shape is None:
        return False
    unknown = -1 if is_np_shape() else 0
    return (len(shape) > 0 or is_np_shape()) and all(n > unknown for n in shape)


class _BlockScope(naming.NameScope):
    """``with _BlockScope(block):`` names what is made in it after the block, as ``block.name_scope()`` does."""

    @staticmethod
    def create(prefix: str | None, params: Any, hint: str) -> tuple[str, Any]:
        """A new block's prefix, and its parameters, shared with ``params`` if given."""
        return naming.create(prefix, params, hint)[1:]


def _common_prefix(names: Sequence[str]) -> str:
    """What all names begin with."""
    least, greatest = min(names, default=""), max(names, default="")
    count = next((i for i, (a, b) in enumerate(zip(least, greatest, strict=False)) if a != b), min(len(least), len(greatest)))
    return least[:count]


def _gather_type_ctx_info(args: Any) -> tuple[bool, bool, set[Any], Any]:
    """Of nested arguments: whether there are symbols, whether there are arrays, the arrays' contexts, and the first of these."""
    flat = list(_leaves(args))
    contexts = [x.context for x in flat if isinstance(x, NDArray)]
    return any(isinstance(x, Symbol) for x in flat), bool(contexts), set(contexts), contexts[0] if contexts else None


def _leaves(x: Any) -> Iterator[Any]:
    """What is in lists and tuples, whatever their depth."""
    if isinstance(x, (list, tuple)):
        for item in x:
            yield from _leaves(item)
    else:
        yield x


# -- recurrent cells ------------------------------------------------------------------------------


def _of(x: Any) -> Any:
    """``nd`` or ``sym``, as an array or a symbol wants."""
    return nd if isinstance(x, NDArray) else symbol


def _cells_state_info(cells: Iterable[Any], batch_size: int) -> list[Any]:
    """What is known of all cells' states."""
    return [info for cell in cells for info in cell.state_info(batch_size)]


def _cells_begin_state(cells: Iterable[Any], **kwargs: Any) -> list[Any]:
    """The first states of all cells."""
    return [state for cell in cells for state in cell.begin_state(**kwargs)]


def _get_begin_state(cell: Any, F: Any, begin_state: Any, inputs: Any, batch_size: int) -> Any:
    """``begin_state``, or zeros where the inputs are."""
    if begin_state is not None:
        return begin_state
    if F is not nd:
        return cell.begin_state(func=F.zeros, batch_size=batch_size)
    first = inputs if isinstance(inputs, NDArray) else inputs[0]
    with first.context:
        return cell.begin_state(func=F.zeros, batch_size=batch_size, dtype=first.dtype)


def _format_sequence(
    length: int | None, inputs: Any, layout: str, merge: bool | None, in_layout: str | None = None
) -> tuple[Any, int, Any, int]:
    """A sequence as one array (``merge``), as a list of its steps (``False``) or as it is given (``None``).

    Gives it, its axis of time, ``nd`` or ``sym``, and how many samples a batch has, 0 of symbols; as MXNet does, the length of the inputs
    on the batch's axis of ``layout``. ``in_layout``: of the inputs, where it is another.
    """
    axis, batch = layout.find("T"), layout.find("N")
    before = (in_layout or layout).find("T")
    if isinstance(inputs, (list, tuple)):
        assert length is None or len(inputs) == length, f"{length} steps were asked for, {len(inputs)} are given"
        F, first, steps = _of(inputs[0]), inputs[0], list(inputs)
        size = first.shape[batch if batch < axis else batch - 1] if F is nd else 0
        merged = F.stack(*steps, axis=axis) if merge else steps
        return merged, axis, F, size
    F = _of(inputs)
    size = inputs.shape[batch] if F is nd else 0
    if merge is False:
        count = inputs.shape[before] if F is nd else length
        assert length is None or count == length, f"{length} steps were asked for, {count} are given"
        parts = F.split(inputs, num_outputs=count, axis=before, squeeze_axis=1)
        return list(parts) if count != 1 else [parts], axis, F, size
    return inputs if before == axis else F.swapaxes(inputs, dim1=axis, dim2=before), axis, F, size


def _mask_sequence_variable_length(F: Any, data: Any, length: int, valid_length: Any, time_axis: int, merge: bool) -> Any:
    """A sequence with zeros behind each sample's length, as one array or as a list of its steps."""
    masked = F.SequenceMask(data, sequence_length=valid_length, use_sequence_length=True, axis=time_axis)
    if merge:
        return masked
    steps = F.split(masked, num_outputs=length, axis=time_axis, squeeze_axis=True)
    return list(steps) if length != 1 else [steps]


def _reverse_sequences(sequences: Sequence[Any], unroll_step: int, valid_length: Any = None) -> list[Any]:
    """The steps of a sequence from behind; with lengths each sample's own, what is behind stays."""
    if valid_length is None:
        return list(reversed(sequences))
    F = _of(sequences[0])
    turned = F.SequenceReverse(F.stack(*sequences, axis=0), sequence_length=valid_length, use_sequence_length=True)
    steps = F.split(turned, axis=0, num_outputs=unroll_step, squeeze_axis=True)
    return list(steps) if unroll_step != 1 else [steps]


# -- data -----------------------------------------------------------------------------------------


class _DownloadedDataset(Dataset):
    """A data set whose subclass fills ``_data`` and ``_label`` in ``_get_data``, from files in the folder ``root``, which is made."""

    _data: Any = None
    _label: Any = None

    def __init__(self, root: str, transform: Callable[..., Any] | None) -> None:
        self._transform = transform
        self._root = os.path.expanduser(root)
        os.makedirs(self._root, exist_ok=True)
        self._get_data()

    def _get_data(self) -> None:
        raise NotImplementedError(f"{type(self).__name__}._get_data")

    def __getitem__(self, idx: Any) -> Any:
        data, label = self._data[idx], self._label[idx]
        return (data, label) if self._transform is None else self._transform(data, label)

    def __len__(self) -> int:
        return len(self._label)


def _get_interp_method(interp: int, sizes: tuple[int, ...] = ()) -> int:
    """OpenCV's number of an interpolation. ``sizes``: old height and width, new height and width, for 9; 2 without them."""
    if interp == pixels.AUTOMATIC and not sizes:
        return pixels.CUBIC
    old, new = (sizes[1], sizes[0]), (sizes[3], sizes[2]) if sizes else (0, 0)
    return pixels.method(interp, old, new)
