"""Trees of nodes: each node once, no branch too wide, forward, backward and update apart or a block's together."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridnet.explain.blocks import BACKWARD, FEW, FORWARD, UPDATE, WIDEST, Leaf, block_tree, graph_tree

names = st.sampled_from(["a", "b", "c.d", "<x>"])
phases = st.sampled_from([FORWARD, BACKWARD, UPDATE])


@st.composite
def trees(draw: st.DrawFn) -> list[Leaf]:
    """Leaves in runs, as programs have them."""
    leaves: list[Leaf] = []
    for _ in range(draw(st.integers(0, 6))):
        path = tuple(draw(st.lists(names, max_size=3)))
        phase, line = draw(phases), draw(st.sampled_from(["", "step.py:3", "step.py:4"]))
        count, run = draw(st.sampled_from([1, 2, 5, WIDEST, WIDEST + 1, 7 * WIDEST])), draw(st.sampled_from([1, 2, 3, FEW, 1000]))
        leaves += [Leaf(len(leaves) + i, phase, path, f"{line}{i // run}" if line else "") for i in range(count)]
    return leaves


def numbers(children: list[Any]) -> Iterator[int]:
    for child in children:
        if isinstance(child, list):
            yield from numbers(child[2])
        else:
            yield child


def widths(children: list[Any]) -> Iterator[int]:
    yield len(children)
    for child in children:
        if isinstance(child, list):
            yield from widths(child[2])


@given(trees())
def test_each_node_is_there_once_and_no_branch_is_too_wide(leaves: list[Leaf]) -> None:
    for tree in (graph_tree(leaves), block_tree(leaves)):
        assert sorted(numbers(tree)) == [leaf.number for leaf in leaves]
        assert max(widths(tree)) <= WIDEST


def test_phases_come_first_where_there_are_several() -> None:
    leaves = [Leaf(0, FORWARD, ("net", "dense0"), ""), Leaf(1, BACKWARD, ("net", "dense0"), ""), Leaf(2, UPDATE, ("weight",), "")]
    assert graph_tree(leaves) == [
        ["forward", "phase", [["net.dense0", "block", [0]]]],
        ["backward", "phase", [["net.dense0", "block", [1]]]],
        ["update", "phase", [["weight", "block", [2]]]],
    ]
    assert graph_tree(leaves[:1]) == [["net.dense0", "block", [0]]]


def test_a_block_has_its_forward_and_its_backward_together() -> None:
    leaves = [Leaf(0, FORWARD, ("net",), ""), Leaf(1, BACKWARD, ("net",), ""), Leaf(2, UPDATE, ("weight",), "")]
    assert block_tree(leaves) == [["net", "block", [0, 1]], ["update.weight", "block", [2]]]


@pytest.mark.parametrize("count", [WIDEST, WIDEST + 1, WIDEST**2, WIDEST**2 + 1])
def test_many_nodes_of_one_line_are_in_equal_parts(count: int) -> None:
    tree = graph_tree([Leaf(i, FORWARD, (), "step.py:3") for i in range(count)])
    sizes = [len(list(numbers([child]))) for child in tree]
    assert len(tree) <= WIDEST
    assert max(sizes) - min(sizes) <= len(sizes)


def test_nodes_of_several_lines_are_in_branches_of_lines() -> None:
    leaves = [Leaf(i, FORWARD, (), f"step.py:{i // 20}") for i in range(100)]
    assert [(name, kind, len(inner)) for name, kind, inner in graph_tree(leaves)] == [(f"step.py:{i}", "line", 20) for i in range(5)]


def test_a_few_nodes_between_blocks_are_a_branch_of_their_line() -> None:
    leaves = [Leaf(0, FORWARD, ("net",), "step.py:3"), *(Leaf(i, FORWARD, (), "step.py:9") for i in range(1, 1 + FEW))]
    assert graph_tree(leaves) == [["net", "block", [0]], ["step.py:9", "line", list(range(1, 1 + FEW))]]
    assert graph_tree(leaves[:-1]) == [["net", "block", [0]], *range(1, FEW)]
