"""``DataLoader``: which batches come, of what class and type, in which order, and where it goes on."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import numpy
import pytest
from support import loader_samples as some

import hybridnet as hn
from hybridnet import gluon, nd, np, util
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, WorkerTimeoutError
from hybridnet.gluon import data
from hybridnet.gluon.data import shared

WAYS: list[dict[str, Any]] = [{}, {"num_workers": 2, "thread_pool": True}, {"num_workers": 1}, {"num_workers": 2}]
IDS = ["here", "threads", "process", "processes"]


def listed(batches: Any) -> list[Any]:
    """Batches as nested lists."""
    return [[part.tolist() for part in batch] if isinstance(batch, (list, tuple)) else batch.tolist() for batch in batches]


# -- what a batch is --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids=IDS)
@pytest.mark.parametrize("rules", [True, False], ids=["np", "nd"])
def test_arrays_of_numpy_become_ours_with_their_dtypes(way: dict[str, Any], rules: bool) -> None:
    """As in MXNet: float64 stays, a Python int is int64, a bool a bool."""
    dataset = data.ArrayDataset(numpy.ones((5, 2)), numpy.arange(5, dtype="uint8"), [True, False, True, False, True], [1, 2, 3, 4, 5])
    loader = data.DataLoader(dataset, 2, **way)
    with util.np_array(rules):
        batch = next(iter(loader))
    assert isinstance(batch, list)
    assert {type(part) for part in batch} == {np.ndarray if rules else nd.NDArray}
    assert [(part.shape, numpy.dtype(part.dtype).name) for part in batch] == [
        ((2, 2), "float64"),
        ((2,), "uint8"),
        ((2,), "bool"),
        ((2,), "int64"),
    ]


@pytest.mark.parametrize("make", [np.array, nd.array], ids=["np", "nd"])
@pytest.mark.parametrize("transformed", [False, True])
def test_arrays_of_ours_keep_their_class(make: Any, transformed: bool) -> None:
    rows = make(numpy.arange(8, dtype="float32").reshape(4, 2))
    dataset = data.ArrayDataset(rows, rows).transform_first(lambda x: x) if transformed else data.ArrayDataset(rows, rows)
    first, second = next(iter(data.DataLoader(dataset, 3)))
    assert type(first) is type(second) is type(rows)
    assert first.asnumpy().tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("way", WAYS[::3], ids=IDS[::3])
def test_an_error_names_samples_by_their_numbers_in_the_dataset(way: dict[str, Any]) -> None:
    loader = data.DataLoader(
        data.SimpleDataset(list(range(9))).transform(some.longer), sampler=data.SequentialSampler(4, 5), batch_size=2, **way
    )
    with pytest.raises(ShapeError, match=r"\(6,\) for sample 5 of the dataset and \(7,\) for sample 6 .*at test_dataloader.py"):
        list(loader)


@pytest.mark.parametrize("way", WAYS, ids=IDS)
def test_a_batch_may_be_written_to_and_kept(way: dict[str, Any]) -> None:
    """It is no view of the dataset, nor of memory that a later batch uses."""
    rows = numpy.arange(40.0).reshape(20, 2)
    loader = data.DataLoader(data.ArrayDataset(rows, rows), 2, **way)
    kept = []
    for x, y in loader:
        x[...] = -1
        kept.append(y)
    assert numpy.concatenate([y.asnumpy() for y in kept]).tolist() == rows.tolist() == numpy.arange(40.0).reshape(20, 2).tolist()


@pytest.mark.parametrize("way", WAYS, ids=IDS)
def test_batches_of_anything(way: dict[str, Any]) -> None:
    first, second = data.DataLoader(some.Words(), 4, batchify_fn=some.together, **way)
    assert first["texts"] == ["", "word ", "word word ", "word word word "]
    assert [c.tolist() for c in second["codes"]] == [[0, 1, 2, 3], [0, 1, 2, 3, 4]] and second["count"] == 2
    assert all(isinstance(c, np.ndarray) for c in first["codes"])


@pytest.mark.parametrize("way", WAYS[2:], ids=IDS[2:])
def test_batches_that_grow_and_shrink(way: dict[str, Any]) -> None:
    sizes = [1, 17, 3, 20, 2, 18, 5, 5]
    found = [x.shape for x in data.DataLoader(data.SimpleDataset(sizes).transform(some.much_longer), 1, **way)]
    assert found == [(1, 1 << n) for n in sizes]


def test_arrays_of_several_types_go_to_workers_and_back() -> None:
    source = data.ArrayDataset(
        np.ones((4, 3), dtype="bfloat16"), nd.ones((4, 2), dtype="float16"), numpy.ones((4, 0)), numpy.arange(4).reshape(4, 1).T.T
    )
    (batch,) = data.DataLoader(source, 4, num_workers=1)
    assert [str(numpy.dtype(x.dtype)) for x in batch] == ["bfloat16", "float16", "float64", "int64"]
    assert [x.shape for x in batch] == [(4, 3), (4, 2), (4, 0), (4, 1)] and batch[3].tolist() == [[0], [1], [2], [3]]


def test_workers_share_the_arrays_of_the_dataset_and_do_not_write_to_them() -> None:
    loader = data.DataLoader(data.SimpleDataset(numpy.zeros((4, 3))).transform(some.writes), 2, num_workers=1)
    with pytest.raises(ValueError, match="read-only"):
        list(loader)


def test_files_in_memory_are_opened_anew_by_workers(tmp_path: Path) -> None:
    """However large, they are not copied; what is no plain part of a file is."""
    path = tmp_path / "rows"
    whole = numpy.memmap(path, "int32", "w+", 8, (600, 3))
    whole[...] = numpy.arange(1800).reshape(600, 3)
    whole.flush()
    opened = numpy.memmap(path, "int32", "r", 8, (600, 3))
    private = numpy.memmap(path, "int32", "c", 8, (600, 3))
    private[590] = 7
    for rows, mapped in ((opened, True), (opened[300:], True), (opened[::-1], False), (private, False)):
        assert (shared.Packed(rows).size < 2000) == mapped
        loader = data.DataLoader(some.Mapped(rows), 4, num_workers=1)
        found, kept = zip(*loader, strict=True)
        assert (numpy.concatenate([x.asnumpy() for x in found]) == rows).all()
        assert all(k.asnumpy().all() for k in kept) == mapped
    (batch,) = data.DataLoader(opened[598:], 4, num_workers=1)
    assert batch.tolist() == opened[598:].tolist()


# -- which samples, in which order ------------------------------------------------------------------


def test_arguments() -> None:
    ten = list(range(10))
    batches = data.BatchSampler(data.SequentialSampler(10), 4)
    assert [len(data.DataLoader(ten, 4, last_batch=last)) for last in ("keep", "discard", "rollover")] == [3, 2, 2]
    assert listed(data.DataLoader(ten, batch_sampler=batches)) == listed(data.DataLoader(ten, 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert listed(data.DataLoader(ten, 2, sampler=data.SequentialSampler(3, 5))) == [[5, 6], [7]]
    assert listed(data.DataLoader([], 4)) == []
    assert listed(data.DataLoader(ten, 5, num_workers=-1)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]  # as MXNet
    for arguments, match in (
        ({}, "a batch_size or a batch_sampler; got neither"),
        ({"batch_size": 0}, "batch_size of 1 or more"),
        ({"batch_size": 2, "shuffle": True, "sampler": data.RandomSampler(10)}, "shuffle or a sampler; got both"),
        ({"batch_size": 2, "batch_sampler": batches, "last_batch": "keep"}, "batch_sampler alone; got also batch_size, last_batch"),
        ({"batch_size": 2, "timeout": 0}, "timeout of more than 0"),
        ({"batch_size": 2, "last_batch": "drop"}, "keep, discard, rollover"),
        ({"batch_size": 2, "pin_memory": True, "device": hn.gpu()}, "pin_memory or a device; got both"),
    ):
        with pytest.raises(ArgumentError, match=match):
            data.DataLoader(ten, **arguments)  # type: ignore[arg-type]


def test_rollover_goes_on_in_the_next_epoch() -> None:
    loader = data.DataLoader(list(range(10)), 3, last_batch="rollover")
    assert [listed(loader)[0] for _ in range(3)] == [[0, 1, 2], [9, 0, 1], [8, 9, 0]]


def test_every_epoch_has_an_order_of_its_own_that_follows_from_the_seed() -> None:
    def epochs(**way: Any) -> list[Any]:
        hn.random.seed(11)
        loader = data.DataLoader(data.ArrayDataset(numpy.arange(20)).transform(some.drawn), 3, shuffle=True, **way)
        return [listed(loader) for _ in range(3)]

    first = epochs()
    assert len({str(e) for e in first}) == 3
    assert [sorted(row[3] for batch in e for row in batch) for e in first] == [list(range(20))] * 3
    for way in ({"num_workers": 1}, {"num_workers": 2, "prefetch": 1}, {"num_workers": 3}):
        assert epochs(**way) == first
    order = [[[row[3] for row in batch] for batch in e] for e in first]
    threads = epochs(num_workers=2, thread_pool=True)
    assert [[[row[3] for row in batch] for batch in e] for e in threads] == order


def test_a_seed_begins_anew_also_between_epochs() -> None:
    loader = data.DataLoader(list(range(20)), 5, shuffle=True)
    hn.random.seed(5)
    first = [listed(loader), listed(loader)]
    hn.random.seed(5)
    assert [listed(loader), listed(loader)] == first
    hn.random.seed(6)
    assert listed(loader) != first[0]


def test_a_sampler_that_draws_from_numpy_follows_the_seed_too() -> None:
    def run() -> Any:
        hn.random.seed(2)
        loader = data.DataLoader(list(range(30)), 6, sampler=some.Shuffled(30))
        return [listed(loader), listed(loader)]

    first = run()
    numpy.random.seed(99)
    assert run() == first and first[0] != first[1]


def test_what_transforms_draw_leaves_the_programs_own_generators_alone() -> None:
    numpy.random.seed(1), random.seed(1), hn.random.seed(1)
    loader = data.DataLoader(data.SimpleDataset(list(range(8))).transform(some.drawn), 4)
    list(loader)  # draws its key from hybridnet's state, once
    before = hn.np.random.uniform(size=()).item(), numpy.random.rand(), random.random()
    numpy.random.seed(1), random.seed(1), hn.random.seed(1)
    list(data.DataLoader(list(range(8)), 4))
    assert (hn.np.random.uniform(size=()).item(), numpy.random.rand(), random.random()) == before


def test_views_of_datasets_are_gathered_as_they_read() -> None:
    rows = numpy.arange(40).reshape(20, 2)
    dataset = data.ArrayDataset(rows, np.array(rows)).filter(lambda pair: pair[0][0] % 4 == 0).shard(2, 1).take(3)
    expected = [[x.tolist(), y.tolist()] for x, y in [dataset[i] for i in range(3)]]
    ((x, y),) = data.DataLoader(dataset, 5)
    assert [list(pair) for pair in zip(x.tolist(), y.tolist(), strict=True)] == expected


def test_arrays_of_other_things_are_no_batches() -> None:
    with pytest.raises(DtypeError, match="sample 0 of the dataset, a str_"):
        list(data.DataLoader(numpy.array(["a", "b"]), 2))
    assert listed(data.DataLoader(numpy.array([1, 2], ">f8"), 2)) == [[1, 2]]


def test_a_dataset_of_a_subclass_is_read_by_its_own_getitem() -> None:
    class Doubled(data.ArrayDataset):
        def __getitem__(self, i: Any) -> Any:
            return 2 * super().__getitem__(i)

    assert listed(data.DataLoader(Doubled(numpy.arange(4)), 4)) == [[0, 2, 4, 6]]


# -- who reads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids=IDS)
def test_two_loops_at_once(way: dict[str, Any]) -> None:
    loader = data.DataLoader(some.Images(12), 3, **way)
    pairs = [(a.tolist(), b.tolist()) for (_, a), (_, b) in zip(loader, loader, strict=True)]
    assert pairs == [([i, i + 1, i + 2],) * 2 for i in range(0, 12, 3)]


@pytest.mark.parametrize("way", WAYS, ids=IDS)
def test_a_loop_that_is_left_early(way: dict[str, Any]) -> None:
    loader = data.DataLoader(some.Images(40), 2, **way)
    for _ in range(3):
        for i, (_, numbers) in enumerate(loader):
            assert numbers.tolist() == [2 * i, 2 * i + 1]
            if i == 3:
                break
    assert len(listed(loader)) == 20


def test_workers_use_one_thread_each_and_leave_ctrl_c_to_their_program() -> None:
    loader = data.DataLoader(data.SimpleDataset(list(range(8))).transform(some.its_threads), 1, num_workers=2)
    found = [row[0].tolist() for row in loader]
    assert all(set(row[:-1]) == {1} for row in found)
    assert len({row[-1] for row in found}) <= 2
    assert listed(data.DataLoader(data.SimpleDataset([1, 2]).transform(some.interrupts), 2, num_workers=1)) == [[1, 2]]


def test_workers_live_as_long_as_the_loader() -> None:
    loader = data.DataLoader(data.SimpleDataset(list(range(8))).transform(some.its_threads), 1, num_workers=1)
    processes = {row[0, -1].item() for _ in range(3) for row in loader}
    assert len(processes) == 1


@pytest.mark.parametrize("way", WAYS[1::2], ids=IDS[1::2])
def test_batches_arrive_while_the_program_computes(way: dict[str, Any]) -> None:
    """What is read ahead gets there without being asked for."""
    loader = data.DataLoader(some.Images(40), 2, prefetch=6, **way)
    list(loader)  # by now the size of a batch is known
    run = loader._begun()
    source, tickets = run._source, list(run._tickets)
    assert len(tickets) == 6
    end = time.monotonic() + 20
    while not all(map(source.is_ready, tickets)) and time.monotonic() < end:
        time.sleep(0.01)  # a step
    assert [numbers.tolist() for _, numbers in run] == [[i, i + 1] for i in range(0, 40, 2)]
    assert time.monotonic() < end


def test_threads_read_beside_each_other() -> None:
    loader = data.DataLoader(data.SimpleDataset(list(range(8))).transform(some.its_thread), 1, num_workers=2, thread_pool=True)
    found = {batch.item() for batch in loader}
    assert 1 < len(found) <= 2 and threading.get_ident() not in found


def test_a_thread_that_is_late() -> None:
    gate = threading.Event()
    dataset = data.SimpleDataset([1]).transform(lambda x: gate.wait(20) and x)
    with pytest.raises(WorkerTimeoutError, match=r"a batch within 0.05 s; got none from its thread; at test_dataloader.py"):
        list(data.DataLoader(dataset, 1, num_workers=1, thread_pool=True, timeout=0.05))
    gate.set()


@pytest.mark.parametrize("way", WAYS, ids=IDS)
def test_auto_reload_reads_the_next_epoch_ahead(way: dict[str, Any]) -> None:
    hn.random.seed(4)
    plain = data.DataLoader(list(range(10)), 4, shuffle=True, **way)
    expected = [listed(plain) for _ in range(3)]
    hn.random.seed(4)
    loader = data.DataLoader(list(range(10)), 4, shuffle=True, auto_reload=True, **way)
    assert [listed(loader) for _ in range(2)] == expected[:2]
    loader.clean()
    loader.refresh()
    assert listed(loader) == expected[2]


def test_pinned_batches() -> None:
    x, y = next(iter(data.DataLoader(data.ArrayDataset(numpy.ones((4, 2)), numpy.ones(4)), 2, pin_memory=True, pin_device_id=1)))
    assert x.device == y.device == hn.cpu_pinned(1)
    assert x.tolist() == [[1, 1], [1, 1]]


# -- where it goes on ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "batches"),
    [
        *(({}, n) for n in (0, 1, 3, 7, 10, 15)),
        (WAYS[3], 10),
        *(pytest.param(WAYS[3], n, marks=pytest.mark.slow) for n in (0, 1, 3, 7, 15)),
    ],
)
def test_a_loader_goes_on_where_another_one_was(way: dict[str, Any], batches: int) -> None:
    """After any number of batches, over epochs, with samples that roll over; the state goes through JSON."""

    def made() -> Any:
        dataset = data.SimpleDataset(list(range(20))).transform(some.drawn)
        return data.DataLoader(dataset, 3, shuffle=True, last_batch="rollover", **way)

    def stream(loader: Any) -> Any:
        for _ in range(4):
            yield from loader

    hn.random.seed(8)
    expected = listed(stream(made()))
    hn.random.seed(8)
    loader = made()
    running = stream(loader)
    for _ in range(batches):
        next(running)
    state = json.loads(json.dumps(loader.state_dict()))
    hn.random.seed(1234)
    resumed = made()
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    rest = [batch for _ in range(4) for batch in listed(resumed)]
    assert rest[: len(expected) - batches] == expected[batches:]


def test_a_state_of_something_else() -> None:
    with pytest.raises(ArgumentError, match=r"what state_dict.. of a DataLoader gave; got one without batches, sampler"):
        data.DataLoader([1], 1).load_state_dict({"key": [0, 0], "epoch": 1})


# -- fit -----------------------------------------------------------------------------------------------


def _net() -> Any:
    hn.random.seed(0)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(8, activation="relu", in_units=4), gluon.nn.Dense(3, in_units=8))
    net.initialize()
    net.compile("sgd", "softmax_cross_entropy", ["accuracy"], {"learning_rate": 0.1})
    return net


@pytest.mark.parametrize("way", WAYS[::3], ids=IDS[::3])
def test_fit_evaluate_and_predict_take_a_loader(way: dict[str, Any]) -> None:
    x = numpy.random.default_rng(0).normal(size=(50, 4))  # float64, as NumPy gives it
    y = (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0)
    arrays, loaded = _net(), _net()
    arrays.fit(x, y, epochs=3, batch_size=16, shuffle=False, verbose=0)
    loader = data.DataLoader(data.ArrayDataset(x, y), 16, **way)
    history = loaded.fit(loader, epochs=3, validation_data=loader, verbose=0)
    assert len(history.history["val_accuracy"]) == 3
    assert loader.state_dict()["epoch"] == 6  # no epoch is begun only to look at it
    numpy.testing.assert_allclose(loaded.predict(loader).asnumpy(), arrays.predict(x).asnumpy(), rtol=1e-5)
    assert loaded.evaluate(loader)["loss"] == pytest.approx(arrays.evaluate(x, y)["loss"], rel=1e-5)
    inputs = data.DataLoader(data.ArrayDataset(x), 16)
    assert (loaded.predict(inputs) == loaded.predict(loader)).all()


def test_fit_checks_the_labels_of_a_loader() -> None:
    x, y = numpy.ones((8, 4)), numpy.array([0, 1, 2, 0, 1, 2, 0, 3])
    with pytest.raises(ArgumentError, match="labels from 0 to 2, for 3 outputs; got labels from 0 to 3"):
        _net().fit(data.DataLoader(data.ArrayDataset(x, y), 4), verbose=0)


class Sum(gluon.HybridBlock):
    """A network of two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = gluon.nn.Dense(2, in_units=3)

    def forward(self, a: Any, b: Any) -> Any:
        return self.dense(a) + self.dense(b)


