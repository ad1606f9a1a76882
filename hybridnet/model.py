"""``mx.model``: checkpoints, and ``FeedForward``, the trainer of symbols that ``Module`` came after."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy

from hybridnet import absent, io
from hybridnet import kvstore as kvs
from hybridnet import metric as metrics
from hybridnet import ndarray as nd
from hybridnet import optimizer as opt
from hybridnet import symbol as sym
from hybridnet.base import _as_list
from hybridnet.callback import LogValidationMetricsCallback
from hybridnet.checkpoint import BatchEndParam, load_checkpoint, load_params, save_checkpoint
from hybridnet.core import Array
from hybridnet.device import Device, cpu
from hybridnet.errors import ArgumentError, UninitializedError, fail
from hybridnet.initializer import Uniform
from hybridnet.module.module import Module

metric = metrics

__all__ = ["BatchEndParam", "FeedForward", "io", "kvs", "load_checkpoint", "load_params", "metric", "nd", "opt", "save_checkpoint", "sym"]


def _counting_from_one(callback: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A callback after batches, told of the first as 1, which is how this trainer counts; modules count from 0."""
    return lambda param: callback(param._replace(nbatch=param.nbatch + 1))


class FeedForward:
    """A symbol that is trained on arrays or an iterator. ``Module`` does more.

    ``kwargs`` are the optimizer's arguments. ``numpy_batch_size``: samples a batch of arrays. ``epoch_size``: batches an epoch, all of
    the data's if not given. ``allow_extra_params``: take ``arg_params`` that the symbol does not have.
    """

    def __init__(
        self,
        symbol: Any,
        ctx: Any = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = Uniform(0.01),
        numpy_batch_size: int = 128,
        arg_params: Any = None,
        aux_params: Any = None,
        allow_extra_params: bool = False,
        begin_epoch: int = 0,
        **kwargs: Any,
    ) -> None:
        self.symbol = symbol
        contexts = ctx if isinstance(ctx, (list, tuple)) else [cpu() if ctx is None else ctx]
        self.ctx = [Device(c) for c in contexts]
        self.num_epoch = num_epoch
        self.epoch_size = epoch_size
        self.optimizer = optimizer
        self.initializer = initializer
        self.numpy_batch_size = numpy_batch_size
        self.arg_params = arg_params
        self.aux_params = aux_params
        self.allow_extra_params = allow_extra_params
        self.begin_epoch = begin_epoch
        self.kwargs = dict(kwargs)

    def _iterator(self, X: Any, y: Any, is_train: bool) -> Any:
        """Batches of arrays; an iterator as it is."""
        if not isinstance(X, (Array, numpy.ndarray)):
            return X
        if y is None:
            if is_train:
                fail(ArgumentError, "FeedForward.fit", expected="labels y beside an array X", got="none")
            y = numpy.zeros(X.shape[0], numpy.float32)
        y = y.asnumpy() if isinstance(y, Array) else numpy.asarray(y)  # type: ignore[attr-defined]
        if y.ndim == 2 and y.shape[1] == 1:
            y = y.reshape(-1)
        if y.ndim != 1 or y.shape[0] != X.shape[0]:
            fail(ArgumentError, "FeedForward", expected=f"a label for each of {X.shape[0]} samples", got=f"y of shape {y.shape}")
        size = min(X.shape[0], self.numpy_batch_size)
        return io.NDArrayIter(X, y, size, shuffle=is_train, last_batch_handle="roll_over" if is_train else "pad")

    def _module(self, data: Any, for_training: bool, work_load_list: Any = None, logger: Any = None) -> Module:
        """A module of the symbol, bound to the data's shapes."""
        names = [name for name, _ in (tuple(d)[:2] for d in data.provide_data)]
        arguments = self.symbol.list_arguments()
        labels = [d for d in data.provide_label or [] if d[0] in arguments]
        label_names = [d[0] for d in labels]
        if not for_training:  # labels that predictions do not need, and data need not have
            label_names = [name for name in arguments if name not in names and name not in (self.arg_params or {})]
        module = Module(self.symbol, names, label_names, logger or logging, self.ctx, work_load_list)
        module.bind(data.provide_data, labels or None, for_training=for_training)
        return module

    def _trained(self, op: str, data: Any) -> Module:
        """A module for predictions with the parameters of now."""
        if self.arg_params is None:
            fail(
                UninitializedError, f"FeedForward.{op}", expected="a model with parameters", got="none", fix="fit(X, y) or FeedForward.load"
            )
        module = self._module(data, for_training=False)
        module.init_params(None, self.arg_params, self.aux_params or {}, allow_extra=True)
        return module

    def fit(
        self,
        X: Any,
        y: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        work_load_list: Any = None,
        monitor: Any = None,
        eval_end_callback: Any = LogValidationMetricsCallback(),
        eval_batch_end_callback: Any = None,
    ) -> None:
        """Train on arrays ``X`` (samples first) and ``y`` (samples,), or an iterator; ``eval_data``: an iterator, or a pair of arrays."""
        data = self._iterator(X, y, is_train=True)
        if self.epoch_size is not None:
            data = io.ResizeIter(data, self.epoch_size)
        if isinstance(eval_data, (tuple, list)):
            if len(eval_data) != 2:
                fail(ArgumentError, "FeedForward.fit", expected="eval_data as an iterator or (X, y)", got=f"{len(eval_data)} things")
            eval_data = self._iterator(eval_data[0], eval_data[1], is_train=False)
        module = self._module(data, True, work_load_list, logger)
        module.init_params(self.initializer, self.arg_params, self.aux_params, allow_missing=True, allow_extra=self.allow_extra_params)
        module.init_optimizer(kvstore, self.optimizer, tuple({"learning_rate": 0.01, **self.kwargs}.items()))
        module.train(
            data,
            metrics.create(eval_metric),
            range(self.begin_epoch, self._epochs("fit", self.num_epoch)),
            epoch_end_callback,
            [_counting_from_one(callback) for callback in _as_list(batch_end_callback or [])],
            monitor,
            eval_data=eval_data,
            eval_end_callback=eval_end_callback,
            eval_batch_end_callback=eval_batch_end_callback,
        )
        self.arg_params, self.aux_params = module.get_params()

    @staticmethod
    def _epochs(op: str, number: int | None) -> int:
        if number is None:
            fail(ArgumentError, f"FeedForward.{op}", expected="a number of epochs", got="None", fix="FeedForward(symbol, num_epoch=10)")
        return number

    def predict(self, X: Any, num_batch: int | None = None, return_data: bool = False, reset: bool = True) -> Any:
        """The outputs as NumPy's arrays: one, or a list. With ``return_data`` also the inputs and labels, as they were batched."""
        data = self._iterator(X, None, is_train=False)
        module = self._trained("predict", data)
        outputs: list[list[Any]] = []
        seen: tuple[list[list[Any]], list[list[Any]]] = ([], [])
        for outs, _, batch in module.iter_predict(data, num_batch, reset):
            outputs.append([out.asnumpy() for out in outs])
            keep = batch.data[0].shape[0] - (batch.pad or 0)
            for kept, arrays in zip(seen, (batch.data, batch.label or []), strict=True):
                kept.append([x[:keep].asnumpy() for x in arrays])
        joined = [_joined(rows) for rows in (outputs, *seen)]
        return tuple(joined) if return_data else joined[0]

    def score(
        self, X: Any, eval_metric: Any = "acc", num_batch: int | None = None, batch_end_callback: Any = None, reset: bool = True
    ) -> Any:
        """The metric's value on an iterator's data."""
        if isinstance(X, (Array, numpy.ndarray)):
            fail(
                ArgumentError,
                "FeedForward.score",
                expected="an iterator with labels",
                got="an array",
                fix="io.NDArrayIter(X, y, batch_size)",
            )
        eval_metric = metrics.create(eval_metric)
        self._trained("score", X).score(X, eval_metric, num_batch, batch_end_callback, reset=reset)
        return eval_metric.get()[1]

    def save(self, prefix: str, epoch: int | None = None, remove_amp_cast: bool = True) -> None:
        """Write a checkpoint, of epoch ``num_epoch`` if none is given."""
        epoch = self._epochs("save", self.num_epoch) if epoch is None else epoch
        save_checkpoint(prefix, epoch, self.symbol, self.arg_params or {}, self.aux_params or {}, remove_amp_cast)

    @staticmethod
    def load(prefix: str, epoch: int, ctx: Any = None, **kwargs: Any) -> FeedForward:
        """A model of a checkpoint; further training begins at its epoch."""
        symbol, args, aux = load_checkpoint(prefix, epoch)
        return FeedForward(symbol, ctx=ctx, arg_params=args, aux_params=aux, begin_epoch=epoch, **kwargs)

    @staticmethod
    def create(
        symbol: Any,
        X: Any,
        y: Any = None,
        ctx: Any = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = Uniform(0.01),
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        work_load_list: Any = None,
        eval_end_callback: Any = LogValidationMetricsCallback(),
        eval_batch_end_callback: Any = None,
        **kwargs: Any,
    ) -> FeedForward:
        """A model that is made and trained in one call."""
        model = FeedForward(symbol, ctx, num_epoch, epoch_size, optimizer, initializer, **kwargs)
        model.fit(
            X,
            y,
            eval_data=eval_data,
            eval_metric=eval_metric,
            epoch_end_callback=epoch_end_callback,
            batch_end_callback=batch_end_callback,
            kvstore=kvstore,
            logger=logger,
            work_load_list=work_load_list,
            eval_end_callback=eval_end_callback,
            eval_batch_end_callback=eval_batch_end_callback,
        )
        return model


def _joined(rows: list[list[Any]]) -> Any:
    """The batches' arrays joined: one, or a list where there are several."""
    arrays = [numpy.concatenate(parts) for parts in zip(*rows, strict=True)]
    return arrays[0] if len(arrays) == 1 else arrays


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
