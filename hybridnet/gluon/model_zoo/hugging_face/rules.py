"""How a kind of network is named in files: tables from places here to names there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from hybridnet.errors import ArgumentError, fail

_NORM = {".gamma": ".weight", ".beta": ".bias"}
#: A kind of layer -> its parameters here, and the arrays there. An "array" is one itself, without a layer.
KINDS: dict[str, dict[str, str]] = {
    "array": {"": ""},
    "table": {".weight": ".weight"},
    "convolution": {".weight": ".weight"},
    "dense": {".weight": ".weight", ".bias": ".bias"},
    "transposed dense": {".weight": ".weight", ".bias": ".bias"},  # its weight is (inputs, units) there
    "projections": {".weight": "_weight", ".bias": "_bias"},
    "norm": _NORM,
    "batch norm": {**_NORM, ".running_mean": ".running_mean", ".running_var": ".running_var"},
}


class Array(NamedTuple):
    """An array in a file: the kind of its layer, its name, and which of how many equal parts of its first axis is meant."""

    kind: str
    name: str
    part: int = 0
    parts: int = 1

    @property
    def transposed(self) -> bool:
        """Whether it has its axes the other way round there."""
        return self.kind == "transposed dense"


@dataclass(frozen=True)
class Rules:
    """How a kind of network is named in files.

    ``layers``: place here -> kind of layer, and its place there; with ``[0/3]`` behind it the first of three equal parts of its outputs.
    ``{}`` stands for a number. ``prefix``: what all names there may begin with, but for those that begin with ``heads``. ``ignored``: a
    pattern of those that nothing here needs.
    ``instead``: a name there -> that under which files have it that lack the first.
    """

    layers: Mapping[str, tuple[str, str]]
    prefix: str = ""
    heads: str | None = None
    ignored: str = r"(?!)"
    instead: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], Array]]:
        """What places with numbers look like, and the arrays there, whose names have the numbers yet to come."""
        return [(re.compile(re.escape(place).replace(r"\{\}", r"(\d+)")), array) for place, array in self._described if "{}" in place]

    @cached_property
    def _exact(self) -> dict[str, Array]:
        return {place: array for place, array in self._described if "{}" not in place}

    @property
    def _described(self) -> Iterator[tuple[str, Array]]:
        for layer, (kind, there) in self.layers.items():
            name, _, part = there.partition("[")
            number, _, parts = (part or "0/1]").removesuffix("]").partition("/")
            for own, their in KINDS[kind].items():
                yield layer + own, Array(kind, name + their, int(number), int(parts))

    def source(self, place: str) -> Array:
        """Where the parameter at ``place`` is in a file."""
        if place in self._exact:
            return self._exact[place]
        for pattern, array in self._patterns:
            found = pattern.fullmatch(place)
            if found is not None:
                return array._replace(name=array.name.format(*found.groups()))
        return fail(ArgumentError, "hugging_face", expected="a parameter that the rules name", got=repr(place))
