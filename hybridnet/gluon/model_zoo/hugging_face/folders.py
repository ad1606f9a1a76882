"""Networks from the folders in which Hugging Face keeps them: ``config.json`` says what they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.block import Block
from hybridnet.gluon.model_zoo.hugging_face.loading import load
from hybridnet.gluon.model_zoo.transformers import BERT, GPT2, Llama, ViT
from hybridnet.gluon.model_zoo.vision.resnet_v1b import BasicBlockV1b, BottleneckV1b, ResNetV1b

Described = dict[str, Any]


class _Config(NamedTuple):
    """The network of a ``model_type``, what else must be so, its arguments by the names there, and what follows from several of these."""

    network: type[Block]
    fixed: dict[str, Any]
    names: dict[str, str]
    more: Callable[[Described], Described] = lambda described: {}


def _classes(described: Described) -> Described:
    return {"classes": len(described.get("id2label", "01"))}  # two, where the file does not say


def _rotary(described: Described) -> Described:
    """The base of the angles, of heads whose features are the units divided, and of attention to all tokens before."""
    rope = described.get("rope_parameters") or described.get("rope_scaling") or {}
    features = described["hidden_size"] // described["num_attention_heads"]
    for key, expected, got in (
        ("rope_type", "default", rope.get("rope_type", rope.get("type", "default"))),
        ("head_dim", features, described.get("head_dim") or features),
        ("sliding_window", None, described.get("sliding_window")),
    ):
        if got != expected:
            fail(ArgumentError, "hugging_face", expected=f"{key} {expected!r} in config.json", got=repr(got))
    return {"rotary": rope.get("rope_theta", described.get("rope_theta", 10000.0))}


def _stages(described: Described) -> Described:
    """The blocks of a ResNet whose stages double the channels."""
    block = BottleneckV1b if described.get("layer_type", "bottleneck") == "bottleneck" else BasicBlockV1b
    width = described["embedding_size"]
    expected = [width * block.expansion * 2**i for i in range(4)]
    if described["hidden_sizes"] != expected:
        fail(ArgumentError, "hugging_face", expected=f"hidden_sizes {expected} in config.json", got=str(described["hidden_sizes"]))
    return {"block": block, "width": width, "layers": described["depths"], **_classes(described)}


_ENCODER = {
    "hidden_size": "units",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "hidden_size",
    "hidden_dropout_prob": "dropout",
    "layer_norm_eps": "epsilon",
}
_LLAMA = _Config(
    Llama,
    {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False},
    {
        "vocab_size": "vocab_size",
        "max_position_embeddings": "max_length",
        "hidden_size": "units",
        "num_hidden_layers": "num_layers",
        "num_attention_heads": "num_heads",
        "num_key_value_heads": "num_kv_heads",
        "intermediate_size": "hidden_size",
        "rms_norm_eps": "epsilon",
        "tie_word_embeddings": "tied",
    },
    _rotary,
)
#: By model_type in config.json.
MODEL_TYPES = {
    "gpt2": _Config(
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
    "bert": _Config(
        BERT,
        {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False},
        {"vocab_size": "vocab_size", "max_position_embeddings": "max_length", "type_vocab_size": "token_types", **_ENCODER},
    ),
    "vit": _Config(
        ViT,
        {"hidden_act": "gelu", "qkv_bias": True},
        {"image_size": "image_size", "patch_size": "patch_size", "num_channels": "channels", **_ENCODER},
        _classes,
    ),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "resnet": _Config(
        ResNetV1b,
        {"hidden_act": "relu", "num_channels": 3, "downsample_in_first_stage": False, "downsample_in_bottleneck": False},
        {},
        _stages,
    ),
}


def from_folder(folder: str | os.PathLike[str], allow_missing: bool = False, ignore_extra: bool = False, **kwargs: Any) -> Any:
    """The ``GPT2``, ``BERT``, ``ViT``, ``Llama`` or ``ResNetV1b`` that ``config.json`` in ``folder`` describes, with the weights beside it.

    ``kwargs`` go to the network and count more than the file; the rest as of :func:`load`. Parameters that a file lacks, where that is
    allowed, are initialized. ArgumentError for another ``model_type``, or a setting that these networks do not have.
    """
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        described = json.load(file)
    kind = described.get("model_type")
    if kind not in MODEL_TYPES:
        fail(ArgumentError, "hugging_face", expected=f"model_type {', '.join(MODEL_TYPES)} in config.json", got=repr(kind))
    config = MODEL_TYPES[kind]
    for key, value in config.fixed.items():
        if described.get(key, value) != value:
            fail(ArgumentError, "hugging_face", expected=f"{key} {value!r} in config.json", got=repr(described[key]))
    arguments = {ours: described[theirs] for theirs, ours in config.names.items() if described.get(theirs) is not None}
    net = config.network(**{**arguments, **config.more(described), **kwargs})
    net.initialize()
    load(net, folder, allow_missing, ignore_extra)
    return net
