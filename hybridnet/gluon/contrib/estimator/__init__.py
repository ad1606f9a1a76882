"""``gluon.contrib.estimator``: training by an ``Estimator``, which tells event handlers of what happens, as in MXNet."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.contrib.estimator import batch_processor, event_handler
from hybridnet.gluon.contrib.estimator import estimator as estimator
from hybridnet.gluon.contrib.estimator.batch_processor import BatchProcessor
from hybridnet.gluon.contrib.estimator.estimator import Estimator
from hybridnet.gluon.contrib.estimator.event_handler import (
    BatchBegin,
    BatchEnd,
    CheckpointHandler,
    EarlyStoppingHandler,
    EpochBegin,
    EpochEnd,
    GradientUpdateHandler,
    LoggingHandler,
    MetricHandler,
    StoppingHandler,
    TrainBegin,
    TrainEnd,
    ValidationHandler,
)

__all__ = [
    "BatchBegin",
    "BatchEnd",
    "BatchProcessor",
    "CheckpointHandler",
    "EarlyStoppingHandler",
    "EpochBegin",
    "EpochEnd",
    "Estimator",
    "GradientUpdateHandler",
    "LoggingHandler",
    "MetricHandler",
    "StoppingHandler",
    "TrainBegin",
    "TrainEnd",
    "ValidationHandler",
    "batch_processor",
    "estimator",
    "event_handler",
]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
