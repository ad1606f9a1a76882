"""Every layer, loss, metric, optimizer, initializer and schedule is held to values: MXNet 1.9.1's, or those of a formula.

A new one is found here until it has a line among the cases, or is named with the test that has its formula.
"""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.mxnet_layers import CASES as LAYERS
from support.mxnet_updates import CASES as UPDATES

from hybridnet import gluon, initializer, lr_scheduler, metric, optimizer

FOLDER = Path(__file__).parent
OPTIMIZERS = FOLDER.parent / "data" / "mxnet_1_9_1_optimizers.json"  # see test_trainer.py

#: Bases, which compute nothing themselves.
BASES = {
    "Block", "HybridBlock", "Loss", "ModifierCell", "RecurrentCell", "HybridRecurrentCell", "Optimizer", "EvalMetric", "Initializer",
    "LRScheduler",
}  # fmt: skip

#: What MXNet has not, or draws at random: the test in which it is held to its formula.
FORMULAS = {
    "Concatenate": "test_formulas.py::test_concatenate",
    "HybridConcatenate": "test_formulas.py::test_concatenate",
    "Dropout": "test_formulas.py::test_dropout",
    "SparseEmbedding": "test_contrib.py::test_a_sparse_embedding_is_dense",
    "FeedForward": "test_transformer.py::test_small_layers",
    "RMSNorm": "test_transformer.py::test_small_layers",
    "SiLU": "test_transformer.py::test_small_layers",
    "SwiGLU": "test_transformer.py::test_small_layers",
    "RotaryEmbedding": "test_transformer.py::test_rotary_embedding",
    "MultiHeadAttention": "test_transformer.py::test_multi_head_attention",
    "TransformerEncoderLayer": "test_transformer.py::test_layers",
    **dict.fromkeys(
        ("ColumnParallelDense", "GroupDropout", "RowParallelDense", "VocabParallelEmbedding", "VocabParallelSoftmaxCELoss"),
        "test_parallel.py::test_each_is_the_layer_that_it_divides",
    ),
    "TransformerDecoderLayer": "test_transformer.py::test_layers",
    "AdamW": "test_trainer.py::test_adamw_decays_apart_from_the_gradient",
    "SGLD": "test_formulas.py::test_langevin_dynamics",
    "CompositeEvalMetric": "test_metric.py::test_create",
    "Constant": "test_formulas.py::test_given_values",
    "Load": "test_formulas.py::test_given_values",
    "One": "test_formulas.py::test_given_values",
    "Zero": "test_formulas.py::test_given_values",
    "FusedRNN": "test_initializers.py::test_fused_rnn",
    "Mixed": "test_gluon.py::test_initializers_and_their_precedence",
    **dict.fromkeys(
        ["Bilinear", "LSTMBias", "Orthogonal"],
        "test_gluon.py::test_initializers_draw_as_they_say",
    ),
    **dict.fromkeys(["MSRAPrelu", "Normal", "TruncNorm", "Uniform", "Xavier"], "test_formulas.py::test_drawn_values"),
}


def classes_of(base: type, *places: object) -> set[str]:
    """The public subclasses of ``base`` that these modules hold, and that are the library's own."""
    found = [x for place in places for x in vars(place).values() if isinstance(x, type) and issubclass(x, base)]
    return {x.__name__ for x in found if x.__module__.startswith("hybridnet.") and not x.__name__.startswith("_")}


def called_in(test: str) -> set[str]:
    """The names of what a test file calls, ``nn.Dense`` as ``Dense``."""
    calls = [node.func for node in ast.walk(ast.parse((FOLDER / test).read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls}


def by_name(names: Iterable[str]) -> set[str]:
    return {optimizer.Optimizer.opt_registry[name].__name__ for name in names}


LIBRARY = {
    "layers": (
        classes_of(gluon.Block, gluon.nn, gluon.rnn, gluon.contrib.nn, gluon.contrib.rnn, gluon.contrib.cnn),
        {name for expression, *_ in LAYERS for name in re.findall(r"\b([A-Z]\w+)\(", expression)},
    ),
    "losses": (
        classes_of(gluon.loss.Loss, gluon.loss),
        {name for expression, *_ in LAYERS for name in re.findall(r"loss\.(\w+)\(", expression)} | called_in("test_loss.py"),
    ),
    "metrics": (classes_of(metric.EvalMetric, metric), called_in("test_metric.py")),
    "optimizers": (
        classes_of(optimizer.Optimizer, optimizer),
        by_name(name for name, _ in UPDATES) | by_name(re.findall(r'"name": "(\w+)"', OPTIMIZERS.read_text())),
    ),
    "initializers": (classes_of(initializer.Initializer, initializer) | {"Load"}, set()),
    "schedules": (classes_of(lr_scheduler.LRScheduler, lr_scheduler), called_in("test_metric.py")),
}  # fmt: skip


@pytest.mark.parametrize("kind", LIBRARY)
def test_everyone_is_held_to_values(kind: str) -> None:
    there, held = LIBRARY[kind]
    assert len(there) >= 5
    forgotten = there - held - BASES - FORMULAS.keys()
    assert not forgotten, "add a case to tests/support/mxnet_layers.py or mxnet_updates.py, or name the test of its formula here"


def test_the_tests_of_formulas_are_there() -> None:
    for name, test in FORMULAS.items():
        file, _, function = test.partition("::")
        tree = ast.parse((FOLDER / file).read_text(encoding="utf-8"))
        source = [ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
        assert source and re.search(rf"\b{name}\b", source[0]), f"{test} is not there, or has no {name}"


def test_no_name_stands_for_nobody() -> None:
    everyone = set().union(*(there for there, _ in LIBRARY.values()))
    assert FORMULAS.keys() <= everyone
