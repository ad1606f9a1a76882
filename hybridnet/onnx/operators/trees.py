"""Ensembles of decision trees: all trees of all rows go down one level at a time, as gathers from tables of the nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridnet import numpy as mnp
from hybridnet import numpy_extension as npx
from hybridnet.onnx.operators import ML, Call, operator
from hybridnet.onnx.operators.learning import classes, labelled, real, scored

_COMPARISONS = {
    "LEQ": mnp.less_equal, "LT": mnp.less, "GTE": mnp.greater_equal, "GT": mnp.greater, "EQ": mnp.equal, "NEQ": mnp.not_equal,
}  # fmt: skip
_MODES = tuple(_COMPARISONS)  # by their numbers in TreeEnsemble


@dataclass
class Trees:
    """Nodes of all trees in tables by their numbers; ``yes`` and ``no`` of a leaf are the leaf itself.

    ``modes``: each node's comparison by its number in ``_MODES``; ``missing``: whether a feature that is NaN counts as yes.
    """

    roots: np.ndarray
    features: np.ndarray
    values: np.ndarray
    modes: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    missing: np.ndarray

    @property
    def depth(self) -> int:
        """The comparisons that the longest way to a leaf takes."""
        level, depth = np.unique(self.roots), 0
        while not np.all(self.yes[level] == level):
            level = np.unique(np.concatenate([self.yes[level], self.no[level]]))
            depth += 1
            if depth > len(self.yes):
                raise ValueError("trees that end: a node is below itself")
        return depth

    def leaves(self, x: Any) -> Any:
        """The leaf that each row of ``x`` (batch, features) comes to in each tree: their numbers (batch, trees)."""
        at = mnp.broadcast_to(mnp.array(self.roots, dtype="int64"), (x.shape[0], len(self.roots)))
        features, yes, no = (mnp.array(t, dtype="int64") for t in (self.features, self.yes, self.no))
        values = mnp.array(self.values, dtype=x.dtype)
        of_node = mnp.array(self.modes, dtype="int64")
        modes = np.unique(self.modes[self.yes != np.arange(len(self.yes))])
        for _ in range(self.depth):
            feature = mnp.take_along_axis(x, mnp.take(features, at), axis=1)
            value = mnp.take(values, at)
            goes = mnp.zeros(at.shape, dtype="bool")
            for mode in modes:
                holds = _COMPARISONS[_MODES[mode]](feature, value)
                goes = holds if len(modes) == 1 else mnp.where(mnp.take(of_node, at) == mode, holds, goes)
            if self.missing.any():
                goes = mnp.where(mnp.isnan(feature), mnp.take(mnp.array(self.missing, dtype="bool"), at), goes)
            at = mnp.where(goes, mnp.take(yes, at), mnp.take(no, at))
        return at


def _by_lists(call: Call) -> tuple[Trees, dict[tuple[int, int], int]]:
    """Trees of the operators before version 5, and the number of each node by its tree's and its own."""
    trees, ids, modes = (call.get(f"nodes_{what}") for what in ("treeids", "nodeids", "modes"))
    number = {key: i for i, key in enumerate(zip(trees, ids, strict=True))}
    leaf = np.array([mode == "LEAF" for mode in modes])
    here = np.arange(len(ids))

    def below(name: str) -> np.ndarray:
        return np.array([i if leaf[i] else number[trees[i], child] for i, child in enumerate(call.get(name))])

    known = [0 if mode == "LEAF" else _MODES.index(call.among("a mode", mode[7:], _MODES)) for mode in modes]
    roots = [here[np.array(trees) == tree][0] for tree in sorted(set(trees))]
    values = call.get("nodes_values_as_tensor", call.get("nodes_values"))
    missing = np.array(call.get("nodes_missing_value_tracks_true") or np.zeros(len(ids)), bool)
    features = np.where(leaf, 0, call.get("nodes_featureids"))
    yes, no = below("nodes_truenodeids"), below("nodes_falsenodeids")
    return Trees(np.array(roots), features, np.asarray(values), np.array(known), yes, no, missing), number


