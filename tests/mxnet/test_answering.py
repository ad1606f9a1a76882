"""Calls answered by another library in a process of its own: where that ends or hangs it is recorded, and the next call is answered."""

import sys
from pathlib import Path

import pytest
from support.answering import answered

SCRIPT = """
import os, sys, time
sys.path.insert(0, {support!r})
from answering import append_answers

def answer(library, call):
    if call == "end":
        os._exit(3)
    if call == "die":
        os.abort()
    if call == "hang":
        time.sleep(1000)
    if call == "torn":  # half of an answer, and an end
        with open(sys.argv[3], "ab") as file:
            file.write(b"\\x80\\x04\\x95")
        os._exit(4)
    return {{"said": call}}

append_answers(answer, *sys.argv[1:4])
"""


def _script(folder: Path) -> Path:
    import support.answering

    (folder / "mxnet.py").write_text("")
    script = folder / "answers.py"
    script.write_text(SCRIPT.format(support=str(Path(support.answering.__file__).parent)))
    return script


def test_a_call_that_ends_or_hangs_is_its_own_answer(tmp_path: Path) -> None:
    calls = ["a", "end", "b", "hang", "torn", "c", "die"]
    found = answered(sys.executable, _script(tmp_path), calls, patience=1.5)
    assert found == [{"said": "a"}, {"crash": 3}, {"said": "b"}, {"hang": 1.5}, {"crash": 4}, {"said": "c"}, {"crash": -6}]


def test_a_script_that_does_not_begin_is_an_error(tmp_path: Path) -> None:
    script = _script(tmp_path)
    (tmp_path / "mxnet.py").write_text("raise ImportError('no such library')")
    with pytest.raises(RuntimeError, match="no such library"):
        answered(sys.executable, script, ["a"])
