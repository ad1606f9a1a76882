"""How many instructions the processor runs for small operations, where nearly all is the framework's: counted by callgrind, not timed.

The count does not change with what else the machine does, so a few percent more are seen. Of each operation N and 2N repetitions
run in one process, and the difference is divided by N: what is done once does not count. Arrays are 32 x 32, float32.

    python tests/benchmarks/instructions.py           # the counts, beside those of the record
    python tests/benchmarks/instructions.py --renew   # and write them into records/instructions.json
"""

import argparse
import gc
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORD = HERE / "records" / "instructions.json"
REPETITIONS = 40

Call = Callable[[], Any]

#: Where a count begins and ends: a function of the C library that callgrind knows by name, and that nothing else calls.
_MARK = "getppid"

#: One thread, and the same order of sets in every run.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "HYBRIDNET_NUM_THREADS": "1"}
_ENVIRONMENT["HYBRIDNET_DISABLE_LIBRARIES"] = "numba"  # a thread beside would compile loops meanwhile


def versions() -> dict[str, str]:
    """What the counts depend on besides hybridnet: another version has other counts."""
    import numpy

    return {"python": platform.python_version(), "numpy": numpy.__version__, "machine": platform.machine()}


def operations() -> dict[str, Call]:
    """What is counted, by name."""
    import numpy

    import hybridnet as hn
    from hybridnet import autograd, gluon, jit, np
    from hybridnet.gluon import nn

    rng = numpy.random.default_rng(0)

    def array(*shape: int, module: Any = hn.nd) -> Any:
        return module.array(rng.uniform(-1, 1, shape).astype("float32"))

    a, b, w = array(32, 32), array(32, 32), array(32, 32)
    p, q, v = (array(32, 32, module=np) for _ in range(3))
    bias = array(32, module=np)
    for variable in (w, v, bias):
        variable.attach_grad()

    def network(hybridized: bool) -> Any:
        net = nn.HybridSequential()
        net.add(nn.Dense(32, activation="relu", in_units=32), nn.Dense(32, activation="relu", in_units=32), nn.Dense(10, in_units=32))
        net.initialize()
        if hybridized:
            net.hybridize()
        return net

    labels = hn.nd.array(numpy.arange(32) % 10)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def training(net: Any) -> Callable[[Any, Any], Any]:
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01, "momentum": 0.9})

        def step(x: Any, y: Any) -> Any:
            with autograd.record():
                loss = loss_of(net(x), y)
            loss.backward()
            trainer.step(32)
            return loss

        return step

    def recorded(forward: Call) -> Call:
        def run() -> Any:
            with autograd.record():
                return forward()

        return run

    def differentiated(forward: Call) -> Call:
        def run() -> None:
            with autograd.record():
                y = forward()
            y.backward()

        return run

    plain, hybridized = training(network(False)), training(network(True))
    whole = jit(training(network(False)))
    called, plus_one = network(True), jit(lambda x: x + 1)
    return {
        "nd a + b": lambda: a + b,
        "np a + b": lambda: p + q,
        "nd a + 1.5": lambda: a + 1.5,
        "nd exp": lambda: hn.nd.exp(a),
        "np exp": lambda: np.exp(p),
        "nd sum": lambda: a.sum(),
        "np sum": lambda: p.sum(),
        "np mean(axis=1)": lambda: p.mean(axis=1),
        "nd a[1:3]": lambda: a[1:3],
        "np a[1]": lambda: p[1],
        "nd dot": lambda: hn.nd.dot(a, b),
        "nd reshape": lambda: a.reshape((16, 64)),
        "nd softmax": lambda: hn.nd.softmax(a),
        "np a * w, recorded": recorded(lambda: p * v),
        "nd (a * w).sum(), recorded, backward": differentiated(lambda: (a * w).sum()),
        "np (a * w).sum(), recorded, backward": differentiated(lambda: (p * v).sum()),
        "np relu(a @ w + b).sum(), recorded, backward": differentiated(lambda: hn.npx.relu(p @ v + bias).sum()),
        "perceptron, imperative step": lambda: plain(a, labels),
        "perceptron, hybridized step": lambda: hybridized(a, labels),
        "perceptron, one compiled step": lambda: whole(a, labels),
        "hybridized call": lambda: called(a),
        "jit(a + 1)": lambda: plus_one(p),
    }


#: What callgrind watches: a mark before and behind the import, before this module brings what hybridnet imports too.
_CHILD = f"""
import os, sys
import numpy, ml_dtypes
os.{_MARK}()
import hybridnet
os.{_MARK}()
sys.path.insert(0, {str(HERE)!r})
import instructions
instructions.run_all()
"""


def run_all() -> None:
    """Run each operation N times and 2N times, with a mark before, between and after."""
    for operation in operations().values():
        for _ in range(10):  # programs are compiled, caches filled
            operation()
        gc.collect()
        gc.disable()
        os.getppid()
        for repetitions in (REPETITIONS, 2 * REPETITIONS):
            for _ in range(repetitions):
                operation()
            os.getppid()
        gc.enable()


def _environment(cache: str) -> dict[str, str]:
    """Of a process that is counted. The folder of the checkout first, so that it is this hybridnet; compiled modules are in ``cache``."""
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**known, **_ENVIRONMENT, "PYTHONPATH": str(HERE.parents[1]), "PYTHONPYCACHEPREFIX": cache}


def _run(command: list[str], environment: dict[str, str]) -> None:
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"{command[0]}: expected a run without errors, got {ended.returncode}:\n{ended.stderr}")


def _callgrind(command: list[str], cache: str, *options: str) -> list[int]:
    """The instructions of a command of Python's: those of each part that ends with a mark, then those of the rest."""
    with tempfile.TemporaryDirectory() as folder:
        _run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", *options, sys.executable, *command], _environment(cache)
        )
        files = sorted(Path(folder).glob("out*"), key=lambda f: int(f.suffix[1:] or 0) if f.suffix else sys.maxsize)
        return [sum(map(int, re.findall(r"^totals: (\d+)", f.read_text(errors="replace"), re.MULTILINE))) for f in files]


def counted() -> dict[str, int]:
    """The instructions of a call of each operation, and of importing hybridnet where NumPy and ml_dtypes have been imported."""
    with tempfile.TemporaryDirectory() as cache:
        _run([sys.executable, "-c", "import hybridnet"], _environment(cache))  # compiles the modules
        return _counts(cache)


def _counts(cache: str) -> dict[str, int]:
    parts = _callgrind(["-c", _CHILD], cache, f"--dump-before={_MARK}")
    names = list(operations())
    before, marks = 2, 3  # what came before the import, and the import; of each operation the first part is what came before it
    if len(parts) != before + marks * len(names) + 1:
        raise RuntimeError(f"callgrind: expected {before + marks * len(names) + 1} parts, got {len(parts)}")
    found = {}
    for i, name in enumerate(names):
        once, twice = parts[before + marks * i + 1 : before + marks * i + marks]
        found[name] = round((twice - once) / REPETITIONS)
    return {**found, "import": parts[1]}


def read() -> dict[str, Any]:
    """The record: ``versions`` and ``instructions``."""
    record: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return record


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--renew", action="store_true", help="write the record")
    arguments = parser.parse_args()
    before = read()["instructions"] if RECORD.exists() else {}
    found = counted()
    for name, count in found.items():
        change = f"{count / before[name] - 1:+.1%}" if name in before else ""
        print(f"{name:48}{count:>12,}  {change}")
    if arguments.renew:
        RECORD.write_text(json.dumps({"versions": versions(), "instructions": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
