"""Runs calls of classic operators and writes down what came: by MXNet 1.9.1 in its own Python, or by hybridnet.

``python mxnet_answers.py LIBRARY CALLS ANSWERS`` reads calls (a JSON list, see :func:`answer`) and appends an answer to each that has
none yet to the file of answers, so that a process that died at a call can be followed by another. It needs NumPy and the library.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

#: Prefixes of operators' names, and the module of ``nd`` that has them without.
_MODULES = {"_contrib_": "contrib", "_linalg_": "linalg", "_image_": "image"}


def function_of(nd: Any, name: str) -> Any:
    """The function of ``nd`` that calls an operator, by the name under which it is registered."""
    for prefix, module in _MODULES.items():
        if name.startswith(prefix):
            return getattr(getattr(nd, module), name[len(prefix) :])
    ways = (nd, name), (nd._internal, name), (nd.random, name.removeprefix("_random_")), (nd, name.removeprefix("_np_"))
    return next(found for where, what in ways if (found := getattr(where, what, None)) is not None)


def array_of(description: list[Any]) -> np.ndarray[Any, Any]:
    """The array of a description [kind, shape, dtype, seed]: the same on every machine and version of NumPy."""
    kind, shape, dtype, seed = description
    random = np.random.RandomState(seed)
    kind, _, number = kind.partition(":")
    integer = np.dtype(dtype).kind in "iub"
    if kind == "normal":
        low = 0 if np.dtype(dtype).kind in "ub" else -3
        x: Any = random.randint(low, 4, shape) if integer else random.normal(0, 1, shape)
    elif kind == "positive":
        x = random.randint(1, 5, shape) if integer else random.uniform(0.2, 2, shape)
    elif kind == "unit":
        x = random.randint(-1, 2, shape) if integer else random.uniform(-0.9, 0.9, shape)
    elif kind == "probability":
        x = random.uniform(0.05, 0.95, shape)
        x = x / x.sum(-1, keepdims=True)
    elif kind == "share":
        x = random.uniform(0.1, 0.9, shape)
    elif kind == "large":
        x = random.uniform(1.1, 3, shape)
    elif kind == "index":
        x = random.randint(0, int(number), shape)
    elif kind == "lengths":
        x = random.randint(1, int(number) + 1, shape)
    elif kind == "outside":
        x = random.randint(-int(number) - 1, 2 * int(number) + 1, shape)
    elif kind == "value":
        x = np.full(shape, float(number))
    elif kind == "distinct":
        x = random.permutation(int(np.prod(shape))).reshape(shape) * 0.25 - 1
    elif kind in ("spd", "lower"):
        a = random.normal(0, 1, shape)
        x = np.matmul(a, np.swapaxes(a, -1, -2)) + 2 * np.eye(shape[-1])
        x = np.linalg.cholesky(x) if kind == "lower" else x
    else:
        raise ValueError(kind)
    return np.asarray(x).astype(dtype).reshape(shape)


def answer(mx: Any, call: dict[str, Any]) -> dict[str, Any]:
    """What ``mx`` makes of a call: ``op``, ``inputs`` (descriptions of arrays), ``attrs``; of which inputs the ``gradients`` are asked for,
    and in which mode (``train``); which inputs are ``out`` as well; whether attributes are given as ``strings``.

    ``outputs``: arrays; ``inputs``: those that are changed then, by number; ``gradients``: by the input's number; or ``error`` and
    ``gradient_error``, texts.
    """
    nd, autograd = mx.nd, mx.autograd
    try:
        arrays = [nd.array(array_of(d), dtype=d[2]) for d in call["inputs"]]
        for x in arrays:
            x.wait_to_read()
    except Exception as error:
        return {"impossible": repr(error)[:300]}
    given = [x.asnumpy() for x in arrays]
    attrs = {key: tuple(value) if isinstance(value, list) else value for key, value in call["attrs"].items()}
    if call.get("strings"):
        attrs = {key: str(value) for key, value in attrs.items()}
    if "out" in call:
        attrs["out"] = [arrays[i] for i in call["out"]]
    wanted, train = call.get("gradients", []), call.get("train", True)
    made: dict[str, Any] = {}
    try:
        mx.random.seed(7)
        function = function_of(nd, call["op"])
        for i in wanted:
            arrays[i].attach_grad()
        if wanted:
            with autograd.record(train_mode=train):
                outputs = function(*arrays, **attrs)
        else:
            outputs = function(*arrays, **attrs)
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        made["outputs"] = [y.asnumpy() for y in outputs]
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:2000]}
    if wanted:
        try:
            heads = [y for y in outputs if np.dtype(y.dtype).kind == "f"]
            grads = [nd.array(np.random.RandomState(i).uniform(0.5, 1.5, y.shape), dtype=y.dtype) for i, y in enumerate(heads)]
            autograd.backward(heads[: call.get("heads")], grads[: call.get("heads")], train_mode=train)
            made["gradients"] = {i: arrays[i].grad.asnumpy() for i in wanted}
        except Exception as error:
            made["gradient_error"] = f"{type(error).__name__}: {error}"[:2000]
    made["inputs"] = {i: x.asnumpy() for i, x in enumerate(arrays) if not np.array_equal(x.asnumpy(), given[i], equal_nan=True)}
    return made


if __name__ == "__main__":
    from answering import append_answers  # beside this script, which another Python runs

    append_answers(answer, *sys.argv[1:4])
