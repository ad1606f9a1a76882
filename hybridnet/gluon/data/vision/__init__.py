"""Data sets of images, and what is done to images on the way."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.data.vision import datasets, transforms
from hybridnet.gluon.data.vision.datasets import (
    CIFAR10,
    CIFAR100,
    MNIST,
    FashionMNIST,
    ImageFolderDataset,
    ImageListDataset,
    ImageRecordDataset,
)

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "FashionMNIST",
    "ImageFolderDataset",
    "ImageListDataset",
    "ImageRecordDataset",
    "datasets",
    "transforms",
]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
