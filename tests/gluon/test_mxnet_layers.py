"""Layers, cells and losses against MXNet 1.9.1: names, places in files, outputs and gradients, imperatively and hybridized."""

import json
from typing import Any

import numpy as np
import pytest
from support.mxnet_layers import CASES, PATH, evaluate

import hybridnet as hn

EXPECTED = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]
IDS = [f"{expression} {call}".strip() for expression, _, call in CASES]


#: MXNet quotes a prefix, tells no arguments, or takes a weight's second axis for the number of inputs.
REPR_IS_OURS = (
    *("contrib.nn.SyncBatchNorm", "contrib.cnn.Modulated", "nn.Conv2DTranspose", "nn.Conv1DTranspose"),
    *("nn.Conv1D(4, 3, 2, 1, 2, 2)", "nn.Conv2D(6, (3, 2)"),
)
#: For numbers below 0 MXNet's is λ (α + y), which is no derivative of y = λ α (eˣ - 1): that is λ α + y.
GRADIENT_IS_OURS = ("nn.SELU",)


def agree(found: Any, expected: Any) -> None:
    """The same arrays, told by their shapes and products."""
    assert [shape for shape, *_ in found] == [shape for shape, *_ in expected]
    for (shape, *products), (_, *wanted) in zip(found, expected, strict=True):
        np.testing.assert_allclose(products, wanted, rtol=2e-5, atol=2e-5 * max(1, np.prod(shape) ** 0.5))


def test_the_data_is_of_these_cases() -> None:
    assert [line["case"] for line in EXPECTED] == json.loads(json.dumps(CASES))


@pytest.mark.parametrize("hybridize", [False, True], ids=["imperative", "hybridized"])
@pytest.mark.parametrize(("case", "expected"), list(zip(CASES, EXPECTED, strict=True)), ids=IDS)
def test_as_mxnet(case: Any, expected: Any, hybridize: bool) -> None:
    found = evaluate(hn, case, hybridize)
    assert found["parameters"] == expected["parameters"]
    assert found["places"] == expected["places"]
    if not case[0].startswith(REPR_IS_OURS):
        assert "".join(found["repr"].split()) == "".join(expected["repr"].split())
    agree(found["outputs"], expected["outputs"])
    if not case[0].startswith(GRADIENT_IS_OURS):
        agree(found["inputs"], expected["inputs"])
    for part in ("gradients", "states"):
        assert list(found[part]) == list(expected[part])
        agree(found[part].values(), expected[part].values())
