"""Images with boxes: what becomes of the boxes, and ``ImageDetIter``, beside MXNet 1.9.1's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.image_files import COUNT, write_files

import hybridnet as hn
from hybridnet import image
from hybridnet.errors import ArgumentError, DtypeError, FileFormatError
from hybridnet.image import boxes

cv2 = pytest.importorskip("cv2")
#: Class, left, top, right, bottom, and something else.
LABEL = np.array([[1, 0.1, 0.2, 0.5, 0.6, 7], [0, 0.5, 0.5, 1.0, 1.0, 8]], np.float32)


def marked(height: int = 40, width: int = 60) -> np.ndarray:
    """An image whose channels are its columns and its rows, so that one sees which part a window is."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, 0 * x], 2).astype(np.uint8)


def array(x: np.ndarray) -> Any:
    return hn.nd.array(x, dtype=x.dtype)


def test_boxes() -> None:
    np.testing.assert_allclose(boxes.mirrored(LABEL)[0], [1, 0.5, 0.2, 0.9, 0.6, 7], rtol=1e-6)
    left_half = (0.0, 0.0, 0.5, 1.0)
    np.testing.assert_allclose(boxes.covered(LABEL, left_half), [1, 0], atol=1e-6)
    np.testing.assert_allclose(boxes.inside(LABEL, left_half, 0.3), [[1, 0.2, 0.2, 1.0, 0.6, 7]], rtol=1e-6)
    np.testing.assert_allclose(boxes.covered(LABEL, (0.3, 0.0, 0.6, 0.55)), [0.2 * 0.35 / 0.16, 0.4 * 0.05 / 0.25], rtol=1e-5)
    np.testing.assert_allclose(boxes.moved(LABEL, (-0.5, -1, 2, 2))[0], [1, 0.3, 0.6, 0.5, 0.8, 7], rtol=1e-6)
    assert LABEL[0, 1] == np.float32(0.1)  # untouched


def test_flip() -> None:
    found, label = image.DetHorizontalFlipAug(1)(array(marked()), LABEL)
    np.testing.assert_array_equal(found.asnumpy(), marked()[:, ::-1])
    np.testing.assert_array_equal(label, boxes.mirrored(LABEL))
    found, label = image.DetHorizontalFlipAug(0)(array(marked()), LABEL)
    np.testing.assert_array_equal(label, LABEL)


def test_crop() -> None:
    """The label says of the window what the whole label said of the image."""
    hn.random.seed(0)
    cut = image.DetRandomCropAug(min_object_covered=0.6, aspect_ratio_range=(0.5, 2), area_range=(0.2, 0.9), min_eject_coverage=0.7)
    kept, sizes = set(), set()
    for _ in range(200):
        found, label = cut(array(marked()), LABEL)
        found = found.asnumpy()
        left, top = found[0, 0, :2].astype(int)
        height, width = found.shape[:2]
        np.testing.assert_array_equal(found, marked()[top : top + height, left : left + width])
        window = (left / 60, top / 40, width / 60, height / 40)
        covered = boxes.covered(LABEL, window)
        assert (height, width) == (40, 60) or covered[covered > 0].min() > 0.6
        np.testing.assert_allclose(label, boxes.inside(LABEL, window, 0.7), atol=1e-6)
        assert len(label)
        kept.add(tuple(label[:, 5]))
        sizes.add((height, width))
        if (height, width) != (40, 60):
            assert 0.15 < height * width / 2400 < 0.95 and 0.45 < width / height < 2.1
    assert kept >= {(7.0,), (8.0,)} and len(sizes) > 50


def test_pad() -> None:
    hn.random.seed(0)
    sizes = set()
    for _ in range(50):
        found, label = image.DetRandomPadAug(area_range=(1, 4), pad_val=(9, 8, 7))(array(marked()), LABEL)
        found = found.asnumpy()
        height, width = found.shape[:2]
        sizes.add((height, width))
        if (height, width) != (40, 60):
            rows, columns = (np.flatnonzero((found != (9, 8, 7)).any(-1).any(axis)) for axis in (1, 0))
            top, left = rows[0], columns[0]
            np.testing.assert_array_equal(found[top : top + 40, left : left + 60], marked())
            expected = LABEL[:, 1:5] * (60, 40, 60, 40) + (left, top, left, top)
            np.testing.assert_allclose(label[:, 1:5] * (width, height, width, height), expected, atol=1e-3)
    assert len(sizes) > 10 and max(h * w for h, w in sizes) > 2400


