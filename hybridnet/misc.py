"""``mx.misc``: older names of schedules of the learning rate."""

from hybridnet.lr_scheduler import FactorScheduler, LRScheduler

LearningRateScheduler = LRScheduler

__all__ = ["FactorScheduler", "LearningRateScheduler"]
