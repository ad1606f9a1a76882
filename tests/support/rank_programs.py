"""Random programs with collectives in them, the same on every rank."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import hybridnet as hn
from hybridnet.device import communicate
from hybridnet.ops.collective.collective import all_gather, all_reduce, broadcast, reduce_scatter


def program(seed: int, states: list[Any], steps: int = 26) -> Callable[..., Any]:
    """Random arithmetic with collectives: sums that are read at once, late and never, of several shapes; states that become sums."""

    def run(*inputs: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = list(inputs)
        scalars = [inputs[0].sum()]
        for _ in range(steps):
            a, b = (values[int(i)] for i in rng.integers(0, len(values), 2))
            match int(rng.integers(0, 9)):
                case 0 | 1 | 2:
                    made = all_reduce(a) * 0.3
                case 3:
                    made, norm = all_reduce(b, scalars[-1])
                    scalars.append(norm * 0.01)
                case 4:
                    made = all_gather(reduce_scatter(a.sin()))
                case 5:
                    made = broadcast(a * 0.5, root=int(rng.integers(0, 2)) % communicate.world().size)
                case 6:
                    made = hn.np.tanh(a - b.mean(axis=-1, keepdims=True)) + scalars[-1]
                case _:
                    made = a * 0.5 + b.sin()
            values.append(made)
        for state, value in zip(states, values[::-1], strict=False):
            state[...] = all_reduce(value if rng.random() < 0.5 else value * state)
        return values[-1] + values[len(values) // 2]

    return run
