"""Running compiled programs: arenas, flat state, threads, CUDA graphs; and single operators on a GPU."""

from hybridnet.core.elsewhere import bind_accelerator
from hybridnet.runtime.eager import accelerate

bind_accelerator(accelerate)
