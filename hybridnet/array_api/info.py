"""What the namespace says of itself: devices, element types, defaults."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.device import Device, cpu, current_device, gpu, num_gpus
from hybridnet.numpy.kinds import KINDS, isdtype

VERSION = "2024.12"
#: The element types that the standard has: all of ours but the two of 16 bits.
TYPES = tuple(t for t in dtypes.ALL if t not in (dtypes.float16, dtypes.bfloat16))


class Info:
    """The answers to the standard's questions about a namespace."""

    def capabilities(self) -> dict[str, Any]:
        """Whether boolean masks and shapes that depend on values work (imperatively they do), and how many dimensions there may be."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """The device on which arrays are made if nothing is said."""
        return current_device()

    def devices(self) -> list[Device]:
        """The devices that there are."""
        return [cpu(), *(gpu(i) for i in range(num_gpus()))]

    def default_dtypes(self, *, device: Any = None) -> dict[str, dtypes.Dtype]:
        """The element types of Python's numbers, and of indices."""
        return {
            "real floating": dtypes.default_float(),
            "complex floating": dtypes.default_complex(),
            "integral": dtypes.int64,
            "indexing": dtypes.int64,
        }

    def dtypes(self, *, device: Any = None, kind: str | tuple[str, ...] | None = None) -> dict[str, dtypes.Dtype]:
        """The element types by name, all or those of a kind."""
        chosen = tuple(KINDS) if kind is None else kind
        return {str(t): t for t in TYPES if isdtype(t, chosen)}
