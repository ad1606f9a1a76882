"""``ImageDetRecordIter``: labels and shapes as MXNet 1.9.1 gives them, boxes that follow their image, and broken labels."""

from pathlib import Path
from typing import Any

import numpy
import pytest

from hybridnet.core.random import seed_host
from hybridnet.errors import ArgumentError, DtypeError, FileFormatError, HybridnetError, SignatureError
from hybridnet.io import ImageDetRecordIter
from hybridnet.io.box_changes import BoxChanges
from hybridnet.opencv import opencv
from hybridnet.recordio import MXIndexedRecordIO, pack

ONE = [2, 5, 0, 0.1, 0.2, 0.5, 0.6]
TWO = [2, 5, 1, 0.3, 0.3, 0.9, 0.8, 0, 0.0, 0.1, 0.2, 0.4]
HEIGHT, WIDTH = 200, 250


def plane() -> numpy.ndarray[Any, Any]:
    """An image whose red says the column, and whose green says the row."""
    ys, xs = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    return numpy.stack([xs, ys, numpy.full_like(xs, 255)], -1).astype(numpy.uint8)


def write(path: Path, labels: list[Any], image: Any = None) -> str:
    encoded = opencv().imencode(".png", (plane() if image is None else image)[..., ::-1])[1].tobytes()
    with MXIndexedRecordIO(path.with_suffix(".idx"), path, "w") as file:
        for i, label in enumerate(labels):
            file.write_idx(i, pack((0, label, 7 * i, 0), encoded))  # type: ignore[attr-defined]
    return str(path)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> str:
    return write(tmp_path / "x.rec", [ONE, TWO, ONE])


def make(path: str, **more: Any) -> ImageDetRecordIter:
    return ImageDetRecordIter(**{"path_imgrec": path, "data_shape": (3, 24, 32), "batch_size": 2, "preprocess_threads": 2, **more})


def rows(it: ImageDetRecordIter) -> list[Any]:
    return [[[round(float(v), 4) for v in row] for row in batch.label[0].asnumpy()] for batch in it]


class TestLabels:
    def test_rows_are_mxnets(self, path: str) -> None:
        it = make(path)
        one, two = [3, 24, 32, 7, *ONE, *[-1] * 5], [3, 24, 32, 12, *TWO]
        assert it.provide_label == [("softmax_label", (2, 16))] and it.provide_data == [("data", (2, 3, 24, 32))]
        assert rows(it) == [[one, two], [one, one]]
        it.reset()
        batch = it.next()
        assert (batch.pad, batch.index.tolist()) == (0, [7, 14]) and batch.data[0].asnumpy().shape == (2, 3, 24, 32)

    def test_padding(self, path: str) -> None:
        assert rows(make(path, label_pad_width=20, label_pad_value=-5))[0][0] == [3, 24, 32, 7, *ONE, *[-5] * 13]
        assert make(path, num_parts=3, part_index=2).provide_label == [("softmax_label", (2, 11))]
        with pytest.raises(ArgumentError, match="label_pad_width of at least 12, the longest label; got 5"):
            make(path, label_pad_width=5)
        with pytest.raises(FileFormatError, match=r"label_width=7 labels; got 12 in the record at byte \d+ of .*x.rec"):
            make(path, label_width=7)

    def test_a_list_stands_for_those_of_the_records(self, path: str, tmp_path: Path) -> None:
        lines = [f"{7 * i}\t2\t5\t{i}\t0.5\t0.5\t0.75\t0.75\tx.jpg\n" for i in range(3)]
        (tmp_path / "l.lst").write_text("".join(lines))
        assert [row[6] for batch in rows(make(path, path_imglist=tmp_path / "l.lst")) for row in batch] == [0, 1, 2, 0]
        (tmp_path / "l.lst").write_text(lines[0])
        with pytest.raises(FileFormatError, match=r"labels in path_imglist for each record; got none for the id 7"):
            make(path, path_imglist=tmp_path / "l.lst")

    @pytest.mark.parametrize(
        "label",
        [[2], [2, 4, 0, 0, 0, 0], [1, 5], [2, 5, 0, 0, 0, 1], [9, 5, 0], [numpy.nan, 5, 0, 0, 0, 1, 1], [2, numpy.inf, 0, 0, 0, 1, 1]],
    )
    def test_broken_ones(self, tmp_path: Path, label: list[float]) -> None:
        path = write(tmp_path / "x.rec", [label])
        with pytest.raises(
            FileFormatError, match=rf"whole objects; got {len(label)} numbers that begin with .* in the record at byte 0 of .*x.rec"
        ):
            make(path).next()


