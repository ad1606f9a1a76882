"""The model of :mod:`hybridnet.distributed.simulator` beside trainings that others have published, and what it cannot know of them.

MLPerf Training 3.0: NVIDIA's MXNet ResNet-50 on DGX H100 (mlcommons/training_results_v3.0, result_0.txt of each, from block_start to
eval_start over whole epochs of 1,281,167 images). Horovod: ResNet-50 in float32 by MXNet on V100 (horovod/horovod#542).
"""

from __future__ import annotations

import math
from dataclasses import replace

from hybridnet.distributed.network import Network
from hybridnet.distributed.simulator import Step, predict

#: GPUs, images a second and GPU, and the batch of a GPU (the logs' model_bn_span; None where it was not read).
MLPERF = ((8, 7003.0, None), (64, 4605.0, 50), (512, 4081.0, 40), (768, 4439.0, None))
#: GPUs, and images a second as a share of so many times the rate of one machine of 8.
HOROVOD = ((16, 0.98), (32, 0.98), (64, 0.83), (128, 0.84), (256, 0.66))
HOROVOD_RATE = 3072 / 8  # images a second and GPU on one machine

_PARAMETERS = 25.6e6  # of ResNet-50
#: Bus bandwidths: NCCL's author of 8 H100 (nccl-tests#212), 8 cards of 400 Gb/s; V100 by NVLink, and 25 Gb/s Ethernet, all assumed.
_H100 = Network(8, 370e9, 360e9, 480e9)
_V100 = Network(8, 130e9, 3e9, algorithms=("ring",))


def _step(compute: float, gradient_bytes: float, contention: float = 0.1, jitter: float = 0.0) -> Step:
    """ResNet-50: a third is the forward, two thirds the backward, which knows the last and largest layers first; 100 pieces."""
    pieces = 100
    known = [(compute * (1 + 2 * (1 - math.sqrt(1 - i / pieces))) / 3, gradient_bytes / pieces) for i in range(1, pieces + 1)]
    return Step(tuple(known), compute, 0.0, jitter, contention)


def _mlperf_step(fixed: float, batch: int) -> Step:
    """``fixed`` seconds a step, and so much an image as 8 GPUs take."""
    return _step(fixed + batch / MLPERF[0][1], _PARAMETERS * 2)


def fitted() -> float:
    """The fixed seconds of a step with which the model gives the rate of 64 GPUs: the one number that is fitted to MLPerf's logs."""
    gpus, rate, batch = MLPERF[1]
    assert batch is not None
    low, high = 0.0, 0.1
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if predict(_mlperf_step(middle, batch), _H100, gpus).step < batch / rate else (low, middle)
    return low


def mlperf(fixed: float, gpus: int, batch: int) -> float:
    """Images a second and GPU."""
    return batch / predict(_mlperf_step(fixed, batch), _H100, gpus).step


def horovod(gpus: int, batch: int, jitter: float = 0.0, between: float = _V100.between) -> float:
    """Images a second as a share of so many times one machine's rate."""
    step = _step(batch / HOROVOD_RATE, _PARAMETERS * 4, jitter=jitter)
    network = replace(_V100, between=between)
    return predict(step, network, 8, 64 << 20).step / predict(step, network, gpus, 64 << 20).step


def horovod_jitter(batch: int) -> float:
    """With which jitter the model gives what was published of 256 GPUs."""
    gpus, published = HOROVOD[-1]
    low, high = 0.0, 2.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if horovod(gpus, batch, middle) > published else (low, middle)
    return low


def report() -> str:
    """Both tables, side by side with what the model gives, and its limits."""
    fixed = fitted()
    lines = [
        "MLPerf Training 3.0, ResNet-50, MXNet on DGX H100: images a second and GPU.",
        f"Fitted to the 64-GPU run: {fixed * 1e3:.2f} ms a step besides the images' own time, which is that of the 8-GPU run.",
        f"{'GPUs':>6}{'batch':>8}{'published':>11}{'model':>9}{'off by':>9}",
    ]
    for gpus, rate, batch in MLPERF[1:]:
        used = batch or MLPERF[2][2]
        assert used is not None
        found = mlperf(fixed, gpus, used)
        note = "  fitted" if gpus == MLPERF[1][0] else "" if batch else "  batch not known: that of 512 assumed"
        lines.append(f"{gpus:>6}{used:>8}{rate:>11,.0f}{found:>9,.0f}{found / rate - 1:>+9.1%}{note}")
    lines += ["", "Horovod, ResNet-50 in float32, MXNet on V100 (2018): share of so many times one machine's rate; rings alone."]
    jitters = {batch: horovod_jitter(batch) for batch in (64, 128)}
    head = "".join(f"{f'batch {b}':>11}{f'{j:.0%} jitter':>13}" for b, j in jitters.items())
    lines.append(f"{'GPUs':>6}{'published':>11}{head}")
    for gpus, share in HOROVOD:
        cells = "".join(f"{horovod(gpus, b):>11.0%}{horovod(gpus, b, j):>13.0%}" for b, j in jitters.items())
        lines.append(f"{gpus:>6}{share:>11.0%}{cells}")
    return "\n".join([*lines, "", _LIMITS])


_LIMITS = """\
What the model cannot know, and these tables do not tell:
- MLPerf's 512-GPU run is the one free prediction; that of 768 is no check, since its batch is not in the part of the log that was read.
  Bandwidths between machines, contention (0.1) and where in the backward gradients are known are assumptions, not measurements.
- Horovod's table is not predicted: batch and network are not stated there, and without jitter the model says far more at 256 GPUs than
  was published. A jitter that is fitted to 256 GPUs would be longer than the step itself, and gives too little for 16 and 32: what was
  lost came with the number of machines (shared networks, Horovod's negotiation of what is ready, slow machines), which a profile of one
  device does not show.
- So a prediction over more than one machine is an upper bound until the sums were measured there (--measured, from nccl-tests) and the
  jitter of a step as well (--jitter)."""
