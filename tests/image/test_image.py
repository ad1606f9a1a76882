"""``mx.image``: values beside MXNet 1.9.1's, classes of results, chance, and what is no image."""

import json
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.image_values import MXNET, PICTURE, array, close

import hybridnet as hn
from hybridnet import image
from hybridnet.core import random as core_random
from hybridnet.errors import ArgumentError, DtypeError, FileFormatError, ShapeError
from hybridnet.image import colours, pixels
from hybridnet.opencv import library
from hybridnet.util import np_array

cv2 = pytest.importorskip("cv2")


class Fixed:
    """A generator that always draws the same."""

    def __init__(self) -> None:
        self.normals = iter((0.3, -0.2, 0.1))

    def uniform(self, low: float, high: float) -> float:
        return low + 0.37 * (high - low)

    def random(self) -> float:
        return 0.37

    def gauss(self, mean: float, deviation: float) -> float:
        return mean + deviation * next(self.normals)


@pytest.fixture(name="fixed")
def _fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    core_random.host()
    monkeypatch.setattr(core_random._host, "generator", Fixed())


# -- values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("interp", range(5))
@pytest.mark.parametrize("size", [(7, 6), (30, 21), (30, 7)])
def test_resize(interp: int, size: tuple[int, int]) -> None:
    """To the bit but for the cubic, which newer versions of OpenCV round otherwise."""
    close(image.imresize(array(), *size, interp), "_".join(map(str, ("resize", interp, *size))), 1 if interp == 2 else 0)


@pytest.mark.parametrize("kind", range(5))
def test_border(kind: int) -> None:
    close(image.copyMakeBorder(array(), 1, 2, 3, 4, kind), f"border_{kind}")
    if not kind:
        close(image.copyMakeBorder(array(), 1, 2, 3, 4, values=(1, 2, 3)), "border_values")
        assert image.copyMakeBorder(array(), 1, 0, 0, 0, value=7).asnumpy()[0].tolist() == [[7] * 3] * 18


def test_sizes_and_windows() -> None:
    for size in (9, 15, 40):
        close(image.resize_short(array(), size, 9), f"short_{size}", 1 if size == 40 else 0)
    close(image.fixed_crop(array(), 2, 3, 10, 8, (5, 6), 1), "fixed")
    cut, window = image.center_crop(array(), (9, 4), 1)
    close(cut, "center")
    assert window == (4, 5, 9, 4)
    cut, window = image.center_crop(array(), (30, 40), 1)
    close(cut, "center_large")
    assert window == (3, 0, 11, 15)
    sizes = [((640, 427), (700, 300)), ((640, 480), (720, 120)), ((100, 50), (40, 40)), ((100, 50), (200, 200)), ((3, 100), (4, 200))]
    assert [image.scale_down(*pair) for pair in sizes] == [(640, 274), (640, 106), (40, 40), (50, 50), (2, 100)]  # MXNet's
    assert image.resize_short(array(), 1).shape == (1, 1, 3)


@pytest.mark.parametrize("degrees", [30, -100])
@pytest.mark.parametrize("zoom", [(0, 0), (1, 0), (0, 1)])
def test_rotation(degrees: int, zoom: tuple[int, int]) -> None:
    tensor = array(MXNET["ToTensor"], hn.nd)
    name = "_".join(map(str, ("rotate", degrees, *zoom)))
    close(image.imrotate(tensor, degrees, *map(bool, zoom)), name, 1e-5)
    batch = hn.nd.stack(tensor, tensor * 0)
    both = image.imrotate(batch, hn.nd.array([degrees, 5]), *map(bool, zoom)).asnumpy()
    close(both[0], name, 1e-5)
    assert not both[1].any()


def test_normalized() -> None:
    for statistics in (hn.nd.array([1, 2, 3]), np.array([1, 2, 3])):
        close(image.color_normalize(array(cls=hn.nd).astype("float32"), statistics, statistics + 3), "normalized", 1e-4)

        close(image.ColorNormalizeAug(statistics, statistics + 3)(array(cls=hn.nd).astype("float32")), "normalized", 1e-4)
    close(image.ColorNormalizeAug(np.array([1, 2, 3]), None)(array()) / hn.np.array([4, 5, 6]), "normalized", 1e-4)
    assert image.ColorNormalizeAug(None, np.array([2.0]))(array(PICTURE[..., :1].copy())).asnumpy().ravel()[0] == PICTURE.ravel()[0] / 2


