"""The operators of ``ai.onnx.ml``, which scikit-learn's models are written in: scaling, encoding, linear models and support vectors.

Labels that are text come as their places in the model's list of them, and what ZipMap makes dictionaries of as the array that it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import numpy as mnp
from hybridnet import numpy_extension as npx
from hybridnet.onnx.operators import ML, Call, operator


def floats(call: Call, name: str, shape: tuple[int, ...] = (-1,)) -> np.ndarray:
    """Numbers of an attribute; none where it is not there."""
    return np.asarray(call.get(name, []), np.float32).reshape(shape)


def real(x: Any) -> Any:
    """Numbers in floating point: those of other types in float32."""
    return x if x.dtype.kind == "f" else x.astype("float32")


def scored(call: Call, scores: Any) -> Any:
    """Scores after the transform that a model asks for."""
    kind = call.get("post_transform", "NONE")
    if kind == "LOGISTIC":
        return npx.sigmoid(scores)
    if kind == "SOFTMAX":
        return npx.softmax(scores, axis=-1)
    if kind == "SOFTMAX_ZERO":  # a score of 0 stays one, that of a class which is not possible
        found = mnp.where(mnp.abs(scores) > 1e-7, mnp.exp(scores - scores.max(axis=-1, keepdims=True)), 0)
        return found / mnp.maximum(found.sum(axis=-1, keepdims=True), 1e-30)
    if kind == "PROBIT":
        return np.float32(np.sqrt(2)) * npx.erfinv(2 * scores - 1)
    call.among("a transform", kind, ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"])
    return scores


def classes(call: Call) -> Any:
    """The labels that a classifier tells apart, as integers: their places where they are text."""
    numbers = call.get("classlabels_ints", call.get("classlabels_int64s"))
    return np.asarray(numbers if numbers else range(len(call.get("classlabels_strings", []))), np.int64)


def labelled(call: Call, places: Any) -> Any:
    """The labels at these places of the list."""
    return mnp.take(mnp.array(classes(call), dtype="int64"), places)


# -- features -------------------------------------------------------------------------------------


@operator("Scaler", domain=ML)
def _scaler(call: Call, x: Any) -> Any:
    return (real(x) - floats(call, "offset")) * floats(call, "scale")


@operator("Normalizer", domain=ML)
def _normalizer(call: Call, x: Any) -> Any:
    x, norm = real(x), call.get("norm", "MAX")
    size = mnp.abs(x)
    if norm == "MAX":
        length = size.max(axis=-1, keepdims=True)
    elif call.among("a norm", norm, ["MAX", "L1", "L2"]) == "L1":
        length = size.sum(axis=-1, keepdims=True)
    else:
        length = mnp.sqrt((x * x).sum(axis=-1, keepdims=True))
    return x / mnp.where(length == 0, 1, length)


@operator("Binarizer", domain=ML)
def _binarizer(call: Call, x: Any) -> Any:
    return (x > call.get("threshold", 0.0)).astype(x.dtype)


@operator("Imputer", domain=ML)
def _imputer(call: Call, x: Any) -> Any:
    of_floats = x.dtype.kind == "f"
    wanted, missing = ("imputed_value_floats", "replaced_value_float") if of_floats else ("imputed_value_int64s", "replaced_value_int64")
    value = call.get(missing, 0)
    found = mnp.isnan(x) if of_floats and np.isnan(value) else x == value
    return mnp.where(found, np.asarray(call.get(wanted, [0])).astype(x.dtype), x)


@operator("ArrayFeatureExtractor", domain=ML)
def _features(call: Call, x: Any, places: Any) -> Any:
    found = mnp.take(x, mnp.reshape(places, (-1,)), axis=-1)
    return mnp.reshape(found, (1, -1)) if x.ndim == 1 else found


@operator("FeatureVectorizer", domain=ML)
def _joined(call: Call, *xs: Any) -> Any:
    parts = []
    for x, width in zip(xs, call.get("inputdimensions"), strict=True):
        part = real(mnp.reshape(x, (-1, 1)) if x.ndim == 1 else x)[:, :width]
        parts.append(mnp.pad(part, ((0, 0), (0, width - part.shape[1]))))
    return mnp.concatenate(parts, axis=1)


@operator("OneHotEncoder", domain=ML)
def _one_hot(call: Call, x: Any) -> Any:
    if not call.get("cats_int64s"):
        call.refuse("categories that are integers", "text")
    return (mnp.expand_dims(x, -1) == np.asarray(call.get("cats_int64s")).astype(x.dtype)).astype("float32")


@operator("LabelEncoder", domain=ML)
def _encoded(call: Call, x: Any) -> Any:
    keys, values = _told(call, "keys"), _told(call, "values")
    if keys.dtype.kind not in "fi":
        call.refuse("keys that are numbers", "text")
    if values.dtype.kind not in "fi":
        values = np.arange(len(values))
    usual = call.get("default_tensor")
    if usual is None:
        usual = call.get("default_float", -0.0) if values.dtype.kind == "f" else call.get("default_int64", -1)
    same = mnp.expand_dims(x, -1) == keys.astype(x.dtype)
    found = mnp.take(mnp.array(values, dtype=values.dtype), mnp.argmax(same.astype("float32"), axis=-1).astype("int64"))
    return mnp.where(same.any(axis=-1), found, np.asarray(usual, values.dtype))


def _told(call: Call, side: str) -> np.ndarray:
    """A table's keys or values, whatever they are."""
    for kind, dtype in (("int64s", np.int64), ("floats", np.float32), ("tensor", None), ("strings", None)):
        if call.get(f"{side}_{kind}") is not None:
            return np.asarray(call.get(f"{side}_{kind}"), dtype)
    found: np.ndarray = call.refuse(side, "none")
    return found


