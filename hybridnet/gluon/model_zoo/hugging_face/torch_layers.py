"""PyTorch's names for the parameters of a network of Gluon's layers, from its structure.

A network whose attributes are named as those of a ``torch.nn.Module`` reads that module's ``state_dict``. The layouts agree: dense layers
are (units, inputs), convolutions (channels, inputs, height, width), transposed ones (inputs, channels, height, width), the gates of an LSTM
i f g o and of a GRU r z n, with two biases. What has one array there and several here (attention's projections) is taken apart.
"""

from __future__ import annotations

from typing import Any

from hybridnet.gluon import nn, rnn
from hybridnet.gluon.block import Block
from hybridnet.gluon.model_zoo.hugging_face.rules import Rules

#: Attention as ``torch.nn.MultiheadAttention`` has it, place by place.
_ATTENTION = {
    "query_proj": ("projections", "in_proj[0/3]"),
    "key_proj": ("projections", "in_proj[1/3]"),
    "value_proj": ("projections", "in_proj[2/3]"),
    "out_proj": ("dense", "out_proj"),
}
#: Parts of layers of transformers -> their names in ``torch.nn.TransformerEncoderLayer`` and ``TransformerDecoderLayer``.
_TRANSFORMER = {"attention": "self_attn", "memory_attention": "multihead_attn", "ffn.up": "linear1", "ffn.down": "linear2"}
_NORMS = {
    nn.TransformerEncoderLayer: ("attention_norm", "ffn_norm"),
    nn.TransformerDecoderLayer: ("attention_norm", "memory_norm", "ffn_norm"),
}
_WORDS = {"gamma": "weight", "beta": "bias", "alpha": "weight"}
_PARTS = {"i2h": "ih", "h2h": "hh", "h2r": "hr"}


def torch_rules(net: Block) -> Rules:
    """The rules of ``net``: the same places as here, with PyTorch's names of a layer's parameters. Those of no layer keep their names."""
    layers: dict[str, tuple[str, str]] = {}
    _enter(net, "", "", layers)
    return Rules(layers, ignored=r"(.*\.)?num_batches_tracked")


def _enter(block: Block, here: str, there: str, layers: dict[str, tuple[str, str]]) -> None:
    """Add the rules of ``block``, which is at ``here``, and at ``there`` in PyTorch's module, and of what it is made of."""
    if isinstance(block, nn.MultiHeadAttention):
        layers |= {_joined(here, own): (kind, _joined(there, their)) for own, (kind, their) in _ATTENTION.items()}
        return
    if isinstance(block, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)):
        names = _TRANSFORMER | {norm: f"norm{i + 1}" for i, norm in enumerate(_NORMS[type(block)])}
        for own, their in names.items():
            part: Any = block
            for step in own.split("."):
                part = getattr(part, step, None)
            if part is not None:
                _enter(part, _joined(here, own), _joined(there, their), layers)
        return
    if block._reg_params:
        layers |= _of_layer(block, here, there)
    for name, child in block._children.items():
        _enter(child, _joined(here, name), _joined(there, name), layers)


def _of_layer(block: Block, here: str, there: str) -> dict[str, tuple[str, str]]:
    names = {name: _WORDS.get(name, name) for name in block._reg_params}
    if isinstance(block, (rnn.RNN, rnn.LSTM, rnn.GRU)):
        names = {block._place(name): _recurrent(name) for name in block._reg_params}
    elif isinstance(block, (rnn.RNNCell, rnn.LSTMCell, rnn.GRUCell)):
        names = {name: _recurrent(name) for name in block._reg_params}
    return {_joined(here, own): ("array", _joined(there, their)) for own, their in names.items()}


def _recurrent(name: str) -> str:
    """``l0_i2h_weight`` as PyTorch writes it, ``weight_ih_l0``; the other direction is ``weight_ih_l0_reverse``, a cell's ``weight_ih``."""
    *place, part, kind = name.split("_")
    layer = "".join(f"_l{p[1:]}" + "_reverse" * (p[0] == "r") for p in place)
    return f"{kind}_{_PARTS[part]}{layer}"


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
