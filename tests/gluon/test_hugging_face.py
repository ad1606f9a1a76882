"""Hugging Face's and PyTorch's files: the names, both ways, and the same outputs as ``transformers`` and ``torch`` have.

``data/hugging_face`` was written by ``references/hugging_face.py``: small networks with random weights, inputs, outputs. A whole ResNet-50
of torchvision's, which that script writes as well, gave scores here that differ by 6e-7 of the largest.
"""

import json
import re
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest
from hugging_face_table import FILE, table
from support.paths import DATA
from support.safetensors_files import Arrays, write

from hybridnet import np, safetensors
from hybridnet.errors import ArgumentError, FileFormatError, ShapeError
from hybridnet.gluon import nn, rnn
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo import hugging_face, transformers, vision

FOLDER = DATA / "hugging_face"


def expected(name: str) -> Arrays:
    return {
        key: np.array(x.astype("int32") if x.dtype == "int64" else x)
        for key, x in safetensors.load(FOLDER / name / "expected.safetensors").items()
    }


def assert_close(found: Any, wanted: Any) -> None:
    wanted = wanted.asnumpy()
    numpy.testing.assert_allclose(found.asnumpy(), wanted, rtol=0, atol=1e-5 * abs(wanted).max())


# -- the networks -----------------------------------------------------------------------------------


def test_gpt2() -> None:
    net, wanted = hugging_face.from_folder(FOLDER / "gpt2"), expected("gpt2")
    for hybrid in (False, True):
        net.hybridize(hybrid)
        assert_close(net(wanted["tokens"]), wanted["scores"])
    continued = transformers.Generator(net, 2)(wanted["tokens"], 9)
    numpy.testing.assert_array_equal(continued.asnumpy(), wanted["continued"].asnumpy())


def test_bert() -> None:
    net, wanted = hugging_face.from_folder(FOLDER / "bert"), expected("bert")
    for hybrid in (False, True):
        net.hybridize(hybrid)
        sequence, pooled = net(wanted["tokens"], wanted["token_types"], wanted["valid_length"])
        assert_close(pooled, wanted["pooled"])
        for row, length in enumerate(wanted["valid_length"].asnumpy()):
            assert_close(sequence[row, :length], wanted["sequence"][row, :length])


def test_vit() -> None:
    net, wanted = hugging_face.from_folder(FOLDER / "vit"), expected("vit")
    assert net.output.weight.shape == (3, 8)
    for hybrid in (False, True):
        net.hybridize(hybrid)
        assert_close(net(wanted["images"]), wanted["scores"])


def test_llama() -> None:
    net, wanted = hugging_face.from_folder(FOLDER / "llama"), expected("llama")
    for hybrid in (False, True):
        net.hybridize(hybrid)
        assert_close(net(wanted["tokens"]), wanted["scores"])
    continued = transformers.Generator(net, 2)(wanted["tokens"], 9)
    numpy.testing.assert_array_equal(continued.asnumpy(), wanted["continued"].asnumpy())


def test_a_llama_of_another_name_in_several_files() -> None:
    """In bfloat16, with one table for what tokens mean and for the scores."""
    net, wanted = hugging_face.from_folder(FOLDER / "mistral"), expected("mistral")
    assert len(list((FOLDER / "mistral").glob("model-*.safetensors"))) > 1
    assert net.output.weight is net.word_embed.weight
    assert_close(net(wanted["tokens"]), wanted["scores"])


@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
def test_resnet(kind: str) -> None:
    net, wanted = hugging_face.from_folder(FOLDER / f"resnet_{kind}"), expected(f"resnet_{kind}")
    for hybrid in (False, True):
        net.hybridize(hybrid)
        assert_close(net(wanted["images"]), wanted["scores"])


