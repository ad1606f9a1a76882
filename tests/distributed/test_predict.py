"""Predictions for N devices: against schedules made by hand, measurements, profiles of real steps, and what others have published."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.compile import jit
from hybridnet.core import array
from hybridnet.distributed import published
from hybridnet.distributed.network import Network, read_measured
from hybridnet.distributed.predict import main
from hybridnet.distributed.simulator import Step, buckets, predict, read_step
from hybridnet.errors import ArgumentError, FileFormatError
from hybridnet.gluon import nn
from hybridnet.graph.operators import ALL_REDUCE
from hybridnet.lowering.buckets import buckets as joined

NVLINK = Network(8, 370e9, 360e9)

#: Two lines of nccl-tests' table, and what stands around them.
TABLE = """\
# nThread 1 nGpus 8 minBytes 1048576
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
     1048576        262144     float     sum      -1    60.00   17.48   30.58      0    50.00   20.97   36.70      0
     4194304       1048576     float     sum      -1    90.00   46.60   81.56      0    80.00   52.43   91.75      0
# Out of bounds values : 0 OK
"""


class Steady(Network):
    """A network on which a sum takes a second for each byte."""

    def all_reduce(self, size: float, gpus: int) -> float:
        return size if gpus > 1 else 0.0


STEADY = Steady(8, 1.0, 1.0)


@pytest.mark.parametrize(
    ("gradients", "limit", "expected", "exposed"),
    [
        (((2, 1), (4, 2), (6, 3)), 1, 6 + 3, 3),  # each hidden but the last
        (((2, 5), (4, 2), (6, 1)), 1, 2 + 5 + 2 + 1, 4),  # each waits for the one before
        (((2, 1), (4, 2), (6, 3)), 100, 6 + 6, 6),  # one message, when the last is known
        (((2, 1), (4, 2), (6, 3)), 3, 4 + 3 + 3, 4),  # two: the first waits for its second
        (((1, 1), (2, 1)), 1, 6, 0),  # all hidden
    ],
)
def test_a_schedule_by_hand(gradients: Any, limit: float, expected: float, exposed: float) -> None:
    found = predict(Step(gradients, compute=6.0, update=0.5), STEADY, 2, limit)
    assert (found.step, found.exposed) == (expected + 0.5, exposed)
    assert found.efficiency == 6.5 / found.step
    assert predict(Step(gradients, 6.0, 0.5), STEADY, 2, limit, overlap=False).step == 6.5 + sum(size for _, size in gradients)
    assert predict(Step(gradients, 6.0, 0.5), STEADY, 1, limit).step == 6.5


def test_jitter_and_contention_make_it_longer() -> None:
    step = Step(((1, 1), (2, 1)), compute=6.0, update=0.0)
    slow = predict(Step(step.gradients, 6.0, 0.0, jitter=0.1, contention=0.25), STEADY, 8, 1).step
    assert slow == pytest.approx(6 + 0.25 * 2 + 0.6 * (2 * np.log(8)) ** 0.5)


def test_random_steps_lie_between_their_bounds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        n = int(rng.integers(1, 30))
        compute = float(rng.uniform(1e-4, 1e-1))
        known = tuple(zip(rng.uniform(0, compute, n).tolist(), rng.uniform(1e3, 1e8, n).tolist(), strict=True))
        gpus, limit = int(rng.choice([2, 4, 8, 16, 64, 512])), float(rng.uniform(1e5, 1e8))
        network = Network(8, float(rng.uniform(1e10, 5e11)), float(rng.uniform(1e9, 4e11)))
        found = predict(Step(known, compute, 0.0), network, gpus, limit)
        assert compute <= found.step <= compute + found.sums + 1e-12
        assert found.sums == pytest.approx(sum(network.all_reduce(size, gpus) for _, size in buckets(known, limit)))
        assert sum(size for _, size in buckets(known, limit)) == pytest.approx(sum(size for _, size in known))


def test_buckets_are_those_of_the_compiler() -> None:
    """On a graph whose sums become known one after another."""
    sizes, limit = [40, 10, 30, 100, 5, 5, 80], 4 * 100

    def function(x: Any) -> Any:
        totals = []
        for i, n in enumerate(sizes):
            x = (x + i).sin()
            totals.append(hn.distributed.all_reduce(x[:n]))
        return totals

    graph = joined(jit(function).graph(array(np.zeros(100, "float32"))), limit)
    found = [sum(v.nbytes for v in node.inputs) for node in graph.nodes if node.op is ALL_REDUCE]
    assert found == [size for _, size in buckets([(float(i), 4.0 * n) for i, n in enumerate(sizes)], limit)]


def test_the_model_of_a_network() -> None:
    for gpus in (2, 8, 16, 64, 512):
        times = [NVLINK.all_reduce(float(1 << k), gpus) for k in range(6, 34)]
        assert all(0 < a <= b * 1.7 for a, b in pairwise(times))  # at a change of protocol it may be a little less
        large = float(1 << 37)
        bus = large * 2 * (gpus - 1) / gpus / NVLINK.all_reduce(large, gpus)
        assert 0.9 * 360e9 < bus <= 370e9
    assert NVLINK.all_reduce(1e6, 1) == 0.0
    small = [NVLINK.all_reduce(8.0, gpus) for gpus in (2, 8, 16, 64, 512, 4096)]
    assert small == sorted(small) and small[0] > 3e-6 and small[-1] < 2e-3
    assert Network(8, 370e9, 360e9, switch=480e9).all_reduce(1e9, 8) < NVLINK.all_reduce(1e9, 8)
    with pytest.raises(ArgumentError, match=r"expected whole machines of 8 GPUs; got 12 GPUs"):
        NVLINK.all_reduce(1e6, 12)


def test_measured_bandwidths_go_before_the_model(tmp_path: Path) -> None:
    (tmp_path / "table.txt").write_text(TABLE)
    found = read_measured(str(tmp_path / "table.txt"), 8)
    assert found.sizes == (1 << 20, 1 << 22) and found.seconds == pytest.approx((50e-6, 80e-6))
    network = Network(8, 1e9, 1e9, measured=(found,))
    assert network.all_reduce(1 << 20, 8) == pytest.approx(50e-6) and network.all_reduce(5 << 19, 8) == pytest.approx(65e-6)
    assert network.all_reduce(1 << 30, 8) == pytest.approx(80e-6 * 256) and network.all_reduce(8, 8) == pytest.approx(50e-6)
    assert network.all_reduce(1 << 22, 4) == pytest.approx(80e-6 * (3 / 4) / (7 / 8))  # of bus bandwidth as many bytes a second
    assert network.all_reduce(1 << 22, 16) == Network(8, 1e9, 1e9).all_reduce(1 << 22, 16)  # over machines it was not measured
    (tmp_path / "none.txt").write_text("# nothing\n")
    with pytest.raises(FileFormatError, match=r"expected lines of all_reduce_perf \(nccl-tests\) in .*none.txt; got none"):
        read_measured(str(tmp_path / "none.txt"), 8)


def profiled(folder: Path, *, backward: bool = True) -> tuple[Path, list[Any]]:
    """A profile of a step on a file, and the network's parameters."""
    net = nn.HybridSequential()
    net.add(nn.Dense(48, activation="relu", in_units=20), nn.Dense(10, in_units=48))
    net.initialize()
    params = list(net.collect_params().values())
    trainer = gluon.Trainer(params, "adam")
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    @hn.jit
    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        if backward:
            loss.backward()
            trainer.step(8)
        return loss.mean()

    batch = hn.np.ones((8, 20)), hn.np.zeros((8,))
    step.profile(*batch).save(folder / "step.json")
    return folder / "step.json", params


