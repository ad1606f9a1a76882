"""The kernels that take, add, set, join, look for and accumulate on the emulator: what reaches every path, in integer types too."""

from typing import Any

import numpy as np
import pytest
from emulator import nvrtc
from emulator.emulator import COMPILER
from emulator.suite import Guarded, Suite, Work, guarded
from test_cuda_written import node_of

from hybridnet import dtypes
from hybridnet.codegen.cuda_region import Tuning, Unit
from hybridnet.core import OPS
from hybridnet.device import cpu
from hybridnet.graph.ir import Node, Value

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

FULL, ARRAY = ("slice", None, None, None), ("array",)
BF16, F32 = dtypes.bfloat16, dtypes.float32


def whole(*shape: int, dtype: Any = F32, seed: int = 0) -> Any:
    """Small whole numbers: sums of them are exact in every type and order."""
    return np.random.default_rng(seed).integers(0, 3, shape).astype(dtype)


def places(n: int, *shape: int, dtype: Any = np.int64, seed: int = 1) -> Any:
    """Indices from -n to n - 1, half of them the same one."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < 0.5, n // 2, rng.integers(-n, n, shape)).astype(dtype)


def ragged(*shape: int, dtype: Any = F32) -> Any:
    """Few different numbers, so that extrema are met more than once, and two NaN."""
    x = whole(*shape, dtype=dtype, seed=5)
    x.reshape(-1)[[x.size // 3, x.size // 2]] = np.nan
    return x


LAST, FIRST = {"axis": 1, "keepdims": False}, {"axis": 0, "keepdims": True}


def _index_add(shape: tuple[int, ...], key: Any, indices: Any, dtype: Any = F32) -> tuple[str, list[Any], dict[str, Any]]:
    g = np.zeros(shape)[tuple(next(each) if item == ARRAY else slice(*item[1:]) for each in [iter(indices)] for item in key)]
    return "index_add", [whole(*g.shape, dtype=dtype), *indices], {"shape": shape, "key": key}


CASES: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "rows": ("index", [whole(50, 24), places(50, 7, 5, dtype=np.int32)], {"key": (ARRAY,)}),
    "rows, bfloat16": ("index", [whole(50, 24, dtype=BF16), places(50, 40)], {"key": (ARRAY,)}),
    "rows of bytes": ("index", [whole(9, 32, dtype=np.uint8), places(9, 3, dtype=np.int8)], {"key": (ARRAY,)}),
    "many rows": ("index", [whole(10, 8), places(10, 3000)], {"key": (ARRAY,)}),
    "two arrays apart": ("index", [whole(6, 5, 8), places(6, 4, 1), places(8, 3)], {"key": (ARRAY, ("slice", None, None, -2), ARRAY)}),
    "part of a row": ("index", [whole(6, 12), places(6, 4)], {"key": (ARRAY, ("slice", 4, 12, None))}),
    "odd part of a row": ("index", [whole(6, 12), places(6, 4)], {"key": (ARRAY, ("slice", 3, 11, None))}),
    "with an integer": ("index", [whole(6, 5, 8), places(6, 4)], {"key": (ARRAY, ("int", -2))}),
    "along": ("take_along_axis", [whole(4, 30, 6), places(30, 4, 9, 6)], {"axis": 1}),
    "along the last axis": ("take_along_axis", [whole(4, 30, dtype=np.int64), places(30, 4, 50)], {"axis": 1}),
    "add rows": _index_add((300, 8), (ARRAY,), [places(300, 5000)]),
    "add rows, bfloat16": _index_add((40, 16), (ARRAY,), [places(40, 30, 3, dtype=np.int32)], BF16),
    "add to two rows": _index_add((2, 8), (ARRAY,), [places(2, 700)]),
    "add to one row": _index_add((1, 4), (ARRAY,), [places(1, 100)]),
    "add wide rows": _index_add((20, 260), (ARRAY,), [places(20, 90)]),
    "add elements": _index_add((70000,), (ARRAY,), [places(70000, 600)]),
    "add integers": _index_add((30, 3), (ARRAY,), [places(30, 200)], np.int32),
    "add behind an axis": _index_add((3, 20, 4), (FULL, ARRAY), [places(20, 50)]),
    "add to parts of rows": _index_add((20, 8), (ARRAY, ("slice", 4, 8, None)), [places(20, 50)]),
    "add by two arrays": _index_add((6, 7, 4), (ARRAY, ARRAY), [places(6, 5, 1), places(7, 9)]),
    "add along": ("add_along_axis", [whole(4, 20, 3), places(9, 4, 20, 3)], {"axis": 1, "length": 9}),
    "add one along": ("add_along_axis", [whole(40, 1), places(24, 40, 1)], {"axis": 1, "length": 24}),
    "add one along an outer axis": ("add_along_axis", [whole(5, 1, 8, dtype=BF16), places(6, 5, 1, 8)], {"axis": 1, "length": 6}),
    "set rows, some twice": ("index_set", [whole(30, 8), whole(50, 8, seed=3), places(30, 50)], {"key": (ARRAY,)}),
    "set rows to one": ("index_set", [whole(30, 8, dtype=BF16), whole(8, seed=3), places(30, 9)], {"key": (ARRAY,)}),
    "set rows to a number": ("index_set", [whole(30, 8), np.array(7), places(30, 9)], {"key": (ARRAY,)}),
    "set columns": ("index_set", [whole(3, 30), whole(3, 9, seed=3), places(30, 9)], {"key": (FULL, ARRAY)}),
    "set parts of rows": ("index_set", [whole(30, 12), whole(9, 4, seed=3), places(30, 9)], {"key": (ARRAY, ("slice", 4, 8, None))}),
    "set a slice": ("index_set", [whole(5, 6, 8), whole(2, 6, 8, seed=3)], {"key": (("slice", 1, 3, None),)}),
    "set a slice backwards": (
        "index_set",
        [whole(9, 8, dtype=BF16), whole(4, 8, dtype=np.int32, seed=3)],
        {"key": (("slice", 7, None, -2),)},
    ),
    "set a plane": ("index_set", [whole(4, 6, 8), whole(4, 8, seed=3)], {"key": (FULL, ("int", -2))}),
    "set nothing": ("index_set", [whole(5, 8), np.array(1.0)], {"key": (("slice", 5, None, None),)}),
    "set a border": ("index_set", [whole(4, 9), np.array(True)], {"key": (FULL, ("slice", 8, None, None))}),
    "pad": ("slice_grad", [whole(3, 4, 4)], {"shape": (3, 6, 8), "key": (FULL, ("slice", 1, 5, None), ("slice", 4, 8, None))}),
    "pad booleans": ("slice_grad", [whole(3, 5, dtype=bool)], {"shape": (4, 9), "key": (("slice", 1, 4, None), ("slice", 0, 9, 2))}),
    "argmax of short rows": ("argmax", [ragged(37, 5)], LAST),
    "argmin of rows": ("argmin", [ragged(9, 200, dtype=BF16)], LAST),
    "argmax of long rows": ("argmax", [whole(3, 9000, dtype=np.int32)], LAST),
    "argmin of long rows": ("argmin", [ragged(2, 8205)], LAST),
    "argmax of columns": ("argmax", [ragged(7, 300)], FIRST),
    "argmax of bytes": ("argmax", [whole(4, 64, dtype=np.uint8)], LAST),
    "argmin of booleans": ("argmin", [whole(4, 6, dtype=bool)], LAST),
    "search from the left": ("searchsorted", [np.sort(whole(70)), whole(400, seed=2)], {"side": "left"}),
    "search from the right": ("searchsorted", [np.sort(ragged(70)), ragged(400)], {"side": "right"}),
    "cumsum of rows": ("cumsum", [whole(3, 500)], {"axis": 1}),
    "cumsum of columns": ("cumsum", [whole(2, 31, 20, dtype=BF16)], {"axis": 1}),
    "cumsum of bytes": ("cumsum", [whole(5, 130, dtype=np.uint8)], {"axis": 1}),
    "cumprod of rows": ("cumprod", [whole(9, 130, dtype=np.int64) + 1], {"axis": 1}),
    "cumsum of booleans": ("cumsum", [whole(40, 3, dtype=bool)], {"axis": 0}),
    "arange": ("arange", [], {"start": 0, "step": 1, "length": 3001, "dtype": np.dtype(np.int32)}),
    "eye": ("eye", [], {"rows": 70, "columns": 64, "k": 3, "dtype": BF16}),
    "join channels": ("concatenate", [whole(4, 6, n, seed=n) for n in (8, 16, 4)], {"axis": 2}),
    "join forty": ("concatenate", [whole(3, 1, 5, dtype=np.int16, seed=n) for n in range(40)], {"axis": 1}),
    "join much": ("concatenate", [whole(40, 50), whole(40, 50, seed=1)], {"axis": 0}),
}


@pytest.fixture(scope="module")
def works() -> tuple[Suite, dict[str, Work]]:
    suite = Suite(Tuning(num_sms=2))
    made = {name: suite.add(node_of(OPS[op], data, attrs), data) for name, (op, data, attrs) in CASES.items()}
    return suite.build(), made


@pytest.mark.parametrize("name", CASES)
def test_against_numpy(name: str, works: tuple[Suite, dict[str, Work]]) -> None:
    suite, made = works
    suite.check(made[name], tolerance=0.0)


def test_rows_are_moved_in_accesses_of_16_bytes(works: tuple[Suite, dict[str, Work]]) -> None:
    widths = {"rows": 4, "rows, bfloat16": 8, "rows of bytes": 16, "part of a row": 4, "odd part of a row": 1, "along": 1}
    widths |= {"set a slice": 4, "set a plane": 4, "join channels": 4, "join forty": 1, "pad": 4}
    for name, width in widths.items():
        op, data, _ = CASES[name]
        text = works[1][name].launches.kernels[-1].text
        assert f", {works[1][name].node.output.size // width}, {width}, " in text, f"{op} of {data[0].shape}: {text}"


@pytest.mark.parametrize("name", ["add rows", "set rows, some twice"])
def test_the_order_of_threads_does_not_matter(name: str, works: tuple[Suite, dict[str, Work]]) -> None:
    """Sums of numbers that round, in every order of threads: the same bits."""
    suite, work = works[0], works[1][name]
    module, found = suite.modules[work.unit], set()
    for order in (0, 1, 7, 8):
        module.set_order(order)
        arrays = {v: guarded(x).array for v, x in work.data.items()}
        arrays[work.node.inputs[0]][...] = np.random.default_rng(0).normal(size=work.node.inputs[0].shape)
        arrays |= {v: Guarded(v.shape, v.dtype).array for v in (*work.node.outputs, *work.launches.temporaries)}
        for k in work.launches.kernels:
            module.get_function(k.name)(k.grid, (k.block,), [arrays[v] for v in k.arguments], shared_mem=k.shared_bytes)
        found.add(arrays[work.node.output].tobytes())
    assert len(found) == 1


def test_what_is_also_the_value_is_not_written_over() -> None:
    x = Value((4, 8), F32, cpu())
    attrs = {"key": (FULL, ("slice", None, None, -1))}
    launches = [Unit().add(Node(OPS["index_set"], [x, y], attrs, [x.spec], cpu())) for y in (x, Value((4, 8), F32, cpu()))]
    assert [len(each.in_place()) for each in launches] == [0, 1]


def test_an_index_out_of_range_goes_around() -> None:
    """As CuPy has it: nothing outside of the array is ever read."""
    suite = Suite(Tuning(num_sms=2))
    x, indices = whole(5, 4), np.array([5, -6, 104, -1000])
    work = suite.add(node_of(OPS["index"], [x, indices % 5], {"key": (ARRAY,)}), [x, indices % 5])
    work.data[work.node.inputs[1]] = indices
    suite.build()._run(work, suite.modules[0], [x[indices % 5]], {}, 1.0)


@pytest.mark.slow
def test_compiles_without_spills(works: tuple[Suite, dict[str, Work]]) -> None:
    assert not nvrtc.spills(works[0].units)
