"""Compare ``np`` with NumPy by random calls, imperatively and compiled.

``python tests/numpy/compare_numpy.py [calls [function …]]`` makes so many calls of every function that both have (100 without), drawn
from the functions' signatures by ``tests/support/numpy_draws.py`` and ``numpy_arguments.py``, and prints what differs. Of all functions
it writes the record ``tests/numpy/calls.md``. Seeds are fixed: the calls of ``tests/numpy/test_random_calls.py`` are the first of these.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

from support.numpy_agreement import BY_VALUE, call_of, names, verdict  # noqa: E402
from support.numpy_reasons import reason  # noqa: E402

Found = list[tuple[str, str, str, str]]  # function, status, how, the call


def compared(calls: int, functions: list[str]) -> Found:
    """The verdicts on so many calls of each function."""
    found: Found = []
    for name in functions:
        for number in range(calls):
            call = call_of(name, number)
            status, how = verdict(call)
            if status in ("differs", "compiled") and (why := reason(call, how)):
                status, how = "on purpose", why
            found.append((name, status, how, "" if status == "agrees" else str(call)))
    return found


_HEAD = """# `np` beside NumPy

Written by `tests/numpy/compare_numpy.py`: random calls drawn from the signatures of NumPy's functions (shapes with 0 and 1, all dtypes,
axes from both ends, every optional keyword), answered by NumPy {version} and by `np`, imperatively and compiled by `jit`, and compared in
values, shapes, dtypes and in whether there is an answer. Floating results may have float32 where integers or Python's numbers went in,
and the dtype of the floats where floats and integers did: MXNet's rules. `np.random` is compared by `tests/ops/test_random.py`, in
distributions.
"""


def record_of(found: Found) -> str:
    """The record: how many calls agree, what differs and why, what NumPy refuses, and all functions in a table."""
    total = Counter(status for _, status, _, _ in found)
    answered = total["agrees"] + total["differs"] + total["compiled"] + total["on purpose"]
    functions = {name for name, _, _, _ in found}
    lines = [
        _HEAD.format(version=np.__version__),
        f"{len(functions)} functions, {len(found)} calls. Of {answered} that NumPy answers, or that both refuse, {total['agrees']} agree "
        f"({total['agrees'] / answered:.2%}), {total['on purpose']} differ on purpose, {total['differs'] + total['compiled']} otherwise. "
        f"{total['more']} more NumPy refuses and we answer.",
        "\n## On purpose\n\n| function | calls | why |\n|---|---|---|",
    ]
    whys = Counter((name, how) for name, status, how, _ in found if status == "on purpose")
    lines += [f"| `{name}` | {n} | {why} |" for (name, why), n in sorted(whys.items())]
    lines.append("\n## Otherwise\n\n| call | how |\n|---|---|")
    lines += [f"| `{_cell(call)}` | {_cell(how)} |" for _, status, how, call in found if status in ("differs", "compiled")]
    lines.append("\n## By value\n\nTheir shape, or Python value, depends on values: they cannot be compiled, and say so.\n")
    lines.append(", ".join(f"`{name}`" for name in sorted(BY_VALUE & functions)) + ".")
    lines.append("\n## What NumPy refuses\n\n| function | calls | what it says of the first |\n|---|---|---|")
    more: dict[str, list[str]] = {}
    for name, status, how, _ in found:
        if status == "more":
            more.setdefault(name, []).append(how)
    lines += [f"| `{name}` | {len(hows)} | {_cell(hows[0].removeprefix('NumPy refuses: '))} |" for name, hows in sorted(more.items())]
    lines.append("\n## All functions\n\n| function | agree | on purpose | otherwise | NumPy refuses |\n|---|---|---|---|---|")
    counted: dict[str, Counter[str]] = {}
    for name, status, _, _ in found:
        counted.setdefault(name, Counter())["differs" if status == "compiled" else status] += 1
    for name, n in sorted(counted.items()):
        lines.append(f"| `{name}` | {n['agrees']} | {n['on purpose'] or ''} | {n['differs'] or ''} | {n['more'] or ''} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").replace("`", "'").split())[:150]


def main(calls: str = "100", *functions: str) -> None:
    """Compare, print what differs, and write the record if all functions are compared."""
    found = compared(int(calls), list(functions) or names())
    for _, status, how, call in found:
        if status in ("differs", "compiled") or (functions and status != "agrees"):
            print(f"{status}: {call}: {how}")
    print(dict(Counter(status for _, status, _, _ in found)))
    if not functions:
        (HERE / "calls.md").write_text(record_of(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
