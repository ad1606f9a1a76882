"""The examples run and do what they say; the two programs of the documentation run word for word."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER
from support.example import EXAMPLES, example
from support.paths import ROOT

import hybridnet as hn
from hybridnet.config import config
from hybridnet.gluon.training import checkpoint

datasets = pytest.importorskip("sklearn.datasets")

KERAS_PROGRAM = """\
from hybridnet.keras.models import Sequential
from hybridnet.keras.layers import Dense
model = Sequential()
model.add(Dense(32, input_dim=784, activation='relu'))
model.add(Dense(64, activation='relu'))
model.add(Dense(10, activation='softmax'))
model.compile(optimizer='adam', loss='categorical_crossentropy', metrics=['accuracy'])
model.fit(x_train, y_train, epochs=10, batch_size=32)
"""
GLUON_PROGRAM = """\
import hybridnet as mx
from hybridnet.gluon import nn
net = nn.Sequential()
net.add(nn.Dense(32, activation='relu', input_shape=(784,)))
net.add(nn.Dense(64, activation='relu'))
net.add(nn.Dense(10, activation='softmax'))
net.compile(optimizer='adam', loss='softmax_cross_entropy', metrics=['accuracy'])
net.fit(x_train, y_train, epochs=10, batch_size=32)
"""


@pytest.mark.parametrize("program", [KERAS_PROGRAM, GLUON_PROGRAM], ids=["keras", "gluon"])
@pytest.mark.parametrize("one_hot", [True, False], ids=["one-hot", "integers"])
def test_the_two_programs_as_they_stand(program: str, one_hot: bool) -> None:
    digits = datasets.load_digits()
    images = np.pad(np.kron(digits.images / 16, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2))).reshape(-1, 784)
    names: dict[str, Any] = {"x_train": images, "y_train": np.eye(10)[digits.target] if one_hot else digits.target}
    hn.random.seed(0)
    exec(program, names)
    net = names.get("net", names.get("model"))
    results = net.evaluate(images, names["y_train"], verbose=0)
    loss, accuracy = results.values() if isinstance(results, dict) else results
    assert accuracy > 0.96
    assert loss < 0.2  # a softmax taken twice could not go below log(e + 9) - 1 = 1.46


@pytest.mark.parametrize(("name", "program"), [("keras_digits", KERAS_PROGRAM), ("gluon_digits", GLUON_PROGRAM)])
def test_the_examples_hold_the_two_programs(name: str, program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program in (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    held_out = re.search(r"held-out loss: ([\d.]+), accuracy: ([\d.]+)", capsys.readouterr().out)
    assert held_out is not None
    assert float(held_out[2]) > 0.9


def test_digits(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The example as the README runs it, with fewer timed steps."""
    found = example("digits").main(["--repeats", "3", "--save", str(tmp_path / "digits.params")])
    assert found["accuracy"] >= 0.98
    assert found["same"]
    out, err = capfd.readouterr()
    assert f"held-out accuracy: {found['accuracy']:.4f}" in out
    assert "predicts the same" in out
    for mode in ("imperative", "hybridize", "jit"):
        assert re.search(rf"^{mode} +[\d.]+ +\d+ +[\d.]+×$", out, re.MULTILINE)
    for part in ("epoch 1/20", "epoch 20/20", "loss=", "accuracy="):
        assert part in err
    assert (tmp_path / "digits.params").stat().st_size > 10_000


