"""Where a rule takes the scale of gradients in: the numbers that it multiplies them by anyway, so that no pass over memory is spent on it.

Adam's rule reads a gradient as g · (1 - beta1) and g² · (1 - beta2) alone. So ``rescale_grad`` · g need not be computed for each element:
the first number is multiplied by the scale and the second by its square, once a step and in float64. Each product of an element is
rounded once less than in (scale · g) · number. g² overflows where g itself is beyond the root of the type's largest
number, though scale · g may not be: at 1e19 in float32, and at 256 in float16, whose gradients are multiplied first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from hybridnet import dtypes

F = TypeVar("F", bound=Callable[..., None])
_NONE: Mapping[Any, int] = {}


class Scaled(NamedTuple):
    """What of a rule takes the scale in.

    ``numbers``: hyper-parameters by name, ``scalars``: those of ``Optimizer.scalars`` by place, each with the power of the gradient that it
    is multiplied with. ``apart``: whether the weight decay is kept apart from the gradient; else there must be none.
    """

    numbers: Mapping[str, int]
    scalars: Mapping[int, int]
    apart: bool

    def in_numbers(self, optimizer: Any, scale: Any) -> dict[str, Any]:
        """The hyper-parameters that take the scale in, with it."""
        return {name: getattr(optimizer, name) * scale**power for name, power in self.numbers.items()}

    def in_scalars(self, scalars: tuple[Any, ...], scale: Any) -> tuple[Any, ...]:
        """The scalars, with the scale in those that take it in."""
        return tuple([s * scale ** self.scalars[i] if i in self.scalars else s for i, s in enumerate(scalars)])


def takes_scale(numbers: Mapping[str, int] = _NONE, scalars: Mapping[int, int] = _NONE, apart: bool = False) -> Callable[[F], F]:
    """Say of a rule what in it takes the scale in (see :class:`Scaled`). It holds for that rule alone, not for one that overrides it."""

    def mark(rule: F) -> F:
        rule.scaled = Scaled(numbers, scalars, apart)  # type: ignore[attr-defined]
        return rule

    return mark


def scaled_in(rule: Callable[..., None], clipped: bool, decayed: bool, dtype: dtypes.Dtype) -> Scaled | None:
    """What of ``rule`` takes the scale in; None where gradients are to be multiplied: limits and decays are of what they are then."""
    found: Scaled | None = getattr(rule, "scaled", None)
    if found is None or clipped or (decayed and not found.apart) or dtype == dtypes.float16:
        return None
    return found
