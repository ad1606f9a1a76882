"""Write docs/onnx.md: how each operator is written in ONNX. ``python tests/onnx/operator_table.py`` from the top of the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "onnx.md"

HEAD = """# Operators in ONNX

Written by `tests/onnx/operator_table.py`. `hybridnet.onnx.export` writes an operator by its rule; where there is none, or a node does not
fit it, in its parts; and refuses what has neither, with the reason below. The samples of all operators that are not refused are compared
with onnxruntime at opsets 13, 18 and 23 by `tests/onnx/test_onnx_operators.py`, which names those that a rule refuses; every network of the
model zoo by `test_onnx_export.py`. bfloat16 is written, and not compared: onnxruntime does not give it to NumPy; what ONNX lacks in 16 bits
is computed in float32. `cond`, `foreach` and `while_loop` are If, Scan and Loop, which `test_onnx_control_flow.py` compares.

"""


def table() -> str:
    """The text of the file."""
    from support.samples import ALL_OPS

    from hybridnet.core import Kind
    from hybridnet.onnx.refused import REFUSED
    from hybridnet.onnx.rules import RULES

    ops = [op for op in ALL_OPS if op.kind is not Kind.REGION]
    rules = [op.name for op in ops if op.name in RULES]
    parts = [op.name for op in ops if op.name not in RULES and op.decomposition is not None]
    text = HEAD + f"{len(ops)} operators: {len(rules)} have a rule, {len(parts)} are written in their parts, {len(REFUSED)} are refused.\n"
    for title, names in (("By a rule", rules), ("In their parts", parts)):
        shown = [f"`{n}`" + (f" (from opset {RULES[n].since})" if n in RULES and RULES[n].since > 13 else "") for n in names]
        text += f"\n## {title}\n\n" + ", ".join(shown) + ".\n"
    text += "\n## Refused\n\n| operators | why | what to do |\n|---|---|---|\n"
    for why, instead in dict.fromkeys(REFUSED.values()):
        names = ", ".join(f"`{name}`" for name, reason in sorted(REFUSED.items()) if reason == (why, instead))
        text += f"| {names} | {why} | {instead} |\n"
    return text


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    FILE.write_text(table(), encoding="utf-8")
