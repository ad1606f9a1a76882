"""The recipes of CONTRIBUTING.md for passes, followed: the text there is entered where it says, and does what it says."""

import re
from typing import Any
from unittest import mock

import numpy as np
import pytest
from support.paths import ROOT

import hybridnet as hn
from hybridnet.config import config
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph
from hybridnet.graph.passes import PASSES, Pass
from hybridnet.lowering import LOWERING, Lowering

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def recipe(name: str) -> dict[str, Any]:
    """What the Python of a recipe defines."""
    (code,) = re.findall(rf"<!-- recipe: {name} -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    defined: dict[str, Any] = {}
    exec(compile(code, f"CONTRIBUTING.md, {name}", "exec"), defined)
    return defined


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


@pytest.fixture(autouse=True)
def verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "debug", 1)


def test_a_pass() -> None:
    entry = Pass("double-negation", recipe("pass")["double_negation"], "before the algebra")
    at = [p.name for p in PASSES].index("simplify")
    x = hn.np.array([1.0, -0.0, 3.0])
    f = hn.jit(lambda x: hn.np.negative(-x) * 2)
    assert names(f.graph(x)).count("negative") == 2
    with mock.patch("hybridnet.graph.passes.PASSES", (*PASSES[:at], entry, *PASSES[at:])):
        f = hn.jit(lambda x: hn.np.negative(-x) * 2)
        assert "negative" not in names(f.graph(x))
        np.testing.assert_array_equal(f(x).asnumpy(), x.asnumpy() * 2)


def test_a_lowering_pass() -> None:
    extrema = recipe("lowering")["extrema"]
    (text,) = re.findall(r"`(Lowering\(.*\))`", TEXT)
    entry = eval(text, {"Lowering": Lowering, "extrema": extrema})
    rewrites = LOWERING["cpu"]
    at = [p.name for p in rewrites].index("fuse")
    x = hn.np.array(np.random.default_rng(3).normal(size=(40, 50)))

    def spread(x: Any) -> Any:
        return x.max(axis=1) - x.min(axis=1) + x.max(axis=1) / x.min()

    plain = hn.jit(lambda x: spread(x))
    expected = plain(x).asnumpy()
    with mock.patch.dict(LOWERING, cpu=(*rewrites[:at], entry, *rewrites[at:])):
        f = hn.jit(lambda x: spread(x))
        lowered = f.graph(x, stage="lowered")
        assert names(lowered).count("extrema") == 1
        assert {"max", "min"} & {*names(lowered)} == {"min"}  # over other axes
        np.testing.assert_array_equal(f(x).asnumpy(), expected)
        np.testing.assert_array_equal(interpret(lowered, [x.asnumpy()])[0], expected)
