"""The collector of cycles rests while a function is compiled, and is afterwards what it was before."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

import hybridnet as hn
from hybridnet import jit
from hybridnet.collector import paused_collector


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.enable()


def _seen(fails: bool = False) -> list[bool]:
    """Whether the collector is on while a function is traced."""
    seen = []

    def traced(x: Any) -> Any:
        seen.append(gc.isenabled())
        if fails:
            raise KeyError("of the user's")
        return x + 1

    compiled = jit(traced)
    if fails:
        with pytest.raises(KeyError):
            compiled(hn.np.ones((2,)))
    else:
        compiled(hn.np.ones((2,)))
    return seen


@pytest.mark.parametrize("fails", [False, True])
def test_it_rests_while_compiling(fails: bool) -> None:
    assert _seen(fails) == [False]
    assert gc.isenabled()


def test_it_stays_off_where_it_was_off() -> None:
    gc.disable()
    assert _seen() == [False]
    assert not gc.isenabled()


def test_the_last_to_leave_turns_it_on() -> None:
    with paused_collector:
        with paused_collector:
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
