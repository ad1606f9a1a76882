"""Compare the classic vocabulary with MXNet 1.9.1, call by call.

``python tests/mxnet/compare_classic.py PYTHON [operator …]`` makes the calls of :mod:`classic_calls`, has them answered by the MXNet of
that PYTHON and by hybridnet, compares, and prints what differs. Of all operators it writes the record ``tests/mxnet/classic.md`` and the
sample ``tests/data/mxnet_1_9_1_calls.json.gz``, which the tests hold ours to without MXNet.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

from classic_calls import all_calls  # noqa: E402
from support.agreement import SAMPLE, WRITTEN_APART, packed, reason, verdict  # noqa: E402
from support.answering import answered  # noqa: E402
from support.mxnet_answers import answer  # noqa: E402

import hybridnet  # noqa: E402


def compare(calls: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The verdict on each call, and how the answers differ."""
    found = []
    for call, expected in zip(calls, theirs, strict=True):
        if apart := {"crash", "hang", "impossible"} & expected.keys():
            found.append((apart.pop(), ""))
            continue
        with np.errstate(all="ignore"):
            status, how = verdict(call, expected, answer(hybridnet, call))
        found.append(("on purpose" if status == "differs" and reason(call) else status, how))
    return found


def described(call: dict[str, Any]) -> str:
    """A call in a line."""
    inputs = " ".join(f"{kind}{tuple(shape)} {dtype}" for kind, shape, dtype, _ in call["inputs"])
    return f"{call['op']} {json.dumps(call['attrs'])} {inputs}{'' if call.get('train', True) else ', in prediction'}"


_HEAD = """# The classic vocabulary beside MXNet 1.9.1

Written by `tests/mxnet/compare_classic.py`: calls that are made from each operator's record (`tests/mxnet/classic_calls.py`), answered by
both, and compared in values, shapes, dtypes, gradients, what is written in place, and in whether there is an answer. Random numbers are
compared in shape and dtype.
"""


def record_of(calls: list[dict[str, Any]], verdicts: list[tuple[str, str]]) -> str:
    """The record: how many calls agree, by operator where not all do, and why."""
    total = Counter(status for status, _ in verdicts)
    operators, compared = len({call["op"] for call in calls}), total["agrees"] + total["differs"] + total["on purpose"]
    lines = [
        _HEAD,
        f"{operators} operators, {len(calls)} calls. Of {compared} that MXNet answers, or that both refuse, {total['agrees']} agree "
        f"({total['agrees'] / compared:.1%}), {total['on purpose']} differ on purpose, {total['differs']} otherwise. {total['more']} more, "
        f"or their gradients, MXNet refuses and we compute; {total['crash']} end MXNet's process, and at "
        f"{total['hang']} it hangs.",
        "\n## On purpose\n\n| operator | calls | why |\n|---|---|---|",
    ]
    whys = Counter((call["op"], reason(call)) for call, (status, _) in zip(calls, verdicts, strict=True) if status == "on purpose")
    lines += [f"| `{op}` | {n} | {why} |" for (op, why), n in sorted(whys.items())]
    lines.append("\nOf these operators one input is left out where what is written in place is compared:\n")
    lines += [f"- `{op}`: {why}" for op, (_, why) in WRITTEN_APART.items()]
    lines.append("\n## Otherwise\n\n| call | how |\n|---|---|")
    lines += [
        f"| `{described(call)}` | {' '.join(how.split())[:150]} |"
        for call, (status, how) in zip(calls, verdicts, strict=True)
        if status == "differs"
    ]
    lines.append("\n## What MXNet refuses\n\n| operator | calls | what it says of the first |\n|---|---|---|")
    more: dict[str, list[str]] = {}
    for call, (status, how) in zip(calls, verdicts, strict=True):
        if status == "more":
            more.setdefault(call["op"], []).append(how)
    lines += [f"| `{op}` | {len(hows)} | {_said(hows[0])} |" for op, hows in sorted(more.items())]
    lines.append("\n## Where MXNet ends or hangs\n\n| call | what it does |\n|---|---|")
    lines += [
        f"| `{described(call)}` | {'hangs' if status == 'hang' else 'ends'} |"
        for call, (status, _) in zip(calls, verdicts, strict=True)
        if status in ("crash", "hang")
    ]
    lines.append("\n## All operators\n\n| operator | agree | on purpose | otherwise | MXNet refuses |\n|---|---|---|---|---|")
    counted: dict[str, Counter[str]] = {}
    for call, (status, _) in zip(calls, verdicts, strict=True):
        counted.setdefault(call["op"], Counter())[status] += 1
    for op, n in sorted(counted.items()):
        lines.append(f"| `{op}` | {n['agrees']} | {n['on purpose'] or ''} | {n['differs'] or ''} | {n['more'] or ''} |")
    return "\n".join(lines) + "\n"


def _said(how: str) -> str:
    """The words of an error of MXNet's, without its stack."""
    text = " ".join(how.replace("|", "/").split())
    return text.rpartition("Check failed: ")[2].rpartition("MXNetError: ")[2][:110]


def sample_of(calls: list[dict[str, Any]], theirs: list[dict[str, Any]], verdicts: list[tuple[str, str]]) -> list[Any]:
    """Calls that agree, three an operator at most, evenly from all of it, with MXNet's answers in a form for JSON."""
    by_operator: dict[str, list[int]] = {}
    for i, (call, (status, _)) in enumerate(zip(calls, verdicts, strict=True)):
        if status == "agrees":
            by_operator.setdefault(call["op"], []).append(i)
    chosen = [numbers[k * len(numbers) // min(3, len(numbers))] for numbers in by_operator.values() for k in range(min(3, len(numbers)))]
    return [[calls[i], packed(theirs[i])] for i in chosen]


def main(python: str, *operators: str) -> None:
    """Compare, print what differs, and write the record and the sample if all operators are compared."""
    calls = [call for call in all_calls() if not operators or call["op"] in operators]
    theirs = answered(python, HERE.parent / "support" / "mxnet_answers.py", calls)
    verdicts = compare(calls, theirs)
    for call, (status, how) in zip(calls, verdicts, strict=True):
        if status == "differs" or (operators and how):
            print(f"{status}: {described(call)}: {' '.join(how.split())}")
    print(dict(Counter(status for status, _ in verdicts)))
    if not operators:
        (HERE / "classic.md").write_text(record_of(calls, verdicts), encoding="utf-8")
        text = json.dumps(sample_of(calls, theirs, verdicts))
        SAMPLE.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