@operator("ZipMap", domain=ML)
def _zip_map(call: Call, x: Any) -> Any:
    return x


# -- linear models --------------------------------------------------------------------------------


def _products(call: Call, x: Any, rows: int) -> Any:
    weight = floats(call, "coefficients", (rows, -1))
    bias = floats(call, "intercepts")
    return real(x) @ mnp.array(weight.T) + (mnp.array(bias) if bias.size else 0)


@operator("LinearRegressor", domain=ML)
def _regressor(call: Call, x: Any) -> Any:
    return scored(call, _products(call, x, call.get("targets", 1)))


@operator("LinearClassifier", domain=ML)
def _classifier(call: Call, x: Any) -> Any:
    count = len(classes(call))
    scores = _products(call, x, floats(call, "coefficients").size // x.shape[-1])
    if scores.shape[-1] == 1 and count == 2:
        scores = mnp.concatenate([-scores, scores], axis=-1)
    if scores.shape[-1] == 1:  # one class, or none
        over = scores[:, 0] >= (0 if call.get("post_transform", "NONE") == "NONE" else 0.5)
        return mnp.where(over, classes(call)[0], 0).astype("int64"), scored(call, scores)
    return labelled(call, mnp.argmax(scores, axis=-1).astype("int64")), scored(call, scores)


# -- support vectors ------------------------------------------------------------------------------


def _kernel(call: Call, x: Any, vectors: np.ndarray) -> Any:
    """The kernel's values of rows with the support vectors."""
    kind = call.get("kernel_type", "LINEAR")
    gamma, start, degree = [*floats(call, "kernel_params").tolist(), 0.0, 0.0, 0.0][:3]
    products = x @ mnp.array(vectors.T)
    if kind == "LINEAR":
        return products
    if kind == "POLY":
        return (products * gamma + start) ** int(degree)
    if kind == "SIGMOID":
        return mnp.tanh(products * gamma + start)
    call.among("a kernel", kind, ["LINEAR", "POLY", "SIGMOID", "RBF"])
    apart = (x * x).sum(axis=-1, keepdims=True) - 2 * products + (vectors * vectors).sum(axis=-1)
    return mnp.exp(-gamma * mnp.maximum(apart, 0))


@operator("SVMRegressor", domain=ML)
def _vector_regressor(call: Call, x: Any) -> Any:
    x, count = real(x), call.get("n_supports", 0)
    weight = floats(call, "coefficients", (-1, 1))
    values = _kernel(call, x, floats(call, "support_vectors", (count, -1))) if count else x
    found = values @ mnp.array(weight) + floats(call, "rho")[0]
    return mnp.where(found > 0, 1, -1).astype(found.dtype) if call.get("one_class", 0) else scored(call, found)


@operator("SVMClassifier", domain=ML)
def _vector_classifier(call: Call, x: Any) -> Any:
    """Each pair of classes decides for one of them, and the class that most pairs chose is the label."""
    per_class = call.get("vectors_per_class")
    if not per_class:
        call.refuse("support vectors", "a linear model")
    x, k, total = real(x), len(per_class), sum(per_class)
    values = _kernel(call, x, floats(call, "support_vectors", (total, -1)))
    weight, rho = floats(call, "coefficients", (k - 1, total)), floats(call, "rho")
    start = np.concatenate([[0], np.cumsum(per_class)])
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    of_pairs = np.zeros((total, len(pairs)), np.float32)
    for n, (i, j) in enumerate(pairs):
        of_pairs[start[i] : start[i + 1], n] = weight[j - 1, start[i] : start[i + 1]]
        of_pairs[start[j] : start[j + 1], n] = weight[i, start[j] : start[j + 1]]
    decided = values @ mnp.array(of_pairs) + rho
    first = np.zeros((2, len(pairs), k), np.float32)
    for n, (i, j) in enumerate(pairs):
        first[0, n, i] = first[1, n, j] = 1
    won = (decided > 0).astype("float32")
    votes = won @ mnp.array(first[0]) + (1 - won) @ mnp.array(first[1])
    if call.get("prob_a"):
        scores = _coupled(decided, pairs, k, floats(call, "prob_a"), floats(call, "prob_b"))
    else:
        scores = scored(call, mnp.concatenate([-decided, decided], axis=-1) if k == 2 else decided)
    return labelled(call, mnp.argmax(votes, axis=-1).astype("int64")), scores


def _coupled(decided: Any, pairs: list[tuple[int, int]], k: int, a: np.ndarray, b: np.ndarray) -> Any:
    """Probabilities of classes that agree best with those of their pairs.

    Source: T.-F. Wu, C.-J. Lin, R. C. Weng, Probability Estimates for Multi-class Classification by Pairwise Coupling, 2004, method 2:
    the least of a quadratic form under a sum of 1, here by the linear equations that hold there.
    """
    of_pair = mnp.clip(npx.sigmoid(-(decided * a + b)), 1e-7, 1 - 1e-7)
    if k == 2:
        return mnp.concatenate([of_pair, 1 - of_pair], axis=-1)
    rows: list[list[Any]] = [[None] * k for _ in range(k)]
    for n, (i, j) in enumerate(pairs):
        rows[i][j], rows[j][i] = of_pair[:, n], 1 - of_pair[:, n]
    zero, one = mnp.zeros_like(of_pair[:, 0]), mnp.ones_like(of_pair[:, 0])
    form = [[sum(rows[s][i] ** 2 for s in range(k) if s != i) if i == j else -rows[j][i] * rows[i][j] for j in range(k)] for i in range(k)]
    left = [[*row, one] for row in form] + [[one] * k + [zero]]
    right = mnp.stack([zero] * k + [one], axis=-1)
    found = mnp.linalg.solve(mnp.stack([mnp.stack(row, axis=-1) for row in left], axis=-2), mnp.expand_dims(right, -1))
    return found[:, :k, 0]
