"""Compare arrays of csr and row_sparse storage with MXNet 1.9.1, call by call.

``python tests/mxnet/compare_sparse.py PYTHON [family]`` has the calls of :mod:`sparse_calls` answered by the MXNet of that PYTHON and by
hybridnet, compares, and prints what differs. Of all families it writes the record ``tests/mxnet/sparse.md`` and the sample
``tests/data/mxnet_1_9_1_sparse_calls.json.gz``, which the tests hold ours to without MXNet.
"""

from __future__ import annotations

import gzip
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

from sparse_calls import all_calls  # noqa: E402
from support.answering import answered  # noqa: E402
from support.sparse_agreement import SAMPLE, packed, reason, storages, verdict  # noqa: E402
from support.sparse_answers import answer  # noqa: E402

import hybridnet  # noqa: E402


def compare(calls: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The verdict on each call, and how the answers differ."""
    found = []
    for call, expected in zip(calls, theirs, strict=True):
        if "crash" in expected or "hang" in expected:
            found.append(("ended", ""))
            continue
        with np.errstate(all="ignore"):
            status, how = verdict(expected, answer(hybridnet, call))
        found.append(("on purpose" if status == "differs" and reason(call, how) else status, how))
    return found


_HEAD = """# Sparse arrays beside MXNet 1.9.1

Written by `tests/mxnet/compare_sparse.py`: calls that are drawn (`tests/mxnet/sparse_calls.py`), answered by both, and compared in
values, dtype, shape and storage of results, of gradients and of what is written in place, and in whether there is an answer.
"""


def record_of(calls: list[dict[str, Any]], verdicts: list[tuple[str, str]]) -> str:
    """The record: how many calls agree, by family, and how the others differ."""
    total = Counter(status for status, _ in verdicts)
    compared = total["agrees"] + total["differs"] + total["on purpose"]
    lines = [
        _HEAD,
        f"{len(calls)} calls. Of {compared} that MXNet answers, or that both refuse, {total['agrees']} agree "
        f"({total['agrees'] / compared:.1%}), {total['on purpose']} differ on purpose, {total['differs']} otherwise. {total['more']} more, "
        f"or their gradients, MXNet refuses and we compute; {total['ended']} end or hang MXNet's process.",
        "\n| family | agree | on purpose | otherwise | MXNet refuses | end MXNet |\n|---|---|---|---|---|---|",
    ]
    counted: dict[str, Counter[str]] = {}
    for call, (status, _) in zip(calls, verdicts, strict=True):
        counted.setdefault(call["family"], Counter())[status] += 1
    for family, n in sorted(counted.items()):
        numbers = " | ".join(str(n[status] or "") for status in ("agrees", "on purpose", "differs", "more", "ended"))
        lines.append(f"| {family} | {numbers} |")
    lines.append("\n## On purpose\n\n| calls | why |\n|---|---|")
    whys = Counter(reason(call, how) for call, (status, how) in zip(calls, verdicts, strict=True) if status == "on purpose")
    lines += [f"| {n} | {why} |" for why, n in sorted(whys.items())]
    lines.append("\n## Otherwise\n\n| call | how |\n|---|---|")
    lines += [
        f"| `{call['text']}` {storages(call)} | {' '.join(how.split())[:150]} |"
        for call, (status, how) in zip(calls, verdicts, strict=True)
        if status == "differs"
    ]
    return "\n".join(lines) + "\n"


def sample_of(calls: list[dict[str, Any]], theirs: list[dict[str, Any]], verdicts: list[tuple[str, str]]) -> list[Any]:
    """Calls that agree, twelve a family at most, evenly from all of it, with MXNet's answers."""
    families: dict[str, list[int]] = {}
    for i, (call, (status, _)) in enumerate(zip(calls, verdicts, strict=True)):
        if status == "agrees":
            families.setdefault(call["family"], []).append(i)
    chosen = [numbers[k * len(numbers) // min(12, len(numbers))] for numbers in families.values() for k in range(min(12, len(numbers)))]
    return [(calls[i], theirs[i]) for i in chosen]


def main(python: str, family: str | None = None) -> None:
    """Compare, print what differs, and write the record and the sample if all families are compared."""
    warnings.simplefilter("ignore")
    calls = [call for call in all_calls() if family in (None, call["family"])]
    theirs = answered(python, HERE.parent / "support" / "sparse_answers.py", calls)
    verdicts = compare(calls, theirs)
    for call, (status, how) in zip(calls, verdicts, strict=True):
        if status == "differs":
            print(f"{call['family']}: {call['text']} [{storages(call)}]: {' '.join(how.split())[:200]}")
    print(dict(Counter(status for status, _ in verdicts)))
    if family is None:
        (HERE / "sparse.md").write_text(record_of(calls, verdicts), encoding="utf-8")
        SAMPLE.write_bytes(gzip.compress(packed(sample_of(calls, theirs, verdicts)).encode(), mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
