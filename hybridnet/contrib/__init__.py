"""What MXNet keeps in ``contrib``."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.contrib import text

__all__ = ["text"]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
