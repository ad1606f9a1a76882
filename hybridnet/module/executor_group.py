"""``DataParallelExecutorGroup``: a symbol bound on several contexts, each with its part of the batch.

What a :class:`~hybridnet.module.module.Module` computes with. A part's parameters are arrays of its own; ``shared_group`` gives a group
the parameters of another, and their gradients, which is how buckets have them in common.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet import ndarray as nd
from hybridnet.core import Array
from hybridnet.device import Device, cpu
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.io import DataDesc

Grid = list[list[Any]]  # by parameter, then by context


def _split_input_slice(batch_size: int, work_load_list: Sequence[float]) -> list[slice]:
    """The part of a batch for each worker, in proportion to their loads; the last gets what rounding leaves.

    ArgumentError for too small a batch.
    """
    total, ends = sum(work_load_list), [0]
    for load in work_load_list:
        ends.append(ends[-1] + round(batch_size * load / total))
    ends = [min(end, batch_size) for end in ends[:-1]] + [batch_size]
    slices = [slice(a, b) for a, b in itertools.pairwise(ends)]
    if any(s.start >= s.stop for s in slices):
        fail(
            ArgumentError,
            "Module",
            expected=f"a batch of at least one sample for each of {len(slices)} contexts",
            got=f"{batch_size} samples",
        )
    return slices


def described(shapes: Any) -> list[DataDesc]:
    """Descriptions of inputs from any form in which they are given."""
    return [one if isinstance(one, DataDesc) else DataDesc(*one) for one in shapes or ()]


def merged(parts: Sequence[Any], axis: int) -> Any:
    """The parts of an array, of one context each, as one on the first's."""
    if len(parts) == 1 or axis < 0:
        return parts[0]
    return nd.concat(*(part.as_in_context(parts[0].context) for part in parts), dim=axis)


def put(value: Any, target: Any) -> None:
    """Write an array into another, whatever its device and dtype. ShapeError if it has another shape."""
    if not isinstance(value, Array):
        value = nd.array(value, dtype=target.dtype)
    if value.shape != target.shape:
        fail(ShapeError, "Module", expected=f"an array of shape {target.shape}", got=str(value.shape))
    target._assign(value.detach().to_device(target.device).astype(target.dtype, copy=False))


