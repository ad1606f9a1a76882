"""Executors and symbols beside MXNet, in one run: forward and backward of small networks, and what is done with a symbol of 1,000 nodes.

    python tests/benchmarks/symbols.py --mxnet PYTHON --write tests/benchmarks/records/symbols-DATE.json

The machine should be quiet. The bars: a step of a network no slower than MXNet's; composing the symbol and finding its shapes, its dtypes,
writing and reading it less than 50 ms each.
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

#: Milliseconds that a pass over a thousand nodes may take, and how much of MXNet's time a step may.
PASS, STEP = 50.0, 1.0
ROUNDS = 3


def perceptron(sym: Any, units: int) -> Any:
    """Two hidden layers and a softmax of ten."""
    x = sym.var("data")
    for i in range(2):
        x = sym.Activation(sym.FullyConnected(x, num_hidden=units, name=f"fc{i}"), act_type="relu")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=10, name="out"), name="softmax")


def convolutions(sym: Any) -> Any:
    """One convolution, its largest values, and a softmax of ten."""
    x = sym.Activation(sym.Convolution(sym.var("data"), kernel=(3, 3), num_filter=8, name="conv"), act_type="relu")
    x = sym.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="max")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=10, name="out"), name="softmax")


#: Networks and the shapes of their data.
NETWORKS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "perceptron of 16, batch 8": (lambda sym: perceptron(sym, 16), (8, 16)),
    "perceptron of 64, batch 32": (lambda sym: perceptron(sym, 64), (32, 64)),
    "convolution, batch 16": (convolutions, (16, 1, 28, 28)),
}


def best(call: Callable[[], Any], times: int) -> float:
    """The least seconds of a call, by the mean of twenty."""
    for _ in range(20):
        call()
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        for _ in range(20):
            call()
        found.append((time.perf_counter() - begin) / 20)
    return min(found)


def steps(mx: Any, times: int) -> dict[str, float]:
    """Seconds of forward and backward, with gradients of the parameters, as a module has them."""
    found = {}
    for name, (make, shape) in NETWORKS.items():
        symbol = make(mx.sym)
        wanted = {key: "null" if key in ("data", "softmax_label") else "write" for key in symbol.list_arguments()}
        executor, rng = symbol.simple_bind(mx.cpu(), grad_req=wanted, data=shape), np.random.RandomState(0)
        for key, x in executor.arg_dict.items():
            x[:] = 1.0 if key == "softmax_label" else rng.uniform(-0.1, 0.1, x.shape)
        last = executor.grad_dict[symbol.list_arguments()[1]]

        def step(executor: Any = executor, last: Any = last) -> None:
            executor.forward(is_train=True)
            executor.backward()
            last.wait_to_read()

        found[name] = best(step, times)
    return found


def passes(mx: Any, times: int, nodes: int = 1000) -> dict[str, float]:
    """Seconds of each pass over a symbol of so many operators, the least of some."""

    def compose() -> Any:
        x = mx.sym.var("data")
        for _ in range(nodes // 2):
            x = mx.sym.Activation(mx.sym.FullyConnected(x, num_hidden=8), act_type="relu")
        return x

    found: dict[str, float] = {}
    for _ in range(times):
        symbol, text = [], []
        calls: dict[str, Callable[[], Any]] = {
            "compose": lambda symbol=symbol: symbol.append(compose()),
            "infer_shape": lambda symbol=symbol: symbol[0].infer_shape(data=(4, 8)),
            "infer_type": lambda symbol=symbol: symbol[0].infer_type(data="float32"),
            "tojson": lambda symbol=symbol, text=text: text.append(symbol[0].tojson()),
            "load_json": lambda text=text: mx.sym.load_json(text[0]),
        }
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            seconds = time.perf_counter() - begin
            found[name] = min(seconds, found.get(name, seconds))
    return found


def measured(library: str, times: int) -> dict[str, dict[str, float]]:
    """What one library takes."""
    mx = importlib.import_module(library)
    return {"steps": steps(mx, times), "passes": passes(mx, max(times // 4, 1))}


def in_turn(pythons: dict[str, str], times: int) -> dict[str, Any]:
    """The same of each library, the better of runs that are taken in turn."""
    found: dict[str, Any] = {}
    for _ in range(ROUNDS):
        for library, python in pythons.items():
            command = [python, __file__, "--library", library, "--times", str(times)]
            done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
            for part, values in json.loads(done.stdout.splitlines()[-1]).items():
                kept = found.setdefault(library, {}).setdefault(part, {})
                kept.update({name: min(seconds, kept.get(name, seconds)) for name, seconds in values.items()})
    return found


def judged(record: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """What the bars are about, each with its bar: ratios of steps, milliseconds of passes."""
    ours, theirs = record["hybridnet"], record["mxnet"]
    found = {name: (seconds / theirs["steps"][name], STEP) for name, seconds in ours["steps"].items()}
    return found | {f"{name}, ms": (seconds * 1e3, PASS) for name, seconds in ours["passes"].items()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mxnet", help="a Python with MXNet 1.9.1")
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--write", type=Path, help="where the record goes")
    parser.add_argument("--library", help="measure it in this process, and print seconds")
    arguments = parser.parse_args()
    if arguments.library:
        print(json.dumps(measured(arguments.library, arguments.times)))
        return
    record = in_turn({"hybridnet": sys.executable, "mxnet": arguments.mxnet}, arguments.times)
    for name, (value, bar) in judged(record).items():
        print(f"{value:7.2f}  {'within' if value <= bar else 'above '} {bar}  {name}")
    if arguments.write:
        arguments.write.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
