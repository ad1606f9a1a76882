"""What programs take from inside MXNet's modules; that it gives MXNet's values was asked of MXNet 1.9.1."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

from hybridnet import absent, gluon, kvstore, nd, optimizer, sym, util
from hybridnet.compat.mxnet.private import blocks, codes, names, training
from hybridnet.errors import ArgumentError

PROGRAM = """
import mxnet as mx
from mxnet.test_utils import *
from mxnet.gluon.block import _BlockScope, _flatten, OrderedDict
from mxnet.gluon.nn.conv_layers import _Conv
from mxnet.gluon.rnn.rnn_cell import _format_sequence
from mxnet.model import _create_kvstore
from mxnet.ndarray.ndarray import _DTYPE_NP_TO_MX
from mxnet.optimizer.optimizer import sgd_update
from mxnet.symbol.symbol import var
assert np.ones((2,)).sum() == 2 and mx.nd.ones((2,)).shape == (2,) and os.sep
assert isinstance(mx.gluon.nn.Conv2D(1, 1), _Conv)
assert _DTYPE_NP_TO_MX[np.int64] == 6
try:
    mx.nd._LIB
except AttributeError as error:
    assert "no C library" in str(error)
else:
    raise AssertionError
"""


def test_a_program_takes_them() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "hybridnet.compat.mxnet", "-c", PROGRAM],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", sorted(names.borrowed()))
def test_each_name_is_found_and_not_there_already(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not twice: what a module has of its own is lent to it for nothing."""
    sources = names.borrowed()[module]
    monkeypatch.setattr(absent, "_LENT", {module: sources})
    found = importlib.import_module(module)
    own = vars(found)
    assert [name for name in sources if name in own] == []
    for name in sources:
        assert getattr(found, name) is not None
    with pytest.raises(AttributeError):
        _ = found.surely_no_name


@pytest.mark.parametrize("name", ["_foreach", "_CachedOp", "_sg_mkldnn_conv", "_backward_add", "_imdecode"])
def test_parts_of_mxnets_graphs_are_told_from_misspelt_names(name: str) -> None:
    for space in (nd._internal, sym._internal):
        with pytest.raises(absent.AbsentError, match=r"not there yet; .* try"):
            getattr(space, name)


def test_numbers() -> None:
    assert [codes._DTYPE_NP_TO_MX[t] for t in (None, numpy.float32, numpy.int64, numpy.bool_)] == [-1, 0, 6, 7]
    assert codes._STORAGE_TYPE_STR_TO_ID == {"undefined": -1, "default": 0, "row_sparse": 1, "csr": 2}
    assert (codes._get_op_name_prefix("_contrib_x"), codes._get_op_name_prefix("x")) == ("_contrib_", "")
    assert (codes._is_np_op("_npi_x"), codes._is_np_op("npi_x")) == (True, False)


def test_texts_and_shapes() -> None:
    assert blocks._indent("a\nb", 2) == "a\n  b"
    assert blocks._brief_print_list("abcdefghijk", limit=4) == "'a', 'b', ..., 'j', 'k'"
    assert blocks._brief_print_list([str(i) for i in range(9)]) == "'0', '1', '2', ..., '5', '6', '7', '8'"
    shapes: list[Any] = [None, (), (0, 1), (1,)]
    with util.np_shape(False):
        assert [blocks.shape_is_known(shape) for shape in shapes] == [False, False, False, True]
    with util.np_shape(True):
        assert [blocks.shape_is_known(shape) for shape in [*shapes, (-1, 2)]] == [False, True, True, True, False]
    assert [blocks._common_prefix(given) for given in ([], ["a"], ["abc", "abd"], ["abc", "ab"])] == ["", "a", "ab", "ab"]
    assert [blocks._get_interp_method(9, sizes) for sizes in ((5, 5, 10, 10), (), (5, 10, 10, 5), (10, 10, 5, 5))] == [2, 2, 1, 3]


def test_blocks_are_named_after_the_one_in_scope() -> None:
    net = gluon.nn.HybridSequential(prefix="net_")
    with blocks._BlockScope(net):
        dense = gluon.nn.Dense(2)
        assert (dense.prefix, blocks._BlockScope.create(None, None, "conv")[0]) == ("net_dense0_", "net_conv0_")
    prefix, params = blocks._BlockScope.create("p_", dense.params, "conv")
    assert (prefix, params.prefix) == ("p_", "net_dense0_")
    x = nd.ones((2,))
    assert blocks._gather_type_ctx_info([x, [sym.var("z")]])[:2] == (True, True)
    assert blocks._gather_type_ctx_info([x, [x]]) == (False, True, {x.context}, x.context)
    assert blocks._gather_type_ctx_info([]) == (False, False, set(), None)


@pytest.mark.parametrize(
    ("layout", "merge", "in_layout", "shape", "axis", "batch"),
    [
        ("NTC", True, None, (3, 2, 4), 1, 3), ("NTC", None, None, (3, 2, 4), 1, 3), ("NTC", False, None, [(3, 4)] * 2, 1, 3),
        ("TNC", True, None, (3, 2, 4), 0, 2), ("TNC", True, "NTC", (2, 3, 4), 0, 2), ("TNC", False, "NTC", [(3, 4)] * 2, 0, 2),
    ],
)  # fmt: skip
def test_sequences_in_the_form_that_is_asked_for(layout: str, merge: Any, in_layout: Any, shape: Any, axis: int, batch: int) -> None:
    found, found_axis, operators, size = blocks._format_sequence(None, nd.ones((3, 2, 4)), layout, merge, in_layout)
    assert ([x.shape for x in found] if merge is False else found.shape) == shape
    assert (found_axis, operators, size) == (axis, nd, batch)


