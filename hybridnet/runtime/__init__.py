"""Running compiled programs: arenas, flat state, threads, CUDA graphs; and single operators on a GPU."""

from hybridnet.core.elsewhere import bind_accelerator
from hybridnet.core.straight import bind_writers
from hybridnet.runtime.eager import accelerate
from hybridnet.runtime.straight import of_composite, of_gradients

bind_accelerator(accelerate)
bind_writers(of_composite, of_gradients)