def test_what_does_nothing() -> None:
    for make in (lambda: image.DetRandomCropAug(area_range=(0.5, 0.2)), lambda: image.DetRandomPadAug(area_range=(0.2, 0.9))):
        with pytest.warns(UserWarning, match="does nothing: area_range"):
            augmenter = make()
        assert not augmenter.enabled
        found, label = augmenter(array(marked()), LABEL)
        assert found.shape == (40, 60, 3) and (label == LABEL).all()
    assert image.DetRandomSelectAug([], 0)(array(marked()), LABEL)[0].shape == (40, 60, 3)
    impossible = image.DetRandomCropAug(min_object_covered=2)
    assert impossible(array(marked()), LABEL)[0].shape == (40, 60, 3)


def test_dumps() -> None:
    """As MXNet writes them."""
    found = [a.dumps() for a in image.CreateDetAugmenter(
        (3, 24, 32), resize=30, rand_crop=0.5, rand_pad=0.4, rand_gray=0.3, rand_mirror=True, mean=True, brightness=0.1, hue=0.1,
        pca_noise=0.1,
    )]  # fmt: skip
    assert found[0] == ["detborrowaug", '["resizeaug", {"size": 30, "interp": 2}]']
    assert found[1] == [
        "detrandomselectaug",
        [
            '["detrandomcropaug", {"min_object_covered": 0.1, "aspect_ratio_range": [0.75, 1.33], "area_range": [0.05, 3.0], '
            '"min_eject_coverage": 0.3, "max_attempts": 50}]'
        ],
    ]
    assert found[2] == '["dethorizontalflipaug", {"p": 0.5}]'
    assert found[3][1] == [
        '["detrandompadaug", {"aspect_ratio_range": [0.75, 1.33], "area_range": [1.0, 3.0], "max_attempts": 50, '
        '"pad_val": [127, 127, 127]}]'
    ]
    names = [json.loads(f[1])[0] if isinstance(f[1], str) else f[1][0] for f in found[4:]]
    assert names == ["forceresizeaug", "castaug", "colorjitteraug", "huejitteraug", "lightingaug", "randomgrayaug", "colornormalizeaug"]
    several = image.CreateMultiRandCropAugmenter(min_object_covered=[0.1, 0.3], skip_prob=0.2)
    assert [a.min_object_covered for a in several.aug_list] == [0.1, 0.3] and several.skip_prob == 0.2
    ranges = image.CreateMultiRandCropAugmenter(area_range=[(0.1, 1.0), (0.2, 1.0)], min_object_covered=0.5)
    assert [(a.area_range, a.min_object_covered) for a in ranges.aug_list] == [((0.1, 1.0), 0.5), ((0.2, 1.0), 0.5)]


def test_made_wrongly() -> None:
    with pytest.raises(ArgumentError, match=r"lists of one length \(3\), or single values; got a list of 2"):
        image.CreateMultiRandCropAugmenter(min_object_covered=[0.1, 0.2], max_attempts=[1, 2, 3])
    with pytest.raises(DtypeError, match="expected an Augmenter; got a int"):
        image.DetBorrowAug(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="a list of DetAugmenter; got a int in it"):
        image.DetRandomSelectAug([3])  # type: ignore[list-item]


def test_augmenters_of_ones_own() -> None:
    class Shifted(image.DetAugmenter):
        def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
            return src + 1, label + 1

    class Doubled(image.Augmenter):
        def __call__(self, src: Any) -> Any:
            return src * 2

    chain = image.DetRandomSelectAug([Shifted()])
    found, label = chain(array(marked()), LABEL)
    assert (found.asnumpy() == marked() + 1).all() and (label == LABEL + 1).all()
    assert (image.DetBorrowAug(Doubled())(array(marked()), LABEL)[0].asnumpy() == marked() * 2).all()


# -- the iterator -------------------------------------------------------------------------------------


def flat(number: int, head: tuple[float, ...] = (4, 5, 20, 24)) -> list[float]:
    return [*head, *(v for j in range(1 + number % 3) for v in (j, 0.1 * j, 0.1, 0.5 + 0.1 * j, 0.6))]


