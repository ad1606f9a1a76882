"""Functions of ``nd`` that are handed its arrays as they are give what they give on plain handles, in every dtype, values and gradients."""

from typing import Any

import numpy
import pytest

from hybridnet import autograd, nd, np
from hybridnet.core import plain
from hybridnet.errors import HybridnetError
from hybridnet.ndarray.classic import finish
from hybridnet.ndarray.register import FUNCTIONS, OPERATORS

DTYPES = ("float32", "float16", "float64", "bfloat16", "int8", "int32", "uint8", "bool")
RANDOM = {
    name for name in OPERATORS if "random" in name or "sample" in name or "shuffle" in name or name in ("Dropout", "uniform", "normal")
}

#: Operators of one or two arrays, which a call without attributes suits; thin or not, since which are may change.
NAMES = sorted(
    {
        record.name
        for record in OPERATORS.values()
        if record.inputs in (("data",), ("lhs", "rhs"))
        and not record.aux
        and not any(a.required for a in record.attributes.values())
        and not {record.name, *record.aliases} & RANDOM
    }
)
ATTRS: dict[str, list[dict[str, Any]]] = {
    "sum": [{"axis": 1}, {"axis": (0, 1), "keepdims": True}, {"axis": 0, "exclude": True}],
    "mean": [{"axis": 1}, {"axis": -1, "keepdims": True}],
    "dot": [{"transpose_a": True}, {"transpose_b": True}],
    "Reshape": [{"shape": (2, 8)}, {"shape": (-1, 2)}, {"shape": (0, -4, 2, 2)}, {"shape": 16}],
    "transpose": [{"axes": (1, 0)}],
    "softmax": [{"axis": 0, "temperature": 2.0}, {"dtype": "float64"}],
    "log_softmax": [{"axis": 0, "temperature": 2.0}],
    "_plus_scalar": [{"scalar": 1.5}],
    "_power_scalar": [{"scalar": -1.0}],
}


def _outcome(function: Any, arrays: list[Any], convert: Any, attrs: dict[str, Any]) -> Any:
    arrays = [x.copy() for x in arrays]
    floating = [x for x in arrays if numpy.dtype(x.dtype).kind == "f"]
    for x in floating:
        x.attach_grad()
    try:
        with autograd.record():
            result = finish(function(*map(convert, arrays), **attrs), nd.NDArray)
        found = result if isinstance(result, list) else [result]
        if floating and numpy.dtype(found[0].dtype).kind == "f" and found[0]._tape is not None:
            found[0].backward()
    except (HybridnetError, TypeError, ValueError, AttributeError) as error:
        return type(error)
    return [(type(y), y._data.dtype, y.shape, y._data.tobytes()) for y in found if isinstance(y, np.ndarray)], [
        x.grad._data.tobytes() for x in floating
    ]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NAMES)
def test_gives_what_it_gives_on_plain_handles(name: str) -> None:
    record = OPERATORS[name]
    rng = numpy.random.default_rng(0)
    values = [rng.integers(0, 3, (4, 4)) * 0.75 + 0.25, rng.integers(0, 3, (4, 4)) * 0.5]
    known = DTYPES[:4] if record.by_class else DTYPES  # whose integers are not those of plain handles
    pairs = [(t, t) for t in known] + [("float32", "int32"), ("int8", "uint8"), ("int32", "float16"), ("bool", "float32")]
    for types in pairs if len(record.inputs) == 2 else [(t,) for t in known]:
        arrays = [np.array(v).astype(t).as_nd_ndarray() for v, t in zip(values, types, strict=False)]
        for attrs in [{}, *ATTRS.get(name, [])]:
            found = _outcome(FUNCTIONS[name], arrays, lambda x: x, attrs)
            assert found == _outcome(record.function, arrays, plain, attrs), (types, attrs)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "modulo", "power", "maximum", "equal", "lesser", "logical_and"])
def test_arrays_of_two_classes_and_numbers_give_the_class_here(name: str) -> None:
    """Whichever comes first."""
    a, b = nd.array([1.0, 2.0]), np.array([3.0, 4.0])
    for x, y in ((a, b), (b, a), (a, 2), (2.5, a)):
        result = FUNCTIONS[name](x, y)
        assert type(result) is nd.NDArray and result.dtype is numpy.float32


def test_python_s_operators_go_by_the_rules_here() -> None:
    """The short way of floats is that of :func:`combine`; integers, remainders and arrays without dimensions take the long one."""
    a, i = nd.array([1.0, 2.5]), nd.array([3, 0], dtype="int32")
    assert (i + 1.9).asnumpy().tolist() == [4, 1] and (1.9 - i).asnumpy().tolist() == [-2, 1]
    assert (a % i).asnumpy().tolist() == [1.0, 0.0] and (a % 0).asnumpy().tolist() == [0.0, 0.0]
    assert (a + i).dtype is numpy.float32 or (a + i).dtype is numpy.float64
    single = np.array(2.0).as_nd_ndarray()
    for y in (single + 1, 1 + single, single * single, single**2.0):
        assert y.shape == (1,)
    assert type(a + np.array([1.0, 1.0])) is type(np.array([1.0, 1.0]) + a) is nd.NDArray
    assert (a + True).asnumpy().tolist() == [2.0, 3.5]


def test_what_is_brought_to_one_dimension_shares_the_memory_of_what_it_is_of() -> None:
    """A function may give its operand on: a write to one shows in the other, and what a tape keeps of it is as it was."""
    x = nd.array(3.0)
    x.attach_grad()
    for recording in (False, True):
        with autograd.record() if recording else autograd.pause():
            y = finish(x, nd.NDArray)
        assert y.shape == (1,) and y._storage is x._storage is not None
    with autograd.record():
        z = x * x
    finish(x, nd.NDArray)[:] = 100
    assert x.asscalar() == 100
    z.backward()
    assert x.grad.asscalar() == 6