@pytest.mark.usefixtures("fixed")
@pytest.mark.parametrize(
    ("augmenter", "tolerance"),
    [
        (image.BrightnessJitterAug(0.5), 1e-4),
        (image.ContrastJitterAug(0.5), 1e-4),
        (image.SaturationJitterAug(0.5), 1e-4),
        (image.HueJitterAug(0.5), 2e-4),
        (image.LightingAug(0.5, np.array(colours.PCA_VALUES), np.array(colours.PCA_VECTORS)), 1e-4),
        (image.RandomGrayAug(0.4), 1e-4),
        (image.HorizontalFlipAug(0.5), 0),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, image.Augmenter) else "",
)
def test_augmenters(augmenter: image.Augmenter, tolerance: float) -> None:
    source = array(cls=hn.nd).astype("float32")
    before = source.asnumpy()
    close(augmenter(source), type(augmenter).__name__, tolerance)
    assert isinstance(augmenter(source) if not isinstance(augmenter, image.LightingAug) else source, hn.nd.NDArray)
    np.testing.assert_array_equal(source.asnumpy(), before)


@pytest.mark.usefixtures("fixed")
def test_what_does_not_happen() -> None:
    for augmenter in (image.RandomGrayAug(0.3), image.HorizontalFlipAug(0.3)):
        np.testing.assert_array_equal(augmenter(array()).asnumpy(), PICTURE)


@pytest.mark.parametrize("kind", ["u8", "f32"])
@pytest.mark.parametrize("change", ["brightness", "contrast", "hue", "lighting"])
def test_colours(kind: str, change: str) -> None:
    """The same from pixels and from operators, as from MXNet; bytes may be one more or less, whose fraction is cut off."""
    source = PICTURE if kind == "u8" else PICTURE.astype(np.float32)
    tolerance = 2e-3 if kind == "f32" else 1
    if change == "lighting":
        close(colours.lighting(source, (0.3, -0.2, 0.1)), f"{kind}_lighting", tolerance)
        close(hn.nd.image.adjust_lighting(array(source, hn.nd), (0.3, -0.2, 0.1)), f"{kind}_lighting", tolerance)
        return
    for factor in (0.3, 1.3):
        close(getattr(colours, change)(source, factor), f"{kind}_{change}_{factor}", tolerance)
        operator = getattr(hn.npx.image, f"random_{change}")
        close(operator(array(source), factor, factor), f"{kind}_{change}_{factor}", tolerance)


def test_saturation() -> None:
    """Toward the gray that one sees; MXNet's operator takes the blue alone for it."""
    source = PICTURE.astype(np.float32)
    gray = (source @ np.array([0.299, 0.587, 0.114]))[..., None]
    expected = source * 0.4 + gray * 0.6
    np.testing.assert_allclose(colours.saturation(source, 0.4), expected, atol=1e-4)
    np.testing.assert_allclose(hn.nd.image.random_saturation(array(source), 0.4, 0.4).asnumpy(), expected, atol=1e-4)
    found = colours.saturation(PICTURE, 0.4)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.trunc(expected.astype(np.float32)))


# -- reading ----------------------------------------------------------------------------------------


def test_decoding(tmp_path: Path) -> None:
    encoded = cv2.imencode(".png", PICTURE[..., ::-1])[1].tobytes()
    (tmp_path / "a.png").write_bytes(encoded)
    buffers = (encoded, bytearray(encoded), memoryview(encoded), np.frombuffer(encoded, np.uint8), array(np.frombuffer(encoded, np.uint8)))
    for found in (*map(image.imdecode, buffers), image.imread(tmp_path / "a.png"), image.imread(str(tmp_path / "a.png"))):
        assert type(found) is hn.NDArray
        np.testing.assert_array_equal(found.asnumpy(), PICTURE)
    np.testing.assert_array_equal(image.imdecode(encoded, to_rgb=False).asnumpy(), PICTURE[..., ::-1])
    assert image.imdecode(encoded, flag=0).shape == (15, 18, 1)
    target = hn.np.zeros((15, 18, 3), dtype="uint8")
    assert image.imdecode(encoded, out=target) is target
    np.testing.assert_array_equal(target.asnumpy(), PICTURE)
    with np_array(False):
        assert type(image.imdecode(encoded)) is hn.nd.NDArray


