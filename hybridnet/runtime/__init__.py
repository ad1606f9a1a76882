"""Running compiled programs: arenas, flat state, threads, CUDA graphs; and single operators on a GPU. ``mx.runtime``'s features too."""

from hybridnet.core.elsewhere import bind_accelerator
from hybridnet.core.straight import bind_writers
from hybridnet.runtime.eager import accelerate
from hybridnet.runtime.features import Feature, Features, feature_list
from hybridnet.runtime.straight import of_composite, of_gradients

__all__ = ["Feature", "Features", "feature_list"]

bind_accelerator(accelerate)
bind_writers(of_composite, of_gradients)
