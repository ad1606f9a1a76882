"""Vectors of eight float32 numbers in numba's functions: each operation is an instruction, where registers are as wide.

LLVM would have to prove of every two of the 72 rows that a transform reads and writes that they do not overlap, before it made vectors
by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

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

    def relu(builder: Any, a: Any) -> Any:
        """NaN stays NaN."""
        zero = ir.Constant(vector, [0.0] * WIDTH)
        return builder.select(builder.fcmp_ordered("<=", a, zero), zero, a)

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
        "muladd": made(lanes(lanes, lanes, lanes), muladd),
        "relu": made(lanes(lanes), relu),
    }
