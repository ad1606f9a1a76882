"""Parameters and gradients of row_sparse storage: layers, trainers, updates by rows, stores, files, and what programs do about them."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, gluon, kv, nd
from hybridnet.core.lines import CALLS
from hybridnet.errors import ArgumentError, TraceError
from hybridnet.gluon import nn
from hybridnet.gluon.contrib.nn import SparseEmbedding
from hybridnet.ndarray.sparse import RowSparseNDArray

TABLES = {
    "dense": lambda: nn.Embedding(10, 4),
    "sparse gradient": lambda: nn.Embedding(10, 4, sparse_grad=True),
    "sparse": lambda: SparseEmbedding(10, 4),
}
SPARSE = [name for name in TABLES if name != "dense"]
BATCHES = [nd.array([[1, 3], [3, 9]]), nd.array([[3, 3], [0, 1]]), nd.array([[5, 5], [5, 5]])]


def network(table: str) -> Any:
    hn.random.seed(3)
    net = nn.Sequential()
    net.add(TABLES[table](), nn.Dense(3, flatten=False, in_units=4))
    net.initialize(hn.init.Uniform(0.5))
    return net


def trained(net: Any, optimizer: str, **settings: Any) -> dict[str, Any]:
    trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.1, **settings})
    for x in BATCHES:
        with autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        trainer.step(2)
    return {name: p._reduce().asnumpy() for name, p in net._collect_params_with_prefix().items()}


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("table", SPARSE)
@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [("sgd", {}), ("adagrad", {}), ("groupadagrad", {}), ("sgd", {"momentum": 0.9, "lazy_update": False}), ("nag", {"momentum": 0.9})],
)
def test_training_is_that_of_dense_tables(table: str, optimizer: str, settings: dict[str, Any], hybridized: bool) -> None:
    """Where rows that were not taken do not move anyway."""
    expected = trained(network("dense"), optimizer, **settings)
    net = network(table)
    if hybridized:
        net.hybridize()
    found = trained(net, optimizer, **settings)
    for name, value in expected.items():
        numpy.testing.assert_allclose(found[name], value, rtol=2e-5, atol=1e-6, err_msg=name)
    assert net[0].weight.grad().stype == "row_sparse"
    assert net[0].weight.grad().indices.asnumpy().tolist() == [5]


@pytest.mark.parametrize("table", SPARSE)
@pytest.mark.parametrize(("optimizer", "settings"), [("sgd", {"momentum": 0.9, "wd": 0.1}), ("adam", {"wd": 0.1}), ("ftrl", {})])
def test_lazy_updates_leave_other_rows_alone(table: str, optimizer: str, settings: dict[str, Any]) -> None:
    net = network(table)
    before = net[0].weight._reduce().asnumpy()
    after = trained(net, optimizer, **settings)["0.weight"]
    moved = (before != after).any(axis=1)
    dense = optimizer == "ftrl" and table != "sparse"  # as in MXNet
    assert moved.nonzero()[0].tolist() == (list(range(10)) if dense else [0, 1, 3, 5, 9])


def test_gradients_are_added_by_rows() -> None:
    net = network("sparse gradient")
    weight = net[0].weight
    weight.grad_req = "add"
    for x in BATCHES[:2]:
        with autograd.record():
            loss = net[0](x).sum()
        loss.backward()
    assert weight.grad().indices.asnumpy().tolist() == [0, 1, 3, 9]
    assert weight.grad().data.asnumpy()[:, 0].tolist() == [1, 2, 4, 1]
    weight.zero_grad()
    assert weight.grad().indices.shape == (0,)


def test_several_devices_add_up_their_rows() -> None:
    devices = [hn.cpu(0), hn.cpu(1)]
    net = network("sparse gradient")
    net.collect_params().reset_ctx(devices)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    single = network("sparse gradient")
    alone = gluon.Trainer(single.collect_params(), "sgd", {"learning_rate": 0.1})
    parts = gluon.utils.split_and_load(BATCHES[0], devices)
    with autograd.record():
        losses = [(net(part) ** 2).sum() for part in parts]
        whole = (single(BATCHES[0]) ** 2).sum()
    autograd.backward(losses)
    whole.backward()
    trainer.step(2)
    alone.step(2)
    for device in devices:
        expected = single[0].weight.data().asnumpy()
        numpy.testing.assert_allclose(net[0].weight.data(device).asnumpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("table", SPARSE)
def test_files(table: str, tmp_path: Path) -> None:
    """Tables are saved in their own storage, and loaded from any."""
    net = network(table)
    net.save_parameters(str(tmp_path / "x.params"))
    saved = nd.load(tmp_path / "x.params")["0.weight"]
    assert saved.stype == net[0].weight.stype
    for other in TABLES:
        again = network(other)
        again[0].weight.set_data(nd.zeros((10, 4)))
        again.load_parameters(str(tmp_path / "x.params"))
        numpy.testing.assert_array_equal(again[0].weight._reduce().asnumpy(), saved.asnumpy())
        trained(again, "sgd")


@pytest.mark.parametrize("table", SPARSE)
def test_a_training_goes_on_from_its_states(table: str, tmp_path: Path) -> None:
    expected, net = trained(network(table), "adam"), network(table)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
    for i, x in enumerate(BATCHES):
        with autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        trainer.step(2)
        trainer.save_states(str(tmp_path / f"{i}.states"))
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
        trainer.load_states(str(tmp_path / f"{i}.states"))
    numpy.testing.assert_allclose(net[0].weight._reduce().asnumpy(), expected["0.weight"], rtol=1e-5, atol=1e-6)


def test_a_sparse_parameter_is_read_by_rows() -> None:
    weight = network("sparse")[0].weight
    whole = weight._reduce().asnumpy()
    part = weight.row_sparse_data(nd.array([7, 2, 7]))
    assert type(part) is RowSparseNDArray
    assert part.indices.asnumpy().tolist() == [2, 7]
    assert (part.data.asnumpy() == whole[[2, 7]]).all()
    assert len(weight.list_row_sparse_data(nd.array([1]))) == 1
    with pytest.raises(ArgumentError, match=r"row_sparse_data\(row_id\)"):
        weight.data()
    with pytest.raises(ArgumentError, match=r"try data\(\)"):
        network("dense")[0].weight.row_sparse_data(nd.array([1]))
    with pytest.raises(ArgumentError, match="stype default or row_sparse"):
        gluon.Parameter("w", shape=(2, 2), stype="csr")
    with pytest.raises(ArgumentError, match="grad_stype default, row_sparse or csr"):
        gluon.Parameter("w", shape=(2, 2), grad_stype="coo")


def test_a_store_gives_rows() -> None:
    store = kv.create("local")
    whole = numpy.arange(12, dtype="float32").reshape(4, 3)
    store.init("w", nd.array(whole).tostype("row_sparse"))
    out = nd.sparse.zeros("row_sparse", (4, 3))
    store.row_sparse_pull("w", out=out, row_ids=nd.array([3, 1, 3]))
    assert out.indices.asnumpy().tolist() == [1, 3]
    assert (out.data.asnumpy() == whole[[1, 3]]).all()
    outs = [nd.sparse.zeros("row_sparse", (4, 3)) for _ in range(2)]
    store.row_sparse_pull("w", out=outs, row_ids=[nd.array([0]), nd.array([2])])
    assert (outs[0].asnumpy() + outs[1].asnumpy() == whole * [[1], [0], [1], [0]]).all()
    store.push("w", [nd.array(whole).tostype("row_sparse"), outs[1]])
    store.pull("w", out=out)
    assert (out.asnumpy() == whole * [[1], [1], [2], [1]]).all()
    with pytest.raises(ArgumentError, match="out and row_ids"):
        store.row_sparse_pull("w", out=out)
    with pytest.raises(ArgumentError, match="row_ids for 2 arrays; got 1"):
        store.row_sparse_pull("w", out=outs, row_ids=[nd.array([0])])


def test_a_hybridized_network_computes_imperatively_where_something_is_not_dense() -> None:
    """Gradients by rows while recording; without recording it is a program, and so are the dense blocks within always."""
    net = nn.HybridSequential()
    net.add(nn.Embedding(10, 4, sparse_grad=True), nn.Dense(3, flatten=False, in_units=4))
    net.initialize()
    net.hybridize()
    x = BATCHES[0]
    expected = net(x).asnumpy()
    assert len(net._compiled.cache) == 1
    with autograd.record():
        y = net(x)
    y.backward()
    assert len(net._compiled.cache) == 1
    assert len(net[1]._compiled.cache) == 1
    numpy.testing.assert_allclose(y.asnumpy(), expected, rtol=1e-5, atol=1e-6)
    assert net[0].weight.grad().indices.asnumpy().tolist() == [1, 3, 9]


def test_a_hybridized_layer_takes_csr() -> None:
    layer = nn.Dense(2, in_units=3)
    layer.initialize()
    layer.hybridize()
    x = nd.array([[0, 1, 0], [2, 0, 0]])
    with autograd.record():
        y = layer(x.tostype("csr"))
    y.backward()
    found = layer.weight.grad().asnumpy()
    with autograd.record():
        expected = layer(x)
    expected.backward()
    numpy.testing.assert_allclose(y.asnumpy(), expected.asnumpy(), rtol=1e-6)
    numpy.testing.assert_allclose(found, layer.weight.grad().asnumpy(), rtol=1e-6)


@pytest.mark.parametrize("table", SPARSE)
def test_a_compiled_step_is_refused(table: str) -> None:
    net = network(table)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})

    @hn.jit
    def step(x: Any) -> Any:
        with autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        trainer.step(2)
        return loss

    with pytest.raises(TraceError, match="dense"):
        step(BATCHES[0])


def test_loss_scaling_is_refused() -> None:
    net = network("sparse gradient")
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    hn.amp.init("float16")
    hn.amp.init_trainer(trainer)
    hn.amp.init("float32")
    with autograd.record():
        loss = net(BATCHES[0]).sum()
    loss.backward()
    with pytest.raises(ArgumentError, match="with loss scaling, dense weights and gradients"):
        trainer.step(2)


@pytest.mark.parametrize("table", SPARSE)
def test_a_step_takes_no_memory_for_rows_that_are_not_taken(table: str) -> None:
    net = SparseEmbedding(200_000, 8) if table == "sparse" else nn.Embedding(200_000, 8, sparse_grad=True)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})

    def step() -> None:
        with autograd.record():
            loss = (net(BATCHES[0]) ** 2).sum()
        loss.backward()
        trainer.step(2)

    for _ in range(CALLS):  # what runs often enough is written as lines of NumPy, and stays by rows
        step()
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000  # the table has 6.4 MB
