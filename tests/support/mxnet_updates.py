"""What MXNet 1.9.1's optimizers make of several parameters: ``tests/data/mxnet_1_9_1_updates.jsonl``, a case a line.

Run by a Python that has MXNet 1.9.1 (and no hybridnet): ``python tests/support/mxnet_updates.py``. A case is an optimizer and its
arguments; the tests run the same with hybridnet, by the same function. Parameters have names, of which decay and layer-wise rates
depend, multipliers and, in some cases, 16 bits.
"""

import json
from pathlib import Path

import numpy as np

PATH = Path(__file__).resolve().parent.parent / "data" / "mxnet_1_9_1_updates.jsonl"

NAMES = ("a_weight", "a_bias", "b_gamma", "b_beta", "c_weight", "c_other")

#: Name, arguments; "steps" of a schedule (a FactorScheduler), "dtype" of the weights.
CASES = [
    ("lars", {"learning_rate": 0.5, "wd": 0.1}),
    ("lars", {"learning_rate": 0.5, "momentum": 0.9, "eta": 0.1, "eps": 0.01, "clip_gradient": 0.4}),
    ("lars", {"learning_rate": 0.5, "momentum": 0.9, "wd": 0.01, "eta": 0.1, "dtype": "float16", "multi_precision": True}),
    ("lars", {"learning_rate": 0.5, "momentum": 0.9, "eta": 0.1, "steps": 2, "names": 1}),
    ("lars", {"learning_rate": 0.5, "momentum": 0.9, "eta": 0.1, "steps": 2, "momentum_correction": False}),
    ("lbsgd", {"learning_rate": 0.1, "batch_scale": 2, "warmup_epochs": 1, "updates_per_epoch": 4, "wd": 0.1}),
    ("lbsgd", {"learning_rate": 0.1, "batch_scale": 3, "warmup_strategy": "sqrt", "momentum": 0.9, "warmup_epochs": 2}),
    ("lbsgd", {"learning_rate": 0.1, "batch_scale": 2, "warmup_strategy": "power2", "warmup_epochs": 1, "begin_epoch": 0}),
    ("lbsgd", {"learning_rate": 0.1, "warmup_strategy": "lars", "wd": 0.1}),
    ("dcasgd", {"learning_rate": 0.1, "lamda": 0.5, "wd": 0.1}),
    ("dcasgd", {"learning_rate": 0.1, "lamda": 2.0, "clip_gradient": 0.3}),  # with a momentum MXNet fails
    ("test", {}),
    ("ccsgd", {"learning_rate": 0.1, "wd": 0.1, "momentum": 0.9, "clip_gradient": 0.3}),
    ("groupadagrad", {"learning_rate": 0.1, "eps": 0.01, "clip_gradient": 0.3}),
    ("sgd", {"learning_rate": 0.1, "wd": 0.1, "momentum": 0.9, "dtype": "float16", "multi_precision": True}),
    ("sgd", {"learning_rate": 0.1, "wd": 0.1, "multipliers": True}),
    ("adam", {"learning_rate": 0.1, "wd": 0.1, "multipliers": True}),
    ("adam", {"learning_rate": 0.1, "wd": 0.1, "dtype": "float16", "multi_precision": True}),
    ("nag", {"learning_rate": 0.1, "momentum": 0.9, "dtype": "float16", "multi_precision": True}),
    ("lamb", {"learning_rate": 0.1, "wd": 0.1, "multipliers": True}),
    ("lamb", {"learning_rate": 0.1, "wd": 0.1, "lower_bound": 0.5, "upper_bound": 1.0, "bias_correction": False}),
    # (MXNet's lamb in 16 bits stands still after the first step.)
    ("signum", {"learning_rate": 0.1, "wd": 0.1, "multipliers": True}),
]


def start(mx, case):
    """The optimizer, and its weights: the third of them are zeros, for which there is no ratio of sizes."""
    name, given = case
    given = dict(given)
    dtype, steps, count = given.pop("dtype", "float32"), given.pop("steps", None), given.pop("names", len(NAMES))
    multipliers = given.pop("multipliers", False)
    if steps is not None:
        given["lr_scheduler"] = mx.lr_scheduler.FactorScheduler(steps, 0.5)
    optimizer = mx.optimizer.create(name, param_idx2name=dict(enumerate(NAMES[:count])), rescale_grad=0.5, **given)
    if multipliers:
        optimizer.set_lr_mult({"a_weight": 0.5, "b_beta": 2.0})
        optimizer.set_wd_mult({"a_bias": 3.0, "c_weight": 0.0})
    rng = np.random.RandomState(0)
    weights = [mx.nd.array(rng.randn(4, 3) * (i != 2), dtype=dtype) for i in range(count)]
    return optimizer, weights, [mx.nd.array(rng.randn(4, 3), dtype=dtype) for _ in range(count * 6)]


def evaluate(mx, case):
    """The weights after six updates of each."""
    optimizer, weights, grads = start(mx, case)
    states = [optimizer.create_state_multi_precision(i, w) for i, w in enumerate(weights)]
    for t in range(6):
        for i, w in enumerate(weights):
            grad, state = grads[t * len(weights) + i], states[i]
            if case[0] == "lars":  # which takes several at once
                optimizer.update_multi_precision([i], [w], [grad], [state])
            else:
                optimizer.update_multi_precision(i, w, grad, state)
    return [[float(f"{x:.6g}") for x in w.asnumpy().astype(np.float64).ravel()] for w in weights]


if __name__ == "__main__":
    import mxnet

    with PATH.open("w") as file:
        for case in CASES:
            file.write(json.dumps({"case": case, "weights": evaluate(mxnet, case)}) + "\n")
