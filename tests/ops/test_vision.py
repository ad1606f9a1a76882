"""What the operators of vision are made of, against plain loops over the same definitions."""

from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import autograd, nd
from hybridnet.core import array, call
from hybridnet.errors import ArgumentError, HybridnetError, ShapeError
from hybridnet.ops.vision.matching import greedy_pairs
from hybridnet.ops.vision.suppression import overlaps, survivors


def boxes(rng: Any, count: int) -> Any:
    at = rng.uniform(0, 10, (count, 4)).astype(np.float32)
    at[:, 2:] = at[:, :2] + rng.uniform(0, 4, (count, 2))
    return at


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 200, 1500])
@pytest.mark.parametrize("ids", [1, 3])
@pytest.mark.parametrize("inclusive", [True, False])
def test_survivors_are_those_of_one_loop_over_all(count: int, ids: int, inclusive: bool) -> None:
    rng = np.random.default_rng(count)
    at, kind = boxes(rng, count), rng.integers(0, ids, count)
    table = overlaps(at, at)
    threshold = float(table[0, 1]) if count > 1 else 0.5  # met exactly by one pair
    over = (table >= threshold if inclusive else table > threshold) & (kind[:, None] == kind)
    alive = np.ones(count, bool)
    for i in range(count):
        if alive[i]:
            alive[i + 1 :] &= ~over[i, i + 1 :]
    np.testing.assert_array_equal(survivors(at, threshold, kind if ids > 1 else None, inclusive), alive)


def test_boxes_without_area_overlap_nothing() -> None:
    at = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 2, 2]], np.float32)
    assert overlaps(at, at).tolist() == np.diag([0, 0, 0, 1]).tolist()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (7, 4), (20, 30)])
@pytest.mark.parametrize("ascending", [True, False])
def test_greedy_pairs_are_those_of_one_loop_over_all(shape: tuple[int, int], ascending: bool) -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 9, shape) / 8  # many are equal
    order = np.argsort(scores if ascending else -scores, axis=None, kind="stable")
    rows, columns, expected = set(), set(), []
    for place in order.tolist():
        i, j = divmod(place, shape[1])
        fits = scores[i, j] <= 0.5 if ascending else scores[i, j] >= 0.5
        if fits and i not in rows and j not in columns:
            rows.add(i)
            columns.add(j)
            expected.append((i, j))
    found = greedy_pairs(scores, 0.5, ascending)
    assert list(zip(*(x.tolist() for x in found), strict=True)) == expected


@pytest.mark.parametrize("group", [0, 2, 3])
def test_sums_over_regions_and_their_spread_are_transposes(group: int) -> None:
    rng = np.random.default_rng(group)
    x = rng.normal(size=(2, 2 * max(group, 1) ** 2, 6, 7))
    rows, columns = (np.maximum(rng.normal(size=(4, 3, n)), 0) for n in (6, 7))
    rows[1] = 0
    images = np.array([1, 0, 2, 0])  # there is no third
    sums = call("region_sums", *map(array, (x, images, rows, columns)), group=group)
    g = rng.normal(size=sums.shape)
    spread = call("region_spread", *map(array, (g, images, rows, columns)), shape=x.shape, group=group)
    assert abs(sums.asnumpy()).sum() > 1
    np.testing.assert_allclose((sums.asnumpy() * g).sum(), (x * spread.asnumpy()).sum(), rtol=1e-5)


ROIS = [[0, 1, 0.5, 9, 7], [1, 2, 2, 3, 2.5], [0, -4, 3, 9, 20]]
#: Calls of operators on an image (2, 8, 6, 7), regions and more.
CALLS: dict[str, Any] = {
    "ROIAlign": lambda F, x, rois: F.contrib.ROIAlign(x, rois, (2, 2), 0.5),
    "PSROIPooling": lambda F, x, rois: F.contrib.PSROIPooling(x, rois, 0.5, 2, 2),
    "DeformablePSROIPooling": lambda F, x, rois: F.contrib.DeformablePSROIPooling(
        x, rois, spatial_scale=0.5, output_dim=2, group_size=2, pooled_size=2, no_trans=True
    ),
    "RROIAlign": lambda F, x, rois: F.contrib.RROIAlign(x, F.concat(rois, rois[:, :1] * 30, dim=1), (2, 2), 0.5),
    "ROIPooling": lambda F, x, rois: F.ROIPooling(x, rois, (2, 2), 0.5),
    "Correlation": lambda F, x, rois: F.Correlation(x, x * x, max_displacement=1, pad_size=1),
    "SpatialTransformer": lambda F, x, rois: F.SpatialTransformer(
        x, rois.reshape((-1,))[:12].reshape((2, 6)) / 9, (3, 3), "affine", "bilinear"
    ),
    "box_nms": lambda F, x, rois: F.contrib.box_nms(
        rois + x[0, 0, :3, :5] * 0.1, 0.1, -1, coord_start=1, score_index=0, in_format="center"
    ),
    "MultiBoxDetection": lambda F, x, rois: F.contrib.MultiBoxDetection(
        F.softmax(x[:, :, 0, :3], axis=1), x[:, 0, :2, :6].reshape((2, 12)), rois[:, 1:].expand_dims(0) / 9
    ),
    "MultiBoxTarget": lambda F, x, rois: F.contrib.MultiBoxTarget(rois[:, 1:].expand_dims(0), rois.expand_dims(0), x[:1, :, 0, :3])[0],
    "im2col": lambda F, x, rois: F.im2col(x, (2, 3)),
    "fft": lambda F, x, rois: F.contrib.ifft(F.contrib.fft(x)),
    "round_ste": lambda F, x, rois: F.contrib.round_ste(x * 5),
}


