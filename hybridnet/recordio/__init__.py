"""MXNet's record files: ``.rec``, a row of byte strings; ``.idx``, where each of them begins; and how an image lies in one."""

from __future__ import annotations

from hybridnet.recordio.files import MXIndexedRecordIO, MXRecordIO
from hybridnet.recordio.header import IRHeader, pack, pack_img, unpack, unpack_img
from hybridnet.recordio.parts import positions

__all__ = ["IRHeader", "MXIndexedRecordIO", "MXRecordIO", "pack", "pack_img", "positions", "unpack", "unpack_img"]
