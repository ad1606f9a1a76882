"""A block in mixed precision by itself, whatever the rest of the program computes in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hybridnet.amp.policy import Condition, kept_wide, make_policy
from hybridnet.core import Precision, computing_in
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon import HybridBlock


class _Converted(HybridBlock):
    """``block``, with its parameters, by a policy of its own."""

    def __init__(self, block: HybridBlock, policy: Precision) -> None:
        super().__init__()
        self.block = block
        self._policy = policy

    def forward(self, *args: Any) -> Any:  # type: ignore[override]
        with computing_in(self._policy):
            return self.block(*args)


def convert_hybrid_block(
    block: HybridBlock,
    target_dtype: Any = "float16",
    target_dtype_ops: Iterable[str] | None = None,
    fp32_ops: Iterable[str] | None = None,
    conditional_fp32_ops: Iterable[Condition] | None = None,
) -> HybridBlock:
    """A block that computes what ``block`` does in mixed precision, :func:`init` or not.

    It shares the parameters, which stay float32, and can be hybridized. The arguments are those of :func:`init`. ArgumentError if
    ``block`` is no HybridBlock.
    """
    if not isinstance(block, HybridBlock):
        fail(ArgumentError, "convert_hybrid_block", expected="a HybridBlock", got=type(block).__name__)
    return _Converted(block, make_policy("convert_hybrid_block", target_dtype, target_dtype_ops, kept_wide(fp32_ops, conditional_fp32_ops)))
