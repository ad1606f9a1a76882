"""Operators of computer vision: boxes, detection, and images read at places between their pixels."""

from hybridnet.ops.vision import boxes, correlation, matching, multibox, proposal, region_deformable, region_max, regions, sampler

__all__ = ["boxes", "correlation", "matching", "multibox", "proposal", "region_deformable", "region_max", "regions", "sampler"]
