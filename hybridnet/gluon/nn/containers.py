"""Blocks made of a list of blocks: one after the other, or side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hybridnet import ndarray
from hybridnet.gluon.block import Block, HybridBlock


class _Listed(Block):
    """What lists of blocks share: adding, indexing, slicing, iterating."""

    def add(self, *blocks: Block) -> None:
        """Append blocks."""
        for block in blocks:
            self.register_child(block)

    def __getitem__(self, key: Any) -> Any:
        found = list(self._children.values())[key]
        if isinstance(key, slice):
            part = type(self)(prefix=self._prefix)
            part.add(*found)
            return part
        return found

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Block]:
        return iter(self._children.values())


class Sequential(_Listed):
    """Blocks one after the other. A block that gives a tuple gives the next one several inputs."""

    def forward(self, x: Any, *args: Any) -> Any:
        for block in self._children.values():
            x = block(x, *args)
            args = ()
            if isinstance(x, (tuple, list)):
                x, args = x[0], tuple(x[1:])
        return (x, *args) if args else x


class HybridSequential(Sequential, HybridBlock):
    """Blocks one after the other, compiled as one after ``hybridize()``."""

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        return Sequential.forward(self, x, *args)


class Concatenate(Sequential):
    """Blocks side by side: each gets the input, and their results are joined along ``axis``."""

    def __init__(self, axis: int = -1, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self.axis = axis

    def forward(self, x: Any, *args: Any) -> Any:
        return self._joined(ndarray, x, *args)

    def _joined(self, F: Any, x: Any, *args: Any) -> Any:
        return F.concat(*[block(x, *args) for block in self._children.values()], dim=self.axis)


class HybridConcatenate(Concatenate, HybridBlock):
    """Blocks side by side, compiled as one after ``hybridize()``."""

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        return self._joined(F, x, *args)
