"""The networks for images are MXNet's: layers, parameter names and shapes, files, and what they compute.

``references/mxnet_zoo.py`` made what this compares with: ``data/mxnet_1_9_1_zoo.txt.gz``, ``…_zoo_scores.json``, ``…_zoo_files.tsv`` and
``…_mobilenet.params``.
"""

import gzip
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pytest
from emulator.emulator import COMPILER
from support.paths import DATA
from support.zoo_networks import CLASSES, images, size_of, small, values

import hybridnet as hn
from hybridnet import autograd, gluon, nd, np, serialization
from hybridnet.config import config
from hybridnet.errors import ArgumentError
from hybridnet.gluon.model_zoo import model_store, vision
from hybridnet.gluon.model_zoo.model_store import ModelFileError
from hybridnet.initializer import Initializer

NAMES = list(vision.MODELS)
SMALL = small(vision)
#: Small networks that learn with what others learn with, or take long to compile.
LEARN_SLOWLY = ("mobilenet", "mobilenetv2", "squeezenet 1.0", "resnet v1, thumbnails", "resnet v2, thumbnails")
#: Of these, shapes are found in the fast part of the tests.
QUICK = ("densenet121", "inceptionv3", "mobilenetv2_0.25", "resnet18_v1", "squeezenet1.1")
rest_is_slow = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NAMES]


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(7)


@cache
def structure() -> dict[str, tuple[str, list[list[str]]]]:
    """Of each network of MXNet's: its printed layers, and of each parameter place, name, shape, gradient, initializer."""
    found = {}
    for part in gzip.decompress((DATA / "mxnet_1_9_1_zoo.txt.gz").read_bytes()).decode().split("== ")[1:]:
        head, _, lines = part.partition("\n--\n")
        name, _, layers = head.partition("\n")
        found[name] = layers, [line.split("\t") for line in lines.splitlines()]
    return found


def printed(layers: str) -> list[str]:
    """The lines of a printed network; MXNet prints a block without parts over three lines, and names what joins its parts otherwise."""
    return re.sub(r"\(\s*\)", "()", layers).replace("HybridConcurrent", "HybridConcatenate").splitlines()


def test_all_networks_are_there() -> None:
    assert list(structure()) == NAMES
    assert set(model_store.SHA1) == set(NAMES)
    assert vision.get_model("ResNet18_V1", classes=3).output.weight.shape == (3, 512)
    with pytest.raises(ArgumentError, match=r"\[get_model\] expected name alexnet, densenet121, .*vgg19_bn; got 'resnet19_v1'"):
        vision.get_model("resnet19_v1")
    for wrong in (lambda: vision.get_resnet(3, 18), lambda: vision.get_vgg(12), lambda: vision.SqueezeNet("1.2")):
        with pytest.raises(ArgumentError, match=r"expected (version|num_layers) "):
            wrong()
    with pytest.raises(ArgumentError, match=r"\[ResNetV1\].*one number more than layers; got \[8\] for layers \[1, 1\]"):
        vision.ResNetV1(vision.BasicBlockV1, [1, 1], [8])
    with pytest.raises(ArgumentError, match=r"\[VGG\].*as many filters as layers"):
        vision.VGG([1], [8, 8])


@pytest.mark.parametrize("name", NAMES)
def test_layers_and_names(name: str) -> None:
    layers, rows = structure()[name]
    net = vision.get_model(name, prefix="net_")
    assert printed(repr(net)) == printed(layers)
    by_name = {id(p): full for full, p in net.collect_params().items()}
    found = [[place, by_name[id(p)], p.grad_req] for place, p in net._collect_params_with_prefix().items()]
    assert found == [[place, full, gradient] for place, full, _, gradient, _ in rows]


@pytest.mark.parametrize("name", rest_is_slow)
def test_shapes(name: str) -> None:
    """All of them, found by tracing the network with parameters that are zeros, which nobody computes with."""
    _, rows = structure()[name]
    net = vision.get_model(name, prefix="net_")
    net.collect_params().setattr("init", "zeros")
    net.initialize()
    size = 299 if name == "inceptionv3" else 224
    assert net.graph(nd.zeros((1, 3, size, size))).outputs[0].shape == (1, 1000)
    shapes = {full: ",".join(map(str, p.shape)) for full, p in net.collect_params().items()}
    assert shapes == {full: shape for _, full, shape, _, _ in rows}