@pytest.mark.slow
def test_all_modes_end_with_the_same_parameters(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # With oneDNN compiled networks have their channels last and sum in another order, which Adam makes large where gradients are near zero.
    monkeypatch.setattr(config, "disabled_libraries", frozenset({"oneDNN"}))
    digits = example("digits")
    ends = {}
    for mode in digits.MODES:
        found = digits.main(
            ["--mode", mode, "--epochs", "3", "--no-dropout", "--seed", "5", "--repeats", "0", "--quiet", "--device", "cpu"]
        )
        ends[mode] = found["parameters"]
    other_seed = digits.main(["--epochs", "3", "--no-dropout", "--seed", "6", "--repeats", "0", "--quiet"])["parameters"]
    for name, expected in ends["imperative"].items():
        for mode in ("hybridize", "jit"):
            np.testing.assert_allclose(ends[mode][name], expected, rtol=0, atol=1e-5, err_msg=f"{name} in mode {mode}")
    assert any(np.abs(other_seed[name] - ends["jit"][name]).max() > 0.01 for name in other_seed)


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
def test_all_modes_on_a_gpu_end_where_the_cpu_does(emulated_gpu: Any) -> None:
    digits = example("digits")
    arguments = ["--epochs", "1", "--batch-size", "256", "--no-dropout", "--repeats", "0", "--quiet"]
    expected = digits.main(["--device", "cpu", "--mode", "imperative", *arguments])["parameters"]
    for mode in digits.MODES:
        found = digits.main(["--device", "gpu", "--mode", mode, *arguments])["parameters"]
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4, err_msg=f"{name} in mode {mode}")


def test_epoch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["epoch.py", "--epochs", "2", "--steps", "20"])
    example("epoch").main()
    out = capsys.readouterr().out
    assert re.search(r"^20 steps in a call: +[\d.]+ µs a step, loss 2\.\d+ to 1\.\d+$", out, re.MULTILINE)
    assert "the same losses to the bit" in out


def test_custom_block(capsys: pytest.CaptureFixture[str]) -> None:
    found = example("custom_block").main(["--epochs", "10"])
    assert found["accuracy"] > 0.95
    assert found["difference"] < 1e-5


def test_custom_operator(capsys: pytest.CaptureFixture[str]) -> None:
    found = example("custom_operator").main(["--epochs", "10"])
    assert found["every"] > 0.95
    assert found["trusted"] > 0.95
    assert "custom_trusted_softmax at custom_operator.py" in found["explained"]


@pytest.mark.slow
def test_char_lstm(capsys: pytest.CaptureFixture[str]) -> None:
    found = example("char_lstm").main(["--epochs", "4", "--units", "32", "--rows", "8", "--length", "20", "--quiet"])
    assert found["perplexities"][-1] < 0.7 * found["perplexities"][0]
    assert found["text"].startswith("You may ")
    assert len(found["text"]) == 28


