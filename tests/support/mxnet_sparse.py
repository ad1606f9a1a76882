"""Write what MXNet 1.9.1 gives for arrays of csr and row_sparse storage: ``tests/data/mxnet_1_9_1_sparse.jsonl``.

Run by a Python that has MXNet 1.9.1 (and no hybridnet): ``python tests/support/mxnet_sparse.py``. Each line holds an expression of
``sparse_expressions``, the storage of its result and its elements, and those of the gradient of each array in it for a head gradient of
ones, where MXNet has one. Then come optimizers' updates by a gradient of row_sparse storage. Beside it goes a file with sparse arrays.
"""

import json
from pathlib import Path
from typing import Any

import mxnet as mx
from mxnet import autograd, nd
from sparse_expressions import EXPRESSIONS, arrays, values, with_gradients

DATA = Path(__file__).resolve().parent.parent / "data"

UPDATES = [
    ("sgd", {}), ("sgd", {"wd": 0.1}), ("sgd", {"momentum": 0.9, "wd": 0.1}), ("sgd", {"momentum": 0.9, "wd": 0.1, "lazy_update": False}),
    ("adam", {"wd": 0.1}), ("adam", {"clip_gradient": 0.5}), ("adam", {"lazy_update": False}), ("adagrad", {}), ("adagrad", {"wd": 0.1}),
    ("ftrl", {"wd": 0.1}), ("groupadagrad", {}), ("nag", {"momentum": 0.9}), ("rmsprop", {}),
]  # fmt: skip


def shown(x: Any) -> Any:
    return [x.stype, x.asnumpy().tolist()]


def evaluated(text: str) -> dict[str, Any]:
    given = arrays(nd)
    result = eval(text, {"nd": nd, **given})
    line = {"expression": text, "result": shown(result)}
    used = with_gradients(text, given)
    try:
        with autograd.record():
            result = eval(text, {"nd": nd, **given})
        result.backward()
        line["gradients"] = {name: shown(given[name].grad) for name in used}
    except mx.MXNetError:
        print("MXNet has no gradient of", text)
    return line


def updated(name: str, settings: dict[str, Any], stype: str) -> dict[str, Any]:
    """Three updates of a weight, each by another gradient of some of its rows."""
    optimizer = mx.optimizer.create(name, learning_rate=0.1, **settings)
    given = values()
    weight = nd.array(given["d"] + 3).tostype(stype)
    updater = mx.optimizer.get_updater(optimizer)
    for gradient in ("r", "r2", "r"):
        updater(0, nd.array(given[gradient]).tostype("row_sparse"), weight)
    return {"optimizer": name, "settings": settings, "stype": stype, "weight": weight.asnumpy().tolist()}


def main() -> None:
    lines = []
    for text in EXPRESSIONS:
        try:
            lines.append(evaluated(text))
        except mx.MXNetError:
            print("MXNet fails at", text)
    for name, settings in UPDATES:
        for stype in ("default", "row_sparse"):
            try:
                lines.append(updated(name, settings, stype))
            except mx.MXNetError:
                print("no update by rows:", name, settings, stype)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (DATA / "mxnet_1_9_1_sparse.jsonl").write_text(text, encoding="utf-8")
    given = arrays(nd)
    nd.save(
        str(DATA / "mxnet_1_9_1_sparse.params"), {name: given[name] for name in ("c", "r", "d")} | {"none": nd.zeros((2, 3), stype="csr")}
    )


if __name__ == "__main__":
    main()
