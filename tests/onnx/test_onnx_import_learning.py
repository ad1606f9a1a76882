"""scikit-learn's models as ONNX files hold them: random trees, linear models, support vectors, encoders, as onnxruntime computes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import hybridnet as hn
from hybridnet.errors import GraphError, HybridnetError
from hybridnet.onnx import import_

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: it says what is right")
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ")


def model(op: str, x: np.ndarray, outputs: list[int], more: list[Any] | None = None, **attributes: Any) -> Any:
    names = [f"y{i}" for i in range(len(outputs))]
    node = helper.make_node(op, ["x"] if not more else ["x", "more"], names, domain="ai.onnx.ml", **attributes)
    inputs = [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), [None, *x.shape[1:]])]
    made = [helper.make_tensor_value_info(n, t, []) for n, t in zip(names, outputs, strict=True)]
    constants = [numpy_helper.from_array(np.asarray(more), "more")] if more else []
    graph = helper.make_graph([node], "g", inputs, made, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8)


def compare(made: Any, x: np.ndarray, tolerance: float = 1e-5) -> None:
    """onnxruntime's results, imperatively and compiled."""
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"x": x})
    net = import_(made)
    for active in (False, True):
        net.hybridize(active)
        found = net(hn.np.array(x, dtype=x.dtype))
        for a, b in zip(found if isinstance(found, tuple) else (found,), wanted, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a.asnumpy(), b, rtol=tolerance, atol=tolerance)


def forest(draw: np.random.Generator, features: int, targets: list[int], modes: tuple[str, ...], negative: bool) -> tuple[Any, Any]:
    """The nodes of a few random trees, and what their leaves tell: attributes of nodes, and rows of tree, leaf, target, weight."""
    nodes: dict[str, list[Any]] = {
        k: [] for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing_value_tracks_true")
    }
    told: list[tuple[int, int, int, float]] = []
    for tree in range(int(draw.integers(1, 4))):
        depth_of, number = [0], 0
        while number < len(depth_of):
            leaf = depth_of[number] > 3 or (draw.random() < 0.3 and number > 0)
            below = (0, 0) if leaf else (len(depth_of), len(depth_of) + 1)
            depth_of += [] if leaf else [depth_of[number] + 1] * 2
            row = (tree, number, int(draw.integers(features)), float(draw.integers(-2, 3)) / 2)
            mode = "LEAF" if leaf else f"BRANCH_{draw.choice(modes)}"
            for key, value in zip(nodes, (*row, mode, *below, int(draw.integers(2))), strict=True):
                nodes[key].append(value)
            if leaf:
                for target in targets:
                    weight = float(draw.normal() if negative else draw.random())
                    told.append((tree, number, target, weight))
            number += 1
    return {f"nodes_{k}": v for k, v in nodes.items()}, told


def rows(told: Any, kind: str) -> dict[str, list[Any]]:
    columns = [list(c) for c in zip(*told, strict=True)]
    return dict(zip([f"{kind}_treeids", f"{kind}_nodeids", f"{kind}_ids", f"{kind}_weights"], columns, strict=True))


