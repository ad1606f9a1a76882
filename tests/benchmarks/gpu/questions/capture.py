"""What a CUDA graph holds, and what it gives from replay to replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import hybridnet as hn
from gpu.questions import captured, cupy, kernel, question
from gpu.sizes import normal
from hybridnet import autograd
from hybridnet.device import dnn
from hybridnet.device.stream import Capture


@question
def properties_for_cudnn(folder: Path) -> Any:
    """The device's properties as cuDNN wants them where there is none, to build its plans there."""
    text = dnn.library().create_device_properties(0).serialize()
    text = bytes(text).decode() if not isinstance(text, str) else text
    (folder / "cudnn_device.json").write_text(json.dumps(json.loads(text), indent=1) + "\n")
    return len(text)


@question
def capture_of_kernels(folder: Path) -> Any:
    """A hundred launches, captured once, replayed twice."""
    cp, run = cupy(), kernel()
    x = cp.zeros(1 << 16, "float32")

    def hundred(stream: Any) -> None:
        for _ in range(100):
            run((256,), (256,), (x, np.int32(x.size), np.float32(1)))

    graph = captured(hundred)
    x.fill(0)
    for _ in range(2):
        graph.launch(cp.cuda.get_current_stream())
    cp.cuda.get_current_stream().synchronize()
    assert float(x.min()) == float(x.max()) == 200
    return "200 of 200 launches"


@question
def random_numbers_from_replay_to_replay(folder: Path) -> Any:
    """A captured step draws other numbers at each replay: those that are drawn without compiling."""
    with hn.gpu(0):
        hn.random.seed(7)
        one_by_one = [hn.np.random.uniform(size=(1000,)).asnumpy() for _ in range(5)]
        hn.random.seed(7)
        step = hn.jit(lambda: hn.np.random.uniform(size=(1000,)))
        replays = [step().asnumpy() for _ in range(5)]
    assert all((a != b).any() for i, a in enumerate(replays) for b in replays[:i]), "a replay repeats numbers"
    assert all((a == b).all() for a, b in zip(replays, one_by_one, strict=True)), "not the numbers drawn one by one"
    return "5 of 5 differ, and are those drawn one by one"


@question
def a_training_step(folder: Path) -> Any:
    """A perceptron's step: in how many CUDA graphs it runs, and whether its losses are the CPU's."""
    losses = {}
    for context in (hn.gpu(0), hn.cpu()):
        with context:
            net = hn.gluon.nn.HybridSequential()
            for i, (inputs, outputs) in enumerate(((32, 64), (64, 10))):
                first = hn.init.Constant(normal(f"layer{i}", outputs, inputs, scale=inputs**-0.5))
                net.add(hn.gluon.nn.Dense(outputs, activation=None if i else "relu", in_units=inputs, weight_initializer=first))
            net.initialize()
            x = hn.np.array(normal("x", 16, 32))
            y = hn.np.array(np.arange(16) % 10, dtype="int32")
        loss_of = hn.gluon.loss.SoftmaxCrossEntropyLoss()
        trainer = hn.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-2})

        @hn.jit
        def step(x: Any, y: Any, net: Any = net, loss_of: Any = loss_of, trainer: Any = trainer) -> Any:
            with autograd.record():
                loss = loss_of(net(x), y)
            loss.backward()
            trainer.step(16)
            return loss

        losses[context] = [float(step(x, y).mean().asnumpy()) for _ in range(6)]
        if context.is_gpu:
            explained = step.explain(x, y)
            (folder / "step.txt").write_text(explained + "\n\n" + step.program(x, y))
    here, there = losses.values()
    assert np.allclose(here, there, rtol=1e-4), losses
    return {"explain": explained.splitlines()[0], "losses": here}


@question
def products_by_cupy_in_a_capture(folder: Path) -> Any:
    """Expected to be refused: why products go through cuBLASLt."""
    cp = cupy()
    a = cp.ones((64, 64), "float32")
    a @ a
    try:
        with Capture(hn.gpu(0)):
            a @ a
    except Exception as error:
        return f"refused, as expected: {type(error).__name__}: {error}"
    return "captured"


@question
def a_communicator_of_one_in_a_capture(folder: Path) -> Any:
    """NCCL's sum over one process, captured and replayed."""
    from cupy.cuda import nccl

    cp = cupy()
    communicator = nccl.NcclCommunicator(1, nccl.get_unique_id(), 0)
    x = cp.ones(1024, "float32")
    graph = captured(lambda stream: communicator.allReduce(x.data.ptr, x.data.ptr, x.size, nccl.NCCL_FLOAT32, nccl.NCCL_SUM, stream.ptr))
    graph.launch(cp.cuda.get_current_stream())
    cp.cuda.get_current_stream().synchronize()
    assert float(x.sum()) == 1024
    return "replayed"
