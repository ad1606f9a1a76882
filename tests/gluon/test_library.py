"""Names and parameters of MXNet 1.9.1's Gluon library: each is there, and takes what it takes there."""

import importlib
import inspect
from typing import Any

import pytest
from support.mxnet_library import PATH, parameters, taken_by

LINES = [line.split("\t") for line in PATH.read_text(encoding="utf-8").splitlines()]

#: What stands on symbols or sparse arrays, and helpers that no program is known to use.
NOT_HERE = {
    "HybridBlock.export", "HybridBlock.infer_type", "Parameter.list_row_sparse_data", "Parameter.row_sparse_data", "Parameter.var",
    "SymbolBlock", "SequentialRNNCell.hybrid_forward", "PearsonCorrelation.update_cov", "PearsonCorrelation.update_variance", "HookHandle",
    "shape_is_known",
}  # fmt: skip

#: Parameters by which a class of MXNet's speaks with its bases; a program that gives them is refused there too.
INNER = {"op_name", "adj", "pool_type", "global_pool", "fuse_relu", "lstm_state_clip_max", "lstm_state_clip_min", "lstm_state_clip_nan"}


def found(module: str, name: str) -> Any:
    x: Any = importlib.import_module(f"hybridnet.{module}")
    for part in name.split("."):
        x = getattr(x, part)
    return x


@pytest.mark.parametrize("module", sorted({module for module, *_ in LINES}))
def test_each_name_takes_what_it_takes_in_mxnet(module: str) -> None:
    lacking: list[str] = []
    for name, taken in ((name, set(taken.split())) for where, name, taken in LINES if where == module):
        if name in NOT_HERE or name.partition(".")[0] in NOT_HERE:
            continue
        try:
            ours = found(module, name)
        except AttributeError:
            lacking.append(name)
            continue
        names, more = (taken_by(ours), False) if inspect.isclass(ours) else parameters(ours)
        if not more and (refused := taken - names - INNER):
            lacking.append(f"{name}({', '.join(sorted(refused))})")
    assert not lacking


def test_most_is_here() -> None:
    assert len(LINES) > 600
    assert sum(name in NOT_HERE or name.partition(".")[0] in NOT_HERE for _, name, _ in LINES) < 0.03 * len(LINES)
