"""What MXNet 1.9.1 makes of the operators of ``nd.contrib`` and of vision: ``tests/data/mxnet_1_9_1_vision.npz``.

Run by a Python that has MXNet 1.9.1 (and no hybridnet): ``python tests/support/mxnet_vision.py``. The tests evaluate the same cases with
hybridnet, by the same function. A case is the name of an operator, the expressions of its inputs, in which ``r`` draws numbers and
``box`` makes boxes, and those of its attributes. Kept are all results and, where MXNet has gradients, those of the floating inputs for a
head gradient that is drawn too; or that there was an error.
"""

import json
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mxnet_vision_cases import CASES, FIRST, NO_GRADIENT

PATH = Path(__file__).resolve().parent.parent / "data" / "mxnet_1_9_1_vision.npz"


def _boxes(r, *shape, size=1.0):
    """Boxes (..., 4) by corners inside of an image of a size."""
    at = r.rand(*shape, 4).astype(np.float32)
    at[..., 2:] = at[..., :2] + 0.05 + at[..., 2:] * 0.5
    return np.minimum(at, 1).astype(np.float32) * np.float32(size)


def _labels(r, batch, count, width=5):
    """Classes and boxes of objects, some rows at the end -1, for none."""
    found = np.full((batch, count, width), -1, np.float32)
    for i in range(batch):
        n = r.randint(0, count + 1)
        found[i, :n, 0] = r.randint(0, 3, n)
        found[i, :n, 1:5] = _boxes(r, n)
        found[i, :n, 5:] = r.rand(n, width - 5)
    return found


def _scored(r, *shape, classes=2):
    """Rows class, score, box."""
    return np.concatenate([r.randint(0, classes, (*shape, 1)), r.rand(*shape, 1), _boxes(r, *shape)], -1).astype(np.float32)


def _rois(r, count, batch, size):
    """Rows batch, box, in pixels."""
    return np.concatenate([r.randint(0, batch, (count, 1)), _boxes(r, count, size=size)], 1).astype(np.float32)


def _softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return (e / e.sum(axis, keepdims=True)).astype(np.float32)


def inputs_of(case):
    """The arrays of a case; Python's numbers and float64 draws are float32."""
    r = np.random.RandomState(zlib.crc32(repr(case).encode()) % 2**32)
    names = {"r": r, "np": np, "boxes": lambda *a, **k: _boxes(r, *a, **k), "labels": lambda *a, **k: _labels(r, *a, **k)}
    names.update(scored=lambda *a, **k: _scored(r, *a, **k), rois=lambda *a: _rois(r, *a), softmax=_softmax, f64=lambda x: (x, "float64"))
    found = []
    for x in eval(f"({case[1]},)", names):
        x, dtype = x if isinstance(x, tuple) else (np.asarray(x), None)
        found.append(x.astype(dtype or ("float32" if x.dtype in (np.float64, np.int64) else x.dtype)))
    return found, r


def evaluate(mx, case):
    """All results of a case, then its gradients, as NumPy's arrays; None if there is an error."""
    name, _, attributes = case
    module, _, function = name.rpartition(".")
    module = {"": mx.nd, "contrib": mx.nd.contrib, "image": mx.nd.image}[module]
    data, r = inputs_of(case)
    xs = [mx.nd.array(x, dtype=x.dtype) for x in data]
    call = getattr(module, function)
    attributes = eval(f"dict({attributes})", {"np": np})
    floating = [x for x in xs[: FIRST.get(function)] if np.dtype(x.dtype).kind == "f"]
    differentiate = function not in NO_GRADIENT and floating
    try:
        if not differentiate:
            ys = call(*xs, **attributes)
        else:
            for x in floating:
                x.attach_grad()
            with mx.autograd.record():
                ys = call(*xs, **attributes)
        ys = ys if isinstance(ys, (list, tuple)) else [ys]
        results = [y.asnumpy() for y in ys]
        if differentiate:
            heads = [mx.nd.array(r.randn(*y.shape), dtype=y.dtype) for y in ys]
            mx.autograd.backward(ys, heads)
            results += [x.grad.asnumpy() for x in floating]
    except mx.MXNetError:
        return None
    return results


def kept():
    """The cases' results as MXNet gave them: by case, a list of arrays or None."""
    with np.load(PATH) as data:
        index, values = json.loads(bytes(data["index"])), data["values"]
    found, place = {}, 0
    for text, arrays in index:
        if arrays is None:
            found[text] = None
            continue
        found[text] = []
        for shape, dtype in arrays:
            size = int(np.prod(shape))
            found[text].append(values[place : place + size].astype(dtype).reshape(shape))
            place += size
    return found


def asked(name):
    """The results of an operator's cases, from a process of its own: MXNet 1.9.1 crashes on some of what it accepts."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import mxnet_vision; mxnet_vision.ask({name!r})"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    return pickle.loads(done.stdout)


def ask(name):
    import mxnet as mx

    sys.stdout.buffer.write(pickle.dumps({repr(case): evaluate(mx, case) for case in CASES if case[0] == name}))


def main():
    found = {}
    for name in dict.fromkeys(case[0] for case in CASES):
        found.update(asked(name))
    index, values = [], []
    for case in CASES:
        results = found[repr(case)]
        index.append([repr(case), None if results is None else [[list(y.shape), str(y.dtype)] for y in results]])
        values += [y.ravel().astype(np.float64) for y in results or []]
        if results is None:
            print("error:", case)
    flat = np.concatenate(values)
    np.savez_compressed(PATH, index=np.frombuffer(json.dumps(index).encode(), np.uint8), values=flat.astype(np.float32))
    print(len(index), "cases", len(flat), "numbers", PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
