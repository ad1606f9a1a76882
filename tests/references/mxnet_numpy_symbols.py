"""What MXNet 1.9.1 makes of ``sym.np`` and ``sym.npx``. Run where MXNet is, as ``tests/support/mxnet_operators.py``.

It writes ``tests/data/mxnet_1_9_1_numpy_symbols.json.gz``: for each call of ``support/numpy_symbols.py`` the nodes of its file, the names,
shapes and dtypes of its outputs, and of outputs and gradients two numbers each; or that MXNet refuses it, or ends.
"""

import gzip
import json
import os
import pathlib
import sys
from typing import Any

os.environ["MXNET_ENGINE_TYPE"] = "NaiveEngine"  # without threads, so that it can be forked
import mxnet as mx
import numpy as np

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from support import numpy_symbols, symbol_values  # noqa: E402


def asked(call: str, tell: Any) -> None:
    """Tell what a call gives, and each time more is known: MXNet may end while it is asked."""
    with mx.name.NameManager():
        try:
            made = numpy_symbols.made(mx.sym, call)
        except Exception as error:
            return tell({"error": type(error).__name__})
    found: dict[str, Any] = {"json": made.tojson(), "outputs": made.list_outputs()}
    tell(found)
    shapes = numpy_symbols.known(made)
    types = {name: numpy_symbols.TYPES.get(name, "float32") for name in shapes}
    found["types"] = [np.dtype(t).name for t in made.infer_type(**types)[1]]
    tell(found)
    inferred = made.infer_shape(**shapes)
    found["shapes"] = inferred[1]
    tell(found)
    if any(text in call for text in numpy_symbols.DRAWN):
        return None
    every = dict(zip(made.list_arguments(), inferred[0] or [], strict=False)) or shapes
    arrays = {name: mx.np.array(numpy_symbols.values(name, shape), dtype=types.get(name, "float32")) for name, shape in every.items()}
    states = {
        name: mx.np.array(numpy_symbols.values(name, shape))
        for name, shape in zip(made.list_auxiliary_states(), inferred[2] or [], strict=True)
    }
    grads = {name: mx.np.zeros_like(x) for name, x in arrays.items()}
    executor = made.bind(mx.cpu(), arrays, grads, "write", states)
    outputs = [y.asnumpy() for y in executor.forward(is_train=True)]
    found["values"] = [symbol_values.digest(y) for y in outputs]
    tell(found)
    executor.backward([mx.np.array(symbol_values.weights(y.shape), dtype=y.dtype) for y in outputs])
    found["gradients"] = {name: symbol_values.digest(g.asnumpy()) for name, g in grads.items() if name not in numpy_symbols.TYPES}
    return tell(found)


def in_process(call: str) -> dict:
    """What :func:`asked` told last, in a process of its own."""
    got, put = os.pipe()
    child = os.fork()
    if not child:
        try:
            asked(call, lambda found: os.write(put, json.dumps(found).encode() + b"\n"))
        finally:
            os._exit(0)
    os.close(put)
    with os.fdopen(got) as pipe:
        lines = pipe.read().splitlines()
    os.waitpid(child, 0)
    return json.loads(lines[-1]) if lines else {"error": "ends"}


def main() -> None:
    mx.npx.set_np()
    found = {call: in_process(call) for call in numpy_symbols.CALLS}
    path = TESTS / "data" / "mxnet_1_9_1_numpy_symbols.json.gz"
    path.write_bytes(gzip.compress(json.dumps(found, separators=(",", ":")).encode(), mtime=0))


if __name__ == "__main__":
    main()
