"""What MXNet 1.9.1 says of the networks in ``gluon.model_zoo``, and whether they compute the same here.

    python tests/references/mxnet_zoo.py structure        # with MXNet: writes tests/data/mxnet_1_9_1_zoo.txt.gz
    python tests/references/mxnet_zoo.py file             # with MXNet: writes tests/data/mxnet_1_9_1_mobilenet.params
    python tests/references/mxnet_zoo.py scores FOLDER    # with MXNet: writes tests/data/mxnet_1_9_1_zoo_scores.json, and 3 GB to FOLDER
    python tests/references/mxnet_zoo.py compare FOLDER   # with hybridnet: loads those files; writes tests/data/mxnet_1_9_1_zoo_files.tsv

It is run by hand, after a change of the networks; tests hold every network against the scores, its layers and names against the structure.
"""

import argparse
import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from support.zoo_networks import CLASSES, images, size_of, small, values  # noqa: E402

STRUCTURE, FILE, SCORES, RECORD = (
    TESTS / "data" / f"mxnet_1_9_1_{name}" for name in ("zoo.txt.gz", "mobilenet.params", "zoo_scores.json", "zoo_files.tsv")
)
TOLERANCE = 1e-4


# -- with MXNet -------------------------------------------------------------------------------------


def names_of_networks() -> "list[str]":
    """What MXNet says when it is asked for a network that it has not."""
    from mxnet.gluon.model_zoo import vision

    try:
        vision.get_model("?")
    except ValueError as error:
        return str(error).split("\n\t")[1:]
    raise AssertionError("MXNet has a network of that name")


def find_shapes(net: Any, size: int) -> None:
    """Have MXNet's ``net`` infer the shapes of its parameters, which does not compute anything."""
    import mxnet as mx

    net.infer_shape(mx.nd.zeros((1, 3, size, size)))


def structure() -> None:
    """Of each network its printed layers, and a line for each parameter: both its names, shape, gradient, initializer."""
    from mxnet.gluon.model_zoo import vision

    text = []
    for name in names_of_networks():
        net = vision.get_model(name, prefix="net_")
        text.append(f"== {name}\n{net!r}\n--\n")
        find_shapes(net, 299 if name == "inceptionv3" else 224)
        by_name = {id(p): full for full, p in net.collect_params().items()}
        for place, p in net._collect_params_with_prefix().items():
            init = p.init if isinstance(p.init, (str, type(None))) else p.init.dumps()
            text.append(f"{place}\t{by_name[id(p)]}\t{','.join(map(str, p.shape))}\t{p.grad_req}\t{init}\n")
    STRUCTURE.write_bytes(gzip.compress("".join(text).encode(), mtime=0))


def scores_of(net: Any, size: int) -> Any:
    """The scores of MXNet's ``net`` for the images, with the values that its parameters are given here."""
    import mxnet as mx

    find_shapes(net, size)
    parameters = net.collect_params()
    net.initialize()
    for name, value in values({name: p.shape for name, p in parameters.items()}).items():
        parameters[name].set_data(mx.nd.array(value))
    net.hybridize()
    return net(mx.nd.array(images(size)))


def file() -> None:
    """MobileNet with an eighth of the channels, images and scores."""
    import mxnet as mx
    from mxnet.gluon.model_zoo import vision

    net = vision.MobileNet(0.125, classes=CLASSES, prefix="net_")
    scores = scores_of(net, 33)
    net.save_parameters(str(FILE))
    mx.nd.save(str(FILE), {**mx.nd.load(str(FILE)), "images": mx.nd.array(images(33)), "scores": scores})


def scores(folder: Path) -> None:
    """The scores of all networks and of small ones; of the former a file by places, one by names, and one as exported."""
    from mxnet.gluon.model_zoo import vision

    found = {name: scores_of(make(), size) for name, (make, size) in small(vision).items()}
    for name in names_of_networks():
        net = vision.get_model(name, classes=CLASSES, prefix="net_")
        found[name] = scores_of(net, size_of(name))
        net.save_parameters(str(folder / f"{name}.places"))
        net.collect_params().save(str(folder / f"{name}.names"))
        net.export(str(folder / name))
        print(name, flush=True)
    rows = [f"{json.dumps(name)}: {json.dumps(x.asnumpy().astype(float).tolist())}" for name, x in found.items()]
    SCORES.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


# -- with hybridnet ---------------------------------------------------------------------------------


def compare(folder: Path) -> None:
    """Load each file into a network of ours, and hold its scores against MXNet's; the record says how far they are apart."""
    from hybridnet import nd
    from hybridnet.gluon.model_zoo import vision

    rows = ["network\timages\tparameters\tlargest score\tbetween two images\tlargest difference\n"]
    for name, listed in json.loads(SCORES.read_text(encoding="utf-8")).items():
        if name not in vision.MODELS:
            continue
        expected, x = np.array(listed), nd.array(images(size_of(name)))
        differences = []
        for saved in (f"{name}.places", f"{name}.names", f"{name}-0000.params"):
            net = vision.get_model(name, classes=CLASSES, prefix="net_")
            net.load_parameters(str(folder / saved))
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
    parser.add_argument("part", choices=["structure", "file", "scores", "compare"])
    parser.add_argument("folder", type=Path, nargs="?")
    arguments = parser.parse_args()
    if arguments.part in ("structure", "file"):
        {"structure": structure, "file": file}[arguments.part]()
        return
    if arguments.folder is None:
        parser.error(f"{arguments.part} needs a folder")
    os.makedirs(arguments.folder, exist_ok=True)
    {"scores": scores, "compare": compare}[arguments.part](arguments.folder)


if __name__ == "__main__":
    main()
