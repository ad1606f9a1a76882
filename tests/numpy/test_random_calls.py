"""Random calls of every function that NumPy and ``np`` have, imperatively and compiled: a part of what ``compare_numpy.py`` records."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.numpy_agreement import BY_VALUE, Call, answers, call_of, differing, function_of, names, plain, verdict
from support.numpy_arguments import ARGUMENTS, KEYWORDS, LEFT, OWN, UNDRAWN
from support.numpy_draws import keywords_of
from support.numpy_reasons import ON_PURPOSE, reason

import hybridnet as hn
import hybridnet.numpy as hnp
from hybridnet.core import NDArray
from hybridnet.numpy.functions import FUNCTIONS

NAMES = names()
#: What is covered is said of the newest NumPy; calls run with each.
of_the_newest = pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.4.0", reason="the record and the keywords are NumPy 2.4's")
RECORD = (Path(__file__).parent / "calls.md").read_text(encoding="utf-8")


def check(name: str, numbers: Any) -> None:
    for number in numbers:
        call = call_of(name, number)
        status, how = verdict(call)
        assert status in ("agrees", "more") or reason(call, how), f"{call}: {how}"


@pytest.mark.parametrize("name", NAMES)
def test_random_calls(name: str) -> None:
    check(name, range(3))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_random_calls(name: str) -> None:
    check(name, range(3, 60))


# -- what the comparison covers ---------------------------------------------------------------------


@of_the_newest
def test_every_function_is_called() -> None:
    linalg = {f"linalg.{name}" for name in hnp.linalg.__all__ if hasattr(np.linalg, name)}
    both = {name for name in FUNCTIONS if hasattr(np, name)} | linalg
    assert both - set(ARGUMENTS) == set(UNDRAWN)
    assert all(UNDRAWN.values())


@of_the_newest
@pytest.mark.parametrize("name", NAMES)
def test_every_keyword_is_drawn(name: str) -> None:
    for key in keywords_of(function_of(np, name)):
        assert key in KEYWORDS or f"{name}.{key}" in OWN or {key, f"{name}.{key}"} & LEFT, f"{name}({key}=)"


@of_the_newest
def test_the_record_is_of_these_calls() -> None:
    head = re.search(r"(\d+) functions, (\d+) calls\. Of (\d+) .*, (\d+) agree", RECORD)
    assert head is not None
    functions, calls, answered, agree = map(int, head.groups())
    assert functions == len(NAMES)
    assert calls == 100 * functions
    assert agree / answered > 0.99
    assert "\n## Otherwise\n\n| call | how |\n|---|---|\n\n## By value" in RECORD
    assert all(f"| `{name}` |" in RECORD for name in NAMES)


def test_reasons_are_of_functions_that_are_compared() -> None:
    assert {name for names, _, _ in ON_PURPOSE for name in names.split()} <= set(NAMES)
    assert set(NAMES) >= BY_VALUE


def test_a_verdict_sees_each_kind_of_difference() -> None:
    call = Call("exp", (np.ones(3, np.float32),), {})
    theirs = np.exp(call.args[0])
    assert not differing(theirs, theirs, call)
    for other in (theirs * 1.01, theirs.astype(np.float64), theirs[:2], theirs[None], [theirs, theirs], ValueError("no")):
        assert differing(theirs, other, call)
    assert differing(ValueError("no"), theirs, call).startswith("NumPy refuses")
    assert not differing(ValueError("no"), TypeError("nor we"), call)


# -- the same as methods, with out=, and by NumPy's own functions ------------------------------------

#: In place, or of fewer keywords than the function.
_OTHERWISE = ("sort", "partition", "argpartition", "astype", "conj", "conjugate")
METHODS = sorted(n for n in NAMES if hasattr(np.ndarray, n) and hasattr(NDArray, n) and n not in _OTHERWISE)


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_their_functions(name: str) -> None:
    for number in range(3):
        call = call_of(name, number)
        if not call.args or not isinstance(call.args[0], np.ndarray):
            continue
        _, ours, _ = answers(call, compiled=False)
        if isinstance(ours, Exception) or not callable(getattr(NDArray, name)):
            continue
        first, *rest = (hnp.array(x) if isinstance(x, np.ndarray) else x for x in call.args)
        kwargs = {key: hnp.array(x) if isinstance(x, np.ndarray) else x for key, x in call.kwargs.items()}
        with np.errstate(all="ignore"):
            found = getattr(first, name)(*rest, **kwargs)
        assert not differing(ours, plain(found), call), call


@pytest.mark.parametrize("name", [n for n in NAMES if "out" in keywords_of(function_of(np, n))])
def test_out_receives_the_result(name: str) -> None:
    for number in range(12):
        call = call_of(name, number)
        theirs, ours, _ = answers(call, compiled=False)
        if isinstance(ours, np.ndarray) and not isinstance(theirs, Exception) and ours.size and "where" not in call.kwargs:
            break
    else:
        pytest.skip("results are several arrays")
    out = hnp.zeros(ours.shape, ours.dtype)
    args = [_wrapped(x) for x in call.args]
    with np.errstate(all="ignore"):
        assert function_of(hn.np, name)(*args, **{key: _wrapped(x) for key, x in call.kwargs.items()}, out=out) is out
    assert not differing(ours, out.asnumpy(), call)


def _wrapped(x: Any) -> Any:
    return type(x)(map(_wrapped, x)) if isinstance(x, (list, tuple)) else hnp.array(x) if isinstance(x, np.ndarray) else x


@pytest.mark.parametrize("name", [n for n in NAMES if function_of(np, n) in hn.core.NUMPY_FUNCTIONS])
def test_numpys_functions_of_our_arrays_are_ours(name: str) -> None:
    call = call_of(name, 1)
    _, ours, _ = answers(call, compiled=False)
    args = [_wrapped(x) for x in call.args]
    if isinstance(ours, Exception) or not any(isinstance(x, NDArray) for x in args) or "order" in call.kwargs:
        return
    with np.errstate(all="ignore"):
        found = function_of(np, name)(*args, **{key: _wrapped(x) for key, x in call.kwargs.items()})
    assert not differing(ours, plain(found), call), call
