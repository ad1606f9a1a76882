"""The operators of ``nd.contrib`` and of vision against what MXNet 1.9.1 gave: see ``support/mxnet_vision.py``."""

from typing import Any

import numpy as np
import pytest
from support import mxnet_vision
from support.mxnet_vision_cases import CASES

import hybridnet as hn

KEPT = mxnet_vision.kept()


def test_every_case_was_asked() -> None:
    assert list(KEPT) == [repr(case) for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[2] or 'defaults'}")
def test_as_mxnet(case: Any) -> None:
    found, expected = mxnet_vision.evaluate(hn, case), KEPT[repr(case)]
    assert (found is None) == (expected is None)
    for y, z in zip(found or [], expected or [], strict=True):
        assert y.shape == z.shape
        assert y.dtype == z.dtype
        np.testing.assert_allclose(y.astype(np.float64), z.astype(np.float64), rtol=1e-4, atol=2e-5)
