"""Words as numbers: vocabularies (``vocab``), vectors of words from files (``embedding``), and counting words (``utils``)."""

from hybridnet.contrib.text import embedding, utils, vocab

__all__ = ["embedding", "utils", "vocab"]
