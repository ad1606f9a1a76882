"""What MXNet keeps in ``optimizer.contrib``."""

from hybridnet.optimizer.adaptive import GroupAdaGrad

__all__ = ["GroupAdaGrad"]
