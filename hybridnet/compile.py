"""``jit``: compile a function of arrays, a whole training step included.

The first call with arrays of new shapes, dtypes or modes traces the function, optimises the graph
and makes a program; later calls run the program. Arrays that the function reads without being
given them are state that goes in, those that it writes in place come back out.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hybridnet import explain as pages
from hybridnet.collector import paused_collector
from hybridnet.compiled import CompiledCall, compiled
from hybridnet.config import config
from hybridnet.core import Array, local
from hybridnet.core.identity import changes
from hybridnet.core.tree import LEAF, flatten
from hybridnet.errors import ArgumentError, TraceError, fail
from hybridnet.graph.ir import Graph
from hybridnet.graph.pipeline import watched_passes
from hybridnet.owned import OwnedMethod
from hybridnet.retrace import Key, key_of
from hybridnet.runtime.budget import Recomputed
from hybridnet.runtime.check import Checked
from hybridnet.runtime.profile import Profile
from hybridnet.runtime.watching import told
from hybridnet.traced import Traced


class Memory(NamedTuple):
    """A memory plan in figures: bytes of the arena, bytes that separate buffers would take, the largest values.

    recomputed: what ``HYBRIDNET_MEMORY_BUDGET`` has made of it, with the peak and what that would be without; None without a budget.
    """

    planned: int
    naive: int
    largest: tuple[tuple[int, str], ...]
    recomputed: Recomputed | None = None


#: At which a graph can be looked at.
_STAGES = ("traced", "optimized", "lowered", "backward")

#: The structures of calls with 0, 1, ... arrays and nothing else.
_POSITIONAL = tuple((tuple, (tuple, *(LEAF,) * n), (dict, ())) for n in range(9))


class Jit:
    """A function that is compiled when it is called; made by :func:`jit`."""

    def __init__(self, fn: Callable[..., Any], name: str | None = None) -> None:
        self.fn = fn
        self.name = str(name or getattr(fn, "__name__", type(fn).__name__)).replace("<lambda>", "fn")
        self.cache: dict[tuple[Any, ...], CompiledCall] = {}  # by a Key, as which a plain tuple is found too
        self.retraces: list[str] = []  # why each compilation after the first was needed
        functools.update_wrapper(self, fn, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if local.trace is not None:
            return self.fn(*args, **kwargs)
        if kwargs or len(args) >= len(_POSITIONAL):
            leaves: Any = []
            structure = flatten((args, kwargs), leaves)
        else:  # arrays alone, the common call, need no walk through their structure
            leaves, structure = args, _POSITIONAL[len(args)]
            for x in args:
                if not isinstance(x, Array):
                    leaves = []
                    structure = flatten((args, kwargs), leaves)
                    break
        return self._compiled(structure, leaves)(leaves)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a decorator of methods: one compiled function an instance."""
        if instance is None:
            return self
        bound = Jit(OwnedMethod(types.MethodType(self.fn, instance)), self.name)
        instance.__dict__[self.fn.__name__] = bound
        return bound

    def _compiled(self, structure: Any, leaves: Sequence[Any]) -> CompiledCall:
        key = key_of(structure, leaves)
        entry = self.cache.get(key)
        if entry is not None and (entry.read.checked == changes.count or entry.read.is_current()):
            return entry
        return self._compile(Key._make(key), leaves)

    def _compile(self, key: Key, leaves: Sequence[Any]) -> CompiledCall:
        reason = ""
        if self.cache:
            reason = "; ".join(self._reasons(key))
            self.retraces.append(reason)
            self.cache = {k: c for k, c in self.cache.items() if c.read.is_current()}  # the others are never called again
        with paused_collector, told("compile", self.name):
            entry = compiled(key, self.name, self.fn, Traced(self.fn, key.structure, leaves, key.recording))
        entry.reason = reason
        self.cache[key] = entry
        if len(self.cache) > config.max_programs:
            del self.cache[next(iter(self.cache))]
        if config.debug >= 2:
            print(entry.program.text)
        return entry

    def _reasons(self, key: Key) -> list[str]:
        """Why no program that is there serves a call: what the nearest one was made for, or has read, and is other now."""
        if (stale := self.cache.get(key)) is not None:
            return stale.read.changed()
        return min((key.differences(c.key) for c in reversed(self.cache.values())), key=len)

    # -- looking inside -------------------------------------------------------------------------

    def _inspect(self, args: Any, kwargs: Any) -> CompiledCall:
        leaves: list[Any] = []
        structure = flatten((args, kwargs), leaves)
        return self._compiled(structure, leaves)

    def graph(self, *args: Any, stage: str = "optimized", **kwargs: Any) -> Graph:
        """The graph for these arguments, in the mode of now; it prints.

        ``stage``: ``"traced"``, as the function was written; ``"optimized"``, after the passes; ``"lowered"``, as the program computes
        it, in fused regions and with the copies that it makes (what loops and branches run is shown as after the passes). Of a call
        that is recorded the first two hold forward and backward, ``"lowered"`` the forward, and ``"backward"`` what the backward's
        program computes. Anything else is an ArgumentError.
        """
        if stage not in _STAGES:
            fail(ArgumentError, self.name, expected=f"a stage: {', '.join(_STAGES)}", got=repr(stage))
        if stage == "traced":  # not kept, but made anew
            leaves: list[Any] = []
            structure = flatten((args, kwargs), leaves)
            return Traced(self.fn, structure, leaves, local.recording).graph
        compiled = self._inspect(args, kwargs)
        if stage == "optimized":
            return compiled.graph
        if stage == "lowered":
            return compiled.program.source.lowered
        if len(compiled.programs) < 2:
            fix = "calling it under autograd.record(), on what has a gradient"
            fail(ArgumentError, self.name, expected="a call with a backward", got="one that is not recorded", fix=fix)
        return compiled.programs[1].source.lowered

    def memory(self, *args: Any, **kwargs: Any) -> Memory:
        """What the memory plan for these arguments comes to."""
        entry = self._inspect(args, kwargs)
        programs = entry.programs
        sources = [p.source for p in programs]
        planned = programs[0].arena_bytes  # the backward runs in the forward's arena
        largest = sorted((item for s in sources for item in s.largest), reverse=True)
        return Memory(planned, sum(s.naive_bytes for s in sources), tuple(largest[:10]), entry.recomputed)

    def explain(self, *args: Any, html: str | Path | None = None, profile: bool = False, **kwargs: Any) -> str:
        """How the program for these arguments runs: in how many CUDA graphs, which operators stand between them, and why.

        And which operators a GPU's libraries refused to compute, and what runs instead. ``html``: a file for one page that shows the
        compilation by blocks: the graph before and after each pass, the steps with their text, the arena over time, the lines of your
        code. It needs no network. The function is compiled once more for it. ``profile``: with the time of each step, as
        :meth:`profile` takes it; if that ends in an error, the page says so and has no times. ArgumentError for a profile without a page.
        """
        if html is not None:
            pages.write_page(pages.describe(self._compilation(args, kwargs, profile)), html)
        elif profile:
            fail(ArgumentError, self.name, expected="profile=True with html=, whose page shows the times", got="no html", fix="profile(x)")
        entry = self._inspect(args, kwargs)
        notes = [f"  {note}" for note in entry.notes]
        if entry.recomputed is not None:
            notes.append(f"  {entry.recomputed}")
        return "\n".join([*(p.explain() for p in entry.programs), *notes, *(f"  refused: {refusal}" for refusal in entry.refusals)])

    def _compilation(self, args: Any, kwargs: Any, profiled: bool) -> pages.Compilation:
        """A compilation for these arguments, made anew with all its passes watched."""
        if local.trace is not None:
            fail(TraceError, self.name, expected="explain() outside a function that is being compiled", got="a call while tracing")
        leaves: list[Any] = []
        structure = flatten((args, kwargs), leaves)
        key = key_of(structure, leaves)
        with paused_collector, watched_passes() as passes:
            traced = Traced(self.fn, structure, leaves, local.recording)
            entry = compiled(Key._make(key), self.name, self.fn, traced)
        measured, failure = None, ""
        if profiled:
            try:
                measured = entry.profile(leaves)
            except Exception as error:  # whatever it is: the page shows the rest
                failure = f"{type(error).__name__}: {error}"
        arguments = len(entry.roles.arguments)
        return pages.Compilation(self.name, arguments, traced.graph, entry.graph, entry.programs, passes, entry.refusals, measured, failure)

    def profile(self, *args: Any, **kwargs: Any) -> Profile:
        """Each step of the program for these arguments timed alone, in the mode of now; while recording, the backward's too.

        Parameters, states of the optimizer, random state and arguments stay as they are; what the function does
        on the host besides (counting updates, say) does not happen. Takes memory for a second array of each that the program
        writes, and the time of some hundred runs. See :class:`~hybridnet.runtime.profile.Profile`.
        """
        if local.trace is not None:
            fail(TraceError, self.name, expected="profile() outside a function that is being compiled", got="a call while tracing")
        leaves: list[Any] = []
        structure = flatten((args, kwargs), leaves)
        return self._compiled(structure, leaves).profile(leaves)

    def check(self, *args: Any, **kwargs: Any) -> list[Checked]:
        """Hold the program for these arguments against its operators done one by one; while recording, the backward's too.

        Raises :class:`~hybridnet.errors.MismatchError`, which names the first node that differs with your line and by how much;
        otherwise gives how near each program came. Tolerances are in proportion to the largest element of an array:
        2e-4 in float32, 1e-10 in float64, 1e-2 in float16, 8e-2 in bfloat16; integers are equal. Parameters, states, random state
        and arguments stay as they are. Compiles a program of its own, and a second one if they differ.
        """
        leaves: list[Any] = []
        structure = flatten((args, kwargs), leaves)
        return self._compiled(structure, leaves).check(leaves)

    def program(self, *args: Any, **kwargs: Any) -> str:
        """The text of the program that runs for these arguments."""
        return "\n# backward\n".join(p.text for p in self._inspect(args, kwargs).programs)


def jit(fn: Callable[..., Any] | None = None, *, name: str | None = None) -> Any:
    """Compile ``fn``, a function of arrays (in nested tuples, lists and dicts) and other values.

    Other values must be hashable; each new one compiles anew, as do new shapes and dtypes. Arrays
    that ``fn`` reads from outside (parameters, say) are read afresh at every call; those that it
    writes in place are written at every call. Python code in ``fn`` runs when it is traced only.
    """
    if fn is None:
        return functools.partial(jit, name=name)
    if not callable(fn):
        fail(ArgumentError, "jit", expected="a function", got=type(fn).__name__)
    return Jit(fn, name)
