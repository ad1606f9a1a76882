"""A training by several ranks that keeps checkpoints and goes on from the last: ``mpirun -n 4 python killed_ranks.py folder``.

It drops out, and may divide its states by ranks. Each step draws its numbers anew from its own number, so that the step after a restart
draws what it would have drawn. What it ended with is in ``folder/done``: the digest of all parameters, the same on every rank.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy

import hybridnet as hn
from hybridnet import autograd, distributed, gluon
from hybridnet.gluon import nn

STEPS, EVERY, BATCH = 30, 3, 24


def latest(folder: Path) -> int:
    """The step of the newest whole checkpoint; 0 where there is none."""
    return max((int(path.name.split("-")[1]) for path in folder.glob("step-*") if path.suffix != ".part"), default=0)


def save(folder: Path, step: int, net: Any, trainer: Any) -> None:
    """By all ranks, since states may be divided; the files are rank 0's, and a checkpoint is there when its folder has its name."""
    part = folder / f"step-{step}.part"
    if distributed.rank() == 0:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        net.save_parameters(str(part / "net.params"))
    distributed.barrier()
    trainer.save_states(str(part / "trainer.states"))
    distributed.barrier()
    if distributed.rank() == 0:
        part.rename(folder / f"step-{step}")
        for old in folder.glob("step-*"):
            if old.suffix != ".part" and int(old.name.split("-")[1]) < step - EVERY:
                shutil.rmtree(old, ignore_errors=True)


def main(folder: Path, divided: bool, dropout: bool) -> None:
    distributed.init()
    rank, size = distributed.rank(), distributed.size()
    (folder / f"pid-{rank}").write_text(str(os.getpid()))
    draw = numpy.random.default_rng(5)
    data, label = draw.normal(size=(240, 6)).astype("float32"), draw.integers(0, 3, 240)
    hn.random.seed(3)
    net = nn.HybridSequential()
    net.add(nn.Dense(16, activation="relu", in_units=6), nn.LayerNorm(in_channels=16), nn.Dropout(0.3 * dropout), nn.Dense(3, in_units=16))
    net.initialize(hn.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02}, kvstore="dist_sync", shard_states=divided)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    @hn.jit
    def update(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(BATCH)
        return loss.mean()

    begin = distributed.gather_objects(latest(folder))[0]
    if begin:
        net.load_parameters(str(folder / f"step-{begin}" / "net.params"))
        trainer.load_states(str(folder / f"step-{begin}" / "trainer.states"))
    print(f"rank {rank} goes on after step {begin}", flush=True)
    for step in range(begin + 1, STEPS + 1):
        hn.random.seed(step)
        chosen = numpy.random.default_rng(step).permutation(len(data))[:BATCH][rank::size]
        update(hn.np.array(data[chosen]), hn.np.array(label[chosen]))
        if step % EVERY == 0:
            save(folder, step, net, trainer)
    values = b"".join(p.data().asnumpy().tobytes() for p in net.collect_params().values())
    ended = distributed.gather_objects(hashlib.sha256(values).hexdigest())
    assert len(set(ended)) == 1, "ranks ended with other parameters"
    if rank == 0:
        numpy.save(folder / "values.npy", numpy.frombuffer(values, "float32"))
        (folder / "done.part").write_text(ended[0])
        (folder / "done.part").rename(folder / "done")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "divided", "no dropout" not in sys.argv)
