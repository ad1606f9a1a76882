"""``Parameter``, ``Constant`` and ``ParameterDict``, what networks learn: MXNet's module ``gluon.parameter``."""

from hybridnet.errors import DeferredInitializationError
from hybridnet.gluon.parameter.constant import Constant
from hybridnet.gluon.parameter.parameter import Parameter
from hybridnet.gluon.parameter.parameter_dict import ParameterDict
from hybridnet.gluon.parameter.split import SplitParameter

__all__ = ["Constant", "DeferredInitializationError", "Parameter", "ParameterDict", "SplitParameter"]
