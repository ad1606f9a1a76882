"""Programs in which ranks go wrong, each by its name: ``mpirun -n 2 python tests/support/rank_faults.py name``."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

import hybridnet as hn
from hybridnet import autograd, distributed, gluon
from hybridnet.gluon import nn

FAULTS: dict[str, Callable[[int], None]] = {}


def fault(function: Callable[[int], None]) -> Callable[[int], None]:
    FAULTS[function.__name__] = function
    return function


def step_of(net: Any, trainer: Any) -> Any:
    def step(x: Any) -> Any:
        with autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        trainer.step(8)
        return loss

    return step


def network() -> Any:
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(4, in_units=3), nn.Dense(2, in_units=4))
    net.initialize()
    return net


@fault
def exception(rank: int) -> None:
    """One rank ends by an exception while the others sum."""
    if rank == 1:
        raise ValueError("of rank 1 alone")
    distributed.all_reduce(hn.np.ones(3))


@fault
def exits(rank: int) -> None:
    """One rank ends by ``sys.exit``, after it has caught another one."""
    with suppress(SystemExit):
        sys.exit("this is caught")
    distributed.all_reduce(hn.np.ones(3))
    if rank == 1:
        sys.exit("no data on this machine")
    distributed.all_reduce(hn.np.ones(3))


@fault
def frozen_layer(rank: int) -> None:
    net = network()
    trainer = gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_sync")
    if rank == 1:
        net[0].weight.grad_req = "null"
    hn.jit(step_of(net, trainer))(hn.np.ones((2, 3)))


@fault
def frozen_layer_eager(rank: int) -> None:
    net = network()
    trainer = gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_sync")
    if rank == 1:
        net[0].weight.grad_req = "null"
    step_of(net, trainer)(hn.np.ones((2, 3)))


@fault
def other_network(rank: int) -> None:
    net = network()
    if rank == 1:
        net.add(nn.Dense(1, in_units=2))
        net[2].initialize()
    gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_sync")


@fault
def other_values(rank: int) -> None:
    net = network()
    trainer = gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_sync")
    if rank == 1:
        net[1].bias.set_data(np.ones(2))
    step_of(net, trainer)(hn.np.ones((2, 3)))


@fault
def other_rate(rank: int) -> None:
    net = network()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1 * (rank + 1)}, kvstore="dist_sync")
    step_of(net, trainer)(hn.np.ones((2, 3)))


@fault
def one_retraces(rank: int) -> None:
    """A shorter last batch on one rank: it compiles anew, the other runs what it has."""
    net = network()
    step = hn.jit(step_of(net, gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_sync")))
    for rows in (4, 4, 4 if rank == 0 else 3):
        step(hn.np.ones((rows, 3)))
    step(hn.np.ones((4, 3)))


@fault
def several_devices(rank: int) -> None:
    net = network()
    net.initialize(ctx=[hn.cpu(0), hn.cpu(1)], force_reinit=True)
    trainer = gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_sync")
    with autograd.record():
        losses = [net(hn.np.ones((2, 3), device=d)).sum() for d in (hn.cpu(0), hn.cpu(1))]
    autograd.backward(losses)
    trainer.step(8)


def wait_for_ever() -> None:
    while True:
        time.sleep(0.1)


@fault
def elsewhere(rank: int) -> None:
    """One rank reads data that never comes, while the others sum."""
    distributed.all_reduce(hn.np.ones(3))
    if rank == 1:
        wait_for_ever()
    distributed.all_reduce(hn.np.ones(3))


@fault
def stopped(rank: int) -> None:
    """One rank is stopped by a signal that it cannot catch."""
    distributed.all_reduce(hn.np.ones(3))
    if rank == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    distributed.all_reduce(hn.np.ones(3))


@fault
def first_stopped(rank: int) -> None:
    """The one that keeps what the others tell is stopped."""
    distributed.all_reduce(hn.np.ones(3))
    if rank == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
    distributed.all_reduce(hn.np.ones(3))


@fault
def killed(rank: int) -> None:
    """One rank is gone at once; the launcher sees to it, or the others do."""
    distributed.all_reduce(hn.np.ones(3))
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.all_reduce(hn.np.ones(3))


@fault
def slow(rank: int) -> None:
    """One rank takes long, though not too long."""
    if rank == 1:
        time.sleep(float(os.environ["HYBRIDNET_DEADLINE"]) * 0.6)
    distributed.all_reduce(hn.np.ones(3))
    time.sleep(float(os.environ["HYBRIDNET_DEADLINE"]) * 1.2)  # nobody waits for another


if __name__ == "__main__":
    distributed.init()
    FAULTS[sys.argv[1]](distributed.rank())
    distributed.barrier()
    print("nothing went wrong")
