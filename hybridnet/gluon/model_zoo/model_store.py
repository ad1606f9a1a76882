"""Where the parameter files of MXNet's trained networks lie, and which file is the right one.

A network's file is ``<name>-<first 8 digits of its SHA-1>.params`` in the folder ``models`` of ``MXNET_HOME``, where MXNet
puts what it has downloaded. Nothing is downloaded here: who lacks a file is told its name and its hash.
"""

from __future__ import annotations

import os
from typing import Any

from hybridnet.config import config
from hybridnet.errors import ArgumentError, HybridnetError, fail
from hybridnet.gluon.download import check_sha1

#: The SHA-1 of the file of each network, as MXNet 1.9.1 lists them.
SHA1 = {
    "alexnet": "44335d1f0046b328243b32a26a4fbd62d9057b45",
    "densenet121": "f27dbf2dbd5ce9a80b102d89c7483342cd33cb31",
    "densenet161": "b6c8a95717e3e761bd88d145f4d0a214aaa515dc",
    "densenet169": "2603f878403c6aa5a71a124c4a3307143d6820e9",
    "densenet201": "1cdbc116bc3a1b65832b18cf53e1cb8e7da017eb",
    "inceptionv3": "ed47ec45a937b656fcc94dabde85495bbef5ba1f",
    "mobilenet0.25": "9f83e440996887baf91a6aff1cccc1c903a64274",
    "mobilenet0.5": "8e9d539cc66aa5efa71c4b6af983b936ab8701c3",
    "mobilenet0.75": "529b2c7f4934e6cb851155b22c96c9ab0a7c4dc2",
    "mobilenet1.0": "6b8c5106c730e8750bcd82ceb75220a3351157cd",
    "mobilenetv2_1.0": "36da4ff1867abccd32b29592d79fc753bca5a215",
    "mobilenetv2_0.75": "e2be7b72a79fe4a750d1dd415afedf01c3ea818d",
    "mobilenetv2_0.5": "aabd26cd335379fcb72ae6c8fac45a70eab11785",
    "mobilenetv2_0.25": "ae8f9392789b04822cbb1d98c27283fc5f8aa0a7",
    "resnet18_v1": "a0666292f0a30ff61f857b0b66efc0228eb6a54b",
    "resnet34_v1": "48216ba99a8b1005d75c0f3a0c422301a0473233",
    "resnet50_v1": "0aee57f96768c0a2d5b23a6ec91eb08dfb0a45ce",
    "resnet101_v1": "d988c13d6159779e907140a638c56f229634cb02",
    "resnet152_v1": "671c637a14387ab9e2654eafd0d493d86b1c8579",
    "resnet18_v2": "a81db45fd7b7a2d12ab97cd88ef0a5ac48b8f657",
    "resnet34_v2": "9d6b80bbc35169de6b6edecffdd6047c56fdd322",
    "resnet50_v2": "ecdde35339c1aadbec4f547857078e734a76fb49",
    "resnet101_v2": "18e93e4f48947e002547f50eabbcc9c83e516aa6",
    "resnet152_v2": "f2695542de38cf7e71ed58f02893d82bb409415e",
    "squeezenet1.0": "264ba4970a0cc87a4f15c96e25246a1307caf523",
    "squeezenet1.1": "33ba0f93753c83d86e1eb397f38a667eaf2e9376",
    "vgg11": "dd221b160977f36a53f464cb54648d227c707a05",
    "vgg11_bn": "ee79a8098a91fbe05b7a973fed2017a6117723a8",
    "vgg13": "6bc5de58a05a5e2e7f493e2d75a580d83efde38c",
    "vgg13_bn": "7d97a06c3c7a1aecc88b6e7385c2b373a249e95e",
    "vgg16": "e660d4569ccb679ec68f1fd3cce07a387252a90a",
    "vgg16_bn": "7f01cf050d357127a73826045c245041b0df7363",
    "vgg19": "ad2f660d101905472b83590b59708b71ea22b2e5",
    "vgg19_bn": "f360b758e856f1074a85abd5fd873ed1d98297c3",
}


class ModelFileError(HybridnetError, FileNotFoundError):
    """The file of a trained network is not there, or is another one than its name says."""


def default_root() -> str:
    """The folder that MXNet uses: ``models`` in ``MXNET_HOME``."""
    return os.path.join(config.home, "models")


def short_hash(name: str) -> str:
    """The first 8 digits of the SHA-1 of the file of network ``name``; an ``ArgumentError`` for one that was not trained."""
    if name not in SHA1:
        fail(ArgumentError, "model_store", expected=f"a trained network: {', '.join(sorted(SHA1))}", got=repr(name), fix="pretrained=False")
    return SHA1[name][:8]


def get_model_file(name: str, root: str | os.PathLike[str] | None = None) -> str:
    """The path of the parameter file of network ``name`` in the folder ``root`` (``$MXNET_HOME/models`` unless given).

    Raises ``ModelFileError``, which says which file to put where, if it is not there or its SHA-1 is not the listed one.
    """
    file = f"{name}-{short_hash(name)}.params"
    path = os.path.join(os.path.expanduser(default_root() if root is None else os.fspath(root)), file)
    archive = f"{config.repository.rstrip('/')}/gluon/models/{file.removesuffix('.params')}.zip"
    way_out = f"putting {file} there, which MXNet downloads itself, and which {archive} holds"
    if not os.path.exists(path):
        fail(ModelFileError, "model_store", expected=f"the file {path} with SHA-1 {SHA1[name]}", got="no such file", fix=way_out)
    if not check_sha1(path, SHA1[name]):
        expected = f"a file {path} with SHA-1 {SHA1[name]}"
        fail(ModelFileError, "model_store", expected=expected, got="one with another: a broken copy, or other parameters", fix=way_out)
    return path


def purge(root: str | os.PathLike[str] | None = None) -> None:
    """Remove all ``.params`` files in the folder ``root`` (``$MXNET_HOME/models`` unless given)."""
    folder = os.path.expanduser(default_root() if root is None else os.fspath(root))
    for file in os.listdir(folder) if os.path.isdir(folder) else ():
        if file.endswith(".params"):
            os.remove(os.path.join(folder, file))


def load_pretrained(net: Any, name: str, pretrained: bool, ctx: Any, root: str | os.PathLike[str] | None) -> Any:
    """``net``, with the parameters of the trained network ``name`` on ``ctx`` if ``pretrained``."""
    if pretrained:
        net.load_parameters(get_model_file(name, root), ctx=ctx)
    return net
