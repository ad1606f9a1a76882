"""Operators of detection and of sampling beside MXNet, in one run: what finds boxes, reads regions and places, and draws random numbers.

    python tests/benchmarks/vision.py --mxnet PYTHON --write tests/benchmarks/records/vision-DATE.json

Sizes are those of SSD with 300² pixels (8,732 anchors, 21 classes) and of Faster R-CNN on 600 × 800 (38 × 50 pixels of features).
Gradients are timed with their forward. The machine should be quiet. The bar: no operator slower than MXNet's. ``--only TEXT`` takes
those whose name has the text.
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

LIMIT = 1.0
ROUNDS = 3
_RANDOM = np.random.RandomState(14)


def _normal(*shape: int, scale: float = 1.0) -> Any:
    return (_RANDOM.randn(*shape) * scale).astype("float32")


def _uniform(low: float, high: float, *shape: int) -> Any:
    return _RANDOM.uniform(low, high, shape).astype("float32")


def _boxes(*shape: int) -> Any:
    """Boxes by corners, in parts of an image."""
    centre, half = _uniform(0.1, 0.9, *shape, 2), _uniform(0.02, 0.2, *shape, 2)
    return np.concatenate([centre - half, centre + half], -1)


def _probabilities(batch: int, classes: int, count: int, background: float) -> Any:
    """Those of classes at anchors, the background's by so much above the others'."""
    x = _normal(batch, classes, count, scale=1.5)
    x[:, 0] += background
    x = np.exp(x - x.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


def _labels(batch: int, count: int) -> Any:
    """Objects (class, left, top, right, bottom), of which a part is not there."""
    found = np.concatenate([_RANDOM.randint(0, 20, (batch, count, 1)), _boxes(batch, count)], -1).astype("float32")
    found[:, count // 2 :] = -1
    return found


def _scored(batch: int, count: int) -> Any:
    """Rows class, score, box."""
    parts = [_RANDOM.randint(0, 20, (batch, count, 1)), _uniform(0, 1, batch, count, 1), _boxes(batch, count)]
    return np.concatenate(parts, -1).astype("float32")


def _regions(count: int, turned: bool = False) -> Any:
    """Regions in pixels of 600 × 800: the image, and corners, or centre, size and angle."""
    boxes = _boxes(count) * np.array([800, 600, 800, 600], "float32")
    if turned:
        sizes = boxes[:, 2:] - boxes[:, :2]
        boxes = np.concatenate([boxes[:, :2] + sizes / 2, sizes, _uniform(-60, 60, count, 1)], 1)
    return np.concatenate([np.zeros((count, 1), "float32"), boxes], 1).astype("float32")


def _places(batch: int, height: int, width: int) -> Any:
    """A grid, somewhat moved."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return (np.stack([x, y])[None] + _normal(batch, 2, height, width, scale=0.05)).astype("float32")


