"""``ImageRecordIter``: its order and its pixels against MXNet 1.9.1's, its random changes, its threads, and broken records.

``data/mxnet_1_9_1_image_record_iter.npz`` holds, for each case of its ``cases`` (image, data_shape, parameters), what MXNet gave.
"""

import gc
import json
import threading
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import pytest
from support.paths import DATA

import hybridnet as hn
from hybridnet import io, nd
from hybridnet.core.random import seed_host
from hybridnet.device import communicate
from hybridnet.errors import ArgumentError, DtypeError, FileFormatError, HybridnetError, ShapeError, SignatureError
from hybridnet.image import colours
from hybridnet.io.image_changes import ImageChanges, moved_in_hls, saturated
from hybridnet.io.pipeline import Buffers
from hybridnet.opencv import opencv
from hybridnet.recordio import MXIndexedRecordIO, pack

Image = numpy.ndarray[Any, Any]
RECORD = numpy.load(DATA / "mxnet_1_9_1_image_record_iter.npz")
CASES = json.loads(str(RECORD["cases"]))

#: Parameters by which an image is turned, sheared and scaled in one go.
WARPS = {"rotate", "min_random_scale", "min_aspect_ratio"}


def pattern(height: int, width: int) -> Image:
    """Red, green and blue that tell rows and columns apart; as in the recorded cases."""
    ys, xs = numpy.mgrid[0:height, 0:width]
    return numpy.stack([(ys * 7 + xs * 3) % 256, (ys * 2 + xs * 8) % 256, ((ys - 12) ** 2 + (xs - 9) ** 2) % 256], -1).astype(numpy.uint8)


IMAGES = {"A": pattern(24, 32), "B": pattern(33, 21)}


def encoded(image: Image) -> bytes:
    return opencv().imencode(".png", image[..., [2, 1, 0, *range(3, image.shape[2])]])[1].tobytes()


def write(path: Path, images: list[Image], labels: Any = None, ids: Any = None) -> str:
    """A record file with its index; its path."""
    with MXIndexedRecordIO(path.with_suffix(".idx"), path, "w") as file:
        for i, image in enumerate(images):
            file.write_idx(i, pack((0, float(i) if labels is None else labels[i], i if ids is None else ids[i], 0), encoded(image)))  # type: ignore[attr-defined]
    return str(path)


