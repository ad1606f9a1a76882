"""The benchmarks themselves: every workload runs in every mode with the same losses, and the bars judge as they say."""

import time
from pathlib import Path

import bars
import busy
import compiling
import gluon_networks
import image_loading
import images
import loader
import loading
import measure
import networks
import numpy as np
import peer_hybridnet
import peer_numpy
import pytest
import report
import run
import sparse_arrays
import symbols
import vision
import workloads
from compiling import compile_times, measured

import hybridnet as hn
from hybridnet.gluon import nn


def losses(workload: str) -> dict[str, list[float]]:
    cases = {mode: build() for mode, build in peer_hybridnet.WORKLOADS[workload].items()}
    return {f"hybridnet/{workload}/{mode}": case.losses() for mode, case in cases.items() if case.losses is not None}


def test_the_runner_knows_every_network() -> None:
    assert set(peer_hybridnet.WORKLOADS) >= {*bars.SHARED_WORKLOADS, *bars.SHARED_NETWORKS, *bars.OWN_WORKLOADS, *busy.WORKLOADS}
    assert {*bars.NETWORKS, *gluon_networks.NETWORKS} == set(networks.TASKS)
    assert set(busy.WORKLOADS) <= {*bars.SHARED_WORKLOADS, *bars.SHARED_NETWORKS}


@pytest.mark.parametrize("workload", [*bars.OWN_WORKLOADS, *(f"{name}-train" for name in gluon_networks.NETWORKS)])
def test_modes_agree(workload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_hybridnet, "CHECKED_STEPS", 3)
    found = losses(workload)
    assert len(found) == (3 if workload.endswith("train") else 2)
    assert bars.disagreements(found, bars.TOLERANCES) == {}


@pytest.mark.parametrize("name", gluon_networks.INFERENCE)
def test_modes_agree_on_an_image(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(workloads.IMAGES, name, (1, 3, 64, 64))
    found = losses(f"{name}-inference")
    assert len(found) == 2 and all(len(scores) == 10 for scores in found.values())
    assert bars.disagreements(found, bars.TOLERANCES) == {}


def test_the_perceptron_in_numpy_learns_the_same() -> None:
    found = {**losses("mlp-train"), "numpy/mlp-train/straight line": peer_numpy.perceptron().losses()}  # type: ignore[misc]
    assert bars.disagreements(found, bars.TOLERANCES) == {}
    imperative = found["hybridnet/mlp-train/imperative"]
    assert imperative[-1] < imperative[0] / 2
    found["numpy/mlp-train/straight line"] = [x * 1.01 for x in imperative]
    assert list(bars.disagreements(found, bars.TOLERANCES)) == ["numpy/mlp-train/straight line"]


def test_samples_are_seconds_a_call() -> None:
    found = measure.time_cases({"sleep": lambda: measure.Case("sleep(0.002)", {"sleep": time.sleep})}, seconds=0.01)
    assert all(0.0019 < sample < 0.1 for sample in found["times"]["sleep"])


def test_compiling_while_timed_is_refused() -> None:
    count = iter(range(2))
    case = measure.Case("pass", {}, compilations=lambda: next(count))
    with pytest.raises(RuntimeError, match="compiled while"):
        measure.time_cases({"case": lambda: case}, seconds=0.01)


def test_memory_is_that_of_arrays() -> None:
    kept = [np.zeros(1 << 18, np.uint8), "no array" * 100_000]
    found = measure.memory_of_arrays(
        lambda: measure.Case("zeros(1 << 20, 'u1')", {"zeros": np.zeros, "kept": list(map(np.copy, kept[:1]))})
    )
    assert 1.25 * 2**20 <= found["arrays"] < 1.3 * 2**20


def test_verdicts() -> None:
    rounds = {"hybridnet/w/one": [1.0, 2.0, 3.0], "torch/w/a": [4.0, 4.0, 4.0], "torch/w/b": [5.0, 5.0, 5.0]}
    by_best, no_peer = bars.judged(
        [bars.Bar("hybridnet/w/one", ("torch/w/b", "torch/w/a"), 0.4), bars.Bar("hybridnet/w/one", ("mxnet/w/a",), 1)], rounds
    )
    assert by_best.title == "w: one against torch/w/a"
    assert (by_best.ratio, by_best.spread, by_best.word) == (0.5, (0.25, 0.75), "MISS")
    assert no_peer.word == "not run"
    assert bars.judged([bars.Bar("hybridnet/absent/x", ("torch/w/a",), 1)], rounds) == []


def test_compile_times_add_up() -> None:
    network = nn.HybridSequential()
    network.add(nn.Conv2D(4, 3, in_channels=3), nn.BatchNorm(in_channels=4), nn.Dense(10, in_units=4 * 6 * 6))
    network.initialize()
    found = compile_times(network, hn.nd.zeros((2, 3, 8, 8)), hn.nd.zeros((2,), dtype="int32"))
    for one in found.values():
        assert sum(one["parts"].values()) == pytest.approx(one["seconds"])
        assert {"trace", "pass: cse", "text: writing"} <= set(one["parts"]) and min(one["parts"].values()) >= 0
        assert one["lines"] > 10
    assert set(measured(lambda: "one\ntwo")["parts"]) == {"the rest"}


def test_chains_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "CHAINS", {"dense": lambda: compiling.dense(3), "recurrent": lambda: compiling.recurrent(3)})
    found = compiling.chain_times()
    assert all(one["seconds"] > 0 and one["lines"] > 10 for one in found.values())
    assert found.keys() == {"dense", "recurrent"}


