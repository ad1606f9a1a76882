"""Hooks around operators: to time them, to watch their results, to stop at the first NaN."""

from hybridnet.core.hooks import Hook, OperatorCall, operator_hook, stop_at_nan

__all__ = ["Hook", "OperatorCall", "operator_hook", "stop_at_nan"]
