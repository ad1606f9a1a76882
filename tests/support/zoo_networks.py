"""Networks of ``model_zoo.vision``, MXNet's or ours, their images and values for their parameters: the same wherever they are made.

Runs under MXNet's Python as well, and so imports nothing but NumPy.
"""

from typing import Any, Callable  # noqa: UP035

import numpy as np

CLASSES = 10
SEED = 7
#: Height and width of the images that a network is given: those that end in a pooling of fixed size take no smaller ones.
SIZES = {"squeezenet": 224, "densenet": 224, "inception": 299, "vgg": 32}


def size_of(name: str) -> int:
    """Height and width of the smallest images that the network of that name takes, more or less."""
    return next((size for family, size in SIZES.items() if name.startswith(family)), 64)


def images(size: int, number: int = 2) -> Any:
    """Noise; the second image is of more contrast."""
    noise = np.random.RandomState(SEED).normal(size=(number, 3, size, size))
    return (noise * (1 + 3 * np.arange(number)).reshape(-1, 1, 1, 1)).astype("float32")


def values(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """A value for each parameter of those names and shapes: such that signals keep their size, and running statistics count."""
    random = np.random.RandomState(SEED)
    found = {}
    for name, shape in shapes.items():
        kind = name.rsplit("_", 1)[-1]
        if kind == "weight":
            found[name] = random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
        elif kind in ("gamma", "var"):
            found[name] = random.uniform(0.5, 1.5, shape)
        else:
            found[name] = random.uniform(-0.2, 0.2, shape)
    return {name: value.astype("float32") for name, value in found.items()}


def small(vision: Any) -> dict[str, tuple[Callable[[], Any], int]]:
    """Small networks of the classes in the module ``vision``, and the height and width of their images."""
    v1, v2 = vision.ResNetV1, vision.ResNetV2
    kwargs = {"classes": CLASSES, "prefix": "net_"}
    return {
        "densenet": (lambda: vision.DenseNet(8, 4, [2, 1], **kwargs), 56),
        "mobilenet": (lambda: vision.MobileNet(0.25, **kwargs), 33),
        "mobilenetv2": (lambda: vision.MobileNetV2(0.25, **kwargs), 33),
        "resnet v1": (lambda: v1(vision.BasicBlockV1, [1, 2], [8, 8, 16], **kwargs), 33),
        "resnet v1, bottlenecks": (lambda: v1(vision.BottleneckV1, [1, 2], [8, 16, 32], **kwargs), 33),
        "resnet v1, thumbnails": (lambda: v1(vision.BasicBlockV1, [1, 2], [8, 8, 16], thumbnail=True, **kwargs), 9),
        "resnet v2": (lambda: v2(vision.BasicBlockV2, [1, 2], [8, 8, 16], **kwargs), 33),
        "resnet v2, bottlenecks": (lambda: v2(vision.BottleneckV2, [1, 2], [8, 16, 32], **kwargs), 33),
        "resnet v2, thumbnails": (lambda: v2(vision.BottleneckV2, [1, 2], [8, 16, 32], thumbnail=True, **kwargs), 9),
        "squeezenet 1.0": (lambda: vision.SqueezeNet("1.0", **kwargs), 224),
        "squeezenet 1.1": (lambda: vision.SqueezeNet("1.1", **kwargs), 224),
    }