def test_char_transformer(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--steps", "60", "--rows", "8", "--context", "32", "--units", "32", "--layers", "1", "--length", "24", "--quiet"]
    found = example("char_transformer").main(sizes)
    first, last, of_others = found["perplexities"]
    assert last < 0.5 * first
    assert of_others < 0.7 * first
    assert found["text"].startswith("You may ")
    assert len(found["text"]) == 32


@pytest.mark.slow
def test_transformer_classifier(capsys: pytest.CaptureFixture[str]) -> None:
    found = example("transformer_classifier").main(["--lines", "250", "--epochs", "6", "--layers", "1", "--units", "16", "--quiet"])
    assert found["accuracy"] > 0.55, "a third by chance"
    assert "held-out accuracy" in capsys.readouterr().out


@pytest.mark.slow
def test_deploy_onnx(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    found = example("deploy_onnx").main(["--epochs", "10", "--file", str(tmp_path / "digits.onnx"), "--quiet"])
    assert found["accuracy"] > 0.85
    assert found["same"] >= found["of"] - 1
    assert (tmp_path / "digits.onnx").exists()


@pytest.mark.slow
def test_deploy_quantized(capsys: pytest.CaptureFixture[str]) -> None:
    """int8, here and in onnxruntime, is within half a percent of float32."""
    pytest.importorskip("onnxruntime")
    found = example("deploy_quantized").main(["--quiet", "--tools"])
    accuracy = found["accuracy"]
    assert accuracy["float32"] > 0.9
    for form in ("int8 naive", "int8 entropy", "onnx naive", "onnx entropy", "float16", "bfloat16"):
        assert abs(accuracy[form] - accuracy["float32"]) <= 0.005, form
    assert found["sizes"]["int8 naive"] < 0.5 * found["sizes"]["float32"]


@pytest.mark.slow
def test_autoencoder(capsys: pytest.CaptureFixture[str]) -> None:
    """A smaller error than with as many numbers of PCA, and codes that tell digits apart, without a label."""
    found = example("autoencoder").main(["--epochs", "50", "--quiet"])
    assert found["error"] < 0.8 * found["linear error"] < 0.02
    assert found["neighbours"] > 0.9
    assert "@@" in capsys.readouterr().out


def test_integrated_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    found = example("integrated_gradients").main(["--epochs", "5", "--quiet"])
    assert found["gap"] < 0.02, "the parts do not sum up"
    assert found["drop"] > 2 * found["drop of others"]
    assert "##" in capsys.readouterr().out


@pytest.mark.slow
def test_detection(capsys: pytest.CaptureFixture[str]) -> None:
    found = example("detection").main(["--images", "512", "--epochs", "5", "--quiet"])
    assert found["precision"] > 0.6 and found["recall"] > 0.2
    assert "found: " in capsys.readouterr().out


def test_search(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    found = example("search").main(["--trials", "6", "--epochs", "3", "--quiet"])
    assert len(found["values"]) == 6 and found["best"] == max(v for v in found["values"] if v is not None)
    assert found["accuracy"] > 0.85
    assert "6 trials" in capsys.readouterr().out


def test_every_example_says_what_it_shows_and_is_tested() -> None:
    tested = "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("test_examples.py", "test_deployment.py"))
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith('"""'), path.name
        assert text.count("\n") < (200 if path.stem == "digits" else 150), f"{path.name} is too long to be read"
        assert f'"{path.stem}"' in tested or f'"{path.name}"' in tested, f"{path.name} has no test"


def test_one_rank_trains_by_the_script_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    """With more ranks it runs in tests/distributed."""
    example("distributed_digits").main(["--epochs", "8"])
    found = re.search(r"^1 ranks, [\d.]+ s: held-out accuracy ([\d.]+); parameters \w+$", capsys.readouterr().out, re.MULTILINE)
    assert found is not None and float(found[1]) > 0.93


def test_the_estimator_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = example("estimator_resume").train
    wanted, accuracy = train(str(tmp_path / "undisturbed"), epochs=3, samples=600)
    assert accuracy > 0.5
    real, left = checkpoint.save, [2]

    def save(prefix: str, estimator: Any) -> None:
        real(prefix, estimator)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint, "save", save)
        train(str(tmp_path / "stopped"), epochs=3, samples=600)
    assert train(str(tmp_path / "stopped"), epochs=3, samples=600)[0] == wanted


def test_several_devices_learn_as_one() -> None:
    one, several, by_fit = example("several_devices").main(2, epochs=3, samples=640)
    assert one > 0.85 and by_fit > 0.85 and several == pytest.approx(one, abs=0.01)


MXNET = json.loads((ROOT / "tests" / "data" / "mxnet_1_9_1_examples.json").read_text(encoding="utf-8"))


def test_a_program_of_mxnet_runs_unchanged(tmp_path: Path) -> None:
    """Its losses are those that MXNet 1.9.1 had, step by step."""
    code = f"""
import json, runpy
main = runpy.run_path({str(EXAMPLES / "mxnet_module.py")!r})["main"]
losses, accuracy = main(["--epochs", "2", "--folder", {str(tmp_path)!r}])
json.dump(losses, open({str(tmp_path / "losses.json")!r}, "w"))
"""
    command = [sys.executable, "-m", "hybridnet.compat.mxnet", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mxnet 1.9.1, held-out accuracy of the checkpoint 0.8")
    losses = json.loads((tmp_path / "losses.json").read_text())
    np.testing.assert_allclose(losses, MXNET["losses"][:60], rtol=1e-3, atol=1e-3)


def test_a_model_of_mxnet_is_served_and_learns(tmp_path: Path) -> None:
    module = example("mxnet_model")
    try:
        found = module.main(["--epochs", "5", "--folder", str(tmp_path)])
        served = hn.gluon.SymbolBlock.imports(f"{module.EXPORTED}-symbol.json", ["data"], f"{module.EXPORTED}-0000.params")
        images, labels = module.images_and_labels()
        first = np.flatnonzero(labels.asnumpy() < 5)[:5]
        np.testing.assert_allclose(served(images[first]).asnumpy(), MXNET["outputs"], rtol=1e-4, atol=1e-5)
    finally:
        hn.util.set_np()
    assert found["served"] > 0.95 and found["tuned"] > 0.85 and found["difference"] == 0
