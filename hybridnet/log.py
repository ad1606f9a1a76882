"""``mx.log``: loggers whose lines begin with the level's letter, date, process and place, coloured on a terminal."""

from __future__ import annotations

import logging
import sys
import warnings
from logging import CRITICAL, DEBUG, ERROR, INFO, NOTSET, WARNING

__all__ = ["CRITICAL", "DEBUG", "ERROR", "INFO", "NOTSET", "WARNING", "getLogger", "get_logger"]

_COLOURS = {WARNING: "\x1b[31m", INFO: "\x1b[32m", DEBUG: "\x1b[34m"}


class _Formatter(logging.Formatter):
    """``I1127 06:23:40 27624 train.py:main:8] text``, the head in colour if asked for."""

    def __init__(self, colored: bool = True) -> None:
        super().__init__(datefmt="%m%d %H:%M:%S")
        self.colored = colored

    def format(self, record: logging.LogRecord) -> str:
        letter = record.levelname[0] if record.levelno in (DEBUG, INFO, WARNING, ERROR, CRITICAL) else "U"
        head = f"{letter}%(asctime)s %(process)d %(pathname)s:%(funcName)s:%(lineno)d]"
        if self.colored:
            head = f"{_COLOURS.get(record.levelno, _COLOURS[WARNING])}{head}\x1b[0m"
        self._style._fmt = head + " %(message)s"
        return super().format(record)


def get_logger(name: str | None = None, filename: str | None = None, filemode: str | None = None, level: int = WARNING) -> logging.Logger:
    """The logger of that name, with lines of this form to standard error or, appended unless ``filemode`` says else, to a file.

    Another call for the same name gives it as it is. Without a name it is the root logger, which is not touched.
    """
    logger = logging.getLogger(name)
    if name is not None and not getattr(logger, "_is_set_up", False):
        handler: logging.Handler
        if filename:
            handler = logging.FileHandler(filename, filemode or "a")
        else:
            handler = logging.StreamHandler()
            handler.setFormatter(_Formatter(sys.stderr.isatty()))
        logger.addHandler(handler)
        logger.setLevel(level)
        logger._is_set_up = True  # type: ignore[attr-defined]
    return logger


def getLogger(name: str | None = None, filename: str | None = None, filemode: str | None = None, level: int = WARNING) -> logging.Logger:
    """The older name of :func:`get_logger`."""
    warnings.warn("getLogger is deprecated, use get_logger", DeprecationWarning, stacklevel=2)
    return get_logger(name, filename, filemode, level)
