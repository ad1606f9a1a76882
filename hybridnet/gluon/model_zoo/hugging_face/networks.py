"""Which array of a file is which parameter of a network of the zoo."""

from __future__ import annotations

from hybridnet.gluon.block import Block
from hybridnet.gluon.model_zoo.hugging_face.rules import Rules
from hybridnet.gluon.model_zoo.transformers import BERT, GPT2, Llama, ViT
from hybridnet.gluon.model_zoo.vision.resnet_v1b import ResNetV1b


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
    heads="classifier",
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
_LLAMA = Rules(
    {
        "word_embed": ("table", "embed_tokens"),
        **{
            f"layers.{{}}.attention.{own}_proj": ("dense", f"layers.{{}}.self_attn.{their}_proj")
            for own, their in {"query": "q", "key": "k", "value": "v", "out": "o"}.items()
        },
        **{f"layers.{{}}.ffn.{part}": ("dense", f"layers.{{}}.mlp.{part}_proj") for part in ("gate", "up", "down")},
        "layers.{}.attention_norm": ("norm", "layers.{}.input_layernorm"),
        "layers.{}.ffn_norm": ("norm", "layers.{}.post_attention_layernorm"),
        "norm": ("norm", "norm"),
        "output": ("table", "lm_head"),
    },
    prefix="model.",
    heads="lm_head",
    ignored=r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq",  # the angles as an array, in old files
    instead={"lm_head.weight": "embed_tokens.weight"},  # where the scores are products with the table of tokens
)
#: ResNet as the library ``transformers`` has it.
_TRANSFORMERS_RESNET = Rules(
    {
        "conv1": ("convolution", "embedder.embedder.convolution"),
        "bn1": ("batch norm", "embedder.embedder.normalization"),
        **{
            f"layer{stage + 1}.{{}}.{own}": (kind, f"encoder.stages.{stage}.layers.{{}}.{their}")
            for stage in range(4)
            for own, kind, their in (
                *[(f"conv{i + 1}", "convolution", f"layer.{i}.convolution") for i in range(3)],
                *[(f"bn{i + 1}", "batch norm", f"layer.{i}.normalization") for i in range(3)],
                ("downsample.0", "convolution", "shortcut.convolution"),
                ("downsample.1", "batch norm", "shortcut.normalization"),
            )
        },
        "fc": ("dense", "classifier.1"),
    },
    prefix="resnet.",
    heads="classifier",
    ignored=r".*\.num_batches_tracked",
)
#: The class of a network -> how its files name things, in each of the ways that there are.
RULES: dict[type[Block], tuple[Rules, ...]] = {
    GPT2: (_GPT2,),
    BERT: (_BERT,),
    ViT: (_VIT,),
    Llama: (_LLAMA,),
    ResNetV1b: (_RESNET, _TRANSFORMERS_RESNET),
}