def test_numbers_in_names_go_on() -> None:
    """A second network of a kind takes the next number, as in MXNet; ``prefix`` and ``params`` are those of every block."""
    with hn.name.NameManager():
        names = [vision.resnet18_v1().prefix, vision.resnet34_v1().prefix, vision.resnet18_v2().prefix, vision.alexnet().prefix]
    assert names == ["resnetv10_", "resnetv11_", "resnetv20_", "alexnet0_"]
    first = vision.squeezenet1_1(prefix="a_", classes=4)
    shared = vision.squeezenet1_1(prefix="b_", classes=4, params=first.collect_params())
    assert shared.features[0].weight is first.features[0].weight
    assert list(shared.collect_params()) == list(first.collect_params())


def test_initial_values() -> None:
    """VGG and its dense layers are initialized in ways of their own, whatever the network is initialized by."""
    net = vision.VGG([1], [64], classes=2)
    net.features[0].initialize("zeros")
    net.features[0](nd.zeros((1, 3, 8, 8)))
    assert net.features[0].weight.data().asnumpy().std() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    for name in ("vgg11_bn", "resnet18_v2", "squeezenet1.0"):
        own = {p.name: p.init for p in vision.get_model(name, prefix="net_").collect_params().values()}
        for _, full, _, _, init in structure()[name][1]:
            text = own[full].dumps() if isinstance(own[full], Initializer) else str(own[full])
            assert json.loads(text) == json.loads(init) if init.startswith("[") else text == init, full


def test_a_file_of_mxnets() -> None:
    """The scores of MXNet's own network, from its file, its images; two ways of naming parameters in files."""
    arrays = serialization.load_named(DATA / "mxnet_1_9_1_mobilenet.params")
    x, scores = nd.array(arrays.pop("images")), arrays.pop("scores")
    net = vision.MobileNet(0.125, classes=CLASSES, prefix="net_")
    net.load_dict(arrays)
    named = vision.MobileNet(0.125, classes=CLASSES, prefix="net_")
    names = {place: p.name for place, p in net._collect_params_with_prefix().items()}
    kinds = {name: "aux:" if "running" in name else "arg:" for name in names.values()}
    named.load_dict({kinds[names[place]] + names[place]: value for place, value in arrays.items()})
    for network in (net, named):
        numpy.testing.assert_allclose(network(x).asnumpy(), scores, atol=1e-4)
    numpy.testing.assert_allclose(net(np.array(x.asnumpy())).asnumpy(), scores, atol=1e-4)


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES)])
def test_scores_are_mxnets(name: str) -> None:
    """With the same values in their parameters, eagerly and hybridized; images differ in what they score."""
    expected = numpy.array(json.loads((DATA / "mxnet_1_9_1_zoo_scores.json").read_text())[name])
    make, size = SMALL.get(name, (lambda: vision.get_model(name, classes=CLASSES, prefix="net_"), size_of(name)))
    net, x = make(), nd.array(images(size))
    net.collect_params().setattr("init", "zeros")
    net.initialize()
    net.graph(x)  # finds the shapes
    parameters = net.collect_params()
    for full, value in values({full: p.shape for full, p in parameters.items()}).items():
        parameters[full].set_data(value)
    assert abs(expected[0] - expected[1]).max() > 0.01 * abs(expected).max()
    for hybrid in (False, True):
        net.hybridize(hybrid)
        numpy.testing.assert_allclose(net(x).asnumpy(), expected, rtol=0, atol=1e-4 * abs(expected).max())


