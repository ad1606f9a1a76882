"""Each operator has a form in ONNX, parts that have one, or a reason why not; and what is written computes what we do."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
from operator_table import FILE, table
from support.samples import ALL_OPS, as_array, run, samples_of

from hybridnet.core import Kind, Op, Sample
from hybridnet.errors import DtypeError, GraphError, HybridnetError
from hybridnet.graph.control_ops import CONTROL
from hybridnet.onnx.exporting import check, write
from hybridnet.onnx.refused import REFUSED
from hybridnet.onnx.rules import RULES, has_rule
from hybridnet.onnx.tracing import trace

OPSETS = (13, 18, 23)
#: Samples that a rule refuses, and what it says.
REFUSED_SAMPLES = {
    "rnn_sequence": "of these states the last step alone|of its results the first alone",
    "transpose": "a diagonal",
    "index_set": "index arrays for the first axes",
}


def test_every_operator_is_written_or_refused_for_a_reason() -> None:
    names = {op.name for op in ALL_OPS}
    told = {op.name for op in ALL_OPS if op.name in RULES or op.decomposition is not None or op.name in REFUSED}
    assert not names - told, "a rule, or a reason in hybridnet/onnx/refused.py"
    assert not (set(RULES) | {op.name for op in ALL_OPS if op.decomposition is not None}) & set(REFUSED)
    assert not (set(RULES) | set(REFUSED)) - names - {op.name for op in CONTROL}, "operators that there are not"


def test_the_table_of_the_documentation() -> None:
    assert FILE.read_text(encoding="utf-8") == table(), "python tests/onnx/operator_table.py"


def cases() -> list[Any]:
    found = []
    for op in ALL_OPS:
        for i, sample in enumerate(samples_of(op)):
            # onnxruntime gives no bfloat16 to NumPy.
            known = "bfloat16" not in [str(getattr(x, "dtype", x)) for x in (*sample.inputs, *sample.attrs.values())]
            if sample.error is None and op.name not in REFUSED and op.kind is not Kind.RANDOM and known:
                found.append(pytest.param(op, sample, id=f"{op.name}-{i}"))
    return found


@pytest.mark.parametrize(("op", "sample"), cases())
def test_a_sample_computes_the_same(op: Op, sample: Sample) -> None:
    arrays = {f"x{i}": as_array(x, np.float32) for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray)}

    def net(*given: Any) -> Any:
        rest = iter(given)
        return run(op, [next(rest) if isinstance(x, np.ndarray) else x for x in sample.inputs], sample.attrs)

    for opset in OPSETS:
        try:
            model = trace(net, arrays, {}, partial(has_rule, opset))
            written = write(model, opset, "net").SerializeToString()
        except GraphError as error:
            later = op.name in RULES and RULES[op.name].since > opset and "later opset" in str(error)
            assert later or re.search(REFUSED_SAMPLES.get(op.name, "nothing"), str(error)), error
        else:
            check(net, written, arrays, {}, model.low)


def floating_cases() -> list[Any]:
    """The first sample of each operator that takes floating numbers."""
    return [
        case
        for case in cases()
        if str(case.id).endswith("-0") and all(np.asarray(x).dtype.kind == "f" for x in case.values[1].inputs if isinstance(x, np.ndarray))
    ]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("op", "sample"), floating_cases())
def test_a_sample_in_16_bits_is_written_or_refused(op: Op, sample: Sample, dtype: str) -> None:
    arrays = {f"x{i}": as_array(x, dtype) for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray)}

    def net(*given: Any) -> Any:
        rest = iter(given)
        return run(op, [next(rest) if isinstance(x, np.ndarray) else x for x in sample.inputs], sample.attrs)

    try:
        write(trace(net, arrays, {}, partial(has_rule, 18)), 18, "net")
    except HybridnetError as error:
        assert isinstance(error, (GraphError, DtypeError)), error