@pytest.fixture(name="ten", scope="module")
def _ten(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ten images, the first of which is all 0, the next all 1 … with labels the same and ids 7 times that."""
    images = [numpy.full((8 + i % 3, 10, 3), i, numpy.uint8) for i in range(10)]
    return write(tmp_path_factory.mktemp("ten") / "ten.rec", images, ids=range(0, 70, 7))


def make(path: str, batch_size: int = 4, kind: Callable[..., io.ImageRecordIter] = io.ImageRecordIter, **more: Any) -> io.ImageRecordIter:
    return kind(**{"path_imgrec": path, "data_shape": (3, 8, 10), "batch_size": batch_size, "preprocess_threads": 2, **more})


def epochs(it: io.ImageRecordIter, count: int = 1) -> list[list[tuple[list[int], int]]]:
    """Labels, which are the pixels too, and padding of all batches."""
    found = []
    for _ in range(count):
        found.append([])
        for batch in it:
            labels = batch.label[0].asnumpy().astype(int)
            assert (batch.data[0].asnumpy()[:, 0, 0, 0] == labels).all() and (batch.index == 7 * labels).all()
            found[-1].append((labels.tolist(), batch.pad))
        it.reset()
    return found


class TestOrder:
    def test_round_batch_is_mxnets(self, ten: str) -> None:
        first = [([0, 1, 2, 3], 0), ([4, 5, 6, 7], 0), ([8, 9, 0, 1], 2)]
        assert epochs(make(ten), 3) == [first, [([2, 3, 4, 5], 0), ([6, 7, 8, 9], 0)], first]
        assert epochs(make(ten, round_batch=False), 2) == [[*first[:2], ([8, 9, 6, 7], 2)]] * 2
        assert epochs(make(ten, 12), 2) == [[([*range(10), 0, 1], 2)], [([*range(2, 10), 0, 1, 2, 3], 4)]]

    @pytest.mark.parametrize("indexed", [False, True])
    def test_shuffling_goes_through_all_in_a_new_order(self, ten: str, indexed: bool) -> None:
        more: dict[str, Any] = {"path_imgidx": ten.replace(".rec", ".idx")} if indexed else {}
        found = epochs(make(ten, shuffle=True, seed=3, **more), 4)
        order = [label for labels, _ in chain(*found) for label in labels]
        rounds = [order[i : i + 10] for i in range(0, 40, 10)]
        assert all(sorted(r) == list(range(10)) for r in rounds) and len({tuple(r) for r in rounds}) == 4
        assert epochs(make(ten, shuffle=True, seed=3, preprocess_threads=1, prefetch_buffer=0, **more), 4) == found
        assert (
            epochs(make(ten, shuffle=True, seed=4, **more), 4) != found != epochs(make(ten, shuffle=True, seed=3, shuffle_chunk_seed=1), 4)
        )

    def test_an_epoch_that_is_left_early(self, ten: str) -> None:
        it = make(ten)
        next(it), it.reset()
        assert epochs(it)[0][0] == ([0, 1, 2, 3], 0)

    def test_parts_are_mxnets(self, ten: str, tmp_path: Path) -> None:
        rng = numpy.random.RandomState(0)  # sizes as in the files that MXNet was asked about
        noisy = write(tmp_path / "noisy.rec", [rng.randint(0, 256, (8 + k % 3, 10, 3)).astype(numpy.uint8) for k in range(10)])

        def parts(**more: Any) -> list[list[int]]:
            them = [make(noisy, 1, num_parts=3, part_index=i, **more) for i in range(3)]
            return [[int(batch.label[0].asnumpy()[0]) for batch in it] for it in them]

        assert parts() == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
        assert parts(path_imgidx=noisy.replace(".rec", ".idx")) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        with pytest.raises(ArgumentError, match=r"a part_index from 0 to below num_parts=2; got 2"):
            make(ten, num_parts=2, part_index=2)
        with pytest.raises(ArgumentError, match="at least one sample; got none in this part"):
            make(ten, num_parts=40, part_index=39, path_imgidx=ten.replace(".rec", ".idx"))

    def test_parts_of_ranks_have_as_many_batches(self, tmp_path: Path) -> None:
        rng = numpy.random.RandomState(0)
        noisy = write(tmp_path / "noisy.rec", [rng.randint(0, 256, (8 + k % 3, 10, 3)).astype(numpy.uint8) for k in range(10)])
        three = communicate.Communicator()
        three.size = 3
        alone = communicate.replace_world(three)
        try:
            for more in ({}, {"path_imgidx": noisy.replace(".rec", ".idx")}):
                them = [make(noisy, 1, num_parts=3, part_index=i, **more) for i in range(3)]
                labels = [[int(batch.label[0].asnumpy()[0]) for batch in it] for it in them]
                assert [len(own) for own in labels] == [4, 4, 4] and sorted({n for own in labels for n in own}) == list(range(10))
        finally:
            communicate.replace_world(alone)

    def test_a_folder_of_files(self, tmp_path: Path) -> None:
        for name in ("b", "a"):
            write(tmp_path / f"{name}.rec", [numpy.full((8, 10, 3), ord(name), numpy.uint8)] * 2)
            (tmp_path / f"{name}.idx").unlink()
        batch = make(str(tmp_path)).next()
        assert batch.data[0].asnumpy()[:, 0, 0, 0].tolist() == [97, 97, 98, 98]


class TestLabels:
    def test_several(self, tmp_path: Path) -> None:
        path = write(tmp_path / "m.rec", [numpy.zeros((8, 10, 3), numpy.uint8)] * 2, [[0, 0.5, 2], [1, 1.5, 2]])
        it = make(path, 2, label_width=3)
        assert it.provide_label == [("softmax_label", (2, 3))]
        assert it.next().label[0].asnumpy().tolist() == [[0, 0.5, 2], [1, 1.5, 2]]
        with pytest.raises(
            FileFormatError,
            match=r"expected 2 numbers as a label; got 3 of the record at byte 0 of .*m.rec; at test_io_images.py.*label_width=3",
        ):
            make(path, label_width=2).next()

    def test_a_list_stands_for_those_of_the_records(self, ten: str, tmp_path: Path) -> None:
        (tmp_path / "l.lst").write_text("".join(f"{7 * i}\t{i + 100}\tx.jpg\n" for i in range(10)))
        assert make(ten, path_imglist=tmp_path / "l.lst").next().label[0].asnumpy().tolist() == [100, 101, 102, 103]
        (tmp_path / "l.lst").write_text("0\t5\tx.jpg\n")
        with pytest.raises(
            FileFormatError, match=r"labels in path_imglist for each record; got none for the id 7 of the record at byte \d+"
        ):
            make(ten, path_imglist=tmp_path / "l.lst").next()
        (tmp_path / "l.lst").write_text("0\t5\t6\tx.jpg\n")
        with pytest.raises(FileFormatError, match=r"1 numbers as a label; got 2 of the record at byte 0 of .*ten.rec"):
            make(ten, path_imglist=tmp_path / "l.lst").next()
        with pytest.raises(FileFormatError, match="a list of images; got 'nowhere'"):
            make(ten, path_imglist="nowhere")


class TestPixels:
    @pytest.mark.parametrize(
        "number", range(len(CASES)), ids=lambda n: "-".join(f"{k}={v}" for k, v in CASES[n][2].items()) or str(CASES[n][1])
    )
    def test_what_is_not_random_is_mxnets(self, number: int, tmp_path: Path) -> None:
        name, shape, parameters = CASES[number]
        result = make(write(tmp_path / "x.rec", [IMAGES[name]]), 1, data_shape=tuple(shape), **parameters).next().data[0].asnumpy()[0]
        difference = abs(result - RECORD[f"out{number}"])
        if WARPS & set(parameters):  # which OpenCV has come to do more exactly since
            assert difference.mean() < 0.5 and difference.max() < 8
        else:
            assert difference.max() < 1e-4

    def test_dtypes(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.rec", [numpy.full((8, 10, 3), (60, 200, 10), numpy.uint8)])
        kinds: list[tuple[Any, dict[str, Any], Any, list[int]]] = [
            (io.ImageRecordIter, {}, numpy.float32, [60, 200, 10]),
            (io.ImageRecordIter, {"dtype": "uint8"}, numpy.uint8, [60, 200, 10]),
            (io.ImageRecordUInt8Iter, {}, numpy.uint8, [60, 200, 10]),
            (io.ImageRecordInt8Iter, {}, numpy.int8, [60, 127, 10]),
            (io.ImageRecordInt8Iter, {"mean_r": 100, "mean_g": 100, "mean_b": 100}, numpy.int8, [-40, 100, -90]),
            (io.ImageRecordIter_v1, {}, numpy.float32, [60, 200, 10]),
            (io.ImageRecordUInt8Iter_v1, {}, numpy.uint8, [60, 200, 10]),
        ]
        for kind, more, dtype, values in kinds:
            it = make(path, 1, kind, **more)
            assert it.provide_data[0].dtype == dtype
            result = it.next().data[0].asnumpy()
            assert result.dtype == dtype and result[0, :, 3, 3].tolist() == values

    def test_four_channels(self, tmp_path: Path) -> None:
        image = numpy.concatenate([pattern(8, 10), numpy.full((8, 10, 1), 77, numpy.uint8)], axis=2)
        path = write(tmp_path / "x.rec", [image])
        batch = make(path, 1, data_shape=(4, 8, 10), mean_a=7).next().data[0].asnumpy()[0]
        assert (batch[3] == 70).all()
        assert (batch[:3] == numpy.moveaxis(image, -1, 0)[:3]).all()

    def test_the_mean_image(self, ten: str, tmp_path: Path) -> None:
        path = str(tmp_path / "mean.params")
        computed = make(ten, mean_img=path).next().data[0].asnumpy()
        assert nd.load(path)["mean_img"].shape == (3, 8, 10) and (nd.load(path)["mean_img"].asnumpy() == 4.5).all()
        assert (computed[:, 0, 0, 0] == numpy.arange(4) - 4.5).all()
        nd.save(path, {"mean_img": nd.ones((3, 8, 10))})
        assert (make(ten, mean_img=path, scale=2).next().data[0].asnumpy()[:, 0, 0, 0] == 2 * (numpy.arange(4) - 1)).all()
        nd.save(path, {"mean_img": nd.ones((3, 8, 8))})
        with pytest.raises(FileFormatError, match=r"an array mean_img of \(3, 8, 10\) in .*mean.params; got one of \(3, 8, 8\)"):
            make(ten, mean_img=path)


def drawn(image: Image, count: int, size: tuple[int, int] = (32, 24), **parameters: Any) -> list[Image]:
    """An image after random changes, ``count`` times."""
    changes = ImageChanges(size, **parameters)
    found = []
    for i in range(count):
        seed_host(i)
        found.append(changes.pixels(image))
    return found


class TestRandom:
    def test_windows_reach_every_place(self) -> None:
        image = IMAGES["A"]
        places = {
            (y, x)
            for cut in drawn(image, 400, (30, 22), rand_crop=True)
            for y in range(3)
            for x in range(3)
            if (image[y : y + 22, x : x + 30] == cut).all()
        }
        assert places == {(y, x) for y in range(3) for x in range(3)}

    def test_areas_and_ratios_are_mxnets(self) -> None:
        """The ratio is drawn between its limits, then turned round half of the time."""
        ys, xs = numpy.mgrid[0:256, 0:256]
        image = numpy.stack([xs, ys, ys], -1).astype(numpy.uint8)
        cuts = drawn(
            image,
            600,
            (64, 64),
            random_resized_crop=True,
            min_random_area=0.1,
            max_random_area=0.1,
            min_aspect_ratio=0.25,
            max_aspect_ratio=4,
        )
        widths, heights = (numpy.array([float(c[r].max()) - float(c[r].min()) for c in cuts]) for r in (numpy.s_[..., 0], numpy.s_[..., 1]))
        ratios = widths / heights
        assert abs(widths * heights / 65536 - 0.1).max() < 0.01
        numpy.testing.assert_allclose(numpy.quantile(ratios, [0, 0.25, 0.5, 0.75, 1]), [0.25, 0.44, 1, 2.3, 4.1], rtol=0.25)

    def test_turns_shears_and_scales_stay_in_their_ranges(self) -> None:
        image = IMAGES["A"]
        fixed = [ImageChanges((32, 24), rotate=a).pixels(image) for a in range(1, 6)]
        turned = drawn(image, 60, max_rotate_angle=5)
        assert {i for t in turned for i, f in enumerate(fixed) if (t == f).all()} == set(range(5))
        assert any((t == image).all() for t in turned)
        for parameters in ({"max_shear_ratio": 0.2}, {"min_random_scale": 1.0, "max_random_scale": 1.4}, {"max_aspect_ratio": 0.3}):
            results = drawn(image, 20, **parameters)
            assert len({r.tobytes() for r in results}) > 10 and all(r.shape == image.shape for r in results)
            assert all(abs(r[8:16, 12:20].astype(int) - image[8:16, 12:20]).mean() < 60 for r in results)  # the middle stays about there

    def test_colours(self) -> None:
        image = numpy.full((8, 8, 3), (110, 140, 100), numpy.uint8)
        image[4:] = (150, 120, 90)
        for name, change in (("brightness", colours.brightness), ("contrast", colours.contrast), ("saturation", saturated)):
            results = drawn(image, 40, (8, 8), **{name: 0.4})
            possible = numpy.stack([change(image, factor) for factor in numpy.linspace(0.6, 1.4, 801)])
            assert all((abs(possible.astype(int) - r) <= 1).all(axis=(1, 2, 3)).any() for r in results)
            assert len({r.tobytes() for r in results}) > 20
        assert abs(saturated(image, 1.3).astype(int) - colours.saturation(image, 1.3)).max() <= 1
        assert (moved_in_hls(image, 0, 0, 0).astype(int) - image).max() <= 2
        moved = {m.tobytes() for m in (moved_in_hls(image, h, 0, 0) for h in range(-9, 10))}
        assert {r.tobytes() for r in drawn(image, 200, (8, 8), random_h=9)} <= moved
        light = moved_in_hls(image, 0, 255, 0)
        assert (light == 255).all() and (moved_in_hls(image, 0, 0, -255).std(axis=2) < 1).all()
        noise = numpy.array([r[0, 0].astype(float) - image[0, 0] for r in drawn(image, 500, (8, 8), pca_noise=0.3)])
        assert numpy.cov(noise.T) == pytest.approx(numpy.array([[90, 91, 91], [91, 94, 94], [91, 94, 95]]), rel=0.25)
        gray = numpy.full((8, 8, 1), 9, numpy.uint8)
        assert (drawn(gray, 1, (8, 8), brightness=0.4, random_h=9, pca_noise=1)[0] == 9).all()

    def test_numbers(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.rec", [numpy.full((8, 10, 3), 100, numpy.uint8)])
        values = make(path, 200, max_random_contrast=0.3, max_random_illumination=20, mean_r=40, mean_g=40, mean_b=40, scale=0.5).next()
        spread = values.data[0].asnumpy()[:, 0, 0, 0]
        assert spread.min() >= (60 * 0.7 - 20) / 2 and spread.max() <= (60 * 1.3 + 20) / 2 and spread.std() > 5
        flips = make(write(tmp_path / "y.rec", [pattern(8, 10)]), 100, rand_mirror=True).next().data[0].asnumpy()
        mirrored = [(f == numpy.moveaxis(pattern(8, 10)[:, ::-1], -1, 0)).all() for f in flips]
        assert 30 < sum(mirrored) < 70

    def test_draws_are_the_same_in_any_number_of_threads(self, ten: str) -> None:
        def run(**more: Any) -> list[bytes]:
            it = make(ten, data_shape=(3, 6, 6), rand_crop=True, brightness=0.5, rand_mirror=True, max_random_illumination=9, **more)
            found = [batch.data[0].asnumpy().tobytes() for batch in it]
            it.reset()
            return found + [batch.data[0].asnumpy().tobytes() for batch in it]

        assert run(seed_aug=5) == run(seed_aug=5, preprocess_threads=1, prefetch_buffer=0) != run(seed_aug=6)
        hn.random.seed(3)
        first = run()
        hn.random.seed(3)
        assert run() == first != run()


class TestMemory:
    def test_buffers_are_used_again_once_nobody_holds_them(self) -> None:
        buffers = Buffers((2, 2), numpy.float32)
        first, second = buffers.take(), buffers.take()
        assert not numpy.shares_memory(first, second)
        kept, address = first[0], first.ctypes.data
        del first
        assert buffers.take().ctypes.data != address  # a view of it is left
        del kept
        assert buffers.take().ctypes.data == address

    def test_a_batch_that_is_kept_stays_as_it_is(self, ten: str) -> None:
        it, kept = make(ten, 2, prefetch_buffer=1), []
        for _ in range(4):
            kept += [(batch.data[0], batch.data[0].asnumpy().copy()) for batch in it]
            it.reset()
        assert len(kept) == 20 and all((x.asnumpy() == y).all() for x, y in kept)
        del kept
        made = len(it._pipeline._data._made)
        for _ in range(4):
            list(it), it.reset()
        assert len(it._pipeline._data._made) == made

    def test_threads_end_with_the_iterator(self, ten: str) -> None:
        it = make(ten)
        next(it)
        assert any("ImageRecordIter" in thread.name for thread in threading.enumerate())
        del it
        gc.collect()
        for thread in [t for t in threading.enumerate() if "ImageRecordIter" in t.name]:
            thread.join(5)
            assert not thread.is_alive()


class TestErrors:
    def test_broken_records(self, ten: str, tmp_path: Path) -> None:
        path = tmp_path / "x.rec"
        with MXIndexedRecordIO(path.with_suffix(".idx"), path, "w") as file:
            file.write_idx(0, pack((0, 1.0, 0, 0), encoded(IMAGES["A"])))  # type: ignore[attr-defined]
            file.write_idx(1, pack((0, 1.0, 5, 0), b"no image"))  # type: ignore[attr-defined]
        it = make(str(path), 1)
        next(it)
        with pytest.raises(
            FileFormatError, match=r"an encoded image .*got 8 bytes that OpenCV cannot decode.*record at byte \d+ of .*x.rec; at test_io"
        ):
            next(it)
        whole = Path(ten).read_bytes()
        path.write_bytes(whole[:-30])
        with pytest.raises(FileFormatError, match=r"got \d+ bytes, then the end of the file, at byte \d+ of .*x.rec"):
            make(str(path))
        with pytest.raises(FileFormatError, match=r"an index of records; got 'nowhere', which is not there; .*rec2idx"):
            make(ten, path_imgidx="nowhere")
        with pytest.raises(FileFormatError, match=r"bytes in four channels; got uint8 of shape \(8, 10, 3\), in the record at byte 0 of"):
            make(ten, data_shape=(4, 8, 10)).next()

    @pytest.mark.parametrize(
        ("more", "error", "message"),
        [
            ({"rand_corp": True}, SignatureError, r"a parameter that it has; got 'rand_corp'; .*try rand_crop="),
            ({"dtype": "float16"}, DtypeError, "a dtype of float32, uint8 or int8; got 'float16'"),
            ({"data_shape": (2, 8, 8)}, ShapeError, r"of 1, 3 or 4 channels; got \(2, 8, 8\)"),
            ({"data_shape": (8, 8)}, ShapeError, r"\(channels, height, width\)"),
            ({"batch_size": 0}, ArgumentError, "a batch_size of 1 or more"),
            ({"preprocess_threads": 0}, ArgumentError, "preprocess_threads of 1 or more"),
            ({"aug_seq": "aug_default,mine"}, ArgumentError, "aug_seq='aug_default'"),
            ({"dtype": "uint8", "mean_r": 3}, ArgumentError, "images as uint8, which are not normalized"),
            ({"dtype": "int8", "scale": 3}, ArgumentError, "images as int8, which are not normalized"),
            ({"std_g": 0}, ArgumentError, r"standard deviations above 0; got std_r=1, std_g=0, std_b=1"),
            ({"random_resized_crop": True, "rand_crop": True}, ArgumentError, "random_resized_crop without rand_crop"),
            ({"min_crop_size": 9, "max_crop_size": 3}, ArgumentError, "max_crop_size of at least min_crop_size; got 3 and 9"),
            ({"min_aspect_ratio": 2, "max_aspect_ratio": 1}, ArgumentError, "max_aspect_ratio of at least min_aspect_ratio"),
        ],
    )
    def test_wrong_parameters(self, ten: str, more: dict[str, Any], error: type[HybridnetError], message: str) -> None:
        with pytest.raises(error, match=rf"\[ImageRecordIter\] expected .*{message}" if error is not SignatureError else message):
            make(ten, **more)

    def test_what_no_image_has_room_for(self, ten: str) -> None:
        with pytest.raises(ArgumentError, match=r"images of at least 20×20, to be cut so; got 10×8"):
            make(ten, min_crop_size=20, max_crop_size=20).next()
        with pytest.raises(ArgumentError, match="a scale that leaves a pixel"):
            make(ten, min_random_scale=0.01, max_random_scale=0.01).next()
