"""A web page that classifies a drawn digit in the browser, by onnxruntime-web: nothing is sent anywhere.

Trains the network, writes ``digits.onnx`` beside the page in ``examples/web``, and serves the folder. The page needs the npm package once:

    npm install --prefix examples/web
    python examples/deploy_web.py            # then open http://localhost:8000
"""

from __future__ import annotations

import argparse
import functools
import http.server
from pathlib import Path
from typing import Any

from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet.gluon import nn

WEB = Path(__file__).resolve().parent / "web"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of the folder, with the types that browsers ask of modules and WebAssembly."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def server(folder: Path, port: int = 8000) -> http.server.ThreadingHTTPServer:
    """A server of a folder, which is not running yet; port 0 takes one that is free."""
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=str(folder)))


def write(file: Path, epochs: int = 20, quiet: bool = False) -> float:
    """Train on the digits and write the network; gives the held-out accuracy."""
    hn.random.seed(0)
    digits = load_digits()
    images, labels = digits.images[:, None].astype("float32") / 16, digits.target
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, padding=1, activation="relu"), nn.Conv2D(32, 3, padding=1, activation="relu"), nn.MaxPool2D())
    net.add(nn.Flatten(), nn.Dropout(0.3), nn.Dense(10))
    net.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    net.fit(images[:1500], labels[:1500], epochs=epochs, batch_size=50, verbose=0 if quiet else 1)
    hn.onnx.export(net, file, hn.np.array(images[:2]), {"data": {0: "batch"}})
    found = net(hn.np.array(images[1500:])).asnumpy().argmax(axis=1)
    return float((found == labels[1500:]).mean())


def main(arguments: list[str] | None = None) -> None:
    """Write the network and serve the page until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    if not (WEB / "node_modules").exists():
        parser.error("the page needs onnxruntime-web: npm install --prefix examples/web")
    print(f"held-out accuracy: {write(WEB / 'digits.onnx'):.4f}")
    with server(WEB, options.port) as running:
        print(f"http://localhost:{running.server_port}")
        running.serve_forever()


if __name__ == "__main__":
    main()
