"""``BaseModule``: what all modules do alike: training by ``fit``, ``score``, ``predict``, parameters in files.

A module goes through stages, each of which needs those before it: ``bind`` (shapes are known, memory is there), ``init_params``,
``init_optimizer``; then ``forward``, ``backward``, ``update`` for each batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet import metric as metrics
from hybridnet import ndarray as nd
from hybridnet.base import _as_list
from hybridnet.checkpoint import BatchEndParam, split_params
from hybridnet.core import Array
from hybridnet.errors import ArgumentError, HybridnetError, UninitializedError, fail
from hybridnet.initializer import Uniform
from hybridnet.io import DataBatch


def check_input_names(symbol: Any, names: Sequence[str], what: str, strict: bool) -> None:
    """ArgumentError (a warning, unless ``strict``) if one of ``names`` is no argument of the symbol."""
    arguments = symbol.list_arguments()
    for name in names:
        if name not in arguments:
            ends = ("_weight", "_bias", "_gamma", "_beta")
            near = [n for n in arguments if not n.endswith(ends)]
            given = f"{what}={list(names)}"
            if strict:
                fail(ArgumentError, "Module", expected=f"{what} that are arguments of the symbol", got=f"{name!r}", fix=" or ".join(near))
            logging.warning("Module(%s): %r is no argument of the symbol; its inputs are %s", given, name, ", ".join(near))


class BaseModule:
    """The base of modules. A subclass gives the stages and the properties; this gives what is made of them."""

    def __init__(self, logger: Any = logging) -> None:
        self.logger = logger
        self.binded = False
        self.for_training = False
        self.inputs_need_grad = False
        self.params_initialized = False
        self.optimizer_initialized = False
        self._symbol: Any = None
        self._total_exec_bytes = 0

    def _needs(self, op: str, *stages: str) -> None:
        """UninitializedError for a stage that has not been gone through."""
        ways = {
            "binded": "bind(data_shapes, label_shapes)",
            "params_initialized": "init_params()",
            "optimizer_initialized": "init_optimizer()",
        }
        for stage in stages:
            if not getattr(self, stage):
                fail(
                    UninitializedError,
                    f"{type(self).__name__}.{op}",
                    expected=f"a module after {ways[stage]}",
                    got="one before",
                    fix=ways[stage],
                )

    def _missing(self, name: str) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.{name}")

    # -- what a subclass gives ------------------------------------------------------------------

    @property
    def data_names(self) -> list[str]:
        """The names of the inputs."""
        return self._missing("data_names")

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return self._missing("output_names")

    @property
    def data_shapes(self) -> Any:
        """Descriptions (name, shape) of the inputs, after :meth:`bind`."""
        return self._missing("data_shapes")

    @property
    def label_shapes(self) -> Any:
        """Descriptions of the labels, after :meth:`bind`."""
        return self._missing("label_shapes")

    @property
    def output_shapes(self) -> Any:
        """Name and shape of each output, after :meth:`bind`."""
        return self._missing("output_shapes")

    @property
    def symbol(self) -> Any:
        """The symbol that the module computes."""
        return self._symbol

    def bind(
        self,
        data_shapes: Any,
        label_shapes: Any = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Any = None,
        grad_req: Any = "write",
    ) -> None:
        """Prepare for batches of these shapes."""
        self._missing("bind")

    def init_params(
        self,
        initializer: Any = Uniform(0.01),
        arg_params: Any = None,
        aux_params: Any = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Give parameters their first values: those given, and of the initializer what is missing (with ``allow_missing``)."""
        self._missing("init_params")

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Prepare for :meth:`update`."""
        self._missing("init_optimizer")

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch."""
        self._missing("forward")

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the last forward."""
        self._missing("backward")

    def update(self) -> None:
        """Move the parameters by the gradients."""
        self._missing("update")

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the outputs of the last forward against labels."""
        self._missing("update_metric")

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters and auxiliary states by name, copies on the CPU."""
        return self._missing("get_params")

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The outputs of the last forward."""
        return self._missing("get_outputs")

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the inputs after a backward."""
        return self._missing("get_input_grads")

    def install_monitor(self, mon: Any) -> None:
        """Have a :class:`~hybridnet.monitor.Monitor` look at what is computed."""
        self._missing("install_monitor")

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """The states that are kept from batch to batch: none, unless a subclass has some."""
        self._needs("get_states", "binded", "params_initialized")
        return []

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Give the states values. ArgumentError for some where there are none."""
        self._needs("set_states", "binded", "params_initialized")
        if states or value:
            fail(ArgumentError, f"{type(self).__name__}.set_states", expected="a module with states", got="one without")

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """What is to be done before a batch; ``sparse_row_id_fn`` gives the rows of sparse parameters that it needs."""

    # -- parameters -----------------------------------------------------------------------------

    def set_params(
        self, arg_params: Any, aux_params: Any, allow_missing: bool = False, force_init: bool = True, allow_extra: bool = False
    ) -> None:
        """Give parameters and auxiliary states values by name."""
        self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)

    def save_params(self, fname: str) -> None:
        """Write parameters (``arg:…``) and auxiliary states (``aux:…``) to a file."""
        args, aux = self.get_params()
        nd.save(fname, {**{f"arg:{k}": v for k, v in args.items()}, **{f"aux:{k}": v for k, v in aux.items()}})

    def load_params(self, fname: str) -> None:
        """Read the file that :meth:`save_params` wrote. FileFormatError for another."""
        self.set_params(*split_params(nd.load(fname), fname))

    # -- batches --------------------------------------------------------------------------------

    def forward_backward(self, data_batch: Any) -> None:
        """Outputs and gradients of a batch."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def _count(self, eval_metric: Any, batch: Any) -> None:
        if isinstance(batch, list):
            self.update_metric(eval_metric, [b.label for b in batch], pre_sliced=True)
        else:
            self.update_metric(eval_metric, batch.label)

    def score(
        self,
        eval_data: Any,
        eval_metric: Any,
        num_batch: int | None = None,
        batch_end_callback: Any = None,
        score_end_callback: Any = None,
        reset: bool = True,
        epoch: int = 0,
        sparse_row_id_fn: Any = None,
    ) -> list[tuple[str, float]]:
        """The metric of the data, as (name, value) pairs; of its first ``num_batch`` batches, if that is given."""
        self._needs("score", "binded", "params_initialized")
        if reset:
            eval_data.reset()
        eval_metric = metrics.create(eval_metric)
        eval_metric.reset()
        done = 0
        for number, batch in enumerate(eval_data):
            if number == num_batch:
                break
            self.prepare(batch, sparse_row_id_fn=sparse_row_id_fn)
            self.forward(batch, is_train=False)
            self._count(eval_metric, batch)
            _call(batch_end_callback, BatchEndParam(epoch, number, eval_metric, locals()))
            done += 1
        _call(score_end_callback, BatchEndParam(epoch, done, eval_metric, locals()))
        return eval_metric.get_name_value()

    def iter_predict(
        self, eval_data: Any, num_batch: int | None = None, reset: bool = True, sparse_row_id_fn: Any = None
    ) -> Iterator[tuple[list[Any], int, Any]]:
        """Go through the data: (outputs without padding, number of the batch, batch)."""
        self._needs("iter_predict", "binded", "params_initialized")
        if reset:
            eval_data.reset()
        for number, batch in enumerate(eval_data):
            if number == num_batch:
                break
            self.prepare(batch, sparse_row_id_fn=sparse_row_id_fn)
            self.forward(batch, is_train=False)
            yield self._unpadded(batch.pad), number, batch

    def _unpadded(self, pad: int | None) -> list[Any]:
        return [out[: out.shape[0] - (pad or 0)] for out in self.get_outputs()]

    def predict(
        self,
        eval_data: Any,
        num_batch: int | None = None,
        merge_batches: bool = True,
        reset: bool = True,
        always_output_list: bool = False,
        sparse_row_id_fn: Any = None,
    ) -> Any:
        """The outputs of all the data, joined along the first axis: an array, or a list where there are several outputs.

        ``eval_data``: an iterator, or one batch as an array. With ``merge_batches=False`` a list of the outputs of each batch.
        """
        self._needs("predict", "binded", "params_initialized")
        if isinstance(eval_data, Array) or hasattr(eval_data, "__array__"):
            batch = eval_data if isinstance(eval_data, Array) else nd.array(eval_data)
            self.forward(DataBatch([batch]), is_train=False)
            return self.get_outputs()[0]
        outputs = [
            [out.copy() for out in outs] for outs, _, _ in self.iter_predict(eval_data, num_batch, reset, sparse_row_id_fn=sparse_row_id_fn)
        ]
        if not outputs or not merge_batches:
            return outputs
        if len({len(outs) for outs in outputs}) > 1:
            fail(
                ArgumentError,
                f"{type(self).__name__}.predict",
                expected="batches with one number of outputs",
                got="different ones, as of buckets",
                fix="merge_batches=False",
            )
        joined = [nd.concat(*parts, dim=0) for parts in zip(*outputs, strict=True)]
        return joined[0] if len(joined) == 1 and not always_output_list else joined

    # -- training -------------------------------------------------------------------------------

    def fit(
        self,
        train_data: Any,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        eval_end_callback: Any = None,
        eval_batch_end_callback: Any = None,
        initializer: Any = Uniform(0.01),
        arg_params: Any = None,
        aux_params: Any = None,
        allow_missing: bool = False,
        force_rebind: bool = False,
        force_init: bool = False,
        begin_epoch: int = 0,
        num_epoch: int | None = None,
        validation_metric: Any = None,
        monitor: Any = None,
        sparse_row_id_fn: Any = None,
    ) -> None:
        """Train for epochs ``begin_epoch`` to ``num_epoch`` (not included), which must be given.

        Binds to the iterator's shapes, initializes parameters and the optimizer unless that is done. Callbacks are functions or lists of
        them: of epochs ``(epoch, symbol, arg_params, aux_params)``, of batches a ``BatchEndParam``.
        """
        if num_epoch is None:
            fail(ArgumentError, f"{type(self).__name__}.fit", expected="a number of epochs", got="None", fix="num_epoch=10")
        self.bind(train_data.provide_data, train_data.provide_label, for_training=True, force_rebind=force_rebind)
        if force_init or not self.params_initialized:
            self.init_params(initializer, arg_params, aux_params, allow_missing=allow_missing, force_init=force_init)
        self.init_optimizer(kvstore, optimizer, optimizer_params)
        self.train(
            train_data,
            metrics.create(eval_metric),
            range(begin_epoch, num_epoch),
            epoch_end_callback,
            batch_end_callback,
            monitor,
            sparse_row_id_fn,
            eval_data,
            validation_metric,
            eval_end_callback,
            eval_batch_end_callback,
        )

    def train(
        self,
        train_data: Any,
        eval_metric: Any,
        epochs: Iterable[int],
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        monitor: Any = None,
        sparse_row_id_fn: Any = None,
        eval_data: Any = None,
        validation_metric: Any = None,
        eval_end_callback: Any = None,
        eval_batch_end_callback: Any = None,
    ) -> None:
        """The epochs of :meth:`fit`, of a module that has its parameters and its optimizer."""
        self._needs("train", "binded", "params_initialized", "optimizer_initialized")
        if monitor is not None:
            self.install_monitor(monitor)
        for epoch in epochs:
            begin = time.time()
            self._fit_epoch(epoch, train_data, eval_metric, batch_end_callback, monitor, sparse_row_id_fn)
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - begin)
            # What contexts hold becomes one set of values, for callbacks and for the next epoch.
            args, aux = self.get_params()
            self.set_params(args, aux)
            for callback in _as_list(epoch_end_callback if epoch_end_callback is not None else []):
                callback(epoch, self.symbol, args, aux)
            if eval_data is not None:
                scores = self.score(
                    eval_data,
                    eval_metric if validation_metric is None else validation_metric,
                    score_end_callback=eval_end_callback,
                    batch_end_callback=eval_batch_end_callback,
                    epoch=epoch,
                    sparse_row_id_fn=sparse_row_id_fn,
                )
                for name, value in scores:
                    self.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, value)
            train_data.reset()

    def _fit_epoch(
        self, epoch: int, train_data: Any, eval_metric: Any, batch_end_callback: Any, monitor: Any, sparse_row_id_fn: Any
    ) -> None:
        """One epoch: every data_batch forward, backward, an update, and counted."""
        eval_metric.reset()
        values: list[tuple[str, float]] = []
        batches = iter(train_data)
        data_batch, nbatch = next(batches, None), 0
        while data_batch is not None:
            if monitor is not None:
                monitor.tic()
            self.forward_backward(data_batch)
            self.update()
            self._count(eval_metric, data_batch)
            following = next(batches, None)  # before the callbacks, which may see that it is the last
            if following is not None:
                self.prepare(following, sparse_row_id_fn=sparse_row_id_fn)
            if monitor is not None:
                monitor.toc_print()
            if following is None:
                values = eval_metric.get_global_name_value()
            _call(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
            data_batch, nbatch = following, nbatch + 1
        if not nbatch:
            fail(
                HybridnetError,
                f"{type(self).__name__}.fit",
                expected="batches",
                got=f"none in epoch {epoch}",
                fix="train_data.reset() first",
            )
        for name, value in values:
            self.logger.info("Epoch[%d] Train-%s=%f", epoch, name, value)


def _call(callbacks: Any, param: BatchEndParam) -> None:
    for callback in _as_list(callbacks if callbacks is not None else []):
        callback(param)


__all__ = ["BaseModule", "check_input_names"]


if not TYPE_CHECKING:  # what MXNet imports there, and programs take from there
    __getattr__, __dir__ = absent.Later(__name__, {"metric": "hybridnet.metric", "ndarray": "hybridnet.ndarray"}).functions
