"""The recipes of deployment, each run: a Triton repository, a service over HTTP, a page in a browser."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy
import pytest
from support.example import EXAMPLES, example


@pytest.fixture(autouse=True)
def one_digit_each() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: the digits")


# -- Triton -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_triton_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the description says of names, types and sizes is what onnxruntime, on which Triton's back end is built, says of the file."""
    pytest.importorskip("onnx", reason="onnx is not installed: it writes the file")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: it reads the file")
    place = example("deploy_triton").main([str(tmp_path / "models"), "--epochs", "1", "--quiet"])
    assert sorted(str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()) == [
        "models/digits/1/model.onnx",
        "models/digits/config.pbtxt",
    ]
    text = (place / "config.pbtxt").read_text(encoding="utf-8")
    assert text == capsys.readouterr().out.removesuffix("\n")
    assert 'name: "digits"\nbackend: "onnxruntime"\nmax_batch_size: 64' in text and "dynamic_batching" in text
    session = onnxruntime.InferenceSession(place / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    told = re.findall(r'name: "(\w+)", data_type: TYPE_(\w+), dims: \[ ([\d, -]*) \]', text)
    types = {"tensor(float)": "FP32"}
    for (name, dtype, sizes), x in zip(told, (*session.get_inputs(), *session.get_outputs()), strict=True):
        assert (name, dtype) == (x.name, types[x.type])
        assert [int(n) for n in sizes.split(", ")] == x.shape[1:] and x.shape[0] == "batch"
    assert session.run(None, {"data": numpy.zeros((7, 1, 8, 8), "float32")})[0].shape == (7, 10)


# -- FastAPI ------------------------------------------------------------------------------------------


def asked(app: Any, bodies: list[Any]) -> list[tuple[int, Any]]:
    """The answers to requests that come at once: status and body."""
    import httpx

    async def ask() -> list[tuple[int, Any]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            found = await asyncio.gather(*[client.post("/predict", json=body) for body in bodies])
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return [(r.status_code, r.json()) for r in found]

    return asyncio.run(ask())


def test_requests_are_computed_in_batches() -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'hybridnet[serve]'")
    pytest.importorskip("httpx", reason="httpx is not installed: it asks")
    serve_fastapi, traced = example("serve_fastapi"), []

    def predict(x: Any) -> Any:
        traced.append(x.shape[0])
        return x.reshape(x.shape[0], 64)[:, :10]

    images = numpy.random.default_rng(0).uniform(size=(21, 8, 8))
    answers = asked(serve_fastapi.service(predict, most=8, wait=0.05), [{"image": image.tolist()} for image in images])
    for image, (status, answer) in zip(images, answers, strict=True):
        scores = image.reshape(64)[:10]
        assert status == 200 and answer["digit"] == scores.argmax()
        numpy.testing.assert_allclose(answer["scores"], scores, rtol=1e-6)
    assert set(traced) == {8}, "two batches of 8, and the five that are left filled up to 8: one program"
    wrong: list[Any] = [{"image": [[0.0] * 8] * 7}, {"image": [["a"] * 8] * 8}, {}]
    assert [status for status, _ in asked(serve_fastapi.service(predict), wrong)] == [422] * 3


@pytest.mark.slow
def test_the_service_knows_digits() -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'hybridnet[serve]'")
    pytest.importorskip("httpx", reason="httpx is not installed: it asks")
    from sklearn.datasets import load_digits

    digits = load_digits()
    answers = asked(example("serve_fastapi").app, [{"image": (image / 16).tolist()} for image in digits.images[:64]])
    right = [answer["digit"] == label for (_, answer), label in zip(answers, digits.target, strict=False)]
    assert sum(right) >= 58


# -- a web page ---------------------------------------------------------------------------------------

ZERO = [[[0.5 + 0.19 * numpy.cos(t), 0.5 + 0.36 * numpy.sin(t)] for t in numpy.linspace(0, 6.3, 40)]]
ONE = [[[0.4, 0.25], [0.55, 0.12], [0.55, 0.88]]]
SEVEN = [[[0.28, 0.15], [0.75, 0.15], [0.45, 0.88]], [[0.33, 0.5], [0.7, 0.5]]]


@pytest.mark.slow
def test_a_page_classifies_drawings(tmp_path: Path) -> None:
    """In headless Chromium, with the npm package where ``ONNXRUNTIME_WEB`` says that it was installed."""
    pytest.importorskip("onnx", reason="onnx is not installed: it writes the file")
    browser = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    modules = Path(os.environ.get("ONNXRUNTIME_WEB", EXAMPLES / "web" / "node_modules"))
    if browser is None or not (modules / "onnxruntime-web").exists():
        pytest.skip("needs Chromium, and: npm install --prefix examples/web")
    deploy_web = example("deploy_web")
    for file in ("index.html", "digits.mjs"):
        shutil.copy(EXAMPLES / "web" / file, tmp_path)
    (tmp_path / "node_modules").symlink_to(modules)
    assert deploy_web.write(tmp_path / "digits.onnx", quiet=True) > 0.9
    with deploy_web.server(tmp_path, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            for strokes, digit in ((ZERO, 0), (ONE, 1), (SEVEN, 7)):
                page = f"http://localhost:{server.server_port}/index.html#{quote(json.dumps(strokes))}"
                flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
                command = [browser, *flags, "--virtual-time-budget=60000", "--dump-dom", page]
                found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
                answer = re.search(r'<output id="answer" data-scores="\[(.*?)\]">(\d)</output>', found)
                assert answer is not None, found
                assert int(answer[2]) == digit
                assert numpy.argmax([float(x) for x in answer[1].split(",")]) == digit
        finally:
            server.shutdown()