def test_a_profile_says_when_gradients_are_known(tmp_path: Path) -> None:
    path, params = profiled(tmp_path)
    step = read_step(str(path))
    assert [size for _, size in step.gradients] != sorted(size for _, size in step.gradients)
    assert sum(size for _, size in step.gradients) == sum(4 * p.data().size for p in params)
    first, last = step.gradients[0], step.gradients[-1]
    assert first[1] in (4 * 10, 4 * 480) and last[1] in (4 * 48, 4 * 960)  # the last layer's first
    assert 0 < first[0] < last[0] == step.compute < step.alone
    programs = json.loads(path.read_text())["programs"]
    assert step.alone == pytest.approx(sum(p["seconds"] for p in programs))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = profiled(tmp_path)
    (tmp_path / "table.txt").write_text(TABLE)
    main([str(path), "--devices", "1", "8", "--batch", "8", "--measured", f"8={tmp_path / 'table.txt'}"])
    head, one, eight, note = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "devices" and one.split()[0] == "1" and one.split()[4] == "100.0%"
    assert eight.split()[0] == "8" and float(eight.split()[2]) == 0.05 and "upper bounds" in note
    by_hand = {"gradients": [[0.002, 4e6], [0.003, 4e6]], "compute": 0.003, "update": 0.0005}
    (tmp_path / "hand.json").write_text(json.dumps(by_hand))
    main([str(tmp_path / "hand.json"), "--devices", "1", "--jitter", "0.1"])
    assert capsys.readouterr().out.splitlines()[1].split() == ["1", "3.500", "0.000", "0.000", "100.0%"]


def test_files_that_hold_no_step_are_refused(tmp_path: Path) -> None:
    path, _ = profiled(tmp_path, backward=False)
    with pytest.raises(FileFormatError, match=r"\[predict\] expected a step that computes gradients .*; got one without"):
        read_step(str(path))
    for text in ("", "[]", '{"gradients": 3}', '{"steps": []}', '{"gradients": [[1, 2]], "compute": 1}'):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(FileFormatError, match=r"\[predict\] expected what Profile.save wrote, or gradients, compute and update, in"):
            read_step(str(tmp_path / "bad.json"))


def test_what_others_have_published() -> None:
    """One free prediction is near; Horovod's table is not explained, and the report says so."""
    fixed = published.fitted()
    assert published.mlperf(fixed, 64, 50) == pytest.approx(4605, rel=1e-3)
    assert published.mlperf(fixed, 512, 40) == pytest.approx(4081, rel=0.05)
    assert published.horovod(256, 64) > 0.80 > 0.66
    jitter = published.horovod_jitter(64)
    assert jitter > 1.0 and published.horovod(16, 64, jitter) < 0.9 < 0.98
    text = published.report()
    for said in ("4,605", "4,081", "4,439", "66%", "batch not known", "Horovod's table is not predicted", "upper bound"):
        assert said in text, said