def test_symbols_are_timed() -> None:
    found = symbols.measured("hybridnet", 1)
    assert found["steps"].keys() == symbols.NETWORKS.keys() and all(seconds > 0 for seconds in found["steps"].values())
    judged = symbols.judged({"hybridnet": found, "mxnet": {"steps": dict.fromkeys(symbols.NETWORKS, 1.0)}})
    assert len(judged) == len(symbols.NETWORKS) + 5 and judged["infer_shape, ms"][1] == symbols.PASS


def test_sparse_arrays_are_timed() -> None:
    products = sparse_arrays.product_times(40, 50, 4, 0.1, 2)
    assert products.keys() == {"product", "transpose"}
    assert all(seconds > 0 for times in products.values() for seconds in times.values())
    assert sparse_arrays.step_seconds("hybridnet", 100, 2) > 0
    record = {"products": {"small": products}, "steps": {str(n): {"hybridnet": 1.0, "mxnet": 2.0} for n in sparse_arrays.ROWS}}
    assert sparse_arrays.ratios(record)["step beside MXNet"] == 0.5


def test_operators_of_detection_are_timed() -> None:
    rows = [row for row in vision.names() if row.startswith(("box_decode", "GridGenerator, affine"))]
    assert (
        len(rows) == 3 and len(vision.names()) == len(vision.CASES) + len(vision.GRADIENTS) and set(vision.GRADIENTS) <= set(vision.CASES)
    )
    assert all(seconds > 0 for seconds in vision.seconds_of("hybridnet", rows, 0).values())


def test_networks_are_measured_with_and_without_the_extra_cpu() -> None:
    peers = ["hybridnet", "onednn", "mxnet", "torch", "numpy"]
    assert [peer for peer, _ in run.schedule(peers, ["lenet-train"])] == peers[:4]
    assert [peer for peer, _ in run.schedule(peers, ["mlp-train"])] == peers
    assert [peer for peer, _ in run.schedule(peers, ["operators"])] == ["hybridnet", "mxnet", "torch", "numpy"]
    verdicts = bars.judged(bars.PEERS, {"onednn/lenet-train/hybridized": [1.0], "torch/lenet-train/eager": [2.0]})
    assert [(v.title, v.word) for v in verdicts if v.theirs] == [
        ("lenet-train: hybridized with the extra cpu against torch/lenet-train/eager", "PASS")
    ]
    verdicts = bars.judged(bars.PEERS, {"hybridnet/mlp-train/one step": [1.0], "torch/mlp-train/compiled": [1.9]})
    assert [(v.title, v.word) for v in verdicts if v.theirs] == [("mlp-train: one step against torch/mlp-train/compiled", "MISS")]
    sizes = {"hybridnet/lstm-train/hybridized": [7.5], "mxnet/lstm-train/hybridized": [10.0], "torch/lstm-train/eager": [8.0]}
    assert [v.word for v in bars.judged(bars.MEMORY, sizes)] == ["PASS", "MISS"]


