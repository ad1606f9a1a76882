"""``ImageIter``: the batches that MXNet 1.9.1 gives, from records, lists and files, and what cannot be read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.image_files import COUNT, picture, write_files

import hybridnet as hn
from hybridnet import image
from hybridnet.errors import ArgumentError, FileFormatError, HybridnetError
from hybridnet.gluon import nn
from hybridnet.image.samples import image_of_record
from hybridnet.recordio import MXIndexedRecordIO

cv2 = pytest.importorskip("cv2")
SHAPE = (3, 16, 16)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    write_files(tmp_path)
    return tmp_path


def sources(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        "rec": {"path_imgrec": str(folder / "a.rec")},
        "idx": {"path_imgrec": str(folder / "a.rec"), "path_imgidx": str(folder / "a.idx")},
        "lst": {"path_imglist": str(folder / "a.lst"), "path_root": str(folder)},
        "both": {"path_imgrec": str(folder / "a.rec"), "path_imgidx": str(folder / "a.idx"), "path_imglist": str(folder / "a.lst")},
        "list": {"imglist": [[i % 3, f"{i}.png"] for i in range(COUNT)], "path_root": str(folder)},
    }


def epoch(it: Any) -> list[tuple[list[int], list[float], int]]:
    """Of each batch the numbers of its images, its labels and its padding."""
    found = []
    for batch in it:
        (data,), (label,) = batch.data, batch.label
        assert data.shape == tuple(it.provide_data[0].shape) and data.dtype == np.float32
        assert label.shape == tuple(it.provide_label[0].shape)
        values = data.asnumpy()
        assert (values == values[:, :1, :1, :1]).all()
        found.append(((values[:, 0, 0, 0] / 10).astype(int).tolist(), label.tolist(), batch.pad))
    return found


@pytest.mark.parametrize("source", ["rec", "idx", "lst", "both", "list"])
def test_epochs(folder: Path, source: str) -> None:
    given = sources(folder)[source]
    whole = [([0, 1, 2], [0.0, 1, 2], 0), ([3, 4, 5], [0.0, 1, 2], 0)]
    it = image.ImageIter(3, SHAPE, **given)
    for _ in range(2):
        assert epoch(it) == [*whole, ([6, 0, 1], [0.0, 0, 1], 2)]
        assert epoch(it) == []
        it.reset()
    assert (it.provide_data, it.provide_label) == ([("data", (3, *SHAPE))], [("softmax_label", (3,))])
    it = image.ImageIter(3, SHAPE, last_batch_handle="discard", **given)
    assert epoch(it) == whole
    it.reset()
    assert epoch(it) == whole
    it = image.ImageIter(3, SHAPE, last_batch_handle="roll_over", **given)
    assert epoch(it) == whole
    it.reset()
    assert epoch(it) == [([6, 0, 1], [0.0, 0, 1], 0), ([2, 3, 4], [2.0, 0, 1], 0)]
    it.reset()
    assert epoch(it)[0] == ([5, 6, 0], [2.0, 0, 0], 0)
    it.hard_reset()
    assert epoch(it) == whole


def test_a_batch_larger_than_all(folder: Path) -> None:
    assert epoch(image.ImageIter(16, SHAPE, **sources(folder)["idx"])) == [
        ([*range(7), *range(7), 0, 1], [0.0, 1, 2, 0, 1, 2, 0, 0, 1, 2, 0, 1, 2, 0, 0, 1], 9)
    ]


def test_shuffled_by_the_seed_and_in_parts(folder: Path) -> None:
    def orders(seed: int, **more: Any) -> list[list[int]]:
        hn.random.seed(seed)
        it = image.ImageIter(1, SHAPE, shuffle=True, **sources(folder)["idx"], **more)
        found = []
        for _ in range(3):
            found.append([numbers[0] for numbers, _, _ in epoch(it)])
            it.reset()
        return found

    first = orders(1)
    assert first == orders(1) != orders(2)
    assert all(sorted(order) == list(range(7)) for order in first) and first[0] != first[1]
    assert sorted(orders(1, num_parts=2, part_index=1)[0]) == [3, 4, 5]
    parts = [epoch(image.ImageIter(1, SHAPE, num_parts=3, part_index=i, **sources(folder)["lst"])) for i in range(3)]
    assert [[numbers[0] for numbers, _, _ in part] for part in parts] == [[0, 1], [2, 3], [4, 5]]


def test_several_labels(tmp_path: Path) -> None:
    write_files(tmp_path, labels=[[i, i + 1] for i in range(COUNT)])
    for source in ("idx", "lst"):
        it = image.ImageIter(2, SHAPE, label_width=2, **sources(tmp_path)[source])
        assert it.next().label[0].tolist() == [[0, 1], [1, 2]]
    flat = [[i, i + 1, f"{i}.png"] for i in range(3)]
    it = image.ImageIter(3, SHAPE, label_width=2, imglist=flat, path_root=str(tmp_path), dtype="int32")
    assert it.next().label[0].dtype == np.int32
    with pytest.raises(FileFormatError, match=r"1 numbers as a label; got 2 of the record of key 0 of .*a\.rec.*label_width=2"):
        image.ImageIter(2, SHAPE, **sources(tmp_path)["idx"]).next()


def test_augmented_and_gray(folder: Path) -> None:
    given = sources(folder)["idx"]
    values = image.ImageIter(2, SHAPE, mean=True, std=True, **given).next().data[0].asnumpy()
    np.testing.assert_allclose(values[1, :, 0, 0], (10 - image.colours.MEAN) / image.colours.STD, rtol=1e-5)
    assert epoch(image.ImageIter(7, (1, 16, 16), **given))[0][0] == list(range(7))
    assert epoch(image.ImageIter(7, SHAPE, aug_list=[image.ForceResizeAug((16, 16))], **given))[0][0] == list(range(7))
    with pytest.raises(
        HybridnetError, match=r"height, width\) \(3, 16, 16\); got one of \(3, 20, 24\) from the record of key 0 of .*a.rec"
    ):
        image.ImageIter(2, SHAPE, aug_list=[], **given).next()


def test_hooks_of_subclasses(folder: Path) -> None:
    class Doubled(image.ImageIter):
        def augmentation_transform(self, data: Any) -> Any:
            return super().augmentation_transform(data) * 2

        def postprocess_data(self, datum: Any) -> Any:
            return super().postprocess_data(datum) + 1

    values = Doubled(3, SHAPE, **sources(folder)["lst"]).next().data[0].asnumpy()
    assert values[:, 0, 0, 0].tolist() == [1, 21, 41]
    it = image.ImageIter(3, SHAPE, **sources(folder)["lst"])
    assert it.next_sample()[0] == [0.0]
    decoded = it.imdecode(it.read_image("1.png"))
    assert decoded.shape == (21, 24, 3) and it.postprocess_data(decoded).shape == (3, 21, 24)


def test_fit_takes_one(folder: Path) -> None:
    """Whatever trains takes it: batches are what ``io`` gives."""
    net = nn.HybridSequential()
    net.add(nn.Flatten(), nn.Dense(3))
    net.initialize()
    for batch in image.ImageIter(3, SHAPE, **sources(folder)["rec"]):
        assert net(batch.data[0]).shape == (3, 3)


# -- what cannot be read ------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["rec", "idx", "lst"])
def test_a_broken_image(tmp_path: Path, source: str) -> None:
    write_files(tmp_path, broken=4)
    given = sources(tmp_path)[source]
    it = image.ImageIter(3, SHAPE, **given)
    it.next()
    where = {"rec": r"the record at byte \d+ of .*a\.rec", "idx": r"the record of key 4 of .*a\.rec", "lst": r".*4\.png"}[source]
    with pytest.raises(FileFormatError, match=f"expected an encoded image.*8 bytes that OpenCV cannot decode.*in {where}"):
        it.next()
    it = image.ImageIter(3, SHAPE, strict=False, **given)
    with pytest.warns(UserWarning, match=f"in {where}.*Passed over, as strict=False asks"):
        assert [numbers for numbers, _, _ in epoch(it)] == [[0, 1, 2], [3, 5, 6]]


def test_a_broken_record(folder: Path) -> None:
    """Without an index, what cannot be read is passed over too, not tried again."""
    data = bytearray((folder / "a.rec").read_bytes())
    data[MXIndexedRecordIO(folder / "a.idx", folder / "a.rec", "r").idx[3]] ^= 255
    (folder / "a.rec").write_bytes(data)
    for source in ("rec", "idx"):
        it = image.ImageIter(3, SHAPE, strict=False, **sources(folder)[source])
        with pytest.warns(UserWarning, match="Passed over"):
            assert [numbers for numbers, _, _ in epoch(it)] == [[0, 1, 2], [4, 5, 6]]
        it = image.ImageIter(3, SHAPE, **sources(folder)[source])
        it.next()
        with pytest.raises(FileFormatError, match="expected a record, which begins with"):
            it.next()


def test_a_missing_file(folder: Path) -> None:
    (folder / "2.png").unlink()
    it = image.ImageIter(3, SHAPE, **sources(folder)["lst"])
    with pytest.raises(FileNotFoundError, match=r"2\.png"):
        it.next()
    it = image.ImageIter(3, SHAPE, strict=False, **sources(folder)["lst"])
    with pytest.warns(UserWarning, match=r"2\.png"):
        assert epoch(it)[0][0] == [0, 1, 3]


def test_nothing_that_can_be_read(tmp_path: Path) -> None:
    """An end, not an endless search for something to pad with."""
    write_files(tmp_path, broken=0)
    it = image.ImageIter(3, SHAPE, strict=False, imglist=[[1, "0.png"]], path_root=str(tmp_path))
    with pytest.warns(UserWarning, match="Passed over"):
        assert epoch(it) == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("0\tcat\t0.png\n", r"with tabs between; got '0\\tcat\\t0.png' in line 1 of .*b\.lst"),
        ("0\t1\t0.png\n\n1\t1.png\n", r"got '1\\t1.png' in line 3"),
        ("", r"one image or more; got none"),
    ],
)
def test_lists(folder: Path, lines: str, said: str) -> None:
    (folder / "b.lst").write_text(lines)
    with pytest.raises(HybridnetError, match=said):
        image.ImageIter(3, SHAPE, path_imglist=str(folder / "b.lst"), path_root=str(folder))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "path_imgrec, path_imglist or imglist; got none"),
        ({"path_imgrec": "a.rec", "shuffle": True}, r"an index, for shuffle.*rec2idx"),
        ({"path_imgrec": "a.rec", "num_parts": 2}, "an index"),
        ({"path_imgrec": "a.rec", "path_imgidx": "a.idx", "num_parts": 2, "part_index": 2}, "part_index < num_parts; got part_index 2"),
        ({"path_imgrec": "a.rec", "last_batch_handle": "keep"}, "pad, discard, roll_over; got 'keep'"),
        ({"path_imgrec": "a.rec", "data_shape": (16, 16)}, r"\(channels, height, width\) with 1 or 3 channels; got \(16, 16\)"),
        ({"path_imgrec": "a.rec", "batch_size": 0}, "batch_size of 1 or more"),
        ({"imglist": [["0.png"]]}, r"entries \[label, file\]; got \['0.png'\] as number 1"),
        ({"imglist": [["cat", "0.png"]]}, None),
    ],
)
def test_made_wrongly(folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], said: str | None) -> None:
    monkeypatch.chdir(folder)
    arguments = {"batch_size": 3, "data_shape": SHAPE, **arguments}
    if said is None:
        with pytest.raises(FileFormatError, match=r"a label of numbers; got 'cat' of 0\.png"):
            image.ImageIter(**arguments).next()
        return
    with pytest.raises(ArgumentError, match=said):
        image.ImageIter(**arguments)


def test_one_record(folder: Path) -> None:
    """What iterators with threads of their own call for each sample."""
    record = MXIndexedRecordIO(folder / "a.idx", folder / "a.rec", "r").read_idx(5)
    header, found = image_of_record(record, image.CreateAugmenter(SHAPE))
    assert header.label == 2 and found.dtype == np.float32
    np.testing.assert_array_equal(found, picture(5)[:16, :16])
    with pytest.raises(FileFormatError, match=r"\(in record 5 of a\.rec\)"):
        image_of_record(record[:10], source="record 5 of a.rec")
