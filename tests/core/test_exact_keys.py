"""Keys by type and bits: what is no array in a compiled call meets the program of its equal, and of nothing else."""

import dataclasses
import itertools
import math
import struct
from typing import Any

import numpy as np
import pytest

from hybridnet import jit
from hybridnet import np as hnp
from hybridnet.core import call
from hybridnet.exact import Exact, exact
from hybridnet.gluon import HybridBlock


@dataclasses.dataclass(frozen=True)
class Options:
    scale: float


OTHER_NAN = struct.unpack("d", struct.pack("Q", 0x7FF8000000000001))[0]
ALIKE_TO_PYTHON = [0.0, -0.0, 0, False, np.float32(0.0), np.float32(-0.0), np.float64(0.0), np.int32(0)]
WRAPPED: list[Any] = [lambda v: v, lambda v: (1, v), lambda v: frozenset({v}), Options, complex]


@pytest.mark.parametrize("wrap", WRAPPED)
def test_equal_numbers_have_keys_of_their_own(wrap: Any) -> None:
    values = ALIKE_TO_PYTHON[:4] if wrap is not complex else [0.0, -0.0]
    for a, b in itertools.combinations(values if wrap is not WRAPPED[0] else ALIKE_TO_PYTHON, 2):
        assert exact(wrap(a)) != exact(wrap(b))
        assert Exact(wrap(a)) != Exact(wrap(b))
    for v in values:
        assert Exact(wrap(v)) == Exact(wrap(v)) and hash(Exact(wrap(v))) == hash(Exact(wrap(v)))


def test_nan_is_itself() -> None:
    assert exact(float("nan")) == exact(float("nan")) == exact(math.nan)
    assert exact(math.nan) != exact(OTHER_NAN)
    with pytest.raises(TypeError):
        hash(exact((1, bytearray())))


class Scaled(HybridBlock):
    def forward(self, x: Any, k: Any) -> Any:
        return 1 / (x * k["scale"][0])


def block() -> Any:
    net = Scaled()
    net.hybridize()
    return net


@pytest.mark.parametrize("make", [lambda: jit(lambda x, k: 1 / (x * k["scale"][0])), block], ids=["jit", "hybridized"])
def test_static_arguments(make: Any) -> None:
    compiled, x = make(), hnp.ones(1)
    numbers = (0.0, -0.0, 0, False, math.nan, 1, True, 1.0, -0.0, 0.0, float("nan"))
    with np.errstate(divide="ignore"):
        found = [compiled(x, {"scale": (k,)}).asnumpy()[0] for k in numbers]
        expected = [1 / (np.float32(1) * np.float32(k)) for k in numbers]
    np.testing.assert_array_equal(found, expected)


def test_nan_does_not_compile_anew() -> None:
    compiled, x = jit(lambda x, k, named: x * k), hnp.ones(1)
    for _ in range(3):
        compiled(x, float("nan"), named={1: 2})
        compiled(x, float("nan"), named={True: 2})
    assert len(compiled.cache) == 2


def test_constants_and_attributes_in_a_graph() -> None:
    def f(x: Any) -> Any:
        clipped = [1 / call("clip", x, a_min=zero, a_max=zero) for zero in (0.0, -0.0)]
        return [*clipped, 1 / (x * 0.0), 1 / (x * -0.0), x * 1 * 0.5, x * True * 0.5]

    x = hnp.ones(1)
    with np.errstate(divide="ignore"):
        for y, e in zip(jit(f)(x), f(x), strict=True):
            np.testing.assert_array_equal(y.asnumpy(), e.asnumpy())
