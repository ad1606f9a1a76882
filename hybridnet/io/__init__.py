"""``mx.io``: iterators that give batches of arrays, from memory and from files.

``for batch in data_iter`` goes through one epoch, ``data_iter.reset()`` starts the next; ``fit`` takes them as they are.
"""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.io.base import DataBatch, DataDesc, DataIter

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
    "io",
]

if TYPE_CHECKING:
    from hybridnet.io import io
    from hybridnet.io.arrays import NDArrayIter
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
else:  # what reads files is imported when it is asked for
    _IN = {
        "arrays": "NDArrayIter",
        "csv_file": "CSVIter",
        "files": "MXDataIter",
        "image_det_record": "ImageDetRecordIter",
        "image_record": "ImageRecordInt8Iter ImageRecordIter ImageRecordIter_v1 ImageRecordUInt8Iter ImageRecordUInt8Iter_v1",
        "libsvm": "LibSVMIter",
        "mnist": "MNISTIter",
        "wrappers": "PrefetchingIter ResizeIter",
    }
    _sources = {name: f"{__name__}.{module}:{name}" for module, names in _IN.items() for name in names.split()}
    __getattr__, __dir__ = absent.Later(__name__, {**_sources, "io": f"{__name__}.io"}).functions
