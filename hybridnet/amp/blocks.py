"""A block in mixed precision by itself, whatever the rest of the program computes in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hybridnet import symbol
from hybridnet.amp.policy import Condition, kept_wide, make_policy
from hybridnet.amp.symbols import convert_model
from hybridnet.core import Precision, computing_in
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon import HybridBlock, SymbolBlock


class _Converted(HybridBlock):
    """``block``, with its parameters, by a policy of its own."""

    def __init__(self, block: HybridBlock, policy: Precision) -> None:
        super().__init__()
        self.block = block
        self._policy = policy

    def forward(self, *args: Any) -> Any:  # type: ignore[override]
        with computing_in(self._policy):
            return self.block(*args)


def _as_symbol_block(block: HybridBlock, ctx: Any, arguments: tuple[Any, ...]) -> HybridBlock:
    """The block's symbol with casts in it, and with a copy of its parameters."""
    graph, inputs = block._as_symbol()
    parameters = {p.name: p for p in block.collect_params().values()}
    arguments_of, states = (
        {key: parameters[key]._reduce() for key in keys if key in parameters}
        for keys in (graph.list_arguments(), graph.list_auxiliary_states())
    )
    converted, *params = convert_model(graph, arguments_of, states, *arguments)
    made = SymbolBlock(converted, [symbol.var(name) for name in inputs])
    made.collect_params().load_dict({key: x.copy() for found in params for key, x in found.items()}, ctx=ctx, cast_dtype=True)
    return made


def convert_hybrid_block(
    block: HybridBlock,
    target_dtype: Any = "float16",
    target_dtype_ops: Iterable[str] | None = None,
    fp32_ops: Iterable[str] | None = None,
    conditional_fp32_ops: Iterable[Condition] | None = None,
    excluded_sym_names: Iterable[str] | None = None,
    ctx: Any = None,
    cast_optional_params: bool = False,
) -> HybridBlock:
    """A block that computes what ``block`` does in mixed precision, :func:`init` or not.

    It shares the parameters, which stay float32, and can be hybridized. The first arguments are those of :func:`init`. ArgumentError if
    ``block`` is no HybridBlock.

    With ``excluded_sym_names`` (nodes of its symbol that compute in float32), ``ctx`` (where the parameters are to be) or
    ``cast_optional_params`` it is a SymbolBlock with parameters of its own instead, for inference, as MXNet's always is, and the
    lists of operators are those of :func:`convert_symbol`.
    """
    if not isinstance(block, HybridBlock):
        fail(ArgumentError, "convert_hybrid_block", expected="a HybridBlock", got=type(block).__name__)
    if excluded_sym_names is not None or ctx is not None or cast_optional_params:
        lists = target_dtype_ops, fp32_ops, conditional_fp32_ops
        return _as_symbol_block(block, ctx, (target_dtype, *lists, excluded_sym_names, cast_optional_params))
    return _Converted(block, make_policy("convert_hybrid_block", target_dtype, target_dtype_ops, kept_wide(fp32_ops, conditional_fp32_ops)))
