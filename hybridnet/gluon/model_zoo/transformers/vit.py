"""ViT: "An image is worth 16x16 words: transformers for image recognition at scale" (arXiv:2010.11929)."""

from __future__ import annotations

from typing import Any

from hybridnet import numpy as np
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo.transformers.layers import dense, stack
from hybridnet.initializer import Normal


class ViT(HybridBlock):
    """Images (batch, ``channels``, ``image_size``, ``image_size``) to scores (batch, ``classes``).

    An image is cut into squares of ``patch_size``, which are the tokens; one more, the first, is learnt, and the scores are of what
    becomes of it.
    """

    def __init__(
        self,
        classes: int = 1000,
        image_size: int = 224,
        patch_size: int = 16,
        units: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        hidden_size: int | None = None,
        channels: int = 3,
        dropout: float = 0.0,
        epsilon: float = 1e-12,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if image_size % patch_size:
            fail(ArgumentError, "ViT", expected=f"an image_size that patches of {patch_size} divide", got=str(image_size))
        self._image, self._units = (channels, image_size, image_size), units
        tokens = (image_size // patch_size) ** 2 + 1
        with self.name_scope():
            self.patch_embed = nn.Conv2D(
                units, patch_size, patch_size, in_channels=channels, weight_initializer=Normal(0.02), prefix="patch_embed_"
            )
            self.class_token = self.params.get("class_token", shape=(1, 1, units), init=Normal(0.02))
            self.position = self.params.get("position", shape=(1, tokens, units), init=Normal(0.02))
            self.dropout = nn.Dropout(dropout)
            given: dict[str, Any] = {"activation": "gelu", "pre_norm": True, "dropout": dropout, "epsilon": epsilon}
            self.layers = stack(num_layers, units, num_heads, hidden_size, **given)
            self.norm = nn.LayerNorm(epsilon=epsilon, in_channels=units, prefix="norm_")
            self.output = dense(classes, units, "output_")

    def forward(self, x: Any) -> Any:
        if x.shape[1:] != self._image:
            fail(ShapeError, "ViT", expected=f"images (batch, {', '.join(map(str, self._image))})", got=str(x.shape))
        batch, units = x.shape[0], self._units
        patches = self.patch_embed(x).reshape(batch, units, -1).transpose(0, 2, 1)
        first = np.broadcast_to(self.class_token.data(x.device), (batch, 1, units))
        tokens = np.concatenate([first, patches], axis=1) + self.position.data(x.device)
        tokens = self.dropout(tokens)
        for layer in self.layers:
            tokens = layer(tokens)
        return self.output(self.norm(tokens[:, 0]))


def vit_base(**kwargs: Any) -> ViT:
    """ViT with 12 layers of 768 units, and patches of 16 by 16 unless ``patch_size`` says otherwise."""
    return ViT(**kwargs)


def vit_large(**kwargs: Any) -> ViT:
    """ViT with 24 layers of 1024 units, and patches of 16 by 16 unless ``patch_size`` says otherwise."""
    return ViT(**{"units": 1024, "num_layers": 24, "num_heads": 16, **kwargs})
