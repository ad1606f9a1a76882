"""Parameters of a network from files with others' names, and to them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from hybridnet import safetensors
from hybridnet.errors import FileFormatError, fail
from hybridnet.gluon.block import Block
from hybridnet.gluon.model_zoo.hugging_face.networks import RULES
from hybridnet.gluon.model_zoo.hugging_face.rules import Array, Rules
from hybridnet.gluon.model_zoo.hugging_face.torch_layers import torch_rules
from hybridnet.gluon.parameter import Parameter

Host = np.ndarray[Any, Any]
Path = str | os.PathLike[str]


def load(net: Block, path: Path, allow_missing: bool = False, ignore_extra: bool = False) -> None:
    """Read the parameters of ``net`` from a ``.safetensors`` file, an index of several, or the folder with either.

    Of the classes in :data:`RULES` the names are theirs; of others PyTorch's of a module that is built alike (:func:`torch_rules`).
    Values are cast to the parameters' dtype. ``allow_missing``: parameters that the file lacks stay as they are; ``ignore_extra``:
    arrays that the network lacks are left out. Raises ``FileFormatError`` for a file in which something is missing or unknown, and then
    changes nothing.
    """
    found = safetensors.load(path)
    rules = _fitting(net, found)
    there = {_normal(name, rules): value for name, value in found.items()}
    values: dict[str, Host] = {}
    used = set()
    for place in _places(net):
        array = rules.source(place)
        name = array.name if array.name in there else rules.instead.get(array.name, array.name)
        if name in there:
            used.add(name)
            values[place] = _part(there[name].T if array.transposed else there[name], array)
        elif not allow_missing:
            expected = f"{name} for parameter {place!r} in {os.fspath(path)}"
            fail(FileFormatError, "hugging_face", expected=expected, got=_some(there), fix="allow_missing=True if that is meant")
    extra = [name for name in there if name not in used and not re.fullmatch(rules.ignored, name)]
    if extra and not ignore_extra:
        expected = f"arrays of this {type(net).__name__} in {os.fspath(path)}"
        fail(FileFormatError, "hugging_face", expected=expected, got=_some(extra), fix="ignore_extra=True if that is meant")
    first = {parameter: place for place, parameter in _places(net).items()}
    values = {place: values[first[p]] for place, p in net._collect_params_with_prefix().items() if first[p] in values}
    net.load_dict(values, allow_missing=allow_missing, cast_dtype=True, source=os.fspath(path))


def save(net: Block, path: Path, shard_size: int | None = None) -> None:
    """Write the parameters of ``net`` under the names that :func:`load` reads (the first of several ways) to a ``.safetensors`` file.

    ``shard_size``: see :func:`hybridnet.safetensors.save`. A parameter that stands in several places is written once.
    """
    rules = _ways(net)[0]
    parts: dict[str, dict[Array, Host]] = {}
    for place, parameter in _places(net).items():
        array = rules.source(place)
        parts.setdefault(array.name, {})[array] = parameter._reduce().asnumpy()
    arrays = {}
    for name, held in parts.items():
        whole = np.concatenate([held[array] for array in sorted(held)]) if len(held) > 1 else next(iter(held.values()))
        bare = rules.heads is not None and name.startswith(rules.heads)
        arrays[name if bare else rules.prefix + name] = whole.T if next(iter(held)).transposed else whole
    safetensors.save(path, arrays, {"format": "pt"}, shard_size)


def _places(net: Block) -> dict[str, Parameter]:
    """The parameters by the first place of each in the structure."""
    places = net._collect_params_with_prefix()
    first = {parameter: place for place, parameter in reversed(places.items())}
    return {place: parameter for place, parameter in places.items() if first[parameter] == place}


def _ways(net: Block) -> tuple[Rules, ...]:
    return next((rules for cls, rules in RULES.items() if isinstance(net, cls)), None) or (torch_rules(net),)


def _fitting(net: Block, arrays: Mapping[str, Host]) -> Rules:
    """The way of naming under which most of what the network needs is among ``arrays``."""
    places = _places(net)

    def known(rules: Rules) -> int:
        names = {_normal(name, rules) for name in arrays}
        return sum(rules.source(place).name in names for place in places)

    return max(_ways(net), key=known)


def _normal(name: str, rules: Rules) -> str:
    """A name without the prefix, and with the newer words for the parts of a norm."""
    return re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name.removeprefix(rules.prefix)))


def _part(array: Host, meant: Array) -> Host:
    """One of so many equal parts along the first axis. What is no multiple of them is left whole, and refused by its shape."""
    if meant.parts == 1 or not array.ndim or len(array) % meant.parts:
        return array
    rows = len(array) // meant.parts
    return array[meant.part * rows : (meant.part + 1) * rows]


def _some(names: Any) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:6])) + " …" * (len(names) > 6) or "nothing"