class Layers(HybridBlock):
    """What ``references/hugging_face.py`` builds of PyTorch's layers, with the same names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1D(6, 3, padding=1, in_channels=3)
        self.bn = nn.BatchNorm(in_channels=6)
        self.slope = nn.PReLU()
        self.back = nn.Conv1DTranspose(4, 2, strides=2, in_channels=6)
        self.lstm = rnn.LSTM(5, 2, "NTC", bidirectional=True, input_size=4)
        self.gru = rnn.GRU(6, layout="NTC", input_size=10)
        self.rnn = rnn.RNN(8, activation="tanh", layout="NTC", input_size=6)
        self.attention = nn.MultiHeadAttention(8, 2, in_units=8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 12, pre_norm=True)
        self.decoder = nn.TransformerDecoderLayer(8, 2, 12)
        self.norm = nn.LayerNorm(in_channels=8)
        self.head = nn.HybridSequential()
        self.head.add(nn.Dense(7, flatten=False, in_units=8), nn.GELU(), nn.Dense(3, flatten=False, in_units=7))

    def forward(self, x: Any) -> Any:
        x = self.back(self.slope(self.bn(self.conv(x)))).transpose(0, 2, 1)
        x = self.encoder(self.attention(self.rnn(self.gru(self.lstm(x)))))
        return self.head(self.norm(self.decoder(x, x)))


def test_a_network_of_pytorchs_layers() -> None:
    net, wanted = Layers(), expected("torch")
    net.initialize()
    hugging_face.load(net, FOLDER / "torch" / "model.safetensors")
    for hybrid in (False, True):
        net.hybridize(hybrid)
        assert_close(net(wanted["data"]), wanted["scores"])
    assert hugging_face.torch_rules(rnn.LSTMCell(3)).source("h2h_bias").name == "bias_hh"


@pytest.mark.parametrize("name", ["gpt2", "bert", "vit", "llama", "mistral", "resnet_basic", "torch"])
def test_what_is_saved_is_what_was_loaded(name: str, tmp_path: Path) -> None:
    """Under the same names, in the same layouts; of BERT but for what it was trained with, of ResNet under PyTorch's names."""
    if name == "torch":
        net: Any = Layers()
        net.initialize()
        hugging_face.load(net, FOLDER / name)
    else:
        net = hugging_face.from_folder(FOLDER / name)
    hugging_face.save(net, tmp_path / "model.safetensors", shard_size=1 << 10)
    assert len(list(tmp_path.iterdir())) > 2
    found, wanted = safetensors.load(tmp_path), safetensors.load(FOLDER / name)
    if name.startswith("resnet"):
        again = small_resnet(block=vision.BasicBlockV1b, width=2)
        hugging_face.load(again, tmp_path)
        x = np.ones((1, 3, 32, 32))
        numpy.testing.assert_array_equal(again(x).asnumpy(), net(x).asnumpy())
        return
    wanted = {key: x for key, x in wanted.items() if not key.startswith("cls.") and not key.endswith("num_batches_tracked")}
    assert sorted(found) == sorted(wanted)
    for key, x in wanted.items():
        numpy.testing.assert_array_equal(found[key], x.astype("float32"), err_msg=key)


def small_resnet(**kwargs: Any) -> Any:
    return vision.ResNetV1b(**{"block": vision.BottleneckV1b, "layers": [2, 1, 1, 1], "classes": 3, "width": 4, **kwargs})


def in_torchs_names(net: Any) -> Arrays:
    """The parameters of a ResNet v1b as PyTorch names them, each norm with a count of batches."""
    words = {"gamma": "weight", "beta": "bias"}
    found: Arrays = {}
    for place, p in net._collect_params_with_prefix().items():
        layer, _, kind = place.rpartition(".")
        found[f"{layer}.{words.get(kind, kind)}"] = p.data().asnumpy()
        if kind == "running_var":
            found[f"{layer}.num_batches_tracked"] = numpy.array(7)
    return found


