"""Data for training: datasets, samplers, and the loader that makes batches of them."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.data import batchify, dataloader, dataset, sampler, vision
from hybridnet.gluon.data.dataloader import DataLoader
from hybridnet.gluon.data.dataset import ArrayDataset, Dataset, RecordFileDataset, SimpleDataset
from hybridnet.gluon.data.sampler import BatchSampler, FilterSampler, RandomSampler, Sampler, SequentialSampler, SplitSampler

__all__ = [
    "ArrayDataset", "BatchSampler", "DataLoader", "Dataset", "FilterSampler", "RandomSampler", "RecordFileDataset",
    "Sampler", "SequentialSampler", "SimpleDataset", "SplitSampler", "batchify", "dataloader", "dataset", "sampler", "vision",
]  # fmt: skip

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
