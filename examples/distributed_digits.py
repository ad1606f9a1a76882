"""Train a network on handwritten digits by several processes: the same script on one, and on as many as ``mpirun`` starts.

Each rank takes every N-th image of each batch, and ``kvstore='dist_sync'`` sums the gradients, so that N ranks end where one does.
Rank 0 prints; all say which parameters they ended with.

    pip install -e ".[examples,mpi]"
    python examples/distributed_digits.py
    mpirun -n 2 python examples/distributed_digits.py

As root, or with more ranks than cores, Open MPI wants to be told: ``mpirun --allow-run-as-root --oversubscribe -n 4 …``.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from typing import Any

import numpy
from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet import autograd, distributed, gluon, np
from hybridnet.gluon import nn
from hybridnet.gluon.data import ArrayDataset, DataLoader, SplitSampler

HELD_OUT = 357


def load() -> tuple[Any, ...]:
    """Images (n, 64) from 0 to 1 and labels, in one random order for all ranks: those to train on, then those held out."""
    digits = load_digits()
    order = numpy.random.default_rng(0).permutation(len(digits.target))
    x, y = (digits.data[order] / 16).astype("float32"), digits.target[order].astype("int32")
    return x[HELD_OUT:], y[HELD_OUT:], x[:HELD_OUT], y[:HELD_OUT]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train on handwritten digits by one process or several.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=96, help="of all ranks together")
    parser.add_argument("--gpu", action="store_true", help="each rank on the GPU of its number on this machine")
    options = parser.parse_args(arguments)
    distributed.init()
    rank, size = distributed.rank(), distributed.size()
    device = hn.gpu(distributed.local_rank()) if options.gpu else hn.cpu()

    hn.random.seed(1)
    net = nn.HybridSequential()
    net.add(nn.Dense(128, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(10))
    net.initialize(hn.init.Xavier(), ctx=device)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.002}, kvstore="dist_sync")
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    @hn.jit
    def step(data: Any, label: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(data), label)
        loss.backward()
        trainer.step(options.batch_size)  # of all ranks: their gradients are summed
        return loss.mean()

    x, y, held_out, answers = load()
    sampler = SplitSampler(len(x), num_parts=size, part_index=rank, shuffle=True, seed=1)
    loader = DataLoader(ArrayDataset(x, y), options.batch_size // size, sampler=sampler, last_batch="discard")
    start = time.perf_counter()
    for epoch in range(options.epochs):
        losses = [step(data.to_device(device), label.to_device(device)).item() for data, label in loader]
        everyone = distributed.gather_objects(float(numpy.mean(losses)))
        if rank == 0:
            print(f"epoch {epoch}: loss {numpy.mean(everyone):.4f}")
    seconds = time.perf_counter() - start

    right = (net(np.array(held_out, device=device)).argmax(axis=1).asnumpy() == answers).mean()
    values = b"".join(p.data().asnumpy().tobytes() for p in net.collect_params().values())
    ended = distributed.gather_objects(hashlib.sha256(values).hexdigest()[:12])
    if rank == 0:
        print(f"{size} ranks, {seconds:.2f} s: held-out accuracy {right:.3f}; parameters {' '.join(ended)}")


if __name__ == "__main__":
    main()