def test_resnet_v1b(tmp_path: Path) -> None:
    net = small_resnet()
    net.initialize()
    for p in net.collect_params().values():
        p.set_data(np.random.uniform(0.5, 1.5, size=p.shape))
    arrays = in_torchs_names(net)
    assert {"conv1.weight", "bn1.running_mean", "layer1.1.conv3.weight", "layer2.0.downsample.1.weight", "fc.bias"} <= set(arrays)
    again = small_resnet()
    hugging_face.load(again, write(tmp_path / "model.safetensors", arrays))
    for (place, p), q in zip(net._collect_params_with_prefix().items(), again.collect_params().values(), strict=True):
        numpy.testing.assert_array_equal(q.data().asnumpy(), p.data().asnumpy(), err_msg=place)
    assert again(np.ones((1, 3, 32, 32))).shape == (1, 3)


def test_resnet_v1b_is_pytorchs() -> None:
    """Numbers of parameters and of their arrays as torchvision has them; where the stride is."""
    for make, parameters, arrays in ((vision.resnet18_v1b, 11689512, 62), (vision.resnet50_v1b, 25557032, 161)):
        learnt = [p for p in make().collect_params().values() if p.grad_req == "write"]
        assert len(learnt) == arrays
        assert sum(numpy.prod(p.shape) for p in learnt) == parameters
    names = ["resnet34_v1b", "resnet101_v1b", "resnet152_v1b"]
    assert [len(list(getattr(vision, name)().layer3)) for name in names] == [6, 23, 36]
    net = vision.resnet50_v1b()
    assert "kernel_size=(3, 3), stride=(2, 2)" in repr(net.layer2[0].conv2)
    assert "stride=(1, 1)" in repr(net.layer2[0].conv1)
    assert net.layer1[0].downsample is not None, "the channels differ"
    assert vision.resnet18_v1b().layer1[0].downsample is None
    with pytest.raises(ArgumentError, match="blocks of 4 stages"):
        vision.ResNetV1b(vision.BasicBlockV1b, [1, 1])


def test_the_table_is_that_of_the_rules() -> None:
    assert FILE.read_text(encoding="utf-8") == table(), "python tests/gluon/hugging_face_table.py"


# -- names, folders, refusals -----------------------------------------------------------------------


def renamed(name: str, pattern: str, by: str) -> Arrays:
    return {re.sub(pattern, by, key): numpy.array(x) for key, x in safetensors.load(FOLDER / name / "model.safetensors").items()}


@pytest.mark.parametrize(
    ("name", "pattern", "by"),
    [
        ("gpt2", r"^transformer\.", ""),
        ("bert", r"^bert\.", ""),
        ("bert", r"LayerNorm\.weight$", "LayerNorm.gamma"),
        ("bert", r"LayerNorm\.bias$", "LayerNorm.beta"),
    ],
)
def test_other_ways_to_write_the_names(name: str, pattern: str, by: str, tmp_path: Path) -> None:
    """Files without the prefix, and old ones with other words for a norm's parameters."""
    net = hugging_face.from_folder(FOLDER / name)
    arrays = renamed(name, pattern, by)
    assert set(arrays) != set(renamed(name, "", ""))
    if name == "gpt2":  # what old files have besides
        arrays |= {"h.0.attn.bias": numpy.ones((1, 1, 4, 4), "bool"), "lm_head.weight": arrays["wte.weight"]}
    before = {place: p.data().asnumpy().copy() for place, p in net._collect_params_with_prefix().items()}
    for p in net.collect_params().values():
        p.set_data(np.zeros(p.shape))
    hugging_face.load(net, write(tmp_path / "model.safetensors", arrays))
    for place, p in net._collect_params_with_prefix().items():
        numpy.testing.assert_array_equal(p.data().asnumpy(), before[place], err_msg=place)


