"""The handlers that stop, measure, validate, log, save and update. ``net.fit(callbacks=...)`` takes them as well."""

from hybridnet.gluon.contrib.estimator.checkpoints import CheckpointHandler
from hybridnet.gluon.contrib.estimator.logs import LoggingHandler
from hybridnet.gluon.contrib.estimator.measuring import GradientUpdateHandler, MetricHandler, ValidationHandler
from hybridnet.gluon.contrib.estimator.stopping import EarlyStoppingHandler, StoppingHandler
from hybridnet.gluon.training.events import BatchBegin, BatchEnd, EpochBegin, EpochEnd, EventHandler, TrainBegin, TrainEnd

__all__ = [
    "BatchBegin",
    "BatchEnd",
    "CheckpointHandler",
    "EarlyStoppingHandler",
    "EpochBegin",
    "EpochEnd",
    "EventHandler",
    "GradientUpdateHandler",
    "LoggingHandler",
    "MetricHandler",
    "StoppingHandler",
    "TrainBegin",
    "TrainEnd",
    "ValidationHandler",
]