#: The operator, its inputs, and attributes: ``inputs`` is called once. Whether there is a gradient follows from :data:`GRADIENTS`.
Case = tuple[str, Callable[[], list[Any]], dict[str, Any]]
_ANCHORS = 8732
_CONVOLUTION = {"kernel": (3, 3), "pad": (1, 1), "num_filter": 64}
CASES: dict[str, Case] = {
    "MultiBoxPrior": ("contrib.MultiBoxPrior", lambda: [_normal(1, 3, 38, 38)], {"sizes": (0.1, 0.14), "ratios": (1, 2, 0.5)}),
    "MultiBoxTarget": (
        "contrib.MultiBoxTarget",
        lambda: [_boxes(1, _ANCHORS), _labels(8, 16), _normal(8, 21, _ANCHORS)],
        {"negative_mining_ratio": 3.0},
    ),
    **{
        f"MultiBoxDetection, {name}": (
            "contrib.MultiBoxDetection",
            lambda batch=batch, background=background: [
                _probabilities(batch, 21, _ANCHORS, background),
                _normal(batch, 4 * _ANCHORS, scale=0.3),
                _boxes(1, _ANCHORS),
            ],
            attrs,
        )
        for name, batch, background, attrs in (
            ("few found, 400 looked at", 1, 8.0, {"nms_topk": 400}),
            ("few found", 1, 8.0, {}),
            ("all found, 400 looked at", 1, 0.0, {"nms_topk": 400}),
            ("all found", 1, 0.0, {}),
            ("all found, of any class", 1, 0.0, {"force_suppress": True}),
            ("batch of 8, 400 looked at", 8, 3.0, {"nms_topk": 400}),
        )
    },
    "box_nms, 400 looked at": ("contrib.box_nms", lambda: [_scored(1, _ANCHORS)], {"topk": 400, "id_index": 0}),
    "box_nms": ("contrib.box_nms", lambda: [_scored(1, _ANCHORS)], {"id_index": 0}),
    "box_nms of any class, batch of 4": ("contrib.box_nms", lambda: [_scored(4, 2000)], {}),
    "box_iou": ("contrib.box_iou", lambda: [_boxes(_ANCHORS), _boxes(16)], {}),
    "box_encode": (
        "contrib.box_encode",
        lambda: [
            *[_RANDOM.randint(-1, 2, (8, _ANCHORS)).astype("float32"), _RANDOM.randint(0, 16, (8, _ANCHORS)).astype("float32")],
            *[_boxes(8, _ANCHORS), _boxes(8, 16), np.zeros(4, "float32"), np.full(4, 0.1, "float32")],
        ],
        {},
    ),
    "box_decode": ("contrib.box_decode", lambda: [_normal(8, _ANCHORS, 4, scale=0.1), _boxes(1, _ANCHORS)], {}),
    "bipartite_matching": ("contrib.bipartite_matching", lambda: [_uniform(0, 1, 8, 2000, 16)], {"threshold": 0.1}),
    "Proposal": (
        "contrib.Proposal",
        lambda: [_probabilities(1, 2, 12 * 38 * 50, 0).reshape(1, 24, 38, 50), _normal(1, 48, 38, 50, scale=0.2), _sizes(1)],
        {},
    ),
    "MultiProposal": (
        "contrib.MultiProposal",
        lambda: [_probabilities(2, 2, 12 * 38 * 50, 0).reshape(2, 24, 38, 50), _normal(2, 48, 38, 50, scale=0.2), _sizes(2)],
        {},
    ),
    "ROIPooling": (
        "ROIPooling",
        lambda: [_normal(1, 256, 38, 50), _regions(128)],
        {"pooled_size": (7, 7), "spatial_scale": 1 / 16},
    ),
    "ROIAlign": (
        "contrib.ROIAlign",
        lambda: [_normal(1, 256, 38, 50), _regions(128)],
        {"pooled_size": (7, 7), "spatial_scale": 1 / 16, "sample_ratio": 2},
    ),
    "RROIAlign": (
        "contrib.RROIAlign",
        lambda: [_normal(1, 64, 38, 50), _regions(128, turned=True)],
        {"pooled_size": (7, 7), "spatial_scale": 1 / 16, "sampling_ratio": 2},
    ),
    "PSROIPooling": (
        "contrib.PSROIPooling",
        lambda: [_normal(1, 8 * 49, 38, 50), _regions(128)],
        {"spatial_scale": 1 / 16, "output_dim": 8, "pooled_size": 7},
    ),
    "DeformablePSROIPooling": (
        "contrib.DeformablePSROIPooling",
        lambda: [_normal(1, 8 * 49, 38, 50), _regions(128), _normal(128, 2, 7, 7)],
        {"spatial_scale": 1 / 16, "output_dim": 8, "group_size": 7, "pooled_size": 7, "sample_per_part": 4, "trans_std": 0.1},
    ),
    "DeformableConvolution": (
        "contrib.DeformableConvolution",
        lambda: [_normal(1, 64, 38, 50), _normal(1, 18, 38, 50), _normal(64, 64, 3, 3), _normal(64)],
        _CONVOLUTION,
    ),
    "ModulatedDeformableConvolution": (
        "contrib.ModulatedDeformableConvolution",
        lambda: [_normal(1, 64, 38, 50), _normal(1, 18, 38, 50), _uniform(0, 1, 1, 9, 38, 50), _normal(64, 64, 3, 3), _normal(64)],
        _CONVOLUTION,
    ),
    "BilinearResize2D": ("contrib.BilinearResize2D", lambda: [_normal(4, 32, 38, 50)], {"height": 76, "width": 100}),
    "AdaptiveAvgPooling2D": ("contrib.AdaptiveAvgPooling2D", lambda: [_normal(4, 128, 38, 50)], {"output_size": (6, 6)}),
    "GridGenerator, affine": (
        "GridGenerator",
        lambda: [_uniform(-1, 1, 8, 6)],
        {"transform_type": "affine", "target_shape": (64, 64)},
    ),
    "GridGenerator, warp": ("GridGenerator", lambda: [_normal(8, 2, 64, 64)], {"transform_type": "warp"}),
    "BilinearSampler": ("BilinearSampler", lambda: [_normal(8, 32, 64, 64), _places(8, 64, 64)], {}),
    "SpatialTransformer": (
        "SpatialTransformer",
        lambda: [_normal(8, 32, 64, 64), _uniform(-1, 1, 8, 6)],
        {"transform_type": "affine", "sampler_type": "bilinear", "target_shape": (64, 64)},
    ),
    "Correlation": (
        "Correlation",
        lambda: [_normal(1, 32, 48, 64), _normal(1, 32, 48, 64)],
        {"kernel_size": 1, "max_displacement": 4, "stride1": 1, "stride2": 1, "pad_size": 4},
    ),
    **{
        f"random.{name}": (f"random.{name}", list, {**attrs, "shape": (1000, 1000)})
        for name, attrs in {
            "uniform": {},
            "normal": {},
            "exponential": {},
            "gamma": {"alpha": 2.0},
            "poisson": {"lam": 3.0},
            "negative_binomial": {"k": 4, "p": 0.4},
            "generalized_negative_binomial": {"mu": 3.0, "alpha": 0.4},
            "randint": {"low": 0, "high": 100},
        }.items()
    },
    **{
        f"sample_{name}": (f"sample_{name}", inputs, {"shape": 1000})
        for name, inputs in {
            "uniform": lambda: [_uniform(0, 1, 1000), _uniform(1, 2, 1000)],
            "normal": lambda: [_normal(1000), _uniform(0.5, 2, 1000)],
            "exponential": lambda: [_uniform(0.5, 2, 1000)],
            "gamma": lambda: [_uniform(0.5, 4, 1000), _uniform(0.5, 2, 1000)],
            "poisson": lambda: [_uniform(0.5, 8, 1000)],
            "negative_binomial": lambda: [_RANDOM.randint(1, 8, 1000).astype("float32"), _uniform(0.2, 0.8, 1000)],
            "generalized_negative_binomial": lambda: [_uniform(0.5, 8, 1000), _uniform(0.2, 0.8, 1000)],
        }.items()
    },
    "sample_multinomial": ("sample_multinomial", lambda: [_probabilities(1, 1000, 200, 0)[0].T.copy()], {"shape": 1000}),
    "shuffle": ("random.shuffle", lambda: [_normal(100_000, 8)], {}),
}