def halves(draw: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers that are often those which nodes compare with, and some that are missing."""
    x = (draw.integers(-3, 4, size=shape) / 2).astype(np.float32)
    return np.where(draw.random(shape) < 0.1, np.nan, x).astype(np.float32)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("how", ["SUM", "AVERAGE", "MIN", "MAX"])
def test_random_trees_that_tell_numbers(seed: int, how: str) -> None:
    draw = np.random.default_rng([seed, 1])
    modes = MODES if seed % 3 == 0 else (MODES[seed % 6],)
    nodes, told = forest(draw, 4, [0, 1], modes, True)
    x = halves(draw, 30, 4)
    if "NEQ" in modes:
        x = np.nan_to_num(x)  # by onnxruntime what is missing is always unequal, whatever the node says of it
    base = {"base_values": [0.5, -0.25]} if seed % 2 else {}
    compare(model("TreeEnsembleRegressor", x, [FLOAT], n_targets=2, aggregate_function=how, **nodes, **rows(told, "target"), **base), x)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
def test_random_trees_that_tell_classes(seed: int, transform: str) -> None:
    draw = np.random.default_rng([seed, 2])
    count = 2 + seed % 3 if transform != "SOFTMAX" else 3 + seed % 3  # of one score onnxruntime makes no softmax
    nodes, told = forest(draw, 3, [0] if count == 2 else list(range(count)), ("LEQ",), seed % 2 == 1)
    x = halves(draw, 25, 3)
    labels = {"classlabels_int64s": [3 * i - 1 for i in range(count)]}
    compare(model("TreeEnsembleClassifier", x, [INT64, FLOAT], post_transform=transform, **nodes, **rows(told, "class"), **labels), x)


def test_trees_that_do_not_end_are_refused() -> None:
    nodes, told = forest(np.random.default_rng(3), 2, [0], ("LEQ",), True)
    nodes["nodes_truenodeids"][0] = 0
    net = import_(
        model("TreeEnsembleRegressor", halves(np.random.default_rng(1), 2, 2), [FLOAT], n_targets=1, **nodes, **rows(told, "target"))
    )
    with pytest.raises(GraphError, match="trees that end: a node is below itself"):
        net(hn.np.ones((2, 2)))


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_linear_models(transform: str, count: int) -> None:
    draw = np.random.default_rng(count)
    x = draw.normal(size=(9, 4)).astype(np.float32)
    told = {"coefficients": draw.normal(size=4 * count).tolist(), "intercepts": draw.normal(size=count).tolist()}
    labels = {"classlabels_ints": [7 - i for i in range(count)]}
    compare(model("LinearClassifier", x, [INT64, FLOAT], post_transform=transform, **labels, **told), x)
    if transform == "NONE":
        compare(model("LinearRegressor", x, [FLOAT], targets=count, **told), x)


@pytest.mark.parametrize("kernel", ["LINEAR", "POLY", "RBF", "SIGMOID"])
@pytest.mark.parametrize("per_class", [[3, 4], [3, 2, 4]])
def test_support_vectors(kernel: str, per_class: list[int]) -> None:
    draw = np.random.default_rng(len(per_class))
    k, total, features = len(per_class), sum(per_class), 5
    pairs = k * (k - 1) // 2
    x = draw.normal(size=(12, features)).astype(np.float32)
    told = {
        "coefficients": draw.normal(size=(k - 1) * total).tolist(),
        "support_vectors": draw.normal(size=total * features).tolist(),
        "kernel_type": kernel,
        "kernel_params": [0.3, 0.5, 3.0],
    }
    rho = draw.normal(size=pairs).tolist()
    labels = {"vectors_per_class": per_class, "classlabels_ints": list(range(k))}
    compare(model("SVMClassifier", x, [INT64, FLOAT], rho=rho, **labels, **told), x, 1e-4)
    likely = {"prob_a": (-abs(draw.normal(size=pairs))).tolist(), "prob_b": draw.normal(size=pairs).tolist()}
    # onnxruntime ends its iteration at 0.005 / k; ours are the equations' solution
    compare(model("SVMClassifier", x, [INT64, FLOAT], rho=rho, **likely, **labels, **told), x, 6e-3)
    told["coefficients"] = told["coefficients"][:total]
    for one in (0, 1):
        compare(model("SVMRegressor", x, [FLOAT], rho=rho[:1], n_supports=total, one_class=one, **told), x, 1e-4)


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("Scaler", {"offset": [1.0, 0, -1], "scale": [2.0, 1, 0.5]}),
        ("Scaler", {"offset": [1.0], "scale": [2.0]}),
        ("Normalizer", {"norm": "L1"}),
        ("Normalizer", {"norm": "L2"}),
        ("Binarizer", {"threshold": 0.25}),
        ("Imputer", {"imputed_value_floats": [9.0, 8, 7], "replaced_value_float": float("nan")}),
        ("Imputer", {"imputed_value_floats": [9.0], "replaced_value_float": 0.0}),
    ],
)
def test_features(op: str, attributes: dict[str, Any]) -> None:
    x = np.array([[1, 0, -2], [0, 0.5, 3], [-1, 0.25, 0]], np.float32)
    if np.isnan(attributes.get("replaced_value_float", 0)):
        x[0, 1] = np.nan
    compare(model(op, x, [FLOAT], **attributes), x)


def test_integers_and_labels() -> None:
    x = np.array([[1, 5], [2, 7], [3, 1]], np.int64)
    compare(model("OneHotEncoder", x[:, 0], [FLOAT], cats_int64s=[3, 1], zeros=1), x[:, 0])
    compare(model("LabelEncoder", x, [INT64], keys_int64s=[1, 7], values_int64s=[10, 70], default_int64=-5), x)
    compare(model("LabelEncoder", x, [FLOAT], keys_int64s=[1, 7], values_floats=[0.5, 70], default_float=-5.0), x)
    compare(model("Imputer", x, [INT64], imputed_value_int64s=[9], replaced_value_int64=1), x)
    compare(model("ArrayFeatureExtractor", x, [INT64], [1, 0, 1]), x)
    words = model("LabelEncoder", x, [INT64], keys_strings=["a"], values_int64s=[1])
    with pytest.raises(GraphError, match="keys that are numbers; got text"):
        import_(words)(hn.np.array(x, dtype="int64"))


def test_labels_that_are_text_come_as_their_places() -> None:
    x = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)
    said = {"coefficients": [1.0, 0, 0, 1, -1, -1], "intercepts": [0.0, 0, 0]}
    by_number = import_(model("LinearClassifier", x, [INT64, FLOAT], classlabels_ints=[0, 1, 2], **said))
    by_name = import_(model("LinearClassifier", x, [TensorProto.STRING, FLOAT], classlabels_strings=["cat", "dog", "eel"], **said))
    for a, b in zip(by_number(hn.np.array(x)), by_name(hn.np.array(x)), strict=True):
        np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


def test_a_kernel_that_is_none() -> None:
    x = np.ones((2, 1), np.float32)
    net = import_(
        model("SVMRegressor", x, [FLOAT], kernel_type="SPLINE", support_vectors=[1.0], coefficients=[1.0], n_supports=1, rho=[0.0])
    )
    with pytest.raises(HybridnetError, match="a kernel 'LINEAR' or 'POLY' or 'SIGMOID' or 'RBF'; got 'SPLINE'"):
        net(hn.np.array(x))
