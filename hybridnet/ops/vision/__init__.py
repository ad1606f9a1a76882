"""Operators of computer vision: boxes, detection, and images read at places between their pixels."""

from hybridnet.ops.vision import boxes, matching, multibox

__all__ = ["boxes", "matching", "multibox"]
