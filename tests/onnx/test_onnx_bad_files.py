"""Models that are wrong: a clear error that names the node, nothing read from elsewhere, nothing half loaded."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support import mutations
from support.broken_models import model_kinds
from support.paths import DATA

from hybridnet import nd
from hybridnet.errors import FileFormatError, HybridnetError
from hybridnet.onnx import import_

KINDS = [
    "onnx, bytes",
    "onnx, fields",
    "onnx, fields of a recurrent network",
    "onnx, fields of computed shapes",
    "onnx, fields of a scan with a branch",
    "onnx, fields of trees",
    "onnx, fields with data beside",
    "safetensors, bytes",
    "safetensors, headers",
    "safetensors, as parameters",
    "safetensors, indices",
]


@pytest.mark.slow
def test_a_thousand_files_of_models() -> None:
    """A short campaign; ``python -m support.mutations 100000 --models`` is the long one."""
    found = mutations.campaign(1000, 2, model_kinds)
    assert list(found["outcomes"]) == KINDS
    assert not found["faults"], "\n".join(found["faults"])


@pytest.mark.parametrize("name", KINDS)
def test_a_few_files(tmp_path: Path, name: str) -> None:
    kind = model_kinds(tmp_path)[name]
    found = {mutations.read_one(kind, tmp_path / "broken", f"few {name} {number}") for number in range(12)}
    assert "errors" in found


def model(*nodes: Any, weight: Any = None, opset: int = 18) -> onnx.ModelProto:
    """Nodes from ``data`` (2, 3) to ``output``, with a parameter ``w`` (3, 3)."""
    tensor = numpy_helper.from_array(numpy.eye(3, dtype="float32"), "w") if weight is None else weight
    given, found = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in ("data", "output"))
    graph = helper.make_graph(nodes, "g", [given], [found], [tensor])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op: str, inputs: list[str], output: str = "output", **attributes: Any) -> Any:
    return helper.make_node(op, inputs, [output], name=f"my{op}", **attributes)


PRODUCT = node("MatMul", ["data", "w"])


def outside(place: str) -> Any:
    """A weight whose data is in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 3], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=place)
    return tensor


def short() -> Any:
    return TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 3], raw_data=bytes(20))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: model(node("MatMul", ["later", "w"]), node("Relu", ["output"], "later")), "valid ONNX model"),
        (lambda: model(node("MatMul", ["nowhere", "w"])), "nowhere"),
        (lambda: model(PRODUCT, weight=short()), "valid ONNX model"),
        (lambda: model(PRODUCT, opset=3), "an opset from 5"),
        (lambda: model(PRODUCT, opset=999), r"an opset|valid ONNX model"),
        (lambda: model(node("Frobnicate", ["data"])), "Frobnicate"),
        (lambda: model(node("StringNormalizer", ["data"])), r"valid ONNX model|StringNormalizer"),
        (lambda: model(node("Conv", ["data", "w"], strides=[1] * 9)), r"myConv|valid ONNX model"),
    ],
)
def test_models_that_cannot_be_meant(make: Callable[[], Any], text: str, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(make().SerializeToString())
    with pytest.raises(HybridnetError, match=text):
        import_(tmp_path / "x.onnx")(nd.ones((2, 3)))


def test_operands_that_do_not_fit_name_the_node(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(numpy.ones((4, 3), "float32"), "w")
    (tmp_path / "x.onnx").write_bytes(model(PRODUCT, weight=tensor).SerializeToString())
    with pytest.raises(HybridnetError, match=r"in importedblock\.myMatMul"):
        import_(tmp_path / "x.onnx")(nd.ones((2, 3)))
    vast = numpy_helper.from_array(numpy.array([1 << 20, 1 << 20, 3], numpy.int64), "w")
    (tmp_path / "x.onnx").write_bytes(model(node("ConstantOfShape", ["w"]), weight=vast).SerializeToString())
    with pytest.raises(HybridnetError, match="myConstantOfShape"):
        import_(tmp_path / "x.onnx")(nd.ones((2, 3)))


@pytest.mark.parametrize("place", ["../secret", "sub/../../secret", "{absolute}", "link"])
def test_data_outside_of_the_folder_is_not_read(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(bytes(36))
    os.symlink(tmp_path / "secret", folder / "link")
    tensor = outside(place.format(absolute=tmp_path / "secret"))
    (folder / "x.onnx").write_bytes(model(PRODUCT, weight=tensor).SerializeToString())
    with pytest.raises((FileFormatError, FileNotFoundError), match=r"valid ONNX model|x\.onnx"):
        import_(folder / "x.onnx")
    (folder / "inside").write_bytes(numpy.eye(3, dtype="float32").tobytes())
    (folder / "x.onnx").write_bytes(model(PRODUCT, weight=outside("inside")).SerializeToString())
    assert import_(folder / "x.onnx")(nd.ones((2, 3))).asnumpy().sum() == 6


def test_every_cut_is_told(tmp_path: Path) -> None:
    whole = model(PRODUCT).SerializeToString()
    for length in range(0, len(whole), 7):
        (tmp_path / "x.onnx").write_bytes(whole[:length])
        with pytest.raises(HybridnetError):
            import_(tmp_path / "x.onnx")(nd.ones((2, 3)))


def test_the_recorded_campaign_is_of_these_files() -> None:
    record = json.loads((DATA / "model_mutations.json").read_text(encoding="utf-8"))
    assert record["files"] == 100_000 and not record["faults"] and list(record["outcomes"]) == KINDS
    assert sum(sum(counts.values()) for counts in record["outcomes"].values()) == record["files"]
