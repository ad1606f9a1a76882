"""Programs of symbols and modules give what MXNet 1.9.1 gave for them: losses of whole trainings, predictions, logs, cells' graphs."""

import json
from typing import Any

import numpy as np
import pytest
from support.mxnet_programs import PATH, PROGRAMS

import hybridnet as hn

EXPECTED = json.loads(PATH.read_text(encoding="utf-8"))


def compare(got: Any, expected: Any, where: str) -> None:
    """Texts and integers are the same, numbers within 1e-3."""
    if isinstance(expected, dict):
        assert sorted(got) == sorted(expected), where
        for key in expected:
            compare(got[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(got) == len(expected), where
        for i, (a, b) in enumerate(zip(got, expected, strict=True)):
            compare(a, b, f"{where}[{i}]")
    elif isinstance(expected, float):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3, err_msg=where)
    else:
        assert got == expected, where


@pytest.fixture(autouse=True)
def classic_rules() -> Any:
    hn.util.reset_np()
    yield
    hn.util.set_np()


def test_every_program_has_a_reference() -> None:
    assert set(EXPECTED) == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.filterwarnings("ignore:.*rescale_grad:UserWarning")
def test_program(name: str) -> None:
    with hn.name.NameManager():
        compare(json.loads(json.dumps(PROGRAMS[name](hn))), EXPECTED[name], name)
