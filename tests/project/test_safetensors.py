"""The format safetensors: read and written, held to its own library, in one file and in several."""

import json
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest
from support.safetensors_files import TYPES, write

import hybridnet as hn
from hybridnet import nd, np, safetensors
from hybridnet.errors import ArgumentError, FileFormatError
from hybridnet.gluon import nn


def test_arrays_of_all_types(tmp_path: Path) -> None:
    random = numpy.random.default_rng(0)
    arrays = {f"of.{dtype}": (random.normal(size=(2, 3)) * 4).astype(numpy.dtype(getattr(ml_dtypes, dtype, dtype))) for dtype in TYPES}
    arrays |= {"number": numpy.array(2.5, "float32"), "nothing": numpy.zeros((0, 4), "float32")}
    for metadata, padding in (None, 0), ({"format": "pt"}, 3):  # elements that are not aligned, too
        found = safetensors.load(write(tmp_path / "x.safetensors", arrays, metadata, padding))
        assert list(found) == list(arrays)
        for name, x in arrays.items():
            assert found[name].dtype == x.dtype
            assert found[name].shape == x.shape
            numpy.testing.assert_array_equal(found[name], x)
            assert not found[name].flags.writeable or not x.size
    assert safetensors.load(write(tmp_path / "none.safetensors", {})) == {}


def test_every_cut_and_every_wrong_header_is_told(tmp_path: Path) -> None:
    whole = write(tmp_path / "x.safetensors", {"a": numpy.arange(6.0).reshape(2, 3), "b": numpy.arange(4)}).read_bytes()
    broken = tmp_path / "broken.safetensors"
    for length in range(len(whole)):
        broken.write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=r"\[safetensors\] expected .* in .*broken.safetensors"):
            safetensors.load(broken)
    good = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for header in (
        [],
        {"a": 3},
        {"a": {**good, "dtype": "F8_E4M3"}},
        {"a": {**good, "shape": [3]}},
        {"a": {**good, "shape": [-2]}},
        {"a": {**good, "data_offsets": [8, 16]}},
        {"a": {**good, "data_offsets": [-8, 0]}},
        {"a": {**good, "data_offsets": [0]}},
        {"a": {**good, "shape": [2.0]}},
        {"a": {**good, "shape": [1] * 65 + [2]}},
        {"a": good, "b": good},
        {"a": {**good, "shape": [1], "data_offsets": [4, 8]}},
        {"a": {**good, "shape": [1], "data_offsets": [0, 4]}},
        {"a": good, "b": {**good, "shape": [0, 1 << 62, 1 << 62], "data_offsets": [0, 0]}},
        {"a": good, "b": {**good, "shape": [0, 1 << 70], "data_offsets": [0, 0]}},
        {"a": {**good, "dtype": []}},
    ):
        text = json.dumps(header).encode()
        broken.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
        with pytest.raises(FileFormatError):
            safetensors.load(broken)
    for text in (b'{"a":' + json.dumps(good).encode() + b',"a":' + json.dumps(good).encode() + b"}", b"[" * 100_000, "{}".encode("utf-16")):
        broken.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
        with pytest.raises(FileFormatError):
            safetensors.load(broken)


# -- writing ----------------------------------------------------------------------------------------


def random_arrays() -> dict[str, Any]:
    draw = numpy.random.default_rng(1)
    made = {f"of.{dtype}": (draw.normal(size=(3, 5)) * 4).astype(numpy.dtype(getattr(ml_dtypes, dtype, dtype))) for dtype in TYPES}
    return made | {"number": numpy.array(2.5, "float32"), "nothing": numpy.zeros((0, 4), "float16"), "back": numpy.arange(12.0)[::-2]}


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    arrays = random_arrays()
    path = tmp_path / "x.safetensors"
    safetensors.save(path, arrays, {"format": "np"})
    found = safetensors.load(path)
    assert sorted(found) == sorted(arrays)
    for name, x in arrays.items():
        assert found[name].dtype == x.dtype and found[name].shape == x.shape
        numpy.testing.assert_array_equal(found[name], x)
        assert found[name].ctypes.data % x.dtype.itemsize == 0
    first = path.read_bytes()
    safetensors.save(path, dict(reversed(arrays.items())), {"format": "np"})
    assert path.read_bytes() == first, "the order of the dict does not count"
    assert list(tmp_path.iterdir()) == [path]


