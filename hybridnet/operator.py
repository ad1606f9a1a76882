"""``mx.operator``: operators that users write in Python, and what is known of those that there are.

``nd.Custom(data, op_type="…")`` calls a :class:`CustomOp` that :func:`register` entered; see :mod:`hybridnet.ndarray.custom` for how.
:class:`NumpyOp` and :class:`NDArrayOp` are MXNet's older ways to the same, for symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from hybridnet import absent, context, symbol
from hybridnet import ndarray as nd
from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.custom import CustomOp, CustomOpProp, register
from hybridnet.ndarray.register import OPERATORS

__all__ = [
    "CustomOp", "CustomOpProp", "NDArrayOp", "NumpyOp", "OperatorArguments", "PythonOp", "context", "get_all_registered_operators",
    "get_operator_arguments", "register", "symbol",
]  # fmt: skip
_numbers = count()


@dataclass(frozen=True)
class OperatorArguments:
    """The parameters of an operator: how many, their names, and their types in words; inputs first."""

    narg: int
    names: list[str]
    types: list[str]


def get_all_registered_operators() -> list[str]:
    """The names of all operators of the classic vocabulary; those of ``Custom`` are its ``op_type``."""
    return sorted(OPERATORS)


def get_operator_arguments(op_name: str) -> OperatorArguments:
    """The parameters of a classic operator, by one of its names. ArgumentError for another name."""
    record = OPERATORS.get(op_name)
    if record is None:
        fail(ArgumentError, "get_operator_arguments", expected="the name of an operator", got=repr(op_name))
    described = [(name, "NDArray-or-Symbol") for name in record.inputs] or [("data", "NDArray-or-Symbol[]")] * bool(record.variadic)
    described += [(a.name, a.describe() + (", required" if a.required else f", default={a.default!r}")) for a in record.attributes.values()]
    return OperatorArguments(len(described), [name for name, _ in described], [kind for _, kind in described])


class PythonOp:
    """The base of :class:`NumpyOp` and :class:`NDArrayOp`: subclass one of these. An instance is called with symbols, and gives one.

    ``need_top_grad``: whether ``backward`` reads the gradient of the results; one that stands for a loss does not.
    """

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.get_symbol(*args, **kwargs)

    def get_symbol(self, *args: Any, **kwargs: Any) -> Any:
        """The symbol of this operator of the symbols given, by position or by the arguments' names; ``name``: its own."""
        raise NotImplementedError(f"{type(self).__name__}.get_symbol(self, *args, **kwargs)")

    def forward(self, in_data: Sequence[Any], out_data: Sequence[Any]) -> None:
        """Writes the results into the arrays of ``out_data``; by default the first input."""
        out_data[0][:] = in_data[0]

    def backward(self, out_grad: Sequence[Any], in_data: Sequence[Any], out_data: Sequence[Any], in_grad: Sequence[Any]) -> None:
        """Writes the inputs' gradients into the arrays of ``in_grad``; by default ones. ``out_grad``: empty where it is not needed."""
        in_grad[0][:] = 1.0

    def infer_shape(self, in_shape: list[Any]) -> Any:
        """The shapes of inputs and results, two lists, from what is known of the inputs'; by default one result like the first."""
        return in_shape, [in_shape[0]]

    def list_outputs(self) -> list[str]:
        """The names of the results."""
        return ["output"]

    def list_arguments(self) -> list[str]:
        """The names of the inputs."""
        return ["data"]

    def need_top_grad(self) -> bool:
        """Whether ``backward`` reads the gradient of the results."""
        return self.need_top_grad_


class _Registered(PythonOp):
    """A Python operator as a custom one, whose ``op_type`` is this instance's own."""

    _op_type: str | None = None

    def get_symbol(self, *args: Any, **kwargs: Any) -> Any:
        """The symbol of this operator of the symbols given, by position or by the arguments' names; ``name``: its own."""
        if self._op_type is None:
            operator = self

            class Prop(_PythonProp):
                def __init__(self) -> None:
                    super().__init__(operator)

            self._op_type = f"{type(self).__name__}_{next(_numbers)}"
            register(self._op_type)(Prop)
        return symbol.Custom(*args, op_type=self._op_type, **kwargs)

    def _run(self, function: Any, reads: dict[str, list[Any]], writes: tuple[str, list[Any]]) -> None:
        """Call ``forward`` or ``backward`` with arrays by their names, the last of which it writes to."""
        function(**reads, **dict([writes]))


class NumpyOp(_Registered):
    """An operator whose ``forward`` and ``backward`` are written with NumPy's arrays, in place."""

    def _run(self, function: Any, reads: dict[str, list[Any]], writes: tuple[str, list[Any]]) -> None:
        name, targets = writes
        made = [x.asnumpy().copy() for x in targets]
        function(**{key: [x.asnumpy() for x in arrays] for key, arrays in reads.items()}, **{name: made})
        for x, value in zip(targets, made, strict=True):
            x[:] = nd.array(value, ctx=x.context, dtype=x.dtype)


class NDArrayOp(_Registered):
    """An operator whose ``forward`` and ``backward`` are written with arrays of ``nd``, in place."""

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        """Of the numbers of results' gradients, inputs and results those that ``backward`` reads; the rest is not kept for it."""
        return [*(out_grad if self.need_top_grad() else []), *in_data, *out_data]


class _PythonProp(CustomOpProp):
    """What is known of a Python operator, by its own methods."""

    def __init__(self, operator: _Registered) -> None:
        super().__init__(need_top_grad=operator.need_top_grad())
        self.operator = operator
        self.list_arguments = operator.list_arguments  # type: ignore[method-assign]
        self.list_outputs = operator.list_outputs  # type: ignore[method-assign]
        self.infer_shape = operator.infer_shape  # type: ignore[method-assign]
        if isinstance(operator, NDArrayOp):
            self.declare_backward_dependency = operator.declare_backward_dependency  # type: ignore[method-assign]

    def create_operator(self, ctx: Any, in_shapes: list[Any], in_dtypes: list[Any]) -> CustomOp:
        """The operator, called as a custom one is."""
        return _PythonCall(self.operator)


class _PythonCall(CustomOp):
    def __init__(self, operator: _Registered) -> None:
        self.operator = operator

    def forward(self, is_train: bool, req: list[str], in_data: list[Any], out_data: list[Any], aux: list[Any]) -> None:
        self.operator._run(self.operator.forward, {"in_data": in_data}, ("out_data", out_data))

    def backward(
        self, req: list[str], out_grad: list[Any], in_data: list[Any], out_data: list[Any], in_grad: list[Any], aux: list[Any]
    ) -> None:
        tops = out_grad if self.operator.need_top_grad() else []
        self.operator._run(self.operator.backward, {"out_grad": tops, "in_data": in_data, "out_data": out_data}, ("in_grad", in_grad))


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
