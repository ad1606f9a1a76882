"""Learning rates that change with the number of updates.

A scheduler is a function of ``num_update`` (1 for the first update) and keeps no count of its own,
so that training can be resumed at any update. Relies on ``errors`` alone.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from hybridnet.errors import ArgumentError, fail


class LRScheduler:
    """The base: a warm-up of ``warmup_steps`` updates up to ``base_lr``; then what ``__call__`` of the subclass says.

    ``warmup_mode``: ``linear`` from ``warmup_begin_lr``, or ``constant`` at it.
    """

    def __init__(self, base_lr: float = 0.01, warmup_steps: int = 0, warmup_begin_lr: float = 0, warmup_mode: str = "linear") -> None:
        if not isinstance(warmup_steps, int) or warmup_steps < 0:
            fail(ArgumentError, "LRScheduler", expected="warmup_steps to be an integer of 0 or more", got=repr(warmup_steps))
        if warmup_begin_lr > base_lr:
            fail(ArgumentError, "LRScheduler", expected=f"a warmup_begin_lr of at most base_lr, {base_lr}", got=str(warmup_begin_lr))
        if warmup_mode not in ("linear", "constant"):
            fail(ArgumentError, "LRScheduler", expected="warmup_mode linear or constant", got=repr(warmup_mode))
        self.base_lr = base_lr
        self.warmup_steps = warmup_steps
        self.warmup_begin_lr = warmup_begin_lr
        self.warmup_mode = warmup_mode

    def get_warmup_lr(self, num_update: int) -> float:
        """The rate at an update of the warm-up."""
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        return self.warmup_begin_lr + (self.base_lr - self.warmup_begin_lr) * num_update / self.warmup_steps

    def __call__(self, num_update: int) -> float:
        raise NotImplementedError(f"{type(self).__name__}.__call__(self, num_update)")


class FactorScheduler(LRScheduler):
    """Times ``factor`` every ``step`` updates, down to ``stop_factor_lr`` at the least."""

    def __init__(
        self,
        step: int,
        factor: float = 1,
        stop_factor_lr: float = 1e-8,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if step < 1:
            fail(ArgumentError, "FactorScheduler", expected="a step of 1 update or more", got=str(step))
        if factor > 1.0:
            fail(ArgumentError, "FactorScheduler", expected="a factor of at most 1", got=str(factor))
        self.step = step
        self.factor = factor
        self.stop_factor_lr = stop_factor_lr

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        return max(self.base_lr * self.factor ** (max(num_update - 1, 0) // self.step), self.stop_factor_lr)


class MultiFactorScheduler(LRScheduler):
    """Times ``factor`` after each of the updates in ``step``."""

    def __init__(
        self,
        step: Sequence[int],
        factor: float = 1,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.step = list(step)
        if not self.step or self.step[0] < 1 or any(b <= a for a, b in zip(self.step, self.step[1:], strict=False)):
            fail(ArgumentError, "MultiFactorScheduler", expected="steps of 1 or more that increase", got=str(self.step))
        if factor > 1.0:
            fail(ArgumentError, "MultiFactorScheduler", expected="a factor of at most 1", got=str(factor))
        self.factor = factor

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        return self.base_lr * self.factor ** bisect.bisect_left(self.step, num_update)


class _Decay(LRScheduler):
    """From ``base_lr`` after the warm-up to ``final_lr`` at ``max_update``, along a curve from 1 to 0."""

    def __init__(
        self, max_update: int, base_lr: float, final_lr: float, warmup_steps: int, warmup_begin_lr: float, warmup_mode: str
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if not isinstance(max_update, int) or max_update <= warmup_steps:
            fail(
                ArgumentError,
                type(self).__name__,
                expected="max_update to be an integer above warmup_steps",
                got=f"{max_update!r}, {warmup_steps}",
            )
        self.max_update = max_update
        self.final_lr = final_lr

    def _curve(self, done: float) -> float:
        """The share of the way that is left when ``done`` of the updates are, both from 0 to 1."""
        raise NotImplementedError

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        done = min((num_update - self.warmup_steps) / (self.max_update - self.warmup_steps), 1.0)
        return self.final_lr + (self.base_lr - self.final_lr) * self._curve(done)


class PolyScheduler(_Decay):
    """Along the polynomial (1 - done) ** ``pwr``."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        pwr: float = 2,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.power = pwr

    def _curve(self, done: float) -> float:
        return (1 - done) ** self.power


class CosineScheduler(_Decay):
    """Along half a cosine wave."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def _curve(self, done: float) -> float:
        return (1 + math.cos(math.pi * done)) / 2