def test_the_record_of_files_covers_every_network() -> None:
    """MXNet's files of all networks, in three forms, were loaded here and gave its scores, within 1e-4 of the largest."""
    rows = [line.split("\t") for line in (DATA / "mxnet_1_9_1_zoo_files.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert [row[0] for row in rows] == NAMES
    for name, _, number, largest, apart, difference in rows:
        assert float(difference) < 1e-4 * float(largest), name
        assert float(difference) < 0.01 * float(apart), name
        assert int(number) > 200_000, name


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in LEARN_SLOWLY else ()) for name in SMALL])
def test_they_learn(name: str, tmp_path: Path) -> None:
    """A few hybridized steps make the loss less, with the statistics of the batch or those that run; what is saved is loaded."""
    make, size = SMALL[name]
    net = make()
    net.initialize(hn.init.Xavier())
    net.hybridize()
    x, y = nd.random.normal(shape=(2, 3, size, size)), nd.array([1, 3])
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    losses = []
    for _ in range(4):
        with autograd.record(train_mode=False):  # dropout would hide what a step does
            loss = gluon.loss.SoftmaxCrossEntropyLoss()(net(x), y)
        loss.backward()
        trainer.step(2)
        losses.append(loss.mean().asscalar())
    assert losses[-1] < losses[0]
    with autograd.record():
        assert net(x).shape == (2, CLASSES)
    net.save_parameters(str(tmp_path / "net.params"))
    again = make()
    again.load_parameters(str(tmp_path / "net.params"))
    scores = net(x).asnumpy()
    numpy.testing.assert_allclose(again(x).asnumpy(), scores, rtol=1e-3, atol=1e-4 * abs(scores).max())


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
@pytest.mark.parametrize("name", ["densenet", "mobilenetv2", "resnet v1, bottlenecks", "resnet v2"])
def test_on_a_gpu(name: str, emulated_gpu: Any) -> None:
    make, size = SMALL[name]
    net = make()
    net.initialize(hn.init.Xavier())
    x = nd.array(images(size))
    expected = net(x).asnumpy()
    net.reset_ctx(hn.gpu())
    net.hybridize()
    found = net(x.as_in_context(hn.gpu())).asnumpy()
    numpy.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * abs(expected).max())


# -- the store of trained networks ------------------------------------------------------------------


def test_a_missing_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "home", str(tmp_path))
    file = "mobilenet0.25-9f83e440.params"
    with pytest.raises(
        ModelFileError, match=rf"expected the file .*models/{file} with SHA-1 9f83e44\w+; got no such.*putting {file} there"
    ):
        vision.mobilenet0_25(pretrained=True)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / file).write_bytes(b"something else")
    with pytest.raises(FileNotFoundError, match="got one with another: a broken copy, or other parameters"):
        vision.get_model("mobilenet0.25", pretrained=True)
    with pytest.raises(ArgumentError, match=r"expected a trained network: alexnet, .*; got 'mobilenet0.33'"):
        vision.get_mobilenet(0.33, pretrained=True)


@pytest.mark.parametrize("name", NAMES)
def test_which_file_is_whose(name: str, tmp_path: Path) -> None:
    """Each function looks for the file of its own network, in the folder that it is given."""
    file = f"{name}-{model_store.SHA1[name][:8]}.params"
    with pytest.raises(ModelFileError, match=re.escape(f"the file {tmp_path / file} with SHA-1")):
        vision.get_model(name, pretrained=True, root=str(tmp_path))


def test_pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the right name and hash is loaded, from the folder given or from MXNet's."""
    name = "mobilenet0.25"
    net = vision.get_model(name, classes=2)
    net.initialize()
    x = nd.random.normal(shape=(1, 3, 32, 32))
    scores = net(x).asnumpy()
    (tmp_path / "models").mkdir()
    net.save_parameters(str(tmp_path / "saved"))
    data = (tmp_path / "saved").read_bytes()
    monkeypatch.setitem(model_store.SHA1, name, hashlib.sha1(data).hexdigest())
    path = tmp_path / "models" / f"{name}-{model_store.short_hash(name)}.params"
    path.write_bytes(data)
    monkeypatch.setattr(config, "home", str(tmp_path))
    assert model_store.get_model_file(name) == str(path)
    for root in (None, str(tmp_path / "models")):
        again = vision.mobilenet0_25(pretrained=True, root=root, ctx=hn.cpu(), classes=2)
        numpy.testing.assert_allclose(again(x).asnumpy(), scores, rtol=1e-5, atol=1e-7)
    with pytest.raises(hn.errors.ShapeError, match="1000"):
        vision.mobilenet0_25(pretrained=True)
    (path.parent / "notes.txt").write_text("kept")
    model_store.purge()
    assert [file.name for file in path.parent.iterdir()] == ["notes.txt"]
    model_store.purge(str(tmp_path / "nowhere"))
