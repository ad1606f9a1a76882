"""The shorter ways to NumPy give what the records' ``compute`` gives, to the bit, in every dtype and however the operands lie."""

import inspect
from typing import Any

import numpy as np
import pytest

from hybridnet import dtypes
from hybridnet.core import OPS, Op
from hybridnet.core.numpy_functions import NUMPY_FUNCTION_OF, SHORTER

TYPES = [np.dtype(t) for t in ("float32", "float64", "float16", "int32", "uint8", "int64", "bool")] + [dtypes.bfloat16]
LAYOUTS = {"as it is": lambda x: x, "reversed": lambda x: x[::-1] if x.ndim else x, "other order": lambda x: x.T.copy().T}


def _same(found: Any, expected: Any) -> None:
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()
    if isinstance(expected, np.ndarray):
        assert found.flags.writeable == expected.flags.writeable


@pytest.mark.parametrize("op", SHORTER, ids=lambda op: op.name)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_is_what_compute_gives(op: Op, dtype: Any) -> None:
    compute: Any = op.compute
    asked = 0
    for sample in op.sample():  # type: ignore[misc]
        attrs = {**sample.attrs, "dtype": dtype} if "dtype" in sample.attrs else sample.attrs
        for layout in LAYOUTS.values():
            inputs = [layout((np.asarray(x) * 3).astype(dtype)) for x in sample.inputs]
            try:
                expected = compute(np, *inputs, **attrs)
            except Exception as error:
                with pytest.raises(type(error)):
                    NUMPY_FUNCTION_OF[op](*inputs, **attrs)
                continue
            asked += 1
            _same(NUMPY_FUNCTION_OF[op](*inputs, **attrs), expected)
            if op.out:
                out = np.empty_like(np.asarray(expected))
                NUMPY_FUNCTION_OF[op](*inputs, out=out, **attrs)
                _same(out, np.asarray(expected))
    assert asked


def test_the_shorter_ways_are_of_registered_operators_and_take_what_compute_takes() -> None:
    assert {"sum", "reshape", "slice", "broadcast_to", "matmul", "full"} <= {op.name for op in SHORTER}
    for op in SHORTER:
        assert OPS[op.name] is op and NUMPY_FUNCTION_OF[op] is not None
        takes = [inspect.signature(f).parameters for f in (op.compute, NUMPY_FUNCTION_OF[op]) if f is not None]
        names = [{name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY} for parameters in takes]
        assert names[0] == names[1]


@pytest.mark.parametrize("seed", range(4))
def test_random_broadcasts(seed: int) -> None:
    """Of all numbers of dimensions, lengths of 0 and 1, views and read-only arrays; and shapes that do not fit."""
    rng = np.random.default_rng(seed)
    op = OPS["broadcast_to"]
    compute: Any = op.compute
    for _ in range(200):
        x = rng.normal(size=rng.integers(0, 4, rng.integers(0, 4))).astype(TYPES[rng.integers(len(TYPES))])
        x = [x, x.T, x[..., ::-1] if x.ndim else x, np.broadcast_to(x, (2, *x.shape))][rng.integers(4)]
        shape = tuple(int(n) if n != 1 else int(rng.integers(0, 4)) for n in x.shape)
        shape = (*rng.integers(0, 3, rng.integers(0, 3)).tolist(), *shape) if rng.integers(5) else tuple(rng.integers(0, 3, 2).tolist())
        try:
            expected = compute(np, x, shape=shape)
        except ValueError:
            with pytest.raises(ValueError):
                NUMPY_FUNCTION_OF[op](x, shape=shape)
            continue
        found = NUMPY_FUNCTION_OF[op](x, shape=shape)
        _same(found, expected)
        assert np.may_share_memory(found, x) == np.may_share_memory(expected, x)
