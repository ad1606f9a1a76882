"""The recipes of CONTRIBUTING.md, followed: the text there is entered where it says, and does what it says."""

import re
from typing import Any
from unittest import mock

import numpy as np
import pytest
from support.paths import ROOT

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.config import config
from hybridnet.core import OPS, cuda_rules
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph
from hybridnet.graph.passes import PASSES, Pass
from hybridnet.lowering import LOWERING, Lowering

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def recipe(name: str, before: str = "") -> dict[str, Any]:
    """What the Python of a recipe defines; ``before``: imports that stand at the head of the file that it is for."""
    (code,) = re.findall(rf"<!-- recipe: {name} -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    defined: dict[str, Any] = {}
    exec(compile(before + code, f"CONTRIBUTING.md, {name}", "exec"), defined)
    return defined


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


@pytest.fixture(autouse=True)
def verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "debug", 1)


def test_an_operator() -> None:
    """By its text alone, imports and all; its samples hold against differences."""
    with mock.patch.dict(OPS), mock.patch.dict(cuda_rules._RULES):
        made = recipe("operator")
        for sample in made["SINC_SQUARED"].sample():
            x = hn.np.array(sample.inputs[0], dtype="float64")
            x.attach_grad()
            with autograd.record():
                y = made["sinc_squared"](x)
            y.backward()
            np.testing.assert_allclose(y.asnumpy(), np.sinc(sample.inputs[0]) ** 2, rtol=1e-12)
            step = 1e-6
            slope = (np.sinc(sample.inputs[0] + step) ** 2 - np.sinc(sample.inputs[0] - step) ** 2) / (2 * step)
            np.testing.assert_allclose(x.grad.asnumpy(), slope, rtol=1e-6, atol=1e-8)
    assert "sinc_squared" not in OPS


def test_a_layer() -> None:
    code = "from typing import Any\nfrom hybridnet.gluon import HybridBlock\n"
    layer = recipe("layer", code)["Scale"]()
    layer.initialize("ones")
    x = hn.nd.array(np.arange(6.0).reshape(2, 3))
    layer(x)
    layer.factor.set_data(hn.nd.array([1.0, 2.0, 3.0]))
    plain = layer(x).asnumpy()
    np.testing.assert_array_equal(plain, x.asnumpy() * [1, 2, 3])
    layer.hybridize()
    np.testing.assert_array_equal(layer(x).asnumpy(), plain)
    assert [*layer.collect_params()] == [f"{layer.prefix}factor"]
    assert isinstance(layer, gluon.HybridBlock)


def test_every_path_exists() -> None:
    """What a page names as a file of the checkout, by a path with a folder in it, is one."""
    bases = [ROOT, ROOT / "hybridnet", ROOT / "hybridnet" / "gluon", ROOT / "tests"]
    for page in ("CONTRIBUTING.md", "docs/design.md", "kernels/README.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        named = {p for p in re.findall(r"\w[\w/]*\.(?:py|cuh?|tsv|md)\b", text) if "/" in p}
        paths = {p for p in named if "swap_pairs" not in p}  # which the reader writes, by the recipe
        missing = {p for p in paths if not any((base / p).exists() for base in bases)}
        assert paths, page
        assert not missing, f"{page} names {sorted(missing)}"


def test_a_pass() -> None:
    entry = Pass("repeated-absolute", recipe("pass")["repeated_absolute"], "before the algebra")
    at = [p.name for p in PASSES].index("simplify")
    x = hn.np.array([1.0, -0.0, -3.0])
    f = hn.jit(lambda x: hn.np.abs(hn.np.abs(x)) * 2)
    assert names(f.graph(x)).count("absolute") == 2
    with mock.patch("hybridnet.graph.passes.PASSES", (*PASSES[:at], entry, *PASSES[at:])):
        f = hn.jit(lambda x: hn.np.abs(hn.np.abs(x)) * 2)
        assert names(f.graph(x)).count("absolute") == 1
        np.testing.assert_array_equal(f(x).asnumpy(), abs(x.asnumpy()) * 2)


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
