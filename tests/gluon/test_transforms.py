"""``gluon.data.vision.transforms``: values beside MXNet 1.9.1's, on pixels as by operators, imperative as hybridized."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.image_values import MXNET, PICTURE, array, close

import hybridnet as hn
from hybridnet import autograd
from hybridnet.errors import ArgumentError, HybridnetError
from hybridnet.gluon import data, nn
from hybridnet.gluon.data.vision import transforms

#: By name: a transform without chance, and what it is given.
FIXED: dict[str, tuple[Any, np.ndarray]] = {
    "Resize": (transforms.Resize((9, 7)), PICTURE),
    "Resize_short": (transforms.Resize(9, keep_ratio=True), PICTURE),
    "CenterCrop": (transforms.CenterCrop((9, 7)), PICTURE),
    "CenterCrop_large": (transforms.CenterCrop((30, 25)), PICTURE),
    "CropResize": (transforms.CropResize(2, 3, 10, 8, (5, 6), 1), PICTURE),
    "ToTensor": (transforms.ToTensor(), PICTURE),
    "Normalize": (transforms.Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)), MXNET["ToTensor"]),
    "rotate_30_0_1": (transforms.Rotate(30, zoom_out=True), MXNET["ToTensor"]),
}
#: Those that draw random numbers, with what they are called on.
RANDOM: list[tuple[Any, np.ndarray]] = [
    (transforms.RandomFlipLeftRight(), PICTURE),
    (transforms.RandomFlipTopBottom(), PICTURE),
    (transforms.RandomBrightness(0.5), PICTURE),
    (transforms.RandomContrast(0.5), PICTURE),
    (transforms.RandomSaturation(0.5), PICTURE),
    (transforms.RandomHue(0.3), PICTURE),
    (transforms.RandomColorJitter(0.1, 0.2, 0.3, 0.1), PICTURE),
    (transforms.RandomLighting(0.5), PICTURE),
    (transforms.RandomGray(), PICTURE),
    (transforms.HybridRandomApply(transforms.RandomBrightness(0.5)), PICTURE),
    (transforms.RandomResizedCrop((9, 7), (0.3, 1.0)), PICTURE),
    (transforms.RandomCrop((14, 12), pad=3), PICTURE),
    (transforms.RandomRotation((-90, 90)), MXNET["ToTensor"]),
    (transforms.RandomApply([transforms.RandomBrightness(0.5), transforms.RandomFlipLeftRight(1)]), PICTURE),
]


def name_of(x: Any) -> str:
    return type(x).__name__ if isinstance(x, hn.gluon.Block) else ""


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("cls", [hn.np, hn.nd], ids=["np", "nd"])
def test_values(name: str, cls: Any) -> None:
    transform, source = FIXED[name]
    tolerance = 0 if source is PICTURE else 1e-5
    found = transform(array(source, cls))
    assert type(found) is type(array(cls=cls))
    close(found, name, tolerance)
    close(transform(source), name, tolerance)  # an array of NumPy's is taken as well
    if not isinstance(transform, transforms.Rotate):
        with autograd.record():  # by its operators
            close(transform(array(source, cls)), name, max(tolerance, 1 if source.dtype == np.uint8 and "Tensor" not in name else 1e-6))
        transform.hybridize()
        close(transform(array(source, cls)), name, max(tolerance, 1 if source.dtype == np.uint8 and "Tensor" not in name else 1e-6))
        transform.hybridize(False)


@pytest.mark.parametrize("name", ["Resize", "Resize_short", "CropResize", "ToTensor", "Normalize", "rotate_30_0_1"])
def test_batches(name: str) -> None:
    transform, source = FIXED[name]
    found = transform(array(np.stack([source, source * 0]))).asnumpy()
    close(found[0], name, 1e-5)
    np.testing.assert_array_equal(found[1], transform(array(source * 0)).asnumpy())


@pytest.mark.parametrize(("transform", "source"), RANDOM, ids=name_of)
def test_the_seed_decides(transform: Any, source: np.ndarray) -> None:
    def run() -> list[bytes]:
        hn.random.seed(3)
        return [transform(array(source)).asnumpy().tobytes() for _ in range(8)]

    first = run()
    assert first == run()
    assert len(set(first)) >= 2


@pytest.mark.parametrize(("transform", "source"), [r for r in RANDOM if isinstance(r[0], hn.gluon.HybridBlock)], ids=name_of)
def test_hybridized_draws_anew(transform: Any, source: np.ndarray) -> None:
    imperative = [transform(array(source)).asnumpy().astype(float) for _ in range(40)]
    transform.hybridize()
    compiled = [transform(array(source)).asnumpy() for _ in range(40)]
    transform.hybridize(False)
    assert {(x.dtype, x.shape) for x in compiled} == {(source.dtype, source.shape)}
    assert len({x.tobytes() for x in compiled}) >= 2
    assert abs(np.mean(compiled) - np.mean(imperative)) < 0.15 * np.mean(PICTURE)


def test_both_ways_do_the_same() -> None:
    """The pixels' way and the operators', given the same factor."""
    source = array()
    for kind in (transforms.RandomBrightness, transforms.RandomContrast, transforms.RandomSaturation, transforms.RandomHue):
        transform = kind(0.0)
        transform._factors = (0.7, 0.7)
        pixels = transform(source).asnumpy().astype(int)
        with autograd.record():
            operators = transform(source).asnumpy()
        assert np.abs(pixels - operators).max() <= 1, kind
        assert (pixels != PICTURE).any()


@given(
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3])),
    dtype=st.sampled_from(["uint8", "float32"]),
    size=st.one_of(st.integers(1, 24), st.tuples(st.integers(1, 24), st.integers(1, 24))),
    interpolation=st.integers(0, 4),
    kind=st.sampled_from(["resize", "short", "center", "tensor", "left", "top"]),
    seed=st.integers(0, 99),
)
def test_pixels_as_operators(shape: Any, dtype: str, size: Any, interpolation: int, kind: str, seed: int) -> None:
    """Any image, either way: equal to the bit, or for interpolated values to one step of bytes."""
    source = np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)
    short = isinstance(size, int) and size * max(shape[:2]) // min(shape[:2]) > 0
    transform = {
        "resize": lambda: transforms.Resize(size, interpolation=interpolation),
        "short": lambda: transforms.Resize(size, short, interpolation),
        "center": lambda: transforms.CenterCrop(size, interpolation),
        "tensor": transforms.ToTensor,
        "left": lambda: transforms.RandomFlipLeftRight(1),
        "top": lambda: transforms.RandomFlipTopBottom(1),
    }[kind]()
    pixels = transform(array(source)).asnumpy()
    with autograd.record():
        operators = transform(array(source)).asnumpy()
    assert (pixels.dtype, pixels.shape) == (operators.dtype, operators.shape)
    interpolated = kind in ("resize", "short", "center")
    tolerance = 0.0 if not interpolated or not interpolation else 1.0 if dtype == "uint8" else 0.05
    np.testing.assert_allclose(pixels.astype(float), operators.astype(float), rtol=0, atol=tolerance)


def test_compose() -> None:
    hn.random.seed(1)
    chain = transforms.Compose([
        transforms.Resize((9, 7)), transforms.ToTensor(), nn.Lambda(lambda x: x * 1), transforms.Normalize(0.5, 0.25),
    ])  # fmt: skip
    assert len(chain) == 4 and isinstance(chain[1], transforms.ToTensor)
    expected = ((MXNET["Resize"].astype(np.float32) / 255).transpose(2, 0, 1) - np.float32(0.5)) / np.float32(0.25)
    for source in (array(), array(cls=hn.nd), PICTURE):
        np.testing.assert_allclose(chain(source).asnumpy(), expected, atol=1e-6)
    assert type(chain(array(cls=hn.nd))) is hn.nd.NDArray
    found, label = chain(array(), 3)
    assert label == 3 and found.shape == (3, 7, 9)
    chain.hybridize()
    np.testing.assert_allclose(chain(array()).asnumpy(), expected, atol=5e-2)
    whole = transforms.HybridCompose([transforms.ToTensor(), transforms.Normalize(0.5, 0.25)])
    np.testing.assert_allclose(whole(array()).asnumpy(), (MXNET["ToTensor"] - 0.5) / 0.25, atol=1e-6)
    assert "ToTensor" in repr(chain)


def test_hooks_are_called() -> None:
    seen: list[Any] = []
    inner = transforms.ToTensor()
    chain = transforms.Compose([inner])
    with (
        inner.register_forward_hook(lambda block, x, y: seen.append("inner")),
        chain.register_forward_hook(lambda *a: seen.append("chain")),
    ):
        chain(array())
    chain(array())
    assert seen == ["inner", "chain"]


def test_pickled_for_workers() -> None:
    chain = transforms.Compose([t for t, source in RANDOM if source is PICTURE and not isinstance(t, hn.gluon.nn.Sequential)])
    again = pickle.loads(pickle.dumps(chain))
    hn.random.seed(2)
    first = chain(array()).asnumpy()
    hn.random.seed(2)
    np.testing.assert_array_equal(again(array()).asnumpy(), first)


def test_the_same_in_a_loaders_threads() -> None:
    """Each batch draws from its own seed, in whichever thread it is read."""
    images = np.stack([PICTURE + i for i in range(24)])
    chain = transforms.Compose([
        transforms.RandomCrop(9), transforms.RandomFlipLeftRight(), transforms.RandomColorJitter(0.4, 0.4, 0.4, 0.1),
        transforms.RandomLighting(0.1), transforms.ToTensor(),
    ])  # fmt: skip
    dataset = data.ArrayDataset(images, np.arange(24)).transform_first(chain)
    found = []
    for threads in (0, 1, 3):
        hn.random.seed(4)
        loader = data.DataLoader(dataset, 4, shuffle=True, num_workers=threads, thread_pool=True)
        found.append([np.concatenate([batch.asnumpy() for batch, _ in loader]) for _ in range(2)])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert (found[0][0] != found[0][1]).any()


def test_what_is_given_stays() -> None:
    for transform, source in (*RANDOM, *FIXED.values()):
        for image in (array(source), source.copy()):
            before = np.asarray(image).copy()
            found = transform(image)
            if found is not image:  # as a transform does that is not applied
                found[:] = 0
            np.testing.assert_array_equal(np.asarray(image), before)


def test_on_a_gpu(emulated_gpu: Any) -> None:
    chain = transforms.Compose([transforms.CenterCrop((9, 7)), transforms.RandomBrightness(0.0), transforms.ToTensor()])
    found = chain(hn.np.array(PICTURE, dtype="uint8", device=hn.gpu()))
    assert found.device == hn.gpu()
    np.testing.assert_allclose(found.asnumpy() * 255, MXNET["CenterCrop"].transpose(2, 0, 1), atol=1e-3)


def test_cast_and_windows() -> None:
    assert transforms.Cast("float16")(array()).dtype == np.float16
    assert transforms.RandomCrop(15, pad=(1, 2))(array()).shape == (15, 15, 3)
    corner = transforms.RandomCrop((20, 17), pad=1, pad_value=(1, 2, 3))(array()).asnumpy()
    assert corner[0, 0].tolist() == [1, 2, 3] and (corner[1:-1, 1:-1] == PICTURE).all()
    assert transforms.RandomCrop((20, 18), pad=(1, 2, 1, 1))(array()).asnumpy()[1].any(axis=-1).sum() == 0
    assert transforms.RandomApply(transforms.Cast(), 0)(array()).dtype == np.uint8
    assert transforms.RandomApply(transforms.Cast(), 1)(array(), 5)[0].dtype == np.float32
    assert (
        transforms.RandomRotation((-9, 9), rotate_with_proba=0)(array(MXNET["ToTensor"])).asnumpy().tolist() == MXNET["ToTensor"].tolist()
    )
    assert transforms.RandomRotation((-9, 9))(array(MXNET["ToTensor"][None])).shape == (1, 3, 15, 18)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: transforms.Compose([abs]), "each a Block; got a builtin"),
        (lambda: transforms.HybridCompose([transforms.Rotate(3)]), "each a HybridBlock; got a Rotate"),
        (lambda: transforms.RandomRotation((9, -9)), r"\(less, more\) in degrees; got \(9, -9\)"),
        (lambda: transforms.RandomRotation((-9, 9), rotate_with_proba=2), "from 0 to 1; got 2"),
        (lambda: transforms.Rotate(9, True, True), "zoom_in or zoom_out"),
        (lambda: transforms.Resize((1, 2, 3)), r"a number or as \(width, height\); got \(1, 2, 3\)"),
        (lambda: transforms.RandomCrop(3, pad=(1, 2, 3)), "1, 2 or 4 numbers"),
        (lambda: transforms.RandomHue(-1), "0 or more; got -1"),
    ],
)
def test_made_wrongly(make: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        make()


@pytest.mark.parametrize(
    ("transform", "source", "said"),
    [
        (transforms.Normalize((1, 2), 1), MXNET["ToTensor"], r"one a channel; got 2 numbers for \(3, 15, 18\)"),
        (transforms.CropResize(10, 3, 10, 8), PICTURE, "inside the image; got 10×8 at column 10, row 3"),
        (transforms.CenterCrop(3), PICTURE[None], r"one image \(height, width, channels\); got \(1, 15, 18, 3\)"),
        (transforms.Rotate(3), PICTURE, "float32 .*got uint8.*ToTensor"),
        (transforms.RandomHue(0.1), None, "an image of three dimensions.*got a str"),
    ],
)
def test_called_wrongly(transform: Any, source: Any, said: str) -> None:
    with pytest.raises(HybridnetError, match=said):
        transform("no image" if source is None else array(source))