#: Cases that are timed with gradients too, and of which inputs.
GRADIENTS: dict[str, tuple[int, ...]] = {
    "ROIPooling": (0,),
    "ROIAlign": (0,),
    "PSROIPooling": (0,),
    "DeformablePSROIPooling": (0, 2),
    "DeformableConvolution": (0, 1, 2, 3),
    "BilinearResize2D": (0,),
    "AdaptiveAvgPooling2D": (0,),
    "GridGenerator, affine": (0,),
    "BilinearSampler": (0, 1),
    "SpatialTransformer": (0, 1),
    "Correlation": (0, 1),
}


def _sizes(batch: int) -> Any:
    return np.array([[600, 800, 1.0]] * batch, "float32")


def names(only: str = "") -> list[str]:
    """The rows of the table, those with gradients behind their forwards."""
    found = [row for name in CASES for row in ([name, f"{name}, and its gradient"] if name in GRADIENTS else [name])]
    return [name for name in found if only in name]


def call_of(mx: Any, row: str) -> Callable[[], None]:
    """What a row times."""
    name, gradient, _ = row.partition(", and its gradient")
    operator, inputs, attrs = CASES[name]
    _RANDOM.seed(14)
    arrays = [mx.nd.array(x) for x in inputs()]
    function: Any = mx.nd
    for part in operator.split("."):
        function = getattr(function, part)
    if not gradient:

        def forward() -> None:
            made = function(*arrays, **attrs)
            for y in made if isinstance(made, (list, tuple)) else [made]:
                y.wait_to_read()

        return forward
    leaves = [arrays[i] for i in GRADIENTS[name]]
    for x in leaves:
        x.attach_grad()

    def both() -> None:
        with mx.autograd.record():
            made = function(*arrays, **attrs)
        made.backward()
        for x in leaves:
            x.grad.wait_to_read()

    return both


def seconds_of(library: str, rows: list[str], seconds: float) -> dict[str, float]:
    """The median seconds of a call, of as many as take so long, five at least."""
    mx, found = importlib.import_module(library), {}
    for row in rows:
        call = call_of(mx, row)
        for _ in range(2):
            call()
        taken: list[float] = []
        while len(taken) < 5 or sum(taken) < seconds:
            begin = time.perf_counter()
            call()
            taken.append(time.perf_counter() - begin)
        found[row] = median(taken)
    return found


def in_turn(pythons: dict[str, str], only: str, seconds: float) -> dict[str, dict[str, float]]:
    """The same by row and library, the better of runs that are taken in turn."""
    found: dict[str, dict[str, float]] = {row: {} for row in names(only)}
    for _ in range(ROUNDS):
        for library, python in pythons.items():
            command = [python, __file__, "--library", library, "--seconds", str(seconds), "--only", only]
            done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
            for row, taken in json.loads(done.stdout.splitlines()[-1]).items():
                found[row][library] = min(taken, found[row].get(library, taken))
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mxnet", help="a Python with MXNet 1.9.1")
    parser.add_argument("--seconds", type=float, default=0.3, help="that a row is timed in each round")
    parser.add_argument("--only", default="", help="a part of the names of rows")
    parser.add_argument("--write", type=Path, help="where the record goes")
    parser.add_argument("--library", help="measure it in this process, and print seconds")
    arguments = parser.parse_args()
    if arguments.library:
        print(json.dumps(seconds_of(arguments.library, names(arguments.only), arguments.seconds)))
        return
    record = in_turn({"hybridnet": sys.executable, "mxnet": arguments.mxnet}, arguments.only, arguments.seconds)
    for row, taken in record.items():
        ratio = taken["hybridnet"] / taken["mxnet"]
        ours, theirs = (taken[library] * 1e3 for library in ("hybridnet", "mxnet"))
        print(f"{ratio:7.2f}  {'within' if ratio <= LIMIT else 'above '}  {ours:9.3f} ms, MXNet's {theirs:9.3f}  {row}")
    if arguments.write:
        arguments.write.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
