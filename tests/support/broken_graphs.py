"""Files of graphs and of parameters that are damaged at random, beside files of numbers: as :mod:`support.broken_files`.

What is read is looked at: a graph's shapes are found and its text is written, parameters are brought together with a network's.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
from support import broken_files, symbol_programs
from support.broken_files import Kind, damaged

from hybridnet import nd, serialization, sym
from hybridnet.errors import ShapeError
from hybridnet.name import NameManager

#: What means something in a graph's text.
_WORDS = [
    b"[", b"]", b"{", b"}", b'"', b",", b":", b"null", b"-1", b"0", b"99999999", b"1e999", b'"op"', b'"attrs"', b'"subgraphs"', b'"heads"',
    b"NaN", b"true", b"\\u0000", b"(0, -1)", b"FullyConnected", b"_foreach", b"_npi_reshape", b"Custom", b"SliceChannel", b"[[0, 0, 0]]",
]  # fmt: skip


def damaged_graph(data: bytes, draw: random.Random) -> bytes:
    """A graph's text with words left out and others in their place, or with one of its values exchanged for another."""
    if draw.random() < 0.5:
        found = bytearray(data)
        for _ in range(draw.randint(1, 4)):
            at = draw.randint(0, len(found))
            found[at : at + draw.choice([0, 1, 1, 2, 30])] = draw.choice(_WORDS)
        return bytes(found)
    graph = json.loads(data)
    for _ in range(draw.randint(1, 3)):
        _exchange(graph, draw)
    return json.dumps(graph).encode()


def _exchange(graph: Any, draw: random.Random) -> None:
    """Put something else in the place of one value, somewhere in a tree of lists and dicts."""
    at = graph
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return
        key = draw.choice(keys)
        below = at[key]
        if isinstance(below, (list, dict)) and below and draw.random() < 0.8:
            at = below
            continue
        others = [None, -1, 2**40, "", "None", "(2, 2)", "1e400", "x" * 50, [], {}, [[0, 0, 0]], 1.5, True, "_foreach", "Concat", "20"]
        at[key] = draw.choice(others)
        return


def read_graph(path: Path, draw: random.Random) -> Any:
    """Read a graph, find shapes, write it."""
    symbol = sym.load(path)
    symbol.tojson()
    symbol.list_arguments()
    with suppress(ShapeError):  # several graphs in one have other shapes of their data
        symbol.infer_shape_partial(data=(4, 6))


def kinds(folder: Path) -> dict[str, Kind]:
    """Graphs, with loops and without, and of ``np``; parameters, dense and sparse; CSV and LibSVM."""
    with NameManager():
        plain = sym.Group([symbol_programs.program(sym, seed) for seed in (5, 13)])
        loops = sym.Group([symbol for symbol, _ in symbol_programs.loops(sym).values()])
        x = sym.var("data").as_np_ndarray()
        numpy_graph = sym.np.split(sym.np.pad(x * 2 + sym.np.ones((6,)), ((1, 1), (0, 2))), 2, axis=1)[0].sum(axis=-1)
    rows = nd.sparse.row_sparse_array((numpy.ones((2, 3), numpy.float32), [1, 4]), shape=(6, 3))
    dense = {"arg:a": nd.arange(6).reshape((2, 3)), "arg:b": nd.array([1, 2], dtype="int32"), "aux:c": nd.zeros((1,))}
    sparse = {"r": rows, "c": nd.array(numpy.eye(3)).tostype("csr")}
    found: dict[str, Kind] = {}
    for name, graph in {"graphs": plain, "graphs with loops": loops, "graphs of np": sym.Group([numpy_graph])}.items():
        found[name] = Kind(graph.tojson().encode(), read_graph, damaged_graph)
    for name, arrays in {"parameters": dense, "sparse parameters": sparse}.items():
        serialization.save(folder / "whole.params", arrays)
        found[name] = Kind((folder / "whole.params").read_bytes(), lambda path, draw: nd.load(str(path)), damaged)
    of_numbers = broken_files.kinds(folder)
    return {**found, **{name: of_numbers[name] for name in ("CSV", "CSV of integers", "LibSVM")}}