@pytest.fixture(name="given")
def _given(tmp_path: Path) -> dict[str, Any]:
    write_files(tmp_path, labels=[flat(i) for i in range(COUNT)])
    return {"path_imgrec": str(tmp_path / "a.rec"), "path_imgidx": str(tmp_path / "a.idx")}


def test_iterator(given: dict[str, Any]) -> None:
    it = image.ImageDetIter(2, (3, 16, 16), **given)
    assert (it.provide_data, it.provide_label) == ([("data", (2, 3, 16, 16))], [("label", (2, 3, 5))])
    batches = list(it)
    assert [b.pad for b in batches] == [0, 0, 0, 1]
    label = batches[0].label[0].asnumpy()
    np.testing.assert_allclose(label[1], [[0, 0, 0.1, 0.5, 0.6], [1, 0.1, 0.1, 0.6, 0.6], [-1] * 5], rtol=1e-6)
    np.testing.assert_array_equal(label[0, 1:], -1)
    assert (batches[1].data[0].asnumpy()[:, 0, 0, 0] / 10).tolist() == [2, 3]
    it.reshape(label_shape=(6, 5))
    it.reset()
    assert it.next().label[0].shape == (2, 6, 5)
    other = image.ImageDetIter(2, (3, 16, 16), **given)
    assert other.sync_label_shape(it) is it
    assert other.label_shape == (6, 5)
    it.reshape((3, 12, 12))
    it.auglist = image.CreateDetAugmenter((3, 12, 12))
    it.reset()
    assert it.next().data[0].shape == (2, 3, 12, 12)
    for shape in ((1, 5), (6, 4), (6,)):
        with pytest.raises(ArgumentError, match="6 objects or more, of 5 numbers each"):
            it.reshape(label_shape=shape)


def test_every_augmentation(given: dict[str, Any]) -> None:
    hn.random.seed(1)
    it = image.ImageDetIter(
        3, (3, 16, 16), shuffle=True, rand_crop=0.7, rand_pad=0.5, rand_gray=0.3, rand_mirror=True, mean=True, std=True, brightness=0.2,
        contrast=0.2, saturation=0.2, pca_noise=0.1, hue=0.1, last_batch_handle="discard", **given,
    )  # fmt: skip
    for _ in range(5):
        for batch in it:
            label = batch.label[0].asnumpy()
            there = label[..., 0] >= 0
            assert there.any(axis=1).all()
            assert ((label[there][:, 1:] >= -1e-6) & (label[there][:, 1:] <= 1 + 1e-6)).all()
        it.reset()


def test_drawn(given: dict[str, Any]) -> None:
    it = image.ImageDetIter(2, (3, 16, 16), mean=True, std=True, **given)
    pictures = list(it.draw_next(color=(255, 0, 0), thickness=1, mean=True, std=True, id2labels={0: "a", 1: "b", 2: "c"}))
    assert len(pictures) == COUNT and {p.shape for p in pictures} == {(16, 16, 3)}
    assert (pictures[0] == (255, 0, 0)).all(-1).any()
    assert pictures[3][15, 15].tolist() == pytest.approx([30] * 3, abs=1)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ([2, 5, 0, 0.1, 0.1], "5 numbers of .*key 3"),
        ([2, 5, 0, 0.1, 0.1, 0.2, 0.2, 3], "8 numbers of .*key 3"),
        ([2, 4, 0, 0.1, 0.1, 0.2], "6 numbers of .*key 3"),
        ([np.nan, 5, 0, 0.1, 0.1, 0.2, 0.2], "7 numbers of .*key 3"),
        ([2, np.inf, 0, 0.1, 0.1, 0.2, 0.2], "7 numbers of .*key 3"),
        ([2, 5, 0, 0.3, 0.1, 0.2, 0.2], "an object with a width and a height; got none, in the record of key 3"),
    ],
)
def test_labels_that_are_none(tmp_path: Path, label: list[float], said: str) -> None:
    write_files(tmp_path, labels=[label if i == 3 else flat(i) for i in range(COUNT)])
    given = {"path_imgrec": str(tmp_path / "a.rec"), "path_imgidx": str(tmp_path / "a.idx")}
    with pytest.raises(FileFormatError, match=said):
        image.ImageDetIter(2, (3, 16, 16), **given)
    with pytest.warns(UserWarning, match=said):
        it = image.ImageDetIter(2, (3, 16, 16), strict=False, **given)
        assert len(list(it)) == 3
