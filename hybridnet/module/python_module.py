"""``PythonModule``: a module that is written in Python, without parameters; ``PythonLossModule``: a loss."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from hybridnet import ndarray as nd
from hybridnet.core import Array
from hybridnet.errors import ArgumentError, fail
from hybridnet.initializer import Uniform
from hybridnet.module.base_module import BaseModule
from hybridnet.module.executor_group import described


class PythonModule(BaseModule):
    """The base of modules in Python. A subclass gives ``forward``, ``backward`` and ``_compute_output_shapes``, and what else it needs.

    ``data_names``, ``label_names``, ``output_names``: what its inputs, labels and outputs are called.
    """

    def __init__(
        self, data_names: Sequence[str], label_names: Sequence[str] | None, output_names: Sequence[str], logger: Any = logging
    ) -> None:
        super().__init__(logger=logger)
        self._data_names = list(data_names)
        self._label_names = None if label_names is None else list(label_names)
        self._output_names = list(output_names)
        self._data_shapes: Any = None
        self._label_shapes: Any = None
        self._output_shapes: Any = None

    @property
    def data_names(self) -> list[str]:
        return self._data_names

    @property
    def output_names(self) -> list[str]:
        return self._output_names

    @property
    def data_shapes(self) -> Any:
        return self._data_shapes

    @property
    def label_shapes(self) -> Any:
        return self._label_shapes

    @property
    def output_shapes(self) -> Any:
        return self._output_shapes

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """No parameters."""
        return {}, {}

    def init_params(
        self,
        initializer: Any = Uniform(0.01),
        arg_params: Any = None,
        aux_params: Any = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Nothing to do: there are no parameters."""
        self.params_initialized = True

    def update(self) -> None:
        """Nothing to do: there are no parameters."""

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the outputs against labels, unless the module takes none."""
        if self._label_shapes is None:
            return
        if pre_sliced:
            fail(ArgumentError, "PythonModule.update_metric", expected="a whole batch's labels", got="lists of them, one a context")
        eval_metric.update_dict(
            dict(zip(self._label_names or [], labels, strict=False)), dict(zip(self._output_names, self.get_outputs(), strict=True))
        )

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
        """Note the shapes. ArgumentError for names of inputs that are not the module's."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if grad_req != "write":
            fail(ArgumentError, "PythonModule.bind", expected="grad_req write", got=repr(grad_req))
        data, labels = described(data_shapes), described(label_shapes)
        for names, shapes in ((self._data_names, data), (self._label_names or [], labels)):
            if shapes and [d.name for d in shapes] != names:
                fail(ArgumentError, "PythonModule.bind", expected=f"shapes of {names}", got=str([d.name for d in shapes]))
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._data_shapes, self._label_shapes = data, labels or None
        self._output_shapes = self._compute_output_shapes()
        self.binded = True

    def _compute_output_shapes(self) -> Any:
        """Name and shape of each output, of ``_data_shapes`` and ``_label_shapes``; a subclass gives it."""
        return self._missing("_compute_output_shapes")

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Nothing to do: there are no parameters."""
        self.optimizer_initialized = True


class PythonLossModule(PythonModule):
    """A loss: its output is its input, its gradient what ``grad_func(scores, labels)`` gives, an array of NumPy's or ours."""

    def __init__(
        self,
        name: str = "pyloss",
        data_names: Sequence[str] = ("data",),
        label_names: Sequence[str] = ("softmax_label",),
        logger: Any = logging,
        grad_func: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        if len(data_names) != 1 or len(label_names) != 1:
            fail(ArgumentError, "PythonLossModule", expected="one input and one label", got=f"{list(data_names)} and {list(label_names)}")
        super().__init__(data_names, label_names, [f"{name}_output"], logger=logger)
        self._name = name
        self._scores: Any = None
        self._labels: Any = None
        self._scores_grad: Any = None
        self._grad_func = grad_func

    def _compute_output_shapes(self) -> Any:
        return [(f"{self._name}_output", self._data_shapes[0].shape)]

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Take the scores, and while training the labels."""
        self._scores = data_batch.data[0]
        if self.for_training if is_train is None else is_train:
            self._labels = data_batch.label[0]

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The scores."""
        return [self._scores] if merge_multi_context else [[self._scores]]

    def backward(self, out_grads: Any = None) -> None:
        """The gradient of the scores. ArgumentError for gradients of the output: a loss has none after it."""
        if out_grads is not None:
            fail(ArgumentError, "PythonLossModule.backward", expected="no out_grads: it is a loss", got=type(out_grads).__name__)
        self._needs("backward", "binded")
        self._backward_impl()

    def _backward_impl(self) -> None:
        if self._grad_func is None:
            raise NotImplementedError(f"{type(self).__name__}._backward_impl, or PythonLossModule(grad_func=...)")
        grad = self._grad_func(self._scores, self._labels)
        self._scores_grad = grad if isinstance(grad, Array) else nd.array(grad)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradient of the scores."""
        return [self._scores_grad] if merge_multi_context else [[self._scores_grad]]

    def install_monitor(self, mon: Any) -> None:
        """Refused: it computes no symbol."""
        fail(ArgumentError, "PythonLossModule.install_monitor", expected="a module of a symbol", got="one in Python")
