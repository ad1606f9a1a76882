"""The structure of a network in ``<prefix>-model.json``, as MXNet's ``Block.save`` writes it: each block's name, and its children's.

A block is known by its class and by its number in the order in which ``save`` meets them, so a network made in the same way finds
its own, and takes over the names that it had when it was saved. Graphs of hybridized blocks, which MXNet writes beside, are
neither written nor read: the network compiles itself again.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from hybridnet.errors import FileFormatError, fail


def described(net: Any) -> dict[str, Any]:
    """What the file holds."""
    return _described(net, itertools.count())


def _described(block: Any, numbers: Iterator[int]) -> dict[str, Any]:
    key = _key(block, next(numbers))
    own: dict[str, Any] = {"orig_name": block.name, "hybridized": False, "children": {}}
    for attribute, child in block._children.items():
        own["children"][child.name] = attribute
        own.update(_described(child, numbers))
    return {key: own}


def _key(block: Any, number: int) -> str:
    return f"{type(block).__name__.lower()}{number}"


def restore_names(net: Any, text: str, source: str) -> None:
    """Give ``net`` and everything below it the names in a file's text. FileFormatError, before any changes, for another structure."""
    try:
        found = json.loads(text)
    except ValueError as error:
        fail(FileFormatError, "load", expected=f"JSON in {source}", got=str(error))
    names = list(_matched(net, found, itertools.count(), source))
    for block, name in names:
        if block.name != name:
            block._rename(f"{name}_" if name else "")


def _matched(block: Any, given: Mapping[str, Any], numbers: Iterator[int], source: str) -> Iterator[tuple[Any, str]]:
    key = _key(block, next(numbers))
    own = given.get(key)
    if not isinstance(own, dict) or not isinstance(own.get("orig_name"), str) or not isinstance(own.get("children"), dict):
        kept = ", ".join(k for k, v in given.items() if isinstance(v, dict) and "orig_name" in v) or "none"
        fail(
            FileFormatError,
            "load",
            expected=f"block {key} in {source}, as this network has it",
            got=kept,
            fix="a network made as the saved one",
        )
    if list(own["children"].values()) != list(block._children):
        children = f"{', '.join(block._children) or 'none'} in {key} of {source}"
        fail(FileFormatError, "load", expected=f"children {children}", got=", ".join(map(str, own["children"].values())) or "none")
    yield block, own["orig_name"]
    for child in block._children.values():
        yield from _matched(child, own, numbers, source)
