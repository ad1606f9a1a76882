"""``mx.error``: the error classes that MXNet programs name."""

from hybridnet.base import MXNetError, register_error

register = register_error


@register
class InternalError(MXNetError):
    """A fault of the framework; ``errors.GraphError``, ``MismatchError`` and ``KernelError`` are hybridnet's own."""


__all__ = ["InternalError", "MXNetError", "register", "register_error"]
