"""``mx.io.io``: where MXNet keeps its iterators; the names are those of :mod:`hybridnet.io`."""

from hybridnet.io.arrays import NDArrayIter
from hybridnet.io.base import DataBatch, DataDesc, DataIter
from hybridnet.io.csv_file import CSVIter
from hybridnet.io.files import MXDataIter
from hybridnet.io.image_det_record import ImageDetRecordIter
from hybridnet.io.image_record import (
    ImageRecordInt8Iter,
    ImageRecordIter,
    ImageRecordIter_v1,
    ImageRecordUInt8Iter,
    ImageRecordUInt8Iter_v1,
)
from hybridnet.io.libsvm import LibSVMIter
from hybridnet.io.mnist import MNISTIter
from hybridnet.io.wrappers import PrefetchingIter, ResizeIter

__all__ = [
    "CSVIter",
    "DataBatch",
    "DataDesc",
    "DataIter",
    "ImageDetRecordIter",
    "ImageRecordInt8Iter",
    "ImageRecordIter",
    "ImageRecordIter_v1",
    "ImageRecordUInt8Iter",
    "ImageRecordUInt8Iter_v1",
    "LibSVMIter",
    "MNISTIter",
    "MXDataIter",
    "NDArrayIter",
    "PrefetchingIter",
    "ResizeIter",
]
