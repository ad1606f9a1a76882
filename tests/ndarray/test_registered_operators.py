"""Every operator that MXNet 1.9.1 has registered is here, under each of its names, and where programs find it.

``data/mxnet_1_9_1_registered.tsv`` is written by ``references/mxnet_registered.py``, which says what it holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from hybridnet import absent, nd, np, npx, random, sym
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.ndarray.record import ClassicOperator
from hybridnet.ndarray.register import OPERATORS as CLASSIC
from hybridnet.numpy_operators import FUNCTIONS
from hybridnet.numpy_operators import OPERATORS as NUMPY

DATA = Path(__file__).resolve().parent.parent / "data"
_LINES = [line.split("\t") for line in (DATA / "mxnet_1_9_1_registered.tsv").read_text(encoding="utf-8").splitlines()]
#: By name: the first name, and the parameters.
REGISTERED = {name: (own, parameters.split()) for name, own, parameters in _LINES}

#: Those that are no operators here: parts of MXNet's graphs, what it has of others' libraries, and functions over OpenCV.
LEFT = {
    "_CachedOp", "_CachedOpThreadSafe", "_CrossDeviceCopy", "_CustomFunction", "_NDArray", "_Native", "_NoGradient", "_cond", "_foreach",
    "_while_loop", "_imdecode", "_contrib_dgl_adjacency", "_contrib_dgl_csr_neighbor_non_uniform_sample",
    "_contrib_dgl_csr_neighbor_uniform_sample", "_contrib_dgl_graph_compact", "_contrib_dgl_subgraph", "_cvcopyMakeBorder", "_cvimdecode",
    "_cvimread", "_cvimresize", "_npi_cvimdecode", "_npi_cvimread", "_npi_cvimresize", "_sg_mkldnn_conv", "_sg_mkldnn_fully_connected",
    "_sg_mkldnn_selfatt_qk", "_sg_mkldnn_selfatt_valatt",
}  # fmt: skip

#: Of MXNet's description another: its own code takes ``num`` and ``endpoint`` of linspace, and an ``ord`` and so on of the norm.
OTHERS = {"_linspace", "_npi_linspace", "_npi_norm", "Custom", "_npi_Custom"}


def _record(name: str) -> ClassicOperator | None:
    return CLASSIC.get(name) or NUMPY.get(name)


def test_all_operators_are_there() -> None:
    assert {name for name in REGISTERED if _record(name) is None} == LEFT
    assert len(REGISTERED) > 880


@pytest.mark.parametrize("names", [pytest.param(names, id=names[0]) for names in numpy.array_split(sorted(REGISTERED.keys() - LEFT), 20)])
def test_each_is_mxnets_and_takes_its_parameters_in_their_places(names: Any) -> None:
    for name in names:
        record, (own, parameters) = _record(name), REGISTERED[name]
        assert record is not None
        # Older versions of layers are later ones with fewer parameters.
        assert record.name == own or own.removesuffix("_v1") == record.name, name
        if name in OTHERS or own.endswith("_v1"):
            continue
        if record.variadic:
            assert parameters == [] or parameters[0].startswith("*"), name
        else:
            assert [p for p in record.positions if p in parameters] == parameters, name


@pytest.mark.parametrize(
    ("spaces", "start"),
    [
        ((nd._internal, sym._internal), ""), ((np._internal, sym.np._internal), "_npi_"), ((np._op, sym.np._op), "_np_"),
        ((npx._op, sym.npx._op), "_npx_"), ((nd.sparse, sym.sparse), "_sparse_"), ((npx.image, sym.npx.image), "_npx__image_"),
    ],
    ids=["_internal", "_npi", "_np", "_npx", "_sparse", "_image"],
)  # fmt: skip
def test_they_are_found_in_the_namespaces(spaces: tuple[Any, Any], start: str) -> None:
    prefixes = ("_np", "_sparse", "_backward")
    names = [n for n in REGISTERED.keys() - LEFT if n.startswith(start) and (start or not n.startswith(prefixes))]
    inside = [n.removeprefix(start) for n in names]
    for space in spaces:
        assert [n for n in inside if not n.startswith(("_image", "_random")) and not hasattr(space, n)] == []
    assert len(inside) > 5


def test_namespaces_can_be_imported_from() -> None:
    from hybridnet.ndarray._internal import _plus_scalar
    from hybridnet.symbol._internal import _plus_scalar as of_symbols

    assert _plus_scalar(nd.ones((2,)), 3).tolist() == [4, 4]
    assert of_symbols(sym.var("x"), scalar=3).list_arguments() == ["x"]
    with pytest.raises(absent.AbsentError, match=r"expected a name of hybridnet\.ndarray\._internal"):
        _ = nd._internal._plus_scaler


# -- how they are called --------------------------------------------------------------------------


def test_operators_of_np_take_attributes_in_order_by_name_and_as_strings() -> None:
    x = np.array([[0.5, -1.0, 2.0]])
    for found in (np._internal.clip(x, 0, 1), np._internal.clip(data=x, a_min="0", a_max="1"), npx._op.slice(x, (0, 0), (1, 3)).clip(0, 1)):
        assert type(found) is np.ndarray
        assert found.tolist() == [[0.5, 0.0, 1.0]]
    assert np._internal.full((2,), value=3).tolist() == [3, 3]
    assert type(np._internal.full((2,), value=3)) is np.ndarray
    assert np._internal.concatenate(x, x, axis=0).shape == np._internal.vstack(x, x).shape == (2, 3)
    assert [y.shape for y in np._op.atleast_3d(x, x)] == [(1, 3, 1)] * 2


def test_what_is_required_behind_a_default_has_its_place() -> None:
    """Python wants ``begin`` by name, since ``scalar`` before it has a default."""
    zeros = nd.zeros((3, 3))
    assert nd._internal._slice_assign_scalar(zeros, 5, (0, 1), (2, 3)).tolist() == [[0, 5, 5], [0, 5, 5], [0, 0, 0]]
    assert nd._internal._slice_assign_scalar(zeros, 5, (0, 1), end=(2, 3)).sum().item() == 20
    symbol = sym._internal._slice_assign_scalar(sym.var("x"), 5, (0, 1), (2, 3))
    assert symbol.eval(x=zeros)[0].sum().item() == 20
    with pytest.raises(TypeError, match="begin"):
        nd._internal._slice_assign_scalar(zeros, 5, (0, 1), (2, 3), begin=(0, 0))


def test_out_and_name_have_places_behind_the_parameters() -> None:
    x, out = nd.array([1.0, 4.0]), nd.zeros((2,))
    assert nd.sqrt(x, out) is out
    assert out.tolist() == [1, 2]
    assert nd.clip(x, 2, 3, out, "named").tolist() == out.tolist() == [2, 3]
    y = np.zeros((2,))
    assert np._internal.sqrt(np.array([1.0, 9.0]), y) is y
    assert y.tolist() == [1, 3]
    with pytest.raises(TypeError, match="too many positional"):
        nd.sqrt(x, 3)


def test_names_of_np_are_read_in_files_as_the_operators_that_they_are() -> None:
    text = sym.clip(sym.var("x"), 0, 1.5, name="c").tojson().replace('"op": "clip"', '"op": "_npi_clip"')
    assert "_npi_clip" in text
    read = sym.load_json(text)
    assert read.eval(x=nd.array([-1.0, 3.0]))[0].tolist() == [0, 1.5]
    assert '"op": "clip"' in read.tojson()


# -- what has come with the names -----------------------------------------------------------------


def test_copyto_writes_any_dtype() -> None:
    out = nd.zeros((2,), dtype="int32")
    assert nd._internal._copyto(nd.array([1.5, 2.5]), out=out) is out
    assert (out.tolist(), out.dtype) == ([1, 2], numpy.int32)


def test_different_classes_by_zipfs_law() -> None:
    """What MXNet draws: 0 comes first with log(1.5) / log(1000), and another of 1000 in every draw once all but it are there."""
    random.seed(3)
    drawn, tries = nd._internal._sample_unique_zipfian(20, shape=(3, 20))
    assert numpy.sort(drawn.asnumpy()).tolist() == [list(range(20))] * 3
    assert (drawn.dtype, tries.dtype, tries.shape) == (numpy.int64, numpy.int64, (3,))
    assert (tries.asnumpy() >= 20).all()
    drawn, tries = nd._internal._sample_unique_zipfian(range_max=1000, shape=(4000, 5))
    first = drawn.asnumpy()[:, 0]
    assert (first == 0).mean() == pytest.approx(numpy.log(1.5) / numpy.log(1000), abs=0.015)
    assert (first == 3).mean() == pytest.approx(numpy.log(4.5 / 3.5) / numpy.log(1000), abs=0.015)
    assert _tries_of(1000, 5) == pytest.approx(tries.asnumpy().mean(), abs=0.06)
    assert nd._internal._sample_unique_zipfian(1, shape=(2, 1))[1].tolist() == [1, 1]
    with pytest.raises(ShapeError, match=r"\(rows, classes\)"):
        nd._internal._sample_unique_zipfian(20, shape=(20,))
    with pytest.raises(ArgumentError, match="1 to 20 different classes"):
        nd._internal._sample_unique_zipfian(20, shape=(1, 21))


def _tries_of(below: int, count: int) -> float:
    """How many draws find ``count`` different classes, by drawing again and again."""
    g, tries = numpy.random.default_rng(1), []
    for _ in range(4000):
        found: set[int] = set()
        tries.append(0)
        while len(found) < count:
            found.add(int(numpy.rint(numpy.exp(g.random() * numpy.log(below)))) - 1)
            tries[-1] += 1
    return float(numpy.mean(tries))


@pytest.mark.parametrize(
    ("mask", "value", "start", "expected"),
    [  # as MXNet 1.9.1 gives
        ([[1, 0, 1], [0, 1, 0]], [1.0, 2.0, 3.0], 0, [[1, 1, 2], [3, 3, 5]]),
        ([[1, 0, 1], [0, 1, 0]], [7.0], 0, [[7, 1, 7], [3, 7, 5]]),
        ([1, 0, 1], [1.0, 2.0], 1, [[1, 1, 1], [2, 4, 2]]),
        ([1, 0, 1], 5.0, 1, [[5, 1, 5], [5, 4, 5]]),
        ([1, 0], [1.0, 2.0, 3.0], 0, [[1, 2, 3], [3, 4, 5]]),
        ([1, 0], [9.0], 0, [[9, 9, 9], [3, 4, 5]]),
    ],
)
def test_masked_assignment(mask: Any, value: Any, start: int, expected: Any) -> None:
    x, held = np.arange(6.0).reshape(2, 3), np.array(mask, dtype=bool)
    np._internal.boolean_mask_assign_tensor(x, held, np.array(value), start, out=x)
    assert x.tolist() == expected
    number = np.arange(6.0).reshape(2, 3)
    np._internal.boolean_mask_assign_scalar(number, held, -1, start, out=number)
    moved = [[e != i * 3 + j for j, e in enumerate(row)] for i, row in enumerate(number.tolist())]
    assert moved == numpy.broadcast_to(held.asnumpy() if start or held.ndim > 1 else held.asnumpy()[:, None], (2, 3)).tolist()
    with pytest.raises(ShapeError, match="a mask of axes"):
        np._internal.boolean_mask_assign_scalar(x, np.ones((5,)), 1, 0)


def test_multinomial_takes_numbers_or_an_array() -> None:
    assert FUNCTIONS["_npi_multinomial"](n=5, pvals=(1.0, 0.0), size=(2,)).tolist() == [[5, 0]] * 2
    assert np._internal.multinomial(np.array([0.0, 1.0]), n=4).tolist() == [0, 4]
    drawn = sym.np._internal.multinomial(sym.var("p").as_np_ndarray(), n=4)
    assert drawn.eval(p=np.array([0.0, 1.0]))[0].tolist() == [0, 4]
