"""Calls of every classic operator, and what MXNet 1.9.1 made of them: a sample of the comparison in ``tests/mxnet``.

``tests/mxnet/compare_classic.py`` writes the sample, which holds of each operator some calls that agree: values, shapes, dtypes,
gradients, what is written in place, and errors.
"""

import numpy
import pytest
from support.agreement import ON_PURPOSE, packed, reason, sample_by_operator, unpacked, verdict
from support.mxnet_answers import answer

import hybridnet as mx
from hybridnet.ndarray.register import OPERATORS

BY_OPERATOR = sample_by_operator()
SAMPLE = [pair for pairs in BY_OPERATOR.values() for pair in pairs]


@pytest.mark.parametrize("op", sorted(BY_OPERATOR))
def test_an_operator_answers_as_mxnet(op: str) -> None:
    for call, theirs in BY_OPERATOR[op]:
        with numpy.errstate(all="ignore"):
            ours = answer(mx, call)
        assert verdict(call, unpacked(theirs), ours) == ("agrees", ""), call


def test_the_sample_is_of_the_whole_vocabulary() -> None:
    classic = {r.name for r in OPERATORS.values() if not r.name.startswith(("_contrib", "_image"))}
    assert len(classic & set(BY_OPERATOR)) > 280
    assert sum("gradients" in call for call, _ in SAMPLE) > 600
    assert sum(bool(theirs.get("error")) for _, theirs in SAMPLE) > 10


def test_a_verdict_sees_each_kind_of_difference() -> None:
    call = {"op": "exp", "attrs": {}, "inputs": [["normal", [2], "float32", 1]], "gradients": [0]}
    ours = answer(mx, call)
    assert verdict(call, unpacked(packed(ours)), ours) == ("agrees", "")
    for change in (
        {"outputs": [ours["outputs"][0] * 1.01]},
        {"outputs": [ours["outputs"][0].astype("float64")]},
        {"outputs": [ours["outputs"][0][:1]]},
        {"outputs": ours["outputs"] * 2},
        {"gradients": {0: ours["gradients"][0] + 1}},
        {"inputs": {0: ours["outputs"][0]}},
    ):
        assert verdict(call, {**ours, **change}, ours)[0] == "differs"
    assert verdict(call, ours, {"error": "no"})[0] == "differs"
    assert verdict(call, {"error": "no"}, ours)[0] == "more"
    assert verdict(call, {"error": "no"}, {"error": "nor we"})[0] == "agrees"
    assert reason({"op": "LeakyReLU", "attrs": {"act_type": "selu"}})
    assert not reason({"op": "LeakyReLU", "attrs": {"act_type": "elu"}})
    assert {op for op, _, _ in ON_PURPOSE} <= set(OPERATORS)
