"""Keras's way of writing networks, as a thin translation onto Gluon: its layers are Gluon's under Keras's names and arguments.

A model is a Gluon block, so that everything of Gluon works on it too. Data is channels-last, as in Keras.
"""

from hybridnet.keras import activations, initializers, layers, losses, metrics, models, optimizers, utils
from hybridnet.keras.layers import Input
from hybridnet.keras.models import Sequential

__all__ = ["Input", "Sequential", "activations", "initializers", "layers", "losses", "metrics", "models", "optimizers", "utils"]