def test_an_image_is_turned_as_its_camera_says() -> None:
    jpeg = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    tag = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(tag) + 2) + tag + jpeg[2:]
    np.testing.assert_array_equal(image.imdecode(turned).asnumpy(), np.rot90(image.imdecode(jpeg).asnumpy(), -1))


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"\[imdecode\] expected an encoded image.*got 4 bytes that OpenCV cannot decode.*b'junk'"):
        image.imdecode(b"junk")
    with pytest.raises(FileFormatError, match="got no bytes"):
        image.imdecode(b"")
    with pytest.raises(DtypeError, match=r"got a str.*try imread"):
        image.imdecode("a.png")
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(FileFormatError, match=r"in .*a\.png; at test_image.py"):
        image.imread(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match=r"nothing\.png"):
        image.imread("nothing.png")


def test_an_image_that_its_bytes_cannot_hold() -> None:
    """Small files that say they are large are refused at once; those that are large are not."""
    for kind, place in ((".png", 16), (".jpg", None)):
        encoded = bytearray(cv2.imencode(kind, PICTURE)[1].tobytes())
        if place is None:
            place = encoded.index(b"\xff\xc0") + 5
            encoded[place : place + 4] = b"\x70\x00\x70\x00"
        else:
            encoded[place : place + 8] = b"\0\0\x70\0\0\0\x70\0"
        with pytest.raises(FileFormatError, match="bytes that say they are 28672×28672 pixels"):
            image.imdecode(bytes(encoded))
    for chunk in (b"IDAT", b"IEND"):
        encoded = bytearray(cv2.imencode(".png", PICTURE)[1].tobytes())
        encoded[encoded.index(chunk) - 4] = 0x70
        with pytest.raises(FileFormatError, match=r"got \d+ bytes of a PNG of which 1879\d+ more are missing"):
            image.imdecode(bytes(encoded))
    blank = np.zeros((3000, 4000, 3), np.uint8)
    for kind, setting in ((".png", [cv2.IMWRITE_PNG_COMPRESSION, 9]), (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 1])):
        for options in (setting, [*setting, cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1]):
            assert image.imdecode(cv2.imencode(kind, blank, options)[1].tobytes()).shape == blank.shape


def test_nothing_to_turn_and_no_channels() -> None:
    """A batch of no images stays one; an image without channels has no border."""
    assert image.imrotate(hn.nd.zeros((0, 3, 4, 4)), []).shape == (0, 3, 4, 4)
    for kind in range(5):
        with pytest.raises(ShapeError, match=r"\[copyMakeBorder\] expected an image \(height, width, channels\); got \(4, 4\)"):
            image.copyMakeBorder(hn.np.zeros((4, 4)), 1, 1, 1, 1, kind)


def test_errors() -> None:
    with pytest.raises(ArgumentError, match=r"an interpolation 0 .nearest.*got 5"):
        image.imresize(array(), 3, 4, 5)
    with pytest.raises(ShapeError, match=r"of 1 or more; got \(0, 4\)"):
        image.imresize(array(), 0, 4)
    with pytest.raises(ShapeError, match=r"\(height, width, channels\); got \(15, 18\)"):
        image.imresize(array(PICTURE[..., 0]), 3, 4)
    with pytest.raises(DtypeError, match=r"got int64; .*float32"):
        image.imresize(array(PICTURE.astype(np.int64)), 3, 4)
    with pytest.raises(ShapeError, match="inside the image; got 3×3 at column 18, row 0 of one of 18×15"):
        image.fixed_crop(array(), 18, 0, 3, 3)
    with pytest.raises(ArgumentError, match="widths of 0 or more and a type 0 to 4; got top -1"):
        image.copyMakeBorder(array(), -1, 0, 0, 0)
    with pytest.raises(DtypeError, match="an image as an array; got a list"):
        image.imresize([[1]], 3, 4)
    with pytest.raises(DtypeError, match=r"float32 .*got uint8.*ToTensor"):
        image.imrotate(array(), 3)
    with pytest.raises(ArgumentError, match="zoom_in or zoom_out"):
        image.imrotate(array(MXNET["ToTensor"]), 3, True, True)
    with pytest.raises(ArgumentError, match="2 angles, one an image, or one for all; got 3 angles"):
        image.imrotate(hn.np.zeros((2, 3, 4, 4)), [1, 2, 3])
    with pytest.raises(ArgumentError, match="rand_crop with rand_resize"):
        image.CreateAugmenter((3, 4, 4), rand_resize=True)
    with pytest.raises(ArgumentError, match="mean=True, or 1 or 3 numbers"):
        image.CreateAugmenter((3, 4, 4), mean=[1, 2])
    with pytest.raises(hn.errors.TraceError, match="leave this part out of hybridize"):
        hn.jit(lambda x: image.imresize(x, 3, 4))(array())


