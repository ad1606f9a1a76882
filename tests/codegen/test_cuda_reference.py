"""Each hand-written kernel against a plain one: what tests/emulator/reference computes, a thread an element, on all samples.

The plain kernel is held to NumPy and the fast one to the plain, so that a reader may take the plain one for what is meant.
"""

import re
from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER, KERNELS
from emulator.suite import Suite, Work, same
from support.hand_kernels import WRITTEN, sample_nodes
from support.plain_kernels import FOLDER, REFERENCE, Program

from hybridnet import dtypes
from hybridnet.codegen.cuda_region import Tuning
from hybridnet.core import Op
from hybridnet.graph.interpret import run_node

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")


def test_every_hand_written_kernel_has_a_plain_one() -> None:
    """By operator, and by file: the head of each of kernels/ names the plain kernels and says why it is more than they are."""
    assert {op.name for op in WRITTEN} == REFERENCE.keys()
    for path in sorted(KERNELS.glob("*.cu")):
        head = path.read_text(encoding="utf-8").split("#pragma once")[0]
        assert (FOLDER / f"{path.stem}.cuh").exists(), f"tests/emulator/reference/{path.stem}.cuh is wanted, beside {path.name}"
        assert re.search(rf"^// Plainly: tests/emulator/reference/{path.stem}\.cuh\. .*more", head, re.MULTILINE), (
            f"the head of {path.name} should say why it is more than its plain kernel"
        )


def test_plain_kernels_are_plain() -> None:
    """No shared memory, no barriers, no packs, and no function longer than a screen."""
    for path in sorted(FOLDER.glob("*.cuh")):
        code = re.sub("//.*", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"HN_SHARED|__sync|__shfl|hn_pack|atomic|unroll", code), path.name
        bodies = re.findall(r"^(?:template|__device__)[^}]*?\{\n(.*?)^\}", code, re.MULTILINE | re.DOTALL)
        assert bodies or path.stem in ("plain", "windows"), path.name  # whose functions are lines, and methods
        assert all(len(body.splitlines()) <= 20 for body in bodies), path.name


@pytest.fixture(scope="module")
def programs() -> tuple[Suite, Program, dict[str, list[tuple[Work, list[Any]]]]]:
    suite, plain = Suite(Tuning(num_sms=2, min_chunk=32, min_column=2, share=0)), Program()
    works: dict[str, list[tuple[Work, list[Any]]]] = {}
    for op in WRITTEN:
        works[op.name] = [(suite.add(node, data), data) for node, data, _ in sample_nodes(op, dtypes.FLOATS, 2)]
        for work, data in works[op.name]:
            plain.add(work.node, data)
    return suite.build(), plain.build(), works


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("op", WRITTEN, ids=lambda op: op.name)
def test_fast_and_plain_agree(op: Op, programs: tuple[Suite, Program, dict[str, list[tuple[Work, list[Any]]]]]) -> None:
    suite, plain, works = programs
    for work, data in works[op.name]:
        expected = plain.run(work.node, data)
        with np.errstate(all="ignore"):
            by_numpy = run_node(work.node, data)
        for y, e in zip(expected, by_numpy, strict=True):
            same(y, e.reshape(y.shape), 4.0, f"{op.name} plainly, of {work.node.attrs}")
        suite.check(work, tolerance=4.0, expected=expected)
