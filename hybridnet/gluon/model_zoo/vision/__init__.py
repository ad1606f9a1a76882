"""Networks for images, as in MXNet: the same layers, parameter names and shapes, so that its ``.params`` files are theirs.

    net = vision.resnet50_v1(classes=10)
    net = vision.get_model("resnet50_v1", pretrained=True)  # the file lies in $MXNET_HOME/models

All take ``classes`` (1000 unless given) and, of every block, ``prefix`` and ``params``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo.vision.alexnet import AlexNet, alexnet
from hybridnet.gluon.model_zoo.vision.densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from hybridnet.gluon.model_zoo.vision.inception import Inception3, inception_v3
from hybridnet.gluon.model_zoo.vision.mobilenet import (
    MobileNet,
    MobileNetV2,
    get_mobilenet,
    get_mobilenet_v2,
    mobilenet0_5,
    mobilenet0_25,
    mobilenet0_75,
    mobilenet1_0,
    mobilenet_v2_0_5,
    mobilenet_v2_0_25,
    mobilenet_v2_0_75,
    mobilenet_v2_1_0,
)
from hybridnet.gluon.model_zoo.vision.resnet import (
    BasicBlockV1,
    BasicBlockV2,
    BottleneckV1,
    BottleneckV2,
    ResNetV1,
    ResNetV2,
    get_resnet,
    resnet18_v1,
    resnet18_v2,
    resnet34_v1,
    resnet34_v2,
    resnet50_v1,
    resnet50_v2,
    resnet101_v1,
    resnet101_v2,
    resnet152_v1,
    resnet152_v2,
)
from hybridnet.gluon.model_zoo.vision.resnet_v1b import (
    BasicBlockV1b,
    BottleneckV1b,
    ResNetV1b,
    resnet18_v1b,
    resnet34_v1b,
    resnet50_v1b,
    resnet101_v1b,
    resnet152_v1b,
)
from hybridnet.gluon.model_zoo.vision.squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from hybridnet.gluon.model_zoo.vision.vgg import VGG, get_vgg, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from hybridnet.ops.nn.common import one_of

__all__ = [
    "VGG",
    "AlexNet",
    "BasicBlockV1",
    "BasicBlockV1b",
    "BasicBlockV2",
    "BottleneckV1",
    "BottleneckV1b",
    "BottleneckV2",
    "DenseNet",
    "Inception3",
    "MobileNet",
    "MobileNetV2",
    "ResNetV1",
    "ResNetV1b",
    "ResNetV2",
    "SqueezeNet",
    "alexnet",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "get_mobilenet",
    "get_mobilenet_v2",
    "get_model",
    "get_resnet",
    "get_vgg",
    "inception_v3",
    "mobilenet0_5",
    "mobilenet0_25",
    "mobilenet0_75",
    "mobilenet1_0",
    "mobilenet_v2_0_5",
    "mobilenet_v2_0_25",
    "mobilenet_v2_0_75",
    "mobilenet_v2_1_0",
    "resnet18_v1",
    "resnet18_v1b",
    "resnet18_v2",
    "resnet34_v1",
    "resnet34_v1b",
    "resnet34_v2",
    "resnet50_v1",
    "resnet50_v1b",
    "resnet50_v2",
    "resnet101_v1",
    "resnet101_v1b",
    "resnet101_v2",
    "resnet152_v1",
    "resnet152_v1b",
    "resnet152_v2",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]

#: Name, which is that of the parameter file -> the function.
MODELS: dict[str, Callable[..., HybridBlock]] = {
    "alexnet": alexnet,
    "densenet121": densenet121,
    "densenet161": densenet161,
    "densenet169": densenet169,
    "densenet201": densenet201,
    "inceptionv3": inception_v3,
    "mobilenet0.25": mobilenet0_25,
    "mobilenet0.5": mobilenet0_5,
    "mobilenet0.75": mobilenet0_75,
    "mobilenet1.0": mobilenet1_0,
    "mobilenetv2_0.25": mobilenet_v2_0_25,
    "mobilenetv2_0.5": mobilenet_v2_0_5,
    "mobilenetv2_0.75": mobilenet_v2_0_75,
    "mobilenetv2_1.0": mobilenet_v2_1_0,
    "resnet101_v1": resnet101_v1,
    "resnet101_v2": resnet101_v2,
    "resnet152_v1": resnet152_v1,
    "resnet152_v2": resnet152_v2,
    "resnet18_v1": resnet18_v1,
    "resnet18_v2": resnet18_v2,
    "resnet34_v1": resnet34_v1,
    "resnet34_v2": resnet34_v2,
    "resnet50_v1": resnet50_v1,
    "resnet50_v2": resnet50_v2,
    "squeezenet1.0": squeezenet1_0,
    "squeezenet1.1": squeezenet1_1,
    "vgg11": vgg11,
    "vgg11_bn": vgg11_bn,
    "vgg13": vgg13,
    "vgg13_bn": vgg13_bn,
    "vgg16": vgg16,
    "vgg16_bn": vgg16_bn,
    "vgg19": vgg19,
    "vgg19_bn": vgg19_bn,
}


def get_model(name: str, **kwargs: Any) -> HybridBlock:
    """The network of that name, in small letters or capitals: "resnet50_v1", "mobilenetv2_1.0", "vgg16_bn" …

    ``pretrained``: with the parameters of MXNet's file, which lies in ``root`` (``$MXNET_HOME/models`` unless given) under the name
    that :func:`~hybridnet.gluon.model_zoo.model_store.get_model_file` gives; they are put on ``ctx``. ``classes``: of its scores, 1000
    unless given, which is what the files have. Raises ``ArgumentError`` for an unknown name and ``ModelFileError`` for a missing file.
    """
    return MODELS[one_of("get_model", "name", name.lower(), MODELS)](**kwargs)