def test_the_formats_own_library_reads_it(tmp_path: Path) -> None:
    theirs = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed: its own reader")
    for number, arrays in enumerate((random_arrays(), {}, {"a": numpy.zeros(())})):
        arrays = {name: x for name, x in arrays.items() if x.dtype != ml_dtypes.bfloat16}  # which it does not give to NumPy
        path = tmp_path / f"{number}.safetensors"
        safetensors.save(path, arrays, {"format": "np"})
        found = theirs.load_file(path)
        assert sorted(found) == sorted(arrays)
        for name, x in arrays.items():
            numpy.testing.assert_array_equal(found[name], x)
        theirs.save_file({name: numpy.ascontiguousarray(x) for name, x in arrays.items()}, path)
        for name, x in safetensors.load(path).items():
            numpy.testing.assert_array_equal(x, arrays[name])


def test_several_files_with_an_index(tmp_path: Path) -> None:
    arrays = {f"{i:02}": numpy.full((i + 1, 4), i, "float32") for i in range(10)}
    safetensors.save(tmp_path / "model.safetensors", arrays, shard_size=200)
    parts = sorted(tmp_path.glob("model-*-of-*.safetensors"))
    assert len(parts) > 3
    assert all(sum(x.nbytes for x in safetensors.load(part).values()) <= 200 for part in parts)
    for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
        found = safetensors.load(path)
        assert sorted(found) == sorted(arrays)
        for name, x in arrays.items():
            numpy.testing.assert_array_equal(found[name], x)
    described = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert described["metadata"]["total_size"] == sum(x.nbytes for x in arrays.values())
    safetensors.save(tmp_path / "model.safetensors", {"only": numpy.zeros(100)}, shard_size=8)
    assert list(safetensors.load(tmp_path)) == ["only"], "one array is never divided, and a whole file counts more than an index"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda places: {**places, "09": "../secret"}, "names of files beside it.*'../secret'"),
        (lambda places: {**places, "more": places["00"]}, "'more' in model-0000"),
        (lambda places: {name: file for name, file in places.items() if name != "09"}, "'09' in None"),
        (lambda places: [], "a weight_map"),
        (lambda places: {"00": 3}, "a weight_map"),
    ],
)
def test_an_index_that_does_not_fit(change: Any, text: str, tmp_path: Path) -> None:
    safetensors.save(tmp_path / "model.safetensors", {f"{i:02}": numpy.zeros(4) for i in range(10)}, shard_size=64)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": change(json.loads(index.read_text())["weight_map"])}))
    with pytest.raises(FileFormatError, match=text):
        safetensors.load(tmp_path)


def test_networks_and_dicts_by_the_ending(tmp_path: Path) -> None:
    """``save_parameters``, ``nd.save`` and what reads them."""
    made = [nn.HybridSequential(), nn.HybridSequential()]
    for net in made:
        net.add(nn.Dense(3, in_units=4), nn.BatchNorm(in_channels=3))
        net.initialize(hn.init.Normal(1.0))
    path = str(tmp_path / "net.safetensors")
    made[0].cast("bfloat16")
    made[0].save_parameters(path)
    assert sorted(safetensors.load(path))[:3] == ["0.bias", "0.weight", "1.beta"]
    made[1].load_parameters(path, cast_dtype=True, dtype_source="saved")
    numpy.testing.assert_array_equal(made[1][0].weight.data().asnumpy(), made[0][0].weight.data().asnumpy())
    assert made[1][0].weight.dtype == ml_dtypes.bfloat16
    nd.save(path, {"x": nd.arange(3), "y": np.ones((2,), "int32")})
    found = nd.load(path)
    assert found["x"].asnumpy().tolist() == [0, 1, 2] and found["y"].dtype == numpy.int32
    safetensors.save(path, {"x": numpy.zeros(3, "float32")})  # what was loaded does not follow the file
    assert found["x"].asnumpy().tolist() == [0, 1, 2]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for arrays, text in (
        ([numpy.zeros(2)], "expected arrays by name; got list"),
        ({"c": numpy.zeros(2, "complex128")}, "complex128 in 'c'"),
        ({"__metadata__": numpy.zeros(2)}, "texts other than __metadata__"),
        ({"s": nd.array([[0, 1.0]]).tostype("csr")}, "dense arrays; got csr in 's'"),
    ):
        with pytest.raises(ArgumentError, match=text):
            safetensors.save(path, arrays)
    assert not path.exists()