def test_values_are_cast_and_parts_are_put_together(tmp_path: Path) -> None:
    """A folder with an index of two files, in float16 and bfloat16."""
    arrays = renamed("gpt2", "", "")
    parts = [dict(list(arrays.items())[:9]), dict(list(arrays.items())[9:])]
    names = []
    for i, (part, dtype) in enumerate(zip(parts, ("float16", ml_dtypes.bfloat16), strict=True)):
        names.append(f"model-0000{i + 1}-of-00002.safetensors")
        write(tmp_path / names[i], {key: x.astype(dtype) for key, x in part.items()})
    index = {"weight_map": {key: names[i] for i, part in enumerate(parts) for key in part}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "config.json").write_bytes((FOLDER / "gpt2" / "config.json").read_bytes())
    net = hugging_face.from_folder(tmp_path)
    wanted = arrays["transformer.h.1.mlp.c_fc.weight"].T
    found = net.layers[1].ffn.up.weight.data()
    assert found.dtype == "float32"
    numpy.testing.assert_allclose(found.asnumpy(), wanted, rtol=1e-2)
    (tmp_path / "model.safetensors.index.json").unlink()
    with pytest.raises(FileFormatError, match=r"expected model\.safetensors, or model\.safetensors\.index\.json; got neither"):
        hugging_face.load(net, tmp_path)


def test_what_does_not_fit_is_told_and_changes_nothing(tmp_path: Path) -> None:
    net = hugging_face.from_folder(FOLDER / "vit")
    before = {place: p.data().asnumpy().copy() for place, p in net._collect_params_with_prefix().items()}
    arrays = {key: x + 1 for key, x in renamed("vit", "", "").items()}
    path = tmp_path / "model.safetensors"
    query = "vit.encoder.layer.1.attention.attention.query.weight"
    lacking = {key: x for key, x in arrays.items() if key != query}
    more = {**arrays, "vit.encoder.layer.2.output.dense.bias": arrays["classifier.bias"]}
    other = {**arrays, "classifier.weight": numpy.zeros((4, 8), "float32")}
    for wrong, error, text in (
        (lacking, FileFormatError, r"query.weight for parameter 'layers.1.attention.query_proj.weight'.*try allow_missing=True"),
        (more, FileFormatError, r"arrays of this ViT .* got 'encoder.layer.2.output.dense.bias'; .*ignore_extra"),
        (other, ShapeError, r"\(4, 8\)"),
    ):
        with pytest.raises(error, match=text):
            hugging_face.load(net, write(path, wrong))
        for place, p in net._collect_params_with_prefix().items():
            numpy.testing.assert_array_equal(p.data().asnumpy(), before[place], err_msg=place)
    hugging_face.load(net, write(path, {key: more[key] for key in more if key != query}), allow_missing=True, ignore_extra=True)
    numpy.testing.assert_array_equal(
        net.layers[1].attention.query_proj.weight.data().asnumpy(), before["layers.1.attention.query_proj.weight"]
    )
    numpy.testing.assert_array_equal(net.output.bias.data().asnumpy(), arrays["classifier.bias"])


def test_refusals(tmp_path: Path) -> None:
    for name, key, value in (
        ("gpt2", "model_type", "t5"),
        ("llama", "sliding_window", 4),
        ("llama", "head_dim", 8),
        ("llama", "attention_bias", True),
        ("resnet_basic", "hidden_sizes", [2, 2, 2, 2]),
        ("gpt2", "activation_function", "relu"),
        ("gpt2", "scale_attn_by_inverse_layer_idx", True),
        ("bert", "hidden_act", "relu"),
        ("vit", "qkv_bias", False),
    ):
        described = json.loads((FOLDER / name / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**described, key: value}))
        with pytest.raises(ArgumentError, match=rf"\[hugging_face\] expected {key} .*in config.json; got {re.escape(repr(value))}"):
            hugging_face.from_folder(tmp_path)
    described = json.loads((FOLDER / "llama" / "config.json").read_text())
    described["rope_parameters"] = {"rope_theta": 500.0, "rope_type": "llama3", "factor": 8.0}
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(ArgumentError, match=r"expected rope_type 'default' in config\.json; got 'llama3'"):
        hugging_face.from_folder(tmp_path)
    net = hugging_face.from_folder(FOLDER / "gpt2", dropout=0.0)
    assert "Dropout(p = 0.0" in repr(net), "what is given counts more than the file"