def test_recurrent_cells() -> None:
    steps = [nd.ones((2, 3)), nd.ones((2, 3)) * 2]
    assert [x.shape for x in blocks._format_sequence(2, steps, "NTC", False)[0]] == [(2, 3)] * 2
    assert blocks._format_sequence(2, steps, "NTC", True)[0].shape == (2, 2, 3)
    with pytest.raises(AssertionError, match="3 steps"):
        blocks._format_sequence(3, steps, "NTC", True)
    assert [x[0, 0].item() for x in blocks._reverse_sequences(steps, 2)] == [2, 1]
    assert [x[:, 0].tolist() for x in blocks._reverse_sequences(steps, 2, nd.array([1, 2]))] == [[1, 2], [2, 1]]
    x, lengths = nd.ones((3, 2, 1)), nd.array([1, 2, 1])
    assert blocks._mask_sequence_variable_length(nd, x, 2, lengths, 1, True)[:, 1, 0].tolist() == [0, 1, 0]
    assert [y[:, 0].tolist() for y in blocks._mask_sequence_variable_length(nd, x, 2, lengths, 1, False)] == [[1, 1, 1], [0, 1, 0]]
    cells = [gluon.rnn.LSTMCell(3), gluon.rnn.GRUCell(2)]
    shapes = [(4, 3), (4, 3), (4, 2)]
    assert [info["shape"] for info in blocks._cells_state_info(cells, 4)] == shapes
    assert [state.shape for state in blocks._cells_begin_state(cells, batch_size=4)] == shapes
    assert [state.shape for state in blocks._get_begin_state(cells[0], nd, None, steps, 5)] == [(5, 3)] * 2
    assert len(blocks._get_begin_state(cells[0], sym, None, sym.var("x"), 0)) == 2


def test_data_sets_of_files(tmp_path: Path) -> None:
    class Numbers(blocks._DownloadedDataset):
        def _get_data(self) -> None:
            self._data, self._label = [1, 2, 3], [4, 5, 6]

    plain = Numbers(str(tmp_path / "a" / "b"), None)
    assert (len(plain), plain[1], Numbers(str(tmp_path), lambda a, b: a + b)[2]) == (3, (2, 5), 9)
    assert (tmp_path / "a" / "b").is_dir()


# -- training -------------------------------------------------------------------------------------


def _two(first: float, second: float) -> list[list[Any]]:
    return [[nd.ones((2,)) * first, nd.ones((2,)) * second]]


def test_parameters_move_by_a_store_or_in_each_context() -> None:
    store = kvstore.create("local")
    store.set_optimizer(optimizer.SGD(learning_rate=0.5))
    weights, start = _two(1, 1), {"w": nd.ones((2,)) * 3}
    training._initialize_kvstore(kvstore=store, param_arrays=weights, arg_params=start, param_names=["w"], update_on_kvstore=True)
    assert weights[0][1].tolist() == [3, 3]
    training._update_params_on_kvstore(weights, _two(1, 2), store, ["w"])
    assert weights[0][1].tolist() == [1.5, 1.5]
    weights = _two(1, 1)
    training._update_params(weights, _two(1, 2), optimizer.get_updater(optimizer.SGD(learning_rate=0.5)), 2)
    assert [w.tolist() for w in weights[0]] == [[0.5, 0.5], [0, 0]]
    store = kvstore.create("local")
    training._initialize_kvstore(store, weights, start, ["w"], False)
    assert weights[0][1].tolist() == [0, 0], "the optimizer is not in the store, so that values stay"
    updater = optimizer.get_updater(optimizer.SGD(learning_rate=0.5))
    training._update_params(weights, _two(1, 2), updater, 2, kvstore=store, param_names=["w"])
    assert [w.tolist() for w in weights[0]] == [[-1, -1], [-1.5, -1.5]]


def test_stores_callbacks_and_descriptions() -> None:
    weights = {"w": nd.ones((2,))}
    assert training._create_kvstore("local", 1, weights) == training._create_kvstore(None, 2, {}) == (None, False)
    store, in_store = training._create_kvstore("local", 2, weights)
    assert (store.type, in_store, training._create_sparse_kvstore(store)) == ("local", True, (store, True))
    with pytest.raises(ArgumentError, match="a KVStore or its name"):
        training._create_sparse_kvstore(3)
    told: list[int] = []
    for callbacks in ([told.append, told.append], told.append, None):
        training._multiple_callbacks(callbacks, 1)
    assert told == [1, 1, 1]
    data, labels = training._parse_data_desc(["data"], ["label"], [("data", (2, 3))], [("label", (2,))])
    assert labels is not None
    assert [(x.name, x.shape, x.layout) for x in (*data, *labels)] == [("data", (2, 3), "NCHW"), ("label", (2,), "NCHW")]
    assert training._parse_data_desc(["data"], [], [("data", (2, 3))], None)[1] is None
    with pytest.raises(ArgumentError, match="data_shapes of"):
        training._parse_data_desc(["data"], [], [("dat", (2, 3))], None)
    with pytest.warns(UserWarning, match="label_shapes are of"):
        training._parse_data_desc(["data"], ["label"], [("data", (2, 3))], None)
    with pytest.raises(ArgumentError, match="data_names"):
        training._check_input_names(sym.relu(sym.var("data")), ["dat"], "data", True)
