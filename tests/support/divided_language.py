"""A small language model of layers that are divided among ranks, and its training on a mesh of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

import hybridnet as hn
from hybridnet import autograd, distributed, gluon
from hybridnet.gluon import nn
from hybridnet.gluon.loss import VocabParallelSoftmaxCELoss

WORDS, UNITS, BATCH, LENGTH = 16, 16, 8, 3


class Language(nn.HybridBlock):
    """A language model of every divided layer: embedding, encoder, decoder layers, and a head whose loss is divided."""

    def __init__(self, group: Any, dropout: float = 0.0, swiglu: bool = False) -> None:
        super().__init__()
        given = {"dropout": dropout, "group": group, "activation": "swiglu" if swiglu else "relu", "num_kv_heads": 4}
        with self.name_scope():
            self.words = nn.VocabParallelEmbedding(WORDS, UNITS, group)
            self.encoder = nn.TransformerEncoderLayer(UNITS, 8 if swiglu else 4, 16, causal=True, rotary=100.0, pre_norm=True, **given)
            self.decoder = nn.TransformerDecoderLayer(UNITS, 4, 12, **given)
            self.up = nn.ColumnParallelDense(12, group, "tanh", flatten=False)
            self.down = nn.RowParallelDense(UNITS, group, "tanh", flatten=False)
            self.same = nn.ColumnParallelDense(UNITS, group, flatten=False, gather_output=True)
            self.head = nn.ColumnParallelDense(WORDS, group, flatten=False, in_units=UNITS)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        h = self.words(x)
        h = self.decoder(self.encoder(h), h)
        return self.head(h + self.same(self.down(self.up(h))))


def train(
    mesh: dict[str, Any],
    way: str,
    optimizer: str = "adam",
    drawn: bool = True,
    steps: int = 3,
    file: Path | None = None,
    shard: bool = False,
    **more: Any,
) -> tuple[list[Any], list[float]]:
    """The whole parameters, and the losses, of some steps on this rank's part of the batches. ``file``: to go on from, and to write.

    ``drawn``: whether first values are those of the initializer, and not others: ranks that are threads have one random state.
    """
    hn.random.seed(3)
    group = mesh["model"]
    net = Language(group, **more)
    net.initialize(hn.init.Xavier())
    net.cast("float64")
    if way == "hybrid":
        net.hybridize()
    params = list(net.collect_params().values())
    if not drawn:
        net(hn.np.zeros((1, LENGTH), "int64"))
        values = np.random.default_rng(1)
        for p in params:
            p.set_data(values.normal(size=getattr(p, "whole_shape", p.shape)) * 0.3)
    trainer = gluon.Trainer(params, optimizer, {"learning_rate": 0.01, "wd": 0.01}, kvstore="dist_sync", shard_states=shard)
    if file is not None and file.exists():
        net.load_parameters(str(file))
        trainer.load_states(f"{file}.states")
    loss_of = VocabParallelSoftmaxCELoss(group)

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(BATCH)
        return loss.sum()

    run = hn.jit(step) if way == "jit" else step
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(steps):
        x, y = rng.integers(0, WORDS, (2, BATCH, LENGTH))
        rows = slice(mesh["data"].rank, None, mesh["data"].size)
        losses.append(float(run(hn.np.array(x[rows]), hn.np.array(y[rows])).item()))
    if file is not None:
        first = distributed.rank() == 0
        net.save_parameters(str(file) if first else os.devnull)
        trainer.save_states(f"{file}.states" if first else os.devnull)
        distributed.barrier()
    return [p._reduce().asnumpy() for p in params], losses