def test_the_chain_is_the_same_in_both_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "CHAIN", (64, 64))
    found = losses("chain-inference")
    assert len(found) == 2 and bars.disagreements(found, bars.TOLERANCES) == {}


def test_the_report_shows_a_record() -> None:
    names = ["hybridnet/operators/add", "torch/operators/add", "hybridnet/mlp-train/imperative", "hybridnet/mlp-train/hybridized"]
    record = {
        "machine": {"cpu": "a processor"},
        "settings": {"threads": "2"},
        "versions": {"torch": {"torch": "2"}},
        "times": {name: [1e-6 * (i + 1)] * 3 for i, name in enumerate(names)},
        "losses": {names[2]: [1.0], names[3]: [2.0], "baseline/mlp-train/imperative": [1.0]},
        "arrays": {names[2]: 2**20, names[3]: 2**19},
        "process": {names[2]: 2**26, names[3]: 2**26},
        "compile": [{"one step": {"seconds": 3.5, "parts": {"trace": 3.5}, "lines": 7}}],
    }
    text = report.report(record)
    assert "operators: add against torch/operators/add" in text and "0.500" in text and "not run" in text
    assert "DIFFER" in text and "mlp-train/hybridized 1.0e+00" in text
    assert "3.50 s, 7 lines; under 3 s: MISS" in text and "0.50 MiB" in text


@pytest.mark.parametrize("name", loading.DATASETS)
def test_every_dataset_of_the_loaders_is_gone_through(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    length, _, dtype = loading.DATASETS[name]
    monkeypatch.setitem(loading.DATASETS, name, (70, (1, 4, 4), dtype))
    source, _ = loading.hybridnet(name, 0)
    first, *speeds = loading.timed(source, 70, 0.0)
    assert len(speeds) == 3 and min(first, *speeds) > 0
    assert len(loading.arrays(name)[0]) == 70 < length


def test_loaders_are_judged_beside_each_other() -> None:
    assert loader.judged([3.0, 4.0, 5.0], [2.0, 4.0, 4.0]) == ("1.00", "1.00 to 1.50", "PASS")
    assert loader.judged([3.0], [4.0])[2] == "MISS"
    assert loader.judged([3.0], None)[2] == "not run"
    record = {
        "machine": {"cpu": "a processor"},
        "settings": {"batch": 32},
        "versions": {"torch": {"torch": "2"}},
        "samples a second": {"digits/0/hybridnet": [2000.0], "digits/0/torch": [1000.0], "digits/2/hybridnet": [5.0]},
        "first epoch": {"digits/0/hybridnet": [0.5]},
    }
    text = loader.report(record)
    assert "2,000" in text and "2.00 to 2.00" in text and "0.50 s" in text and "not run" in text


@pytest.mark.parametrize("reader", image_loading.PEERS["hybridnet"][1])
def test_every_reader_of_images(reader: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(image_loading, "COUNT", 35)
    monkeypatch.setattr(image_loading, "SIDES", (80, 60))
    monkeypatch.setattr(image_loading, "THREADS", 0 if reader == "DataLoader" else 1)
    image_loading.write(tmp_path)
    epochs, _ = image_loading.hybridnet(reader, tmp_path)
    first, *speeds = image_loading.timed(epochs, 0.0)
    assert len(speeds) == 2 and min(first, *speeds) > 0


def test_readers_of_images_are_judged_beside_each_other() -> None:
    speeds = {"hybridnet/ImageRecordIter": [300.0, 200.0], "mxnet/ImageRecordIter": [100.0, 100.0], "hybridnet/DataLoader": [9.0]}
    speeds["hybridnet/ImageIter"] = [5.0]
    record = {"machine": {"cpu": "a processor"}, "settings": {}, "versions": {}, "images a second": speeds}
    text = images.report({**record, "first epoch": {key: [0.5] for key in speeds}})
    assert "2.50" in text and "2.00 to 3.00" in text and "1: PASS" in text and text.count("not run") == 2
