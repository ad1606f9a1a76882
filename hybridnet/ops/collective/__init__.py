"""Collectives: operators over the arrays of all ranks, processes of one training."""

from hybridnet.ops.collective import collective

__all__ = ["collective"]
