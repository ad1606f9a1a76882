"""``Parameter``, ``Constant`` and ``ParameterDict``, what networks learn: MXNet's module ``gluon.parameter``."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.errors import DeferredInitializationError
from hybridnet.gluon.parameter.constant import Constant
from hybridnet.gluon.parameter.parameter import Parameter
from hybridnet.gluon.parameter.parameter_dict import ParameterDict
from hybridnet.gluon.parameter.split import SplitParameter

__all__ = ["Constant", "DeferredInitializationError", "Parameter", "ParameterDict", "SplitParameter"]


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
