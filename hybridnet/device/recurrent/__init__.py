"""Recurrences over whole sequences as single calls, on a CPU: compiled by numba, shared by threads.

===============  ==========================================================================
``loops``        what numba compiles
``calls``        planned calls
===============  ==========================================================================
"""

from hybridnet.device.recurrent.calls import NAME, Call, Recurrence, planned, takes

__all__ = ["NAME", "Call", "Recurrence", "planned", "takes"]
