"""Reading and writing arrays by NumPy's names: text, ``.npy`` and ``.npz`` files, buffers and iterators. All of it is on the host."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import core, dtypes


def _reader(name: str) -> Callable[..., Any]:
    """A reader of NumPy's, whose numbers are float32, the default, unless ``dtype`` is given."""
    reader = getattr(np, name)

    @functools.wraps(reader)
    def read(*args: Any, **kwargs: Any) -> Any:
        if len(args) > 1:  # the second is the dtype
            args = (args[0], dtypes.as_dtype(args[1]), *args[2:])
        else:
            kwargs["dtype"] = dtypes.as_dtype(kwargs.get("dtype"))
        made = reader(*args, **kwargs)
        return [core.array(x) for x in made] if isinstance(made, (tuple, list)) else core.array(made)

    read.__doc__ = f"Numbers read by ``numpy.{name}``, which takes the same arguments, as float32, the default, unless ``dtype`` is given."
    return read


loadtxt, genfromtxt, fromfile = map(_reader, ("loadtxt", "genfromtxt", "fromfile"))
fromstring, frombuffer, fromiter = map(_reader, ("fromstring", "frombuffer", "fromiter"))


def _writer(name: str) -> Callable[..., Any]:
    """A writer of NumPy's, of arrays on any device."""
    writer = getattr(np, name)

    @functools.wraps(writer)
    def write(*args: Any, **kwargs: Any) -> Any:
        return writer(*map(_on_host, args), **{key: _on_host(x) for key, x in kwargs.items()})

    write.__doc__ = f"As ``numpy.{name}``, which takes the same arguments."
    return write


def _on_host(x: Any) -> Any:
    return x.asnumpy() if isinstance(x, core.NDArray) else x


save, savez, savez_compressed, savetxt = map(_writer, ("save", "savez", "savez_compressed", "savetxt"))


class Archive(dict[str, Any]):
    """The arrays of a ``.npz`` file by name; what ``load`` gives for one, and a context as NumPy's is."""

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    @property
    def files(self) -> list[str]:
        """The names."""
        return list(self)


def load(file: Any, *args: Any, **kwargs: Any) -> Any:
    """The array in a ``.npy`` file, or those in a ``.npz`` file by name; never runs code unless ``allow_pickle`` is asked for.

    Takes what ``numpy.load`` takes. DtypeError for what is no array of numbers.
    """
    found = np.load(file, *args, **kwargs)
    if isinstance(found, np.ndarray):
        return core.array(found)
    with found:
        return Archive({name: core.array(found[name]) for name in found.files})
