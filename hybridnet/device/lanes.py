"""Vectors of eight float32 numbers in numba's functions: each operation is an instruction, where registers are as wide.

LLVM makes vectors by itself where it can prove that what is read and what is written do not overlap: of the 72 rows of a transform, or the
dozen arrays of a recurrence, it cannot.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from hybridnet.device import loops

#: Numbers in a vector: a register of AVX2. Where registers are narrower LLVM takes several.
WIDTH = 8


@cache
def operations() -> dict[str, Any]:
    """The names that a text may use: what loads, stores and computes; ``inlined`` and ``called`` are decorators of its functions.

    Addresses are integers, in bytes, and places ``at`` them are counted in numbers.
    """
    import numba
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic, models, register_model

    vector = ir.VectorType(ir.FloatType(), WIDTH)

    class Lanes(types.Type):  # type: ignore[misc]
        """A vector's type."""

        def __init__(self) -> None:
            super().__init__(name=f"Lanes{WIDTH}")

    @register_model(Lanes)
    class LanesModel(models.PrimitiveModel):  # type: ignore[misc]
        """Which is LLVM's."""

        def __init__(self, manager: Any, of: Any) -> None:
            super().__init__(manager, of, vector)

    lanes, place = Lanes(), types.intp

    def made(signature: Any, build: Callable[..., Any]) -> Any:
        """An operation of a signature: ``build(builder, *operands)`` gives LLVM's result."""

        def typed(typing: Any, *operands: Any) -> Any:
            return signature, lambda context, builder, _, given: build(builder, *given)

        names = ", ".join("abcd"[: len(signature.args)])  # numba reads how many there are off the parameters
        return intrinsic(eval(f"lambda typing, {names}: typed(typing, {names})", {"typed": typed}))

    def pointer(builder: Any, address: Any, at: Any) -> Any:
        return builder.gep(builder.inttoptr(address, ir.FloatType().as_pointer()), [at])

    def whole(builder: Any, address: Any, at: Any) -> Any:
        return builder.bitcast(pointer(builder, address, at), vector.as_pointer())

    def load(builder: Any, address: Any, at: Any) -> Any:
        return builder.load(whole(builder, address, at), align=4)

    def store(builder: Any, address: Any, at: Any, value: Any) -> Any:
        builder.store(value, whole(builder, address, at), align=4)
        return ir.Constant(ir.IntType(8).as_pointer(), None)

    def splat(builder: Any, number: Any) -> Any:
        nothing, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        alike = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return builder.shuffle_vector(builder.insert_element(nothing, number, first), nothing, alike)

    def spread(builder: Any, address: Any, at: Any) -> Any:
        return splat(builder, builder.load(pointer(builder, address, at)))

    def muladd(builder: Any, a: Any, b: Any, c: Any) -> Any:
        kind = ir.FunctionType(vector, [vector] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{WIDTH}f32"), [a, b, c])

    def within(builder: Any, a: Any, limit: Any) -> Any:
        """At most the limit, and at least its negative; NaN stays NaN."""
        for end, beyond in ((limit, ">"), (builder.fneg(limit), "<")):
            a = builder.select(builder.fcmp_ordered(beyond, a, end), end, a)
        return a

    def relu(builder: Any, a: Any) -> Any:
        """NaN stays NaN."""
        zero = ir.Constant(vector, [0.0] * WIDTH)
        return builder.select(builder.fcmp_ordered("<=", a, zero), zero, a)

    def where_positive(builder: Any, a: Any, b: Any) -> Any:
        """``b`` where ``a`` is above 0, else 0."""
        zero = ir.Constant(vector, [0.0] * WIDTH)
        return builder.select(builder.fcmp_ordered(">", a, zero), b, zero)

    return {
        "inlined": numba.njit(forceinline=True, error_model="numpy"),
        "called": numba.njit(error_model="numpy"),
        "load": made(lanes(place, place), load),
        "store": made(types.void(place, place, lanes), store),
        "splat": made(lanes(types.float32), splat),
        "spread": made(lanes(place, place), spread),
        "add": made(lanes(lanes, lanes), lambda builder, a, b: builder.fadd(a, b)),
        "sub": made(lanes(lanes, lanes), lambda builder, a, b: builder.fsub(a, b)),
        "mul": made(lanes(lanes, lanes), lambda builder, a, b: builder.fmul(a, b)),
        "div": made(lanes(lanes, lanes), lambda builder, a, b: builder.fdiv(a, b)),
        "muladd": made(lanes(lanes, lanes, lanes), muladd),
        "within": made(lanes(lanes, lanes), within),
        "relu": made(lanes(lanes), relu),
        "where_positive": made(lanes(lanes, lanes), where_positive),
    }


@cache
def digest() -> str:
    """Of these operations, or of the version where there is no source: what is compiled is kept by its text, which holds it."""
    try:
        return hashlib.sha256(inspect.getsource(sys.modules[__name__]).encode()).hexdigest()
    except OSError:
        return version("hybridnet")


_compiled: dict[tuple[str, tuple[str, ...]], Callable[..., Any] | None] = {}


def compiled(text: str, types: tuple[str, ...], words: str) -> Callable[..., Any] | None:
    """The function ``loop`` of a text that uses these operations, compiled now if it is not kept on disk, which takes some seconds.

    None where that cannot be, which is warned of once: numba cannot compile ``words``.
    """
    key = text, types
    if key not in _compiled:
        if loops.is_forked():  # numba may be in the middle of something for ever
            return None
        try:
            _compiled[key] = loops.compiled(text, types, {"float32": np.float32, **operations()})
        except Exception as error:  # of numba or LLVM, whatever it is
            logging.getLogger("hybridnet").warning("numba cannot compile %s: %s", words, error)
            _compiled[key] = None
    return _compiled[key]
