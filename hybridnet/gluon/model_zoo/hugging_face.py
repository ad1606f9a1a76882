"""Trained weights from Hugging Face's files: which of their arrays is which parameter here.

    net = hugging_face.from_folder("gpt2")  # a folder with config.json and model.safetensors
    hugging_face.load(net, "resnet50/model.safetensors")  # into a network that was made by hand

The names are those of the library ``transformers`` for GPT-2, BERT and ViT, and PyTorch's for GluonCV's ResNet v1b (``timm``'s
``resnet50.gluon_in1k`` and its like). :data:`RULES` has them all. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridnet.errors import ArgumentError, FileFormatError, fail
from hybridnet.gluon.block import Block
from hybridnet.gluon.model_zoo import safetensors
from hybridnet.gluon.model_zoo.transformers import BERT, GPT2, ViT
from hybridnet.gluon.model_zoo.vision.resnet_v1b import ResNetV1b

Host = np.ndarray[Any, Any]

#: A kind of layer -> its parameters here, and the arrays there. An "array" is one itself, without a layer.
KINDS: dict[str, dict[str, str]] = {
    "array": {"": ""},
    "table": {".weight": ".weight"},
    "convolution": {".weight": ".weight"},
    "dense": {".weight": ".weight", ".bias": ".bias"},
    "transposed dense": {".weight": ".weight", ".bias": ".bias"},  # its weight is (inputs, units) there
    "norm": {".gamma": ".weight", ".beta": ".bias"},
    "batch norm": {
        ".gamma": ".weight",
        ".beta": ".bias",
        ".running_mean": ".running_mean",
        ".running_var": ".running_var",
    },
}


@dataclass(frozen=True)
class Rules:
    """How a kind of network is named in files.

    ``layers``: place here -> kind of layer, and its place there; with ``[0/3]`` behind it the first of three equal parts of its outputs.
    ``{}`` stands for a number. ``prefix``: what all names there may begin with. ``ignored``: a pattern of those that nothing here needs.
    """

    layers: Mapping[str, tuple[str, str]]
    prefix: str = ""
    ignored: str = ""

    def source(self, place: str) -> tuple[str, str, tuple[int, int]]:
        """The kind of layer of the parameter at ``place``, the name of the array there, and which part of how many of it is meant."""
        for layer, (kind, there) in self.layers.items():
            name, _, part = there.partition("[")
            for own, their in KINDS[kind].items():
                found = re.fullmatch(re.escape(layer + own).replace(r"\{\}", r"(\d+)"), place)
                if found is not None:
                    number, _, parts = (part or "0/1]").removesuffix("]").partition("/")
                    return kind, name.format(*found.groups()) + their, (int(number), int(parts))
        return fail(ArgumentError, "hugging_face", expected="a parameter that the rules name", got=repr(place))


def _encoder_layer(attention: str) -> dict[str, tuple[str, str]]:
    """The dense layers of a layer of BERT or ViT, where the projections of the inputs are in ``attention``."""
    parts = {f"attention.{part}_proj": f"{attention}.{part}" for part in ("query", "key", "value")}
    parts |= {"attention.out_proj": "attention.output.dense", "ffn.up": "intermediate.dense", "ffn.down": "output.dense"}
    return {f"layers.{{}}.{own}": ("dense", f"encoder.layer.{{}}.{their}") for own, their in parts.items()}


_GPT2 = Rules(
    {
        "word_embed": ("table", "wte"),
        "position_embed": ("table", "wpe"),
        "layers.{}.attention_norm": ("norm", "h.{}.ln_1"),
        "layers.{}.attention.query_proj": ("transposed dense", "h.{}.attn.c_attn[0/3]"),
        "layers.{}.attention.key_proj": ("transposed dense", "h.{}.attn.c_attn[1/3]"),
        "layers.{}.attention.value_proj": ("transposed dense", "h.{}.attn.c_attn[2/3]"),
        "layers.{}.attention.out_proj": ("transposed dense", "h.{}.attn.c_proj"),
        "layers.{}.ffn_norm": ("norm", "h.{}.ln_2"),
        "layers.{}.ffn.up": ("transposed dense", "h.{}.mlp.c_fc"),
        "layers.{}.ffn.down": ("transposed dense", "h.{}.mlp.c_proj"),
        "norm": ("norm", "ln_f"),
        "output": ("table", "wte"),
    },
    prefix="transformer.",
    ignored=r"h\.\d+\.attn\.(masked_)?bias|lm_head\.weight",  # the causal mask as an array; the table of tokens once more
)
_BERT = Rules(
    {
        "word_embed": ("table", "embeddings.word_embeddings"),
        "position_embed": ("table", "embeddings.position_embeddings"),
        "token_type_embed": ("table", "embeddings.token_type_embeddings"),
        "embed_norm": ("norm", "embeddings.LayerNorm"),
        **_encoder_layer("attention.self"),
        "layers.{}.attention_norm": ("norm", "encoder.layer.{}.attention.output.LayerNorm"),
        "layers.{}.ffn_norm": ("norm", "encoder.layer.{}.output.LayerNorm"),
        "pooler": ("dense", "pooler.dense"),
    },
    prefix="bert.",
    ignored=r"embeddings\.position_ids|cls\..*",  # 0, 1, 2 …; what it was trained with: masked words, next sentences
)
_VIT = Rules(
    {
        "class_token": ("array", "embeddings.cls_token"),
        "position": ("array", "embeddings.position_embeddings"),
        "patch_embed": ("dense", "embeddings.patch_embeddings.projection"),
        "layers.{}.attention_norm": ("norm", "encoder.layer.{}.layernorm_before"),
        **_encoder_layer("attention.attention"),
        "layers.{}.ffn_norm": ("norm", "encoder.layer.{}.layernorm_after"),
        "norm": ("norm", "layernorm"),
        "output": ("dense", "classifier"),
    },
    prefix="vit.",
    ignored=r"pooler\..*",
)
_RESNET = Rules(
    {
        "conv1": ("convolution", "conv1"),
        "bn1": ("batch norm", "bn1"),
        **{f"layer{i}.{{}}.conv{j}": ("convolution", f"layer{i}.{{}}.conv{j}") for i in range(1, 5) for j in range(1, 4)},
        **{f"layer{i}.{{}}.bn{j}": ("batch norm", f"layer{i}.{{}}.bn{j}") for i in range(1, 5) for j in range(1, 4)},
        **{f"layer{i}.{{}}.downsample.0": ("convolution", f"layer{i}.{{}}.downsample.0") for i in range(1, 5)},
        **{f"layer{i}.{{}}.downsample.1": ("batch norm", f"layer{i}.{{}}.downsample.1") for i in range(1, 5)},
        "fc": ("dense", "fc"),
    },
    ignored=r".*\.num_batches_tracked",
)
#: The class of a network -> how its files name things.
RULES: dict[type[Block], Rules] = {GPT2: _GPT2, BERT: _BERT, ViT: _VIT, ResNetV1b: _RESNET}


def load(net: Block, path: str | os.PathLike[str], allow_missing: bool = False, ignore_extra: bool = False) -> None:
    """Read the parameters of ``net``, one of the classes in :data:`RULES`, from a ``.safetensors`` file, or the folder with its parts.

    Values are cast to the parameters' dtype. ``allow_missing``: parameters that the file lacks stay as they are; ``ignore_extra``:
    arrays that the network lacks are left out. Raises ``FileFormatError`` for a file in which something is missing or unknown, and then
    changes nothing.
    """
    rules = next((rules for cls, rules in RULES.items() if isinstance(net, cls)), None)
    if rules is None:
        fail(ArgumentError, "hugging_face", expected=f"a network {', '.join(cls.__name__ for cls in RULES)}", got=type(net).__name__)
    there = {_normal(name, rules): value for file in _files(path) for name, value in safetensors.load(file).items()}
    values: dict[str, Host] = {}
    used = set()
    for place in net._collect_params_with_prefix():
        kind, name, part = rules.source(place)
        if name in there:
            used.add(name)
            values[place] = _part(there[name].T if kind == "transposed dense" else there[name], *part)
        elif not allow_missing:
            expected = f"{name} for parameter {place!r} in {os.fspath(path)}"
            fail(FileFormatError, "hugging_face", expected=expected, got=_some(there), fix="allow_missing=True if that is meant")
    extra = [name for name in there if name not in used and not re.fullmatch(rules.ignored, name)]
    if extra and not ignore_extra:
        expected = f"arrays of this {type(net).__name__} in {os.fspath(path)}"
        fail(FileFormatError, "hugging_face", expected=expected, got=_some(extra), fix="ignore_extra=True if that is meant")
    net.load_dict(values, allow_missing=allow_missing, cast_dtype=True, source=os.fspath(path))


def _normal(name: str, rules: Rules) -> str:
    """A name without the prefix, and with the newer words for the parts of a norm."""
    return re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name.removeprefix(rules.prefix)))


def _part(array: Host, number: int, parts: int) -> Host:
    """One of so many equal parts along the first axis. What is no multiple of them is left whole, and refused by its shape."""
    rows = len(array) // parts
    return np.ascontiguousarray(array[number * rows : (number + 1) * rows] if parts > 1 and len(array) % parts == 0 else array)


def _some(names: Any) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:6])) + " …" * (len(names) > 6) or "nothing"


def _files(path: str | os.PathLike[str]) -> list[str]:
    """The files of weights: ``path``, or in that folder ``model.safetensors``, or those that an index lists."""
    path = os.fspath(path)
    if not os.path.isdir(path):
        return [path]
    whole, index = (os.path.join(path, "model.safetensors" + end) for end in ("", ".index.json"))
    if os.path.exists(whole):
        return [whole]
    if not os.path.exists(index):
        fail(FileFormatError, "hugging_face", expected="model.safetensors, or model.safetensors.index.json", got=f"neither in {path}")
    with open(index, encoding="utf-8") as file:
        return sorted({os.path.join(path, os.path.basename(part)) for part in json.load(file)["weight_map"].values()})


# -- networks from their descriptions ----------------------------------------------------------------

_ENCODER = {
    "hidden_size": "units",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "hidden_size",
    "hidden_dropout_prob": "dropout",
    "layer_norm_eps": "epsilon",
}
#: model_type in config.json -> the network, what else must be so, and its arguments by the names there.
_CONFIGS: dict[str, tuple[type[Block], dict[str, Any], dict[str, str]]] = {
    "gpt2": (
        GPT2,
        {
            "activation_function": "gelu_new",
            "scale_attn_weights": True,
            "scale_attn_by_inverse_layer_idx": False,
            "add_cross_attention": False,
            "tie_word_embeddings": True,
        },
        {
            "vocab_size": "vocab_size",
            "n_positions": "max_length",
            "n_embd": "units",
            "n_layer": "num_layers",
            "n_head": "num_heads",
            "n_inner": "hidden_size",
            "resid_pdrop": "dropout",
            "layer_norm_epsilon": "epsilon",
        },
    ),
    "bert": (
        BERT,
        {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False},
        {"vocab_size": "vocab_size", "max_position_embeddings": "max_length", "type_vocab_size": "token_types", **_ENCODER},
    ),
    "vit": (
        ViT,
        {"hidden_act": "gelu", "qkv_bias": True},
        {"image_size": "image_size", "patch_size": "patch_size", "num_channels": "channels", **_ENCODER},
    ),
}


def from_folder(folder: str | os.PathLike[str], allow_missing: bool = False, ignore_extra: bool = False, **kwargs: Any) -> Any:
    """The ``GPT2``, ``BERT`` or ``ViT`` that ``config.json`` in ``folder`` describes, with the weights that lie beside it.

    ``kwargs`` go to the network and count more than the file; the rest as of :func:`load`. Parameters that a file lacks, where that is
    allowed, are initialized. ArgumentError for another ``model_type``, or a setting that these networks do not have.
    """
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        described = json.load(file)
    kind = described.get("model_type")
    if kind not in _CONFIGS:
        fail(ArgumentError, "hugging_face", expected=f"model_type {', '.join(_CONFIGS)} in config.json", got=repr(kind))
    cls, fixed, names = _CONFIGS[kind]
    for key, value in fixed.items():
        if described.get(key, value) != value:
            fail(ArgumentError, "hugging_face", expected=f"{key} {value!r} in config.json", got=repr(described[key]))
    arguments = {ours: described[theirs] for theirs, ours in names.items() if described.get(theirs) is not None}
    if cls is ViT:
        arguments["classes"] = len(described.get("id2label", "01"))  # two, where the file does not say
    net = cls(**{**arguments, **kwargs})
    net.initialize()
    load(net, folder, allow_missing, ignore_extra)
    return net