@pytest.mark.parametrize("name", CALLS)
def test_compiled_as_eager(name: str) -> None:
    x = np.random.default_rng(1).normal(size=(2, 8, 6, 7)).astype(np.float32)
    results = []
    for compiled in (False, True):
        image, rois = nd.array(x), nd.array(ROIS)
        image.attach_grad()
        function = hn.jit(lambda a, b: CALLS[name](nd, a, b)) if compiled else lambda a, b: CALLS[name](nd, a, b)
        with autograd.record():
            y = function(image, rois)
        y.backward()
        results.append((y.asnumpy(), image.grad.asnumpy()))
    for eager, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, eager, rtol=1e-4, atol=1e-5)


def test_a_mask_that_decides_a_shape_is_eager_alone() -> None:
    x = nd.array([[1, 2], [3, 4]])
    assert nd.contrib.boolean_mask(x, nd.array([0, 1])).tolist() == [[3, 4]]
    with pytest.raises(HybridnetError, match="where"):
        hn.jit(nd.contrib.boolean_mask)(x, nd.array([0, 1]))


# -- operators that MXNet 1.9.1 has on a GPU alone, or for sparse arrays ---------------------------------


def test_fourier_transforms_are_numpys() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    y = nd.contrib.fft(nd.array(x))
    expected = np.fft.fft(x)
    np.testing.assert_allclose(y.asnumpy()[:, ::2], expected.real, atol=1e-5)
    np.testing.assert_allclose(y.asnumpy()[:, 1::2], expected.imag, atol=1e-5)
    np.testing.assert_allclose(nd.contrib.ifft(y).asnumpy(), x * 5, atol=1e-5)


def test_count_sketch() -> None:
    x, h, s = np.array([[1, 2, 3, 4]]), np.array([[0, 2, 0, 1]]), np.array([[1, -1, -1, 1]])
    assert nd.contrib.count_sketch(nd.array(x), nd.array(h), nd.array(s), out_dim=4).tolist() == [[-2, 4, -2, 0]]
    with pytest.raises(ShapeError, match="count_sketch"):
        nd.contrib.count_sketch(nd.array(x), nd.array(h[:, 1:]), nd.array(s), out_dim=4)


def test_group_adagrad_has_a_rate_for_each_row() -> None:
    w, g, history = nd.array([[1, 2], [3, 4]]), nd.array([[1, 1], [0, 8]]), nd.zeros((2, 1))
    nd.contrib.group_adagrad_update(w, g, history, lr=0.5, rescale_grad=0.5, clip_gradient=2, epsilon=0, out=w)
    assert history.tolist() == [[0.25], [2]]
    np.testing.assert_allclose(w.asnumpy(), [[0.5, 1.5], [3, 4 - 0.5 * 2 / np.sqrt(2)]], rtol=1e-6)


def test_numbers_of_edges() -> None:
    graph = nd.array([[0, 3, 0], [1, 0, 2], [0, 0, 0]])
    assert nd.contrib.getnnz(graph).tolist() == [3]
    assert nd.contrib.getnnz(graph, axis=1).tolist() == [1, 2, 0]
    assert nd.contrib.edge_id(graph, nd.array([0, 1, 2]), nd.array([1, 1, 2])).tolist() == [3, -1, -1]
    with pytest.raises(ArgumentError, match="dgl_subgraph"):
        nd.contrib.dgl_subgraph(graph, nd.array([0]))


def test_allclose() -> None:
    a = nd.array([1, np.nan, np.inf])
    for b, attributes, expected in (
        ([1, np.nan, np.inf], {}, 1), ([1, np.nan, np.inf], {"equal_nan": False}, 0), ([1.1, np.nan, np.inf], {}, 0),
        ([1.1, np.nan, np.inf], {"rtol": 0.2}, 1), ([1, np.nan, 1], {"atol": 1e9}, 0),
    ):  # fmt: skip
        y = nd.contrib.allclose(a, nd.array(b), **attributes)
        assert (y.tolist(), y.dtype) == ([expected], np.uint8)


def test_zipfian_draws() -> None:
    sampled, of_true, of_sampled = nd.contrib.rand_zipfian(nd.array([0, 9]), 4000, 10)
    counts = np.bincount(sampled.asnumpy(), minlength=10)
    expected = np.log((np.arange(10) + 2) / (np.arange(10) + 1)) / np.log(11) * 4000
    assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()
    np.testing.assert_allclose(of_true.asnumpy(), expected[[0, 9]], rtol=1e-6)
    np.testing.assert_allclose(of_sampled.asnumpy(), expected[sampled.asnumpy()], rtol=1e-6)
