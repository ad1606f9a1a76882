"""Evaluates calls over arrays of all storages, by MXNet 1.9.1 in its own Python or by hybridnet, and writes down what came.

``python sparse_answers.py LIBRARY CALLS ANSWERS``, as ``mxnet_answers.py``. A call has ``arrays``, by name [storage, shape, share of what
is stored, seed], and ``text``, an expression of them, or several in a list; ``gradients``, the storage of the gradient that each variable
asks for, and ``after``, names of arrays that are looked at when all is done.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


def elements(description: list[Any]) -> np.ndarray[Any, Any]:
    """The elements of an array, the same on every machine: halves from -2 to 2, of row_sparse storage whole rows of them.

    A share above 1 means all, and positive ones.
    """
    storage, shape, share, seed = description
    random = np.random.RandomState(seed)
    x = random.randint(-4, 5, shape).astype("float32") / 2
    if share > 1:
        return np.abs(x) + 0.5
    kept = random.uniform(size=shape[:1] + [1] * (len(shape) - 1) if storage == "row_sparse" else shape) < share
    return np.where(kept, np.where(x == 0, 1, x), 0).astype("float32")


def shown(x: Any) -> Any:
    """An array's storage, dtype, elements, and which places are stored; of anything else itself."""
    if not hasattr(x, "asnumpy"):
        return x
    stored = [x.indices.asnumpy().tolist()] if x.stype != "default" else []
    return [x.stype, str(np.dtype(x.dtype)), x.asnumpy(), stored]


def file_of(mx: Any, arrays: Any) -> bytes:
    """What ``nd.save`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        mx.nd.save(str(Path(folder) / "x"), arrays)
        return (Path(folder) / "x").read_bytes()


def loaded(mx: Any, arrays: Any) -> list[Any]:
    """What ``nd.load`` reads of what ``nd.save`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "x")
        mx.nd.save(path, arrays)
        found = mx.nd.load(path)
        return [found[name] for name in sorted(found)]


def stepped(mx: Any, name: str, weight: Any, gradients: list[Any], **settings: Any) -> Any:
    """A weight after an optimizer's updates by these gradients."""
    updater = mx.optimizer.get_updater(mx.optimizer.create(name, learning_rate=0.1, **settings))
    for gradient in gradients:
        updater(0, gradient, weight)
    return weight


def pulled(mx: Any, weight: Any, rows: Any, pushed: Any = None) -> Any:
    """Rows of a weight that a key-value store gives."""
    store = mx.kv.create("local")
    store.init("w", weight)
    if pushed is not None:
        store.push("w", pushed)
    out = mx.nd.sparse.zeros("row_sparse", weight.shape)
    store.row_sparse_pull("w", out=out, row_ids=rows)
    return out


def answer(mx: Any, call: dict[str, Any]) -> dict[str, Any]:
    """``outputs``, ``gradients`` by name, ``after`` by name, or ``error`` and ``gradient_error``, texts."""
    names: dict[str, Any] = {"mx": mx, "nd": mx.nd, "np": np}
    for helper in (file_of, loaded, stepped, pulled):
        names[helper.__name__] = lambda *args, _helper=helper, **kwargs: _helper(mx, *args, **kwargs)
    given = {name: mx.nd.array(elements(of)).tostype(of[0]) for name, of in call["arrays"].items()}
    wanted = call.get("gradients", {})
    made: dict[str, Any] = {}
    try:
        if wanted:
            for name, storage in wanted.items():
                given[name].attach_grad(**({"stype": storage} if storage else {}))
            with mx.autograd.record():
                outputs = eval(call["text"], {**names, **given})
        else:
            outputs = eval(call["text"], {**names, **given})
        made["outputs"] = [shown(y) for y in (outputs if isinstance(outputs, list) else [outputs])]
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:2000]}
    if wanted:
        try:
            outputs.backward()
            made["gradients"] = {name: shown(given[name].grad) for name in wanted}
        except Exception as error:
            made["gradient_error"] = f"{type(error).__name__}: {error}"[:2000]
    made["after"] = {name: shown(given[name]) for name in call.get("after", [])}
    return made


if __name__ == "__main__":
    from answering import append_answers  # beside this script, which another Python runs

    append_answers(answer, *sys.argv[1:4])