def test_a_network_of_several_inputs_takes_samples_that_are_nested() -> None:
    a, b = numpy.random.default_rng(0).normal(size=(2, 20, 3)).astype("float32")
    y = (a[:, 0] + b[:, 0] > 0).astype("int64")
    nets = []
    loader = data.DataLoader(data.ArrayDataset(data.ArrayDataset(a, b), y), 8)
    for given in (((a, b), y), (loader,)):
        hn.random.seed(0)
        net = Sum()
        net.initialize()
        net.compile("sgd", "softmax_cross_entropy")
        net.fit(*given, batch_size=8, shuffle=False, epochs=2, verbose=0)
        nets.append(net)
    assert (nets[0].predict((a, b)) == nets[1].predict((a, b))).all()
    assert (nets[0].predict(loader) == nets[0].predict((a, b))).all()
    assert nets[0].evaluate(loader)["loss"] == pytest.approx(nets[0].evaluate((a, b), y)["loss"])


def test_a_loader_goes_on_in_the_order_of_its_sampler() -> None:
    """Of one that counts its epochs: from between two, and from the middle of one."""

    def loader() -> Any:
        sampler = gluon.data.SplitSampler(20, num_parts=2, part_index=1, shuffle=True, seed=4)
        return gluon.data.DataLoader(gluon.data.ArrayDataset(numpy.arange(20)), 3, sampler=sampler)

    first = loader()
    epochs = [[batch.asnumpy().tolist() for batch in first] for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    for done in (0, 2):
        before = loader()
        list(before)
        batches = iter(before)
        for _ in range(done):
            next(batches)
        again = loader()
        again.load_state_dict(before.state_dict())
        batches.close()
        assert [[batch.asnumpy().tolist() for batch in again] for _ in range(2)] == [epochs[1][done:], epochs[2]]