def test_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_loaded", lambda: ImportError("none"))
    with pytest.raises(ImportError, match=r'expected OpenCV.*at test_image.py.*pip install "hybridnet\[image\]"'):
        image.imdecode(b"x")
    np.testing.assert_array_equal(pixels.flipped(PICTURE), PICTURE[:, ::-1])


# -- results ----------------------------------------------------------------------------------------


def test_results_share_nothing_with_what_is_given() -> None:
    for cls in (hn.np, hn.nd):
        source = array(cls=cls)
        for found in (image.fixed_crop(source, 0, 0, 9, 9), image.imresize(source, 18, 15), image.HorizontalFlipAug(0)(source)):
            assert type(found) is type(source)
            found[:] = 0
            np.testing.assert_array_equal(source.asnumpy(), PICTURE)


def test_on_a_gpu(emulated_gpu: Any) -> None:
    found = image.fixed_crop(hn.np.array(PICTURE, dtype="uint8", device=hn.gpu()), 2, 3, 10, 8, (5, 6), 1)
    assert found.device == hn.gpu()
    close(found, "fixed")


def test_one_channel_and_many() -> None:
    for channels in (PICTURE[..., :1], np.concatenate([PICTURE] * 2, -1)):
        found = image.imresize(array(np.ascontiguousarray(channels)), 7, 6).asnumpy()
        np.testing.assert_array_equal(
            found, (MXNET["resize_1_7_6"][..., :1] if channels.shape[-1] == 1 else np.tile(MXNET["resize_1_7_6"], 2))
        )
    assert image.CenterCropAug((20, 20))(array(np.ascontiguousarray(PICTURE[..., :1]))).shape == (20, 20, 1)
    np.testing.assert_array_equal(pixels.flipped(PICTURE[..., :1]), PICTURE[:, ::-1, :1])


def test_interpolations_that_are_chosen() -> None:
    assert [pixels.method(9, (10, 10), new) for new in ((20, 20), (5, 5), (20, 5), (10, 5))] == [2, 3, 1, 1]
    assert {pixels.method(10, (10, 10), (5, 5)) for _ in range(200)} == set(range(5))


# -- chance -----------------------------------------------------------------------------------------


def test_the_seed_decides() -> None:
    def run() -> list[Any]:
        augmenters = image.CreateAugmenter((3, 6, 7), 9, True, True, True, brightness=0.2, hue=0.3, pca_noise=0.1, rand_gray=0.5)
        hn.random.seed(5)
        return [image.SequentialAug(augmenters)(array()).asnumpy() for _ in range(4)]

    first, second = run(), run()
    np.testing.assert_array_equal(first, second)
    assert len({x.tobytes() for x in first}) == 4


def test_generators_of_the_host() -> None:
    """Each thread its own, all from the seed; a seed for one thread alone holds until the next for all."""

    def draws() -> dict[str, float]:
        found: dict[str, float] = {}
        for name in ("a", "b"):
            thread = threading.Thread(target=lambda name=name: found.setdefault(name, core_random.host().random()))
            thread.start()
            thread.join()
        return {"main": core_random.host().random(), **found}

    results = []
    for seed in (3, 3, 4):
        hn.random.seed(seed)
        results.append(draws())
    assert results[0] == results[1]
    assert len({*results[0].values(), *results[2].values()}) == 6
    core_random.seed_host(9)
    alone = core_random.host().random()
    core_random.seed_host(9)
    assert core_random.host().random() == alone
    with core_random.seeded(9):
        assert core_random.host().random() == alone
    assert core_random.host().random() not in (alone, *results[0].values())
    hn.random.seed(3)
    assert core_random.host().random() == results[0]["a"]  # the first to draw since


