"""What MXNet 1.9.1 says of the networks in ``gluon.model_zoo``, and whether they compute the same here.

    python tests/references/mxnet_zoo.py structure            # with MXNet: writes tests/data/mxnet_1_9_1_zoo.txt.gz
    python tests/references/mxnet_zoo.py small                # with MXNet: writes tests/data/mxnet_1_9_1_mobilenet.params
    python tests/references/mxnet_zoo.py write FOLDER         # with MXNet: files of every network with random values, and their outputs
    python tests/references/mxnet_zoo.py compare FOLDER       # with hybridnet: loads them; writes tests/data/mxnet_1_9_1_zoo_outputs.tsv

The files of ``write`` come to 3 GB. It is run by hand, by two Pythons, after a change of the networks or of the layers in them.
"""

import argparse
import gzip
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "data"
STRUCTURE, SMALL, RECORD = (DATA / f"mxnet_1_9_1_{name}" for name in ("zoo.txt.gz", "mobilenet.params", "zoo_outputs.tsv"))
CLASSES = 10  # of the networks with random values
SEED = 7
TOLERANCE = 1e-4
#: The images that a network is given, in pixels; those that end in a pooling of fixed size take no smaller ones.
SIZES = {"squeezenet": 224, "densenet": 224, "inception": 299, "vgg": 32}


def size_of(name: str, smallest: bool) -> int:
    """Height and width of images: as it was trained, or as few as it takes."""
    for family, size in SIZES.items():
        if name.startswith(family):
            return size if smallest or size > 224 else 224
    return 64 if smallest else 224


def images(name: str, number: int = 2) -> Any:
    size = size_of(name, smallest=True)
    return np.random.RandomState(SEED).normal(size=(number, 3, size, size)).astype("float32")


def values(shapes: "dict[str, tuple[int, ...]]") -> "dict[str, Any]":
    """A value for each parameter of those names: such that signals keep their size, and running statistics count."""
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


# -- with MXNet -------------------------------------------------------------------------------------


def names_of_networks() -> "list[str]":
    """What MXNet says when it is asked for a network that it has not."""
    from mxnet.gluon.model_zoo import vision

    try:
        vision.get_model("?")
    except ValueError as error:
        return str(error).split("\n\t")[1:]
    raise AssertionError("MXNet has a network of that name")


def made(name: str, **kwargs: Any) -> Any:
    from mxnet.gluon.model_zoo import vision

    return vision.get_model(name, prefix="net_", **kwargs)


def find_shapes(net: Any, size: int) -> None:
    """Have MXNet's ``net`` infer the shapes of its parameters, which does not compute anything."""
    import mxnet as mx

    net.infer_shape(mx.nd.zeros((1, 3, size, size)))


def structure() -> None:
    """Of each network its printed layers, and a line for each parameter: both its names, shape, gradient, initializer."""
    text = []
    for name in names_of_networks():
        net = made(name)
        text.append(f"== {name}\n{net!r}\n--\n")
        find_shapes(net, size_of(name, smallest=False))
        by_name = {id(p): full for full, p in net.collect_params().items()}
        for place, p in net._collect_params_with_prefix().items():
            init = p.init if isinstance(p.init, (str, type(None))) else p.init.dumps()
            text.append(f"{place}\t{by_name[id(p)]}\t{','.join(map(str, p.shape))}\t{p.grad_req}\t{init}\n")
    STRUCTURE.write_bytes(gzip.compress("".join(text).encode(), mtime=0))


def given_values(net: Any) -> None:
    """Give the parameters of MXNet's ``net`` their random values."""
    import mxnet as mx

    parameters = net.collect_params()
    net.initialize()
    for name, value in values({name: p.shape for name, p in parameters.items()}).items():
        parameters[name].set_data(mx.nd.array(value))


def small() -> None:
    """MobileNet with an eighth of the channels, images and scores: a file that the tests keep."""
    import mxnet as mx
    from mxnet.gluon.model_zoo import vision

    net = vision.MobileNet(0.125, classes=CLASSES, prefix="net_")
    x = mx.nd.array(images("mobilenet")[:, :, :33, :32] * [[[[1]]], [[[8]]]])
    net.infer_shape(x)
    given_values(net)
    net.save_parameters(str(SMALL))
    mx.nd.save(str(SMALL), {**mx.nd.load(str(SMALL)), "images": x, "scores": net(x)})


def write(folder: Path) -> None:
    """Of each network: a file by places, one by names, one as exported, and what it makes of the images."""
    import mxnet as mx

    for name in names_of_networks():
        net = made(name, classes=CLASSES)
        find_shapes(net, size_of(name, smallest=True))
        given_values(net)
        net.hybridize()
        scores = net(mx.nd.array(images(name)))
        net.save_parameters(str(folder / f"{name}.places"))
        net.collect_params().save(str(folder / f"{name}.names"))
        net.export(str(folder / name))
        mx.nd.save(str(folder / f"{name}.scores"), [scores])
        print(name, flush=True)


# -- with hybridnet ---------------------------------------------------------------------------------


def compare(folder: Path) -> None:
    """Load each file into a network of ours, and hold its scores against MXNet's; the record says how far they are apart."""
    from hybridnet import nd
    from hybridnet.gluon.model_zoo import vision

    rows = ["network\timages\tparameters\tlargest score\tbetween two images\tlargest difference\n"]
    for name in vision.MODELS:
        (expected,) = (x.asnumpy() for x in nd.load(str(folder / f"{name}.scores")))
        x = nd.array(images(name))
        differences = []
        for file in (f"{name}.places", f"{name}.names", f"{name}-0000.params"):
            net = vision.get_model(name, classes=CLASSES, prefix="net_")
            net.load_parameters(str(folder / file))
            net.hybridize()
            differences.append(np.abs(net(x).asnumpy() - expected).max())
        largest, apart = np.abs(expected).max(), np.abs(expected[0] - expected[1]).max()
        number = sum(np.prod(p.shape) for p in net.collect_params().values())
        shape = "×".join(map(str, x.shape))
        rows.append(f"{name}\t{shape}\t{number:.0f}\t{largest:.4g}\t{apart:.4g}\t{max(differences):.2g}\n")
        print(rows[-1], end="", flush=True)
        if not max(differences) <= TOLERANCE * largest:
            sys.exit(f"{name}: {differences} apart, with scores up to {largest}")
    RECORD.write_text("".join(rows), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["structure", "small", "write", "compare"])
    parser.add_argument("folder", type=Path, nargs="?")
    arguments = parser.parse_args()
    if arguments.part in ("structure", "small"):
        {"structure": structure, "small": small}[arguments.part]()
        return
    if arguments.folder is None:
        parser.error(f"{arguments.part} needs a folder")
    os.makedirs(arguments.folder, exist_ok=True)
    {"write": write, "compare": compare}[arguments.part](arguments.folder)


if __name__ == "__main__":
    main()
