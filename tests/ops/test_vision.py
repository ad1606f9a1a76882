"""What the operators of vision are made of, against plain loops over the same definitions."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from support.special_values import special

import hybridnet as hn
from hybridnet import autograd, nd
from hybridnet.core import array, call
from hybridnet.errors import ArgumentError, HybridnetError, ShapeError
from hybridnet.ops.vision import multibox, region_max
from hybridnet.ops.vision.matching import greedy_pairs
from hybridnet.ops.vision.suppression import best_first, overlaps, survivors


def boxes(rng: Any, count: int) -> Any:
    at = rng.uniform(0, 10, (count, 4)).astype(np.float32)
    at[:, 2:] = at[:, :2] + rng.uniform(0, 4, (count, 2))
    return at


@pytest.mark.parametrize("count", [0, 1, 2, 127, 128, 129, 2500])
@pytest.mark.parametrize("ids", [1, 3, 40])
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


# -- regions that no image has room for ------------------------------------------------------------------

SAMPLED: dict[str, Any] = {
    "ROIAlign": lambda x, rois: nd.contrib.ROIAlign(x, rois[:, :5], (2, 3), 0.7),
    "RROIAlign": lambda x, rois: nd.contrib.RROIAlign(x, rois, (2, 3), 0.7),
}
REGIONS: dict[str, Any] = {
    **SAMPLED,
    "ROIAlign aligned": lambda x, rois: nd.contrib.ROIAlign(x, rois[:, :5], (2, 3), 0.7, aligned=True),
    "ROIAlign samples": lambda x, rois: nd.contrib.ROIAlign(x, rois[:, :5], (2, 3), 0.7, sample_ratio=2),
    "RROIAlign samples": lambda x, rois: nd.contrib.RROIAlign(x, rois, (2, 3), 0.7, sampling_ratio=2),
    "PSROIPooling": lambda x, rois: nd.contrib.PSROIPooling(x, rois[:, :5], 0.7, 2, 2),
    "ROIPooling": lambda x, rois: nd.ROIPooling(x, rois[:, :5], (2, 3), 0.7),
}


def turned_samples(x: Any, roi: list[float], bins: tuple[int, int], scale: float, turned: bool) -> Any:
    """What a region's bins are by the definition: the mean of all samples, each looked up alone."""
    channels, height, width = x.shape
    if turned:
        cx, cy, w, h = (v * scale for v in roi[1:5])
        h, w, sine, cosine = max(h, 1), max(w, 1), np.sin(np.radians(roi[5])), np.cos(np.radians(roi[5]))
    else:
        left, top, right, bottom = (v * scale for v in roi[1:5])
        w, h, sine, cosine = max(right - left, 1), max(bottom - top, 1), 0.0, 1.0
        cx, cy = left + w / 2, top + h / 2
    counts = [int(np.ceil(side / n)) for side, n in zip((h, w), bins, strict=True)]
    out = np.zeros((channels, *bins))
    for place in np.ndindex(bins[0] * counts[0], bins[1] * counts[1]):
        down, across = ((i + 0.5) / (n * k) * side - side / 2 for i, n, k, side in zip(place, bins, counts, (h, w), strict=True))
        v, u = down * cosine - across * sine + cy, across * cosine + down * sine + cx
        if -1 <= v <= height and -1 <= u <= width:
            v, u = min(max(v, 0), height - 1), min(max(u, 0), width - 1)
            i, j = int(v), int(u)
            p, q = min(i + 1, height - 1), min(j + 1, width - 1)
            a, b = v - i, u - j
            value = (1 - a) * ((1 - b) * x[:, i, j] + b * x[:, i, q]) + a * ((1 - b) * x[:, p, j] + b * x[:, p, q])
            out[:, place[0] // counts[0], place[1] // counts[1]] += value
    return out / np.prod(counts)


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_of_regions_of_any_size_are_those_of_a_loop_over_all(name: str) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2, 5, 6)).astype(np.float32)
    for size in (0.5, 3, 12, 60, 200):
        at = rng.uniform(-size, size, (3, 2)) + 3
        sides = rng.uniform(0, size, (3, 2)) * [1, 1.5]
        far = sides if name == "RROIAlign" else at + sides
        rois = np.concatenate([np.zeros((3, 1)), at, far, rng.uniform(-180, 180, (3, 1))], 1).astype(np.float32)
        found = SAMPLED[name](nd.array(x[None]), nd.array(rois)).asnumpy()
        for y, roi in zip(found, rois.tolist(), strict=True):
            np.testing.assert_allclose(y, turned_samples(x, roi, (2, 3), 0.7, name == "RROIAlign"), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", REGIONS)
def test_regions_that_no_image_has_room_for(name: str, dtype: str) -> None:
    """They take no more memory than others, are 0 where they are nowhere, and leave others as they are."""
    rng = np.random.default_rng(7)
    x = nd.array(rng.normal(size=(1, 8, 6, 7)), dtype=dtype)
    ordinary = np.array([[0, 1, 0.5, 9, 7, 0], [0, 2, 2, 3, 2.5, 30]])
    strange = special((300, 6), nd.zeros((1,), dtype=dtype).dtype, 3).astype(np.float64)
    strange[::2, 0] = 0
    tracemalloc.start()
    found = REGIONS[name](x, nd.array(np.concatenate([ordinary, strange]), dtype=dtype)).astype("float64").asnumpy()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 << 20
    np.testing.assert_array_equal(found[:2], REGIONS[name](x, nd.array(ordinary, dtype=dtype)).astype("float64").asnumpy())
    assert np.isfinite(found).all()
    used = strange if name.startswith("RROI") else strange[:, :5]
    assert not found[2:][~np.isfinite(used).all(1)].any()


def test_proposals_of_images_without_a_size() -> None:
    scores, places = nd.ones((1, 24, 2, 2)), nd.zeros((1, 48, 2, 2))
    for height in (np.nan, np.inf, 1e30, -1):
        with pytest.raises(ArgumentError, match="at most"):
            nd.contrib.Proposal(scores, places, nd.array([[height, 32, 1]]), rpn_post_nms_top_n=4)


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_best_of_detections_are_those_of_a_whole_sort(dtype: str) -> None:
    """Of equal scores, and equal classes, the first; NaN of either sign is the last."""
    rng = np.random.default_rng(3)
    special = np.array([0.0, -0.0, np.inf, -np.inf, 1e-45, -1e-45, 0.25, -1.5, np.nan, -np.nan], dtype)
    for n in (0, 1, 5, 50):
        for scores in (rng.integers(-4, 4, n).astype(dtype) / 4, rng.choice(special, n)):
            whole = np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")
            for most in (-1, 1, 3, 60):
                assert best_first(scores, most).tolist() == whole[: most if most > 0 else None].tolist()
    probabilities = (rng.integers(0, 4, (5, 30)) / 4).astype(dtype)
    assert np.array_equal(multibox._first_equal(probabilities, probabilities.max(0)), probabilities.argmax(0))


@pytest.mark.parametrize("count", [0, 5, 300, 1500])
def test_the_first_survivors_are_those_of_all(count: int) -> None:
    at = boxes(np.random.default_rng(count), count)
    for most in (1, 7, 400):
        whole = np.flatnonzero(survivors(at, 0.3))
        assert np.flatnonzero(survivors(at, 0.3, most=most))[:most].tolist() == whole[:most].tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_largest_pixels_are_the_first_of_those_that_are_equal(dtype: str) -> None:
    """Of zeros of both signs, of infinities, and of NaN, which is above all numbers."""
    rng = np.random.default_rng(4)
    numbers = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, 1e-40, np.nan, -np.nan], dtype)
    for chosen in (numbers[:4], numbers[4:6], numbers):
        data = rng.choice(chosen, (2, 3, 5, 6))
        rois = np.array([[n, *np.sort(rng.integers(-1, 8, 2)), *np.sort(rng.integers(-1, 8, 2))] for n in (0, 1, 1, 2)], dtype)[
            :, [0, 1, 3, 2, 4]
        ]
        found = call("region_largest", array(data), array(rois), bins=(2, 3), scale=1.0).asnumpy()
        for i, (image, left, top, right, bottom) in enumerate(rois.astype(int).tolist()):
            rows, columns = (region_max._bins(*side, data.dtype) for side in ((top, bottom, 5, 2), (left, right, 6, 3)))
            for c, p, q in np.ndindex(3, 2, 3):
                places = [(image * 3 + c) * 30 + y * 6 + x for y in range(*rows[p]) for x in range(*columns[q])] if image < 2 else []
                best = places[int(np.argmax(data.ravel()[places]))] if places else -1
                assert found[i, c, p, q] == best
