"""Small operations take no more instructions than the record says, but for 10 %."""

import shutil

import instructions
import pytest

SLACK = 1.1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="counts by valgrind's callgrind")
def test_no_operation_takes_more_instructions() -> None:
    record = instructions.read()
    if record["versions"] != instructions.versions():
        pytest.skip(f"the record is of {record['versions']}")
    found = instructions.counted()
    assert set(found) == set(record["instructions"]), "renew the record: python tests/benchmarks/instructions.py --renew"
    more = {name: f"{count:,}, recorded {was:,}" for name, was in record["instructions"].items() if (count := found[name]) > SLACK * was}
    assert more == {}


def test_the_operations_run() -> None:
    """Everything that is counted, once."""
    for operation in instructions.operations().values():
        operation()


def test_the_record_has_every_operation() -> None:
    assert set(instructions.read()["instructions"]) == {*instructions.operations(), "import"}