def _told(call: Call, x: Any, trees: Trees, rows: Sequence[tuple[int, int, float]], targets: int) -> Any:
    """What the leaves tell of each target, together: rows are a leaf, a target and a weight."""
    how = call.get("aggregate_function", "SUM")
    how = how if isinstance(how, str) else ("AVERAGE", "SUM", "MIN", "MAX")[how]
    start = {"MIN": np.finfo("f4").max, "MAX": np.finfo("f4").min}.get(how, 0.0)
    table = np.full((len(trees.yes), targets), start, np.float32)
    for leaf, target, weight in rows:
        table[leaf, target] = weight + (table[leaf, target] if how in ("SUM", "AVERAGE") else 0)
    found = mnp.take(mnp.array(table, dtype=x.dtype), trees.leaves(x), axis=0)
    if how in ("MIN", "MAX"):
        return found.min(axis=1) if how == "MIN" else found.max(axis=1)
    total = found.sum(axis=1)
    return total / len(trees.roots) if call.among("a way to join", how, ["SUM", "AVERAGE"]) == "AVERAGE" else total


def _rows(call: Call, kind: str, number: dict[tuple[int, int], int]) -> list[tuple[int, int, float]]:
    weights = np.asarray(call.get(f"{kind}_weights_as_tensor", call.get(f"{kind}_weights"))).tolist()
    keys = zip(call.get(f"{kind}_treeids"), call.get(f"{kind}_nodeids"), strict=True)
    return [(number[key], target, w) for key, target, w in zip(keys, call.get(f"{kind}_ids"), weights, strict=True)]


def _base(call: Call) -> Any:
    base = np.asarray(call.get("base_values_as_tensor", call.get("base_values", [])), np.float32)
    return mnp.array(base) if base.size else 0


@operator("TreeEnsembleRegressor", domain=ML)
def _regressor(call: Call, x: Any) -> Any:
    trees, number = _by_lists(call)
    found = _told(call, real(x), trees, _rows(call, "target", number), call.get("n_targets"))
    return scored(call, found + _base(call))


@operator("TreeEnsembleClassifier", domain=ML)
def _classifier(call: Call, x: Any) -> Any:
    """Of two classes, where the leaves tell of one alone, what is told is the second's probability, or a number that is positive for it."""
    trees, number = _by_lists(call)
    rows, count = _rows(call, "class", number), len(classes(call))
    told = {target for _, target, _ in rows}
    if count == 2 and len(told) == 1:
        score = _told(call, real(x), trees, [(leaf, 0, w) for leaf, _, w in rows], 1) + _base(call)
        likely = min(w for _, _, w in rows) >= 0
        label = (score[:, 0] > (0.5 if likely else 0)).astype("int64")
        kind = call.get("post_transform", "NONE")
        other = 1 - score if kind in ("NONE", "PROBIT") and likely else -score
        return labelled(call, label), scored(call, mnp.concatenate([other, score], axis=-1))
    scores = _told(call, real(x), trees, rows, count) + _base(call)
    return labelled(call, mnp.argmax(scores, axis=-1).astype("int64")), scored(call, scores)


@operator("TreeEnsemble", domain=ML)
def _ensemble(call: Call, x: Any) -> Any:
    """Version 5: inner nodes and leaves are numbered apart; here leaves stand behind the inner ones."""
    inner = len(call.get("nodes_featureids"))
    modes = np.asarray(call.get("nodes_modes"), np.int64)
    if modes.max(initial=0) >= len(_MODES):
        call.refuse("nodes that compare numbers", "one that asks for membership")
    leaves = len(call.get("leaf_targetids"))
    at_leaf = np.arange(inner, inner + leaves)
    below = [
        np.concatenate([np.where(call.get(f"nodes_{side}leafs"), inner, 0) + call.get(f"nodes_{side}nodeids"), at_leaf])
        for side in ("true", "false")
    ]
    missing = np.asarray(call.get("nodes_missing_value_tracks_true") or np.zeros(inner), bool)
    padded = [np.concatenate([part, np.zeros(leaves, part.dtype)]) for part in (np.array(call.get("nodes_featureids")), modes, missing)]
    values = np.concatenate([np.asarray(call.get("nodes_splits")), np.zeros(leaves)])
    trees = Trees(np.array(call.get("tree_roots")), padded[0], values, padded[1], below[0], below[1], padded[2])
    weights = np.asarray(call.get("leaf_weights")).tolist()
    rows = [(inner + i, target, w) for i, (target, w) in enumerate(zip(call.get("leaf_targetids"), weights, strict=True))]
    found = _told(call, real(x), trees, rows, call.get("n_targets"))
    kind = call.get("post_transform", 0)
    return npx.softmax(found, axis=-1) if kind == 1 else npx.sigmoid(found) if kind == 2 else found
