"""Stochastic variance reduced gradients: a module that trains by them, and the optimizer that it uses."""

from hybridnet.contrib.svrg_optimization import svrg_module, svrg_optimizer

__all__ = ["svrg_module", "svrg_optimizer"]
