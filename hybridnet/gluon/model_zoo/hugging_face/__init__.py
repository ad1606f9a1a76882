"""Trained weights from Hugging Face's and PyTorch's files: which of their arrays is which parameter here.

    net = hugging_face.from_folder("gpt2")  # a folder with config.json and model.safetensors, or an index of several
    hugging_face.load(net, "resnet50/model.safetensors")  # into a network that was made by hand
    hugging_face.save(net, "mine/model.safetensors")  # under their names

The names are those of the library ``transformers`` for GPT-2, BERT, ViT, Llama (and what is built alike, as Mistral) and ResNet, and
PyTorch's for GluonCV's ResNet v1b (``timm``'s ``resnet50.gluon_in1k`` and its like, torchvision's). :data:`RULES` has them all. Any other
network is read as PyTorch's ``state_dict`` of one that is built alike, layer by layer: see :func:`torch_rules`. Nothing is downloaded.
"""

from hybridnet.gluon.model_zoo.hugging_face.folders import from_folder
from hybridnet.gluon.model_zoo.hugging_face.loading import load, save
from hybridnet.gluon.model_zoo.hugging_face.networks import RULES
from hybridnet.gluon.model_zoo.hugging_face.rules import KINDS, Array, Rules
from hybridnet.gluon.model_zoo.hugging_face.torch_layers import torch_rules

__all__ = ["KINDS", "RULES", "Array", "Rules", "from_folder", "load", "save", "torch_rules"]