class DataParallelExecutorGroup:
    """A symbol on several contexts. ``workload``: their loads, one number each; ``grad_req`` for parameters: one, or by name."""

    def __init__(
        self,
        symbol: Any,
        contexts: Sequence[Device],
        workload: Sequence[float],
        data_shapes: Any,
        label_shapes: Any,
        param_names: Sequence[str],
        for_training: bool,
        inputs_need_grad: bool,
        shared_group: DataParallelExecutorGroup | None = None,
        logger: Any = logging,
        fixed_param_names: Sequence[str] | None = None,
        grad_req: Any = "write",
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
    ) -> None:
        if group2ctxs:
            fail(
                ArgumentError,
                "Module",
                expected="one context for a whole network: its parts on several (group2ctxs) are not there yet",
                got=repr(group2ctxs),
                fix="context=[...], which divides the batch",
            )
        self.symbol = symbol
        self.contexts = list(contexts)
        self.workload = list(workload)
        self.param_names = list(param_names)
        self.arg_names: list[str] = symbol.list_arguments()
        self.aux_names: list[str] = symbol.list_auxiliary_states()
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        self.logger = logger
        self.fixed_param_names = set(fixed_param_names or ())
        self.state_names = list(state_names or ())
        self.execs: list[Any] = []
        self.batch_size: int | None = None
        self.slices: list[slice] = []
        self.output_names: list[str] = symbol.list_outputs()
        attributes = symbol.attr_dict()
        names = [name[: -len("_output")] if name.endswith("_output") else name for name in self.output_names]
        self.output_layouts = [DataDesc.get_batch_axis(attributes.get(name, {}).get("__layout__")) for name in names]
        self.grad_req = self._requests(grad_req, described(data_shapes))
        self.bind_exec(data_shapes, label_shapes, shared_group)

    def _requests(self, grad_req: Any, data: Sequence[DataDesc]) -> dict[str, str]:
        """What is to become of each argument's gradient."""
        inputs = {d.name for d in data}
        given: dict[str, str]
        if isinstance(grad_req, str):
            given = dict.fromkeys(self.arg_names, grad_req)
        elif isinstance(grad_req, Mapping):
            given = {**dict.fromkeys(self.arg_names, "write"), **grad_req}
        elif isinstance(grad_req, (list, tuple)) and len(grad_req) == len(self.arg_names):
            given = dict(zip(self.arg_names, grad_req, strict=True))
        else:
            fail(ArgumentError, "Module.bind", expected="grad_req as text, a list for all arguments, or a dict", got=repr(grad_req))

        def request(name: str) -> str:
            if not self.for_training or name in self.fixed_param_names:
                return "null"
            if name in self.param_names:
                return given[name]
            if name in inputs and self.inputs_need_grad:
                return "write" if given[name] == "null" else given[name]
            return "null"

        return {name: request(name) for name in self.arg_names}

    # -- binding --------------------------------------------------------------------------------

    def decide_slices(self, data_shapes: Sequence[DataDesc]) -> list[int]:
        """Divide the batch of these inputs over the contexts; the axis of the batch in each input."""
        axes = [DataDesc.get_batch_axis(d.layout) for d in data_shapes]
        for d, axis in zip(data_shapes, axes, strict=True):
            if axis == -1:
                continue
            size = d.shape[axis]
            if self.batch_size is None:
                self.batch_size = size
                self.slices = _split_input_slice(size, self.workload)
            elif size != self.batch_size:
                fail(
                    ShapeError, "Module.bind", expected=f"inputs of {self.batch_size} samples", got=f"{size} in {d.name} of shape {d.shape}"
                )
        return axes

    def bind_exec(
        self, data_shapes: Any, label_shapes: Any, shared_group: DataParallelExecutorGroup | None = None, reshape: bool = False
    ) -> None:
        """Bind on each context; with ``reshape`` on those that are bound, keeping the arrays of parameters."""
        self.batch_size, self.slices = None, []
        self.data_shapes = described(data_shapes)
        self.label_shapes = described(label_shapes) or None
        self.data_layouts = self.decide_slices(self.data_shapes)
        self.label_layouts = self.decide_slices(self.label_shapes or [])
        self.data_names = [d.name for d in self.data_shapes]
        self.label_names = [d.name for d in self.label_shapes or []]
        shared = self.execs if reshape else [None] * len(self.contexts) if shared_group is None else shared_group.execs
        self.output_shapes: list[list[tuple[int, ...]]] = []  # by context
        self.execs = [self._bind_one(i, shared[i]) for i in range(len(self.contexts))]
        self._collect_arrays()

    def _part(self, i: int, d: DataDesc, axis: int) -> tuple[int, ...]:
        """The shape of context ``i``'s part of an input."""
        if axis == -1:
            return tuple(d.shape)
        part = self.slices[i]
        return (*d.shape[:axis], part.stop - part.start, *d.shape[axis + 1 :])

    def _bind_one(self, i: int, shared: Any) -> Any:
        ctx = self.contexts[i]
        pairs = [*zip(self.data_shapes, self.data_layouts, strict=True), *zip(self.label_shapes or [], self.label_layouts, strict=True)]
        shapes = {d.name: self._part(i, d, axis) for d, axis in pairs}
        types = {d.name: d.dtype for d, _ in pairs if d.name in self.arg_names}
        arg_shapes, out_shapes, aux_shapes = self.symbol.infer_shape(**{n: s for n, s in shapes.items() if n in self.arg_names})
        if arg_shapes is None:
            fail(ShapeError, "Module.bind", expected="shapes from which all others follow", got=str(shapes), fix="giving more of them")
        self.output_shapes.append([tuple(s) for s in out_shapes])
        arg_types, _, aux_types = self.symbol.infer_type(**types)

        def array(name: str, shape: Any, dtype: Any, known: Mapping[str, Any], keep: bool) -> Any:
            old = known.get(name)
            if keep and old is not None:
                if old.shape != tuple(shape):
                    fail(
                        ShapeError, "Module.bind", expected=f"{name} of shape {old.shape}, as in the module it shares with", got=str(shape)
                    )
                return old
            return old if old is not None and old.shape == tuple(shape) else nd.zeros(shape, ctx=ctx, dtype=dtype)

        args = shared.arg_dict if shared is not None else {}
        grads = shared.grad_dict if shared is not None else {}
        states = shared.aux_dict if shared is not None else {}
        bound, wanted = {}, {}
        for name, shape, dtype in zip(self.arg_names, arg_shapes, arg_types, strict=True):
            keep = name in self.param_names
            bound[name] = array(name, shape, dtype, args if keep else {}, keep)
            if self.grad_req[name] != "null":
                wanted[name] = array(name, shape, dtype, grads if keep else {}, keep)
        aux = {n: array(n, s, t, states, True) for n, s, t in zip(self.aux_names, aux_shapes, aux_types, strict=True)}
        return self.symbol.bind(ctx, args=bound, args_grad=wanted, grad_req=self.grad_req, aux_states=aux)

    def _collect_arrays(self) -> None:
        """The arrays of all contexts, by what they are."""

        def grid(names: Sequence[str], table: str) -> Grid:
            return [[getattr(e, table).get(name) for e in self.execs] for name in names]

        self.param_names = [name for name in self.arg_names if name in self.param_names]
        self.param_arrays = grid(self.param_names, "arg_dict")
        self.grad_arrays = grid(self.param_names, "grad_dict") if self.for_training else []
        self.aux_arrays = grid(self.aux_names, "aux_dict")
        self.data_arrays = grid(self.data_names, "arg_dict")
        self.state_arrays = grid(self.state_names, "arg_dict")
        self.input_grad_arrays = grid(self.data_names, "grad_dict") if self.inputs_need_grad else []

    def reshape(self, data_shapes: Any, label_shapes: Any) -> None:
        """Bind for other shapes of inputs; parameters stay."""
        if described(data_shapes) != self.data_shapes or (described(label_shapes) or None) != self.label_shapes:
            self.bind_exec(data_shapes, label_shapes, reshape=True)

    # -- parameters -----------------------------------------------------------------------------

    def set_params(self, arg_params: Mapping[str, Any], aux_params: Mapping[str, Any], allow_extra: bool = False) -> None:
        """Write parameters and auxiliary states into every context's arrays.

        ArgumentError for a name that is none, unless ``allow_extra``.
        """
        for values, table, what in ((arg_params, "arg_dict", "argument"), (aux_params, "aux_dict", "auxiliary state")):
            for e in self.execs:
                known = getattr(e, table)
                for name, value in values.items():
                    if name in known:
                        put(value, known[name])
                    elif not allow_extra:
                        fail(
                            ArgumentError, "Module.set_params", expected=f"an {what} of the symbol", got=repr(name), fix="allow_extra=True"
                        )

    def get_params(self, arg_params: dict[str, Any], aux_params: dict[str, Any]) -> None:
        """Write the mean over contexts of each parameter and auxiliary state into the dicts' arrays."""
        for names, grid, into in ((self.param_names, self.param_arrays, arg_params), (self.aux_names, self.aux_arrays, aux_params)):
            for name, block in zip(names, grid, strict=True):
                total = block[0].as_in_context(cpu())
                for other in block[1:]:
                    total = total + other.as_in_context(cpu())
                put(total if len(block) == 1 else total / len(block), into[name])

    # -- computing ------------------------------------------------------------------------------

    def _load(self, names: Sequence[str], axes: Sequence[int], arrays: Sequence[Any]) -> None:
        for name, axis, value in zip(names, axes, arrays, strict=True):
            for e, part in zip(self.execs, self.slices or [slice(None)], strict=False):
                if name in e.arg_dict:
                    whole = axis == -1 or len(self.execs) == 1
                    put(value if whole else nd.slice_axis(value, axis=axis, begin=part.start, end=part.stop), e.arg_dict[name])

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch: a ``DataBatch``, or a list of them, one a context."""
        train = self.for_training if is_train is None else is_train
        if isinstance(data_batch, list):
            for e, one in zip(self.execs, data_batch, strict=True):
                values = {**dict(zip(self.data_names, one.data, strict=True)), **dict(zip(self.label_names, one.label or [], strict=False))}
                for name, value in values.items():
                    if name in e.arg_dict:
                        put(value, e.arg_dict[name])
        else:
            self._load(self.data_names, self.data_layouts, data_batch.data)
            if self.label_shapes is not None and data_batch.label:
                self._load(self.label_names, self.label_layouts, data_batch.label)
        for e in self.execs:
            e.forward(is_train=train)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients; ``out_grads``: the outputs' own, for the whole batch, where they are no losses."""
        if not self.for_training:
            fail(ArgumentError, "Module.backward", expected="a module that is bound with for_training=True", got="one for prediction")
        heads = [out_grads] if isinstance(out_grads, Array) else out_grads
        for i, e in enumerate(self.execs):
            if heads is None:
                e.backward()
                continue
            own = []
            for grad, axis in zip(heads, self.output_layouts, strict=True):
                whole = axis == -1 or len(self.execs) == 1
                part = grad if whole else nd.slice_axis(grad, axis=axis, begin=self.slices[i].start, end=self.slices[i].stop)
                own.append(part.as_in_context(self.contexts[i]))
            e.backward(out_grads=own)

    # -- results --------------------------------------------------------------------------------

    def get_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name and shape of each output for the whole batch."""
        result = []
        for i, (name, axis) in enumerate(zip(self.output_names, self.output_layouts, strict=True)):
            shapes = [each[i] for each in self.output_shapes]
            size = sum(s[axis] for s in shapes) if shapes[0] and axis >= 0 else None
            result.append((name, shapes[0] if size is None else (*shapes[0][:axis], size, *shapes[0][axis + 1 :])))
        return result

    def get_outputs(self, merge_multi_context: bool = True, begin: int = 0, end: int | None = None) -> list[Any]:
        """The outputs of the last forward: for the whole batch, or (``False``) lists with each context's."""
        chosen = range(len(self.output_names))[begin:end]
        parts = [[e.outputs[i] for e in self.execs] for i in chosen]
        return [merged(p, self.output_layouts[i]) for i, p in zip(chosen, parts, strict=True)] if merge_multi_context else parts

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the inputs after a backward."""
        if not self.inputs_need_grad:
            fail(ArgumentError, "Module.get_input_grads", expected="a module that is bound with inputs_need_grad=True", got="one without")
        parts = self.input_grad_arrays
        return [merged(p, axis) for p, axis in zip(parts, self.data_layouts, strict=True)] if merge_multi_context else parts

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """The arrays of ``state_names``."""
        return [merged(p, 0) for p in self.state_arrays] if merge_multi_context else self.state_arrays

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Give states: lists with each context's, as ``get_states(False)`` and ``get_outputs(False)`` give them, or a number for all."""
        if (states is None) == (value is None):
            fail(ArgumentError, "Module.set_states", expected="either states or a value", got="both" if states is not None else "neither")
        for i, block in enumerate(self.state_arrays):
            for k, target in enumerate(block):
                if states is None:
                    target[:] = value
                else:
                    put(states[i][k], target)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the outputs against labels: the batch's, or with ``pre_sliced`` lists of them, one a context."""
        for k, e in enumerate(self.execs):
            mine = labels[k] if pre_sliced else labels or []
            if not pre_sliced and len(self.execs) > 1:
                part = self.slices[k]
                axes = [*self.label_layouts, *[0] * (len(mine) - len(self.label_layouts))]
                mine = [
                    x if axis == -1 else nd.slice_axis(x, axis=axis, begin=part.start, end=part.stop)
                    for x, axis in zip(mine, axes, strict=True)
                ]
            eval_metric.update_dict(dict(zip(self.label_names, mine, strict=False)), dict(zip(self.output_names, e.outputs, strict=True)))

    def install_monitor(self, mon: Any) -> None:
        """Have a :class:`~hybridnet.monitor.Monitor` look at every context."""
        for e in self.execs:
            mon.install(e)


if not TYPE_CHECKING:  # what MXNet imports there, and programs take from there
    __getattr__, __dir__ = absent.Later(__name__, {"ctx": "hybridnet.context"}).functions
