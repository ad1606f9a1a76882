"""The flat records of a profile: what is stored of a step and of a program."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StepRecord:
    """One step of a program, run alone.

    step: its number, from 0, in the order in which steps run.
    program: the name of the program that it is a step of.
    kind: on a GPU ``kernel``, ``library``, ``copy`` or ``cupy``; on a CPU ``statement``, ``region`` (its blocks together),
        ``view``, ``loop`` (control flow with all that it runs) or ``copy``.
    name: what computes it: a kernel's name, a library's algorithm, a NumPy statement, CuPy.
    operator: the operator in the graph; the parts of a region joined by ``+``.
    site: the user's line, ``train.py:12``; empty where it is not known.
    block: the path of blocks that it comes from, ``net.dense0``.
    seconds: of one run of it.
    bytes: read and written at least: operands and results once, of a table what is looked up.
    flops: floating-point operations of its products, a multiplication and an addition counted as two; 0 without products.
    share: which part it reaches of ``limit``, the nearer to 1 of the device's two; more than 1 where operands come from a cache,
        or from several threads. None where nothing is moved.
    limit: ``copy`` (bytes a second of a copy of a large array) or ``product`` (flops a second of a large product in its dtype).
    grid: blocks and threads of a kernel.
    gradients: bytes of the parameters' gradients that are known once it has run.
    """

    step: int
    program: str
    kind: str
    name: str
    operator: str
    site: str
    block: str
    seconds: float
    bytes: int
    flops: int
    share: float | None
    limit: str
    grid: str
    gradients: int


@dataclass(frozen=True)
class ProgramRecord:
    """A program as a whole.

    seconds: of all its steps in one go; on a GPU as CUDA graphs, without the copies of arguments and results around them.
    steps_seconds: of its steps, each alone, together. steps: how many there are.
    """

    program: str
    seconds: float
    steps_seconds: float
    steps: int
