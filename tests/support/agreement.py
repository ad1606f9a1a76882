"""When two answers to a call are the same, and the differences that are on purpose."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from support.paths import DATA

#: The sample of the comparison, which ``tests/mxnet/compare_classic.py`` writes.
SAMPLE = DATA / "mxnet_1_9_1_calls.json.gz"

#: By the number of bytes of an element: how near two results must be, as parts and absolutely.
_NEAR = {2: (2e-2, 1e-2), 4: (2e-4, 2e-5), 8: (1e-5, 1e-6)}


def _differing(what: str, theirs: Any, ours: Any, values_count: bool, half: bool) -> str:
    if theirs.shape != ours.shape:
        return f"{what}: shape {theirs.shape}, ours {ours.shape}"
    if theirs.dtype != ours.dtype:
        return f"{what}: dtype {theirs.dtype}, ours {ours.dtype}"
    rtol, atol = _NEAR[2] if half else _NEAR.get(theirs.dtype.itemsize, (0, 0))
    a, b = theirs.astype(np.float64), ours.astype(np.float64)
    if values_count and not np.allclose(b, a, rtol=rtol, atol=atol, equal_nan=True):
        return f"{what}: values {_short(theirs)}, ours {_short(ours)}"
    return ""


def _short(x: Any) -> str:
    return " ".join(f"{v:.5g}" for v in x.ravel()[:8].tolist())


#: What MXNet writes, or fails to write, besides the result: inputs that are left out of the comparison of what is written, and why.
WRITTEN_APART: dict[str, tuple[tuple[int, ...], str]] = {
    "_adamw_update": ((1,), "MXNet also writes to the gradient"),
    "_mp_adamw_update": ((1,), "MXNet also writes to the gradient"),
    "mp_lamb_update_phase2": ((4,), "MXNet does not write the float32 copy, so that no update lasts"),
}


def verdict(call: dict[str, Any], theirs: dict[str, Any], ours: dict[str, Any]) -> tuple[str, str]:
    """Whether two answers agree in shape, dtype, value, gradient, and in whether there is one.

    ``agrees``; ``more``, where MXNet refuses what we compute, or a gradient of it; ``differs``; and how.
    """
    random = call["op"].startswith(("_random_", "_sample_", "_shuffle")) and "_pdf_" not in call["op"]
    half = "float16" in [call["attrs"].get("dtype"), *(d[2] for d in call["inputs"])]
    if "error" in theirs:
        return ("agrees", "") if "error" in ours else ("more", f"refused: {theirs['error']}")
    if "error" in ours:
        return "differs", f"ours refuses: {ours['error']}"
    if len(theirs["outputs"]) != len(ours["outputs"]):
        return "differs", f"{len(theirs['outputs'])} outputs, ours {len(ours['outputs'])}"
    pairs = [(f"output {i}", *pair, not random) for i, pair in enumerate(zip(theirs["outputs"], ours["outputs"], strict=True))]
    apart = WRITTEN_APART.get(call["op"], ((), ""))[0]
    written, mine = ({i: x for i, x in answer["inputs"].items() if i not in apart} for answer in (theirs, ours))
    if sorted(written) != sorted(mine):
        return "differs", f"inputs written: {sorted(written)}, ours {sorted(mine)}"
    pairs += [(f"written input {i}", x, mine[i], True) for i, x in written.items()]
    if "gradient_error" not in theirs and "gradient_error" not in ours:
        pairs += [(f"gradient {i}", g, ours["gradients"][i], True) for i, g in theirs.get("gradients", {}).items()]
    for what, a, b, values in pairs:
        if found := _differing(what, a, b, values, half):
            return "differs", found
    if "gradient_error" in theirs:
        same = "gradient_error" in ours or not any(g.any() for g in ours.get("gradients", {}).values())
        return ("agrees", "") if same else ("more", f"no gradient: {theirs['gradient_error'][-300:]}")
    if "gradient_error" in ours and any(g.any() for g in theirs.get("gradients", {}).values()):
        return "differs", f"ours has no gradient: {ours['gradient_error']}"
    return "agrees", ""


def _attr(name: str, *values: Any) -> Callable[[dict[str, Any]], bool]:
    return lambda call: call["attrs"].get(name) in values


#: Differences that are on purpose, as docs/differences.md has them: the operator, in which calls, and why.
ON_PURPOSE: list[tuple[str, Callable[[dict[str, Any]], bool], str]] = [
    ("LeakyReLU", _attr("act_type", "selu"), "MXNet's gradient of SELU below 0 is λ(α + y)"),
    ("SoftmaxOutput", _attr("out_grad", True), "MXNet multiplies the gradient by the output, not by the head's gradient"),
    ("SoftmaxOutput", _attr("ignore_label", 0.5), "MXNet cuts the label to ignore to an integer; no label is one half"),
    ("SequenceLast", _attr("axis", 1), "MXNet's gradient is that of another array"),
    ("_linalg_syevd", lambda call: True, "eigenvectors are those of another LAPACK: of either sign"),
    ("mp_nag_mom_update", lambda call: True, "MXNet decays the momentum by the weight that it has just written"),
    ("Pooling", _attr("p_value", 1, 3), "MXNet sums odd powers with their signs, which is no norm"),
    ("Pooling", lambda call: not call.get("train", True), "MXNet's gradient of a prediction's maxima reads memory that was never written"),
    (
        "CTCLoss",
        _attr("use_data_lengths", True),
        "MXNet's gradient where no alignment fits, or beyond the lengths, is what the memory held",
    ),
    ("_arange", _attr("dtype", "int32"), "MXNet cuts the step to an integer, not the numbers"),
]


def reason(call: dict[str, Any]) -> str:
    """Why a call differs on purpose, or ""."""
    return next((why for op, applies, why in ON_PURPOSE if op == call["op"] and applies(call)), "")


# -- answers as JSON ------------------------------------------------------------------------------


def packed(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer in a form for JSON: arrays as [dtype, shape, numbers], of seven digits."""
    return {
        "outputs": [_packed(x) for x in answer["outputs"]] if "outputs" in answer else None,
        "inputs": {str(i): _packed(x) for i, x in answer.get("inputs", {}).items()},
        "gradients": {str(i): _packed(x) for i, x in answer["gradients"].items()} if "gradients" in answer else None,
        **{key: answer[key][-80:] for key in ("error", "gradient_error") if key in answer},
    }


def _packed(x: Any) -> list[Any]:
    return [str(x.dtype), list(x.shape), [float(f"{v:.7g}") for v in x.ravel().tolist()]]


def unpacked(found: dict[str, Any]) -> dict[str, Any]:
    """The opposite of :func:`packed`."""
    answer: dict[str, Any] = {key: found[key] for key in ("error", "gradient_error") if key in found}
    if found["outputs"] is not None:
        answer["outputs"] = [_unpacked(x) for x in found["outputs"]]
        answer["inputs"] = {int(i): _unpacked(x) for i, x in found["inputs"].items()}
    if found["gradients"] is not None:
        answer["gradients"] = {int(i): _unpacked(x) for i, x in found["gradients"].items()}
    return answer


def _unpacked(item: list[Any]) -> Any:
    dtype, shape, numbers = item
    return np.array(numbers, dtype=np.float64).astype(dtype).reshape(shape)


def sample_by_operator() -> dict[str, list[Any]]:
    """The sample: pairs of a call and MXNet's answer, by operator."""
    found: dict[str, list[Any]] = {}
    for call, theirs in json.loads(gzip.decompress(SAMPLE.read_bytes())):
        found.setdefault(call["op"], []).append((call, theirs))
    return found
