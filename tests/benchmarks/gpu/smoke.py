"""What only a GPU can settle, asked first: each question in a worker process, those that take no times four at once.

    python -m gpu.smoke FOLDER

Whether what hybridnet relies on holds there (capture, libraries with raw addresses inside a capture, random numbers from replay to
replay, threads), then what launches and copies cost and what other algorithms would be worth. FOLDER/questions.json and questions.txt
hold the answers, written as they come; FOLDER/cudnn_device.json the properties from which cuDNN's plans can be built where there is no GPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from gpu.findings import Findings
from gpu.isolated import answer_all, ask_all, chosen, options
from gpu.process import command, ends_on_request
from gpu.questions import ALONE, QUESTIONS, algorithms, capture, costs, libraries, threads  # noqa: F401  (their questions)
from hybridnet.device.stream import wait_for_all

SECONDS = 60  # of a question
AT_ONCE = 4


def answer(name: str, folder: Path) -> Any:
    """The answer to one question, here; what it has put on the device has been done by then, so that its errors are its own."""
    found = QUESTIONS[name](folder)
    wait_for_all()
    return found


def asked(arguments: argparse.Namespace) -> int:
    """Ask all that are chosen; the status of the process."""
    names = chosen(list(QUESTIONS), arguments.only)
    deadline = time.monotonic() + arguments.seconds
    findings = Findings(arguments.folder, "questions", names)
    worker = command("gpu.smoke", str(arguments.folder), "--device", arguments.device, "--serve", device=arguments.device)
    ask_all(worker, [n for n in names if n not in ALONE], findings, AT_ONCE, SECONDS, deadline)
    ask_all(worker, [n for n in names if n in ALONE], findings, 1, SECONDS, deadline)
    return findings.status


def main() -> None:
    arguments = options("What only a GPU can settle").parse_args()
    if arguments.serve:
        answer_all(lambda name: answer(name, arguments.folder))
        return
    ends_on_request()
    sys.exit(asked(arguments))


if __name__ == "__main__":
    main()