def test_windows_at_random() -> None:
    hn.random.seed(0)
    places = {image.random_crop(array(), (17, 14))[1] for _ in range(200)}
    assert places == {(x, y, 17, 14) for x in range(2) for y in range(2)}
    assert image.random_crop(array(), (36, 10))[1][2:] == (18, 5)
    parts, ratios = [], []
    for _ in range(300):
        cut, (x, y, w, h) = image.random_size_crop(hn.np.zeros((200, 300, 3), dtype="uint8"), (5, 4), 0.25, (0.5, 2.0))
        assert cut.shape == (4, 5, 3)
        assert 0 <= x <= x + w <= 300 and 0 <= y <= y + h <= 200
        parts.append(w * h / 60000)
        ratios.append(w / h)
    assert 0.24 < min(parts) < 0.3 and 0.85 < max(parts) <= 1
    assert 0.48 < min(ratios) < 0.6 and 1.8 < max(ratios) < 2.1
    assert image.random_size_crop(array(), (9, 4), (0.9, 1.0), (10, 11))[1] == (4, 5, 9, 4)  # none fits: the middle
    assert image.random_size_crop(array(), (9, 4), None, (1, 1.1), min_area=0.1)[1][2] > 0
    with pytest.raises(ArgumentError, match="no other arguments; got least"):
        image.random_size_crop(array(), (9, 4), 0.1, (1, 1.1), least=0.1)


# -- augmenters -------------------------------------------------------------------------------------


def test_dumps() -> None:
    """As MXNet writes them."""
    augmenters = image.CreateAugmenter(
        (3, 24, 32), 40, True, True, True, True, True, brightness=0.1, contrast=0.2, saturation=0.3, hue=0.4, pca_noise=0.5, rand_gray=0.6
    )
    assert [json.loads(a.dumps())[0] if isinstance(a.dumps(), str) else a.dumps()[0] for a in augmenters] == [
        "resizeaug", "randomsizedcropaug", "horizontalflipaug", "castaug", "colorjitteraug", "huejitteraug", "lightingaug",
        "randomgrayaug", "colornormalizeaug",
    ]  # fmt: skip
    assert augmenters[1].dumps() == (
        '["randomsizedcropaug", {"size": [32, 24], "area": 0.08, "ratio": [0.75, 1.3333333333333333], "interp": 2}]'
    )
    assert augmenters[3].dumps() == '["castaug", {"type": "float32"}]'
    assert augmenters[4].dumps() == [
        "colorjitteraug",
        [f'["{name}jitteraug", {{"{name}": {amount}}}]' for name, amount in (("brightness", 0.1), ("contrast", 0.2), ("saturation", 0.3))],
    ]
    assert json.loads(augmenters[-1].dumps())[1]["mean"] == [123.68000030517578, 116.27999877929688, 103.52999877929688]
    assert image.Augmenter(a=1, b=np.arange(2), c=hn.nd.array([1])).dumps() == '["augmenter", {"a": 1, "b": [0, 1], "c": [1.0]}]'


def test_augmenters_of_ones_own_in_a_chain() -> None:
    seen = []

    class Halved(image.Augmenter):
        def __call__(self, src: Any) -> Any:
            seen.append(type(src))
            return src / 2

    class Widened(image.CastAug):
        def __call__(self, src: Any) -> Any:
            return super().__call__(src) + 1

    found = image.SequentialAug([image.CenterCropAug((9, 4), 1), Widened(), Halved(), image.RandomOrderAug([image.CastAug("float64")])])(
        array()
    )
    np.testing.assert_allclose(found.asnumpy(), (MXNET["center"].astype(float) + 1) / 2)
    assert seen == [hn.NDArray] and found.dtype == np.float64
    with pytest.raises(NotImplementedError, match=r"Augmenter.__call__"):
        image.Augmenter()(array())