class TestImages:
    @pytest.mark.parametrize(
        ("mode", "shape", "size"),
        [
            ("force", (100, 300), (100, 300)),
            ("fit", (100, 100), (80, 100)),
            ("fit", (300, 300), (240, 300)),
            ("fit", (100, 300), (100, 125)),
            ("shrink", (100, 100), (80, 100)),
            ("shrink", (300, 300), (200, 250)),
        ],
    )
    def test_sizes(self, path: str, mode: str, shape: tuple[int, int], size: tuple[int, int]) -> None:
        batch = make(path, data_shape=(3, *shape), resize_mode=mode).next()
        image, (height, width) = batch.data[0].asnumpy()[0], size
        assert batch.label[0].asnumpy()[0, :3].tolist() == [3, height, width]
        assert (image[2, :height, :width] == 255).all() and (image[:, height:] == 0).all() and (image[:, :, width:] == 0).all()

    def test_numbers(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.rec", [ONE], numpy.full((24, 32, 3), (50, 60, 70), numpy.uint8))
        image = make(path, batch_size=1, mean_r=10, std_r=2, scale=0.5).next().data[0].asnumpy()[0]
        assert image[:, 0, 0].tolist() == [10, 30, 35]  # a std of 0 is none
        gray = make(path, batch_size=1, data_shape=(1, 24, 32)).next()
        assert gray.data[0].shape == (1, 1, 24, 32) and gray.label[0].asnumpy()[0, 0] == 1

    def test_draws_are_the_same_in_any_number_of_threads(self, path: str) -> None:
        def run(**more: Any) -> list[bytes]:
            it = make(path, rand_crop_prob=0.5, rand_pad_prob=0.5, max_pad_scale=2, rand_mirror_prob=0.5, shuffle=True, **more)
            return [batch.data[0].asnumpy().tobytes() + batch.label[0].asnumpy().tobytes() for batch in it]

        assert run(seed=1) == run(seed=1, preprocess_threads=1, prefetch_buffer=0) != run(seed=2)


LABEL = numpy.array([[0, 0.1, 0.2, 0.5, 0.6], [1, 0.55, 0.5, 0.9, 0.9]], numpy.float32)


def drawn(count: int, **parameters: Any) -> list[tuple[Any, Any]]:
    changes = BoxChanges((WIDTH, HEIGHT), **{"resize_mode": "shrink", **parameters})
    found = []
    for i in range(count):
        seed_host(i)
        found.append(changes(plane(), LABEL))
    return found


def window(image: Any) -> tuple[float, float, float, float]:
    """Which part of the plane an unscaled image shows."""
    x, y = image[0, 0, 0] / WIDTH, image[0, 0, 1] / HEIGHT
    return x, y, image.shape[1] / WIDTH, image.shape[0] / HEIGHT


class TestChanges:
    def test_boxes_follow_a_cut(self) -> None:
        """Where a box was in the plane, it is in what has been cut from it."""
        seen = set()
        for image, label in drawn(60, rand_crop_prob=1, min_crop_scales=(0.3,), max_crop_scales=(0.9,)):
            x, y, w, h = window(image)
            seen.add((x, y, w, h))
            assert len(label) and abs(w * WIDTH - h * HEIGHT) <= 1  # an aspect ratio of 1, in pixels
            for box in label:
                whole = LABEL[int(box[0]), 1:]
                expected = numpy.clip((whole - (x, y, x, y)) / (w, h, w, h), 0, 1)
                numpy.testing.assert_allclose(box[1:], expected, atol=1e-5)
                centre = (whole[:2] + whole[2:]) / 2
                assert x <= centre[0] <= x + w and y <= centre[1] <= y + h
        assert len(seen) > 50

    def test_limits_of_windows(self) -> None:
        def common(image: Any) -> Any:
            x, y, w, h = window(image)
            sides = numpy.minimum(LABEL[:, 3:], (x + w, y + h)) - numpy.maximum(LABEL[:, 1:3], (x, y))
            part = sides.clip(0).prod(axis=1)
            whole = (LABEL[:, 3:] - LABEL[:, 1:3]).prod(axis=1)
            return part / (whole + w * h - part), part / (w * h), part / whole

        limits = {"min_crop_scales": 0.3, "max_crop_scales": 0.9, "rand_crop_prob": 1, "max_crop_trials": 100}
        for image, _ in drawn(20, min_crop_overlaps=0.3, **limits):
            assert common(image)[0].max() >= 0.299
        for image, _ in drawn(20, min_crop_sample_coverages=(0.4,), **limits):
            assert common(image)[1].max() >= 0.399
        for image, _ in drawn(20, min_crop_object_coverages=(1,), **limits):
            assert common(image)[2].max() >= 0.999
        wide = drawn(20, min_crop_aspect_ratios=2, max_crop_aspect_ratios=2, **(limits | {"max_crop_scales": 0.5}))
        assert all(abs(image.shape[1] / image.shape[0] - 2) < 0.1 for image, _ in wide)
        for image, label in drawn(5, min_crop_overlaps=0.99, **limits):  # no window is so
            assert image.shape == plane().shape and (label == LABEL).all()

    def test_samplers(self) -> None:
        two = drawn(40, rand_crop_prob=1, num_crop_sampler=2, min_crop_scales=(0.3, 0.8), max_crop_scales=(0.3, 0.8))
        sides = [round((image.shape[0] * image.shape[1] / WIDTH / HEIGHT) ** 0.5, 1) for image, _ in two]
        assert set(sides) == {0.3, 0.8}

    def test_what_stays_by_overlap(self) -> None:
        kept = drawn(60, rand_crop_prob=1, min_crop_scales=0.3, max_crop_scales=0.5, crop_emit_mode="overlap", emit_overlap_thresh=0.5)
        for image, label in kept:
            x, y, w, h = window(image)
            sides = numpy.minimum(LABEL[:, 3:], (x + w, y + h)) - numpy.maximum(LABEL[:, 1:3], (x, y))
            covered = sides.clip(0).prod(axis=1) / (LABEL[:, 3:] - LABEL[:, 1:3]).prod(axis=1)
            assert label[:, 0].tolist() == [i for i in (0, 1) if covered[i] > 0.5] or image.shape == plane().shape

    def test_padding_and_mirroring(self) -> None:
        for image, label in drawn(20, rand_pad_prob=1, max_pad_scale=2, fill_value=9, resize_mode="fit"):
            rows, columns = numpy.nonzero(image[..., 2] == 255)
            height, width = image.shape[:2]
            left, top, right, bottom = columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height
            expected = numpy.array([left, top, left, top]) + LABEL[:, 1:] * [right - left, bottom - top, right - left, bottom - top]
            numpy.testing.assert_allclose(label[:, 1:], expected, atol=0.03)
        image, label = drawn(1, rand_mirror_prob=1)[0]
        assert (image == plane()[:, ::-1]).all()
        numpy.testing.assert_allclose(label, [[0, 0.5, 0.2, 0.9, 0.6], [1, 0.1, 0.5, 0.45, 0.9]], atol=1e-6)

    def test_colours(self) -> None:
        gray = numpy.full((8, 8, 3), (150, 120, 90), numpy.uint8)

        def colours(**parameters: Any) -> numpy.ndarray[Any, Any]:
            changes = BoxChanges((8, 8), **parameters)
            found = []
            for i in range(60):
                seed_host(i)
                found.append(changes(gray, LABEL)[0])
            return opencv().cvtColor(numpy.concatenate([f[:1, :1] for f in found]), opencv().COLOR_RGB2HLS)[:, 0].astype(int)

        base = [15, 120, 64]
        for name, at, most in (("hue", 0, 20), ("illumination", 1, 30), ("saturation", 2, 30)):
            moved = colours(**{f"max_random_{name}": most, f"random_{name}_prob": 0.5}) - base
            others = numpy.delete(moved, at, axis=1)
            assert (moved[:, at] == 0).any() and abs(moved[:, at]).max() > 8 and moved[:, at].min() >= -most - 1
            assert moved[:, at].max() <= most + 1 and abs(others).max() <= 2
        contrast = colours(max_random_contrast=0.3, random_contrast_prob=1)[:, 1] / 120
        assert 0.69 < contrast.min() < 0.8 and 1.2 < contrast.max() < 1.31

    def test_resizing_first(self) -> None:
        image, _ = drawn(1, resize=100)[0]
        assert image.shape[:2] == (100, 125)


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"rand_crop": True}, SignatureError, r"got 'rand_crop'; .*try rand_crop_prob="),
        ({"dtype": "uint8"}, DtypeError, "dtype float32; got 'uint8'"),
        ({"aug_seq": "aug_default"}, ArgumentError, "aug_seq='det_aug_default'"),
        ({"mean_img": "m"}, ArgumentError, "no mean_img"),
        ({"data_shape": (4, 8, 8)}, ArgumentError, "1 or 3 channels"),
        ({"resize_mode": "stretch"}, ArgumentError, "resize_mode of 'force', 'shrink', 'fit'; got 'stretch'"),
        ({"crop_emit_mode": "all"}, ArgumentError, "crop_emit_mode of 'center', 'overlap'"),
        ({"max_pad_scale": 0.5}, ArgumentError, "max_pad_scale of 1 or more"),
        (
            {"num_crop_sampler": 3, "max_crop_scales": (1, 1)},
            ArgumentError,
            r"max_crop_scales for each of num_crop_sampler=3; got \(1, 1\)",
        ),
        ({"min_crop_scales": 0.9, "max_crop_scales": 0.3}, ArgumentError, "max_crop_scales of at least min_crop_scales; got 0.3 and 0.9"),
        ({"path_imglist": "nowhere"}, FileFormatError, "a list of images; got 'nowhere'"),
    ],
)
def test_wrong_parameters(path: str, more: dict[str, Any], error: type[HybridnetError], message: str) -> None:
    with pytest.raises(error, match=rf"\[ImageDetRecordIter\].*{message}"):
        make(path, **more)
