"""``mx.module``: symbols that are bound, initialized, trained and asked for predictions."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.module.base_module import BaseModule
from hybridnet.module.bucketing_module import BucketingModule
from hybridnet.module.executor_group import DataParallelExecutorGroup
from hybridnet.module.module import Module
from hybridnet.module.python_module import PythonLossModule, PythonModule
from hybridnet.module.sequential_module import SequentialModule

__all__ = ["BaseModule", "BucketingModule", "DataParallelExecutorGroup", "Module", "PythonLossModule", "PythonModule", "SequentialModule"]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
