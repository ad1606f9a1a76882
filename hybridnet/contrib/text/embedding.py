"""Vectors of words: an embedding is a vocabulary with a vector for each token, read from a file.

A line of a file is a token and the numbers of its vector, with a delimiter between them (GloVe's and fastText's text form). A line with one
number only is the head of fastText's, and is passed over. Of a token that comes again the first vector counts. Both are told by a warning.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import numpy

from hybridnet import ndarray as nd
from hybridnet.config import config
from hybridnet.contrib.text import pretrained
from hybridnet.contrib.text.vocab import Vocabulary
from hybridnet.errors import ArgumentError, FileFormatError, ShapeError, fail
from hybridnet.registry import Registry

C = TypeVar("C", bound=type)
Matrix = numpy.ndarray[Any, Any]
REGISTRY: Registry[Any] = Registry("token embedding")


def register(embedding_cls: C) -> C:
    """Enter a class, by its name in lower case, among those that :func:`create` makes; usable as a decorator."""
    return REGISTRY.register(embedding_cls)


class _TokenEmbedding(Vocabulary):
    """The base of embeddings; what it takes is what :class:`Vocabulary` takes.

    A token without a vector of its own has that of the unknown token: of ``init_unknown_vec``, unless the file has one for it. Tokens that
    the vocabulary's arguments name come before those of the file.
    """

    #: The files that :func:`create` takes by name.
    pretrained_file_names: ClassVar[Sequence[str]] = ()

    def _load_embedding(self, path: Any, elem_delim: str, init_unknown_vec: Callable[..., Any], encoding: str = "utf8") -> None:
        """Read vectors, and give numbers to their tokens."""
        tokens, vectors, unknown = _read(os.fspath(path), elem_delim, encoding, self.unknown_token)
        if unknown is None:
            unknown = init_unknown_vec(shape=(vectors.shape[1],)).asnumpy()
        found = dict(zip(tokens, vectors, strict=True))
        named = [found.get(token, unknown) for token in self._idx_to_token[1:]]
        known = set(self._idx_to_token)
        self._enter(tokens)
        rest = vectors if known.isdisjoint(tokens) else vectors[[token not in known for token in tokens]]
        self._idx_to_vec = nd.array(numpy.concatenate([[unknown], *([named] if named else []), rest]), dtype="float32")

    def _build_embedding_for_vocabulary(self, vocabulary: Vocabulary | None) -> None:
        """Keep the tokens of ``vocabulary``, in its order, if there is one."""
        if vocabulary is not None:
            self._take(_checked(vocabulary), [self])

    def _take(self, vocabulary: Vocabulary, embeddings: Sequence[_TokenEmbedding]) -> None:
        """Be ``vocabulary``, with what several embeddings have for each token, joined."""
        tokens = vocabulary.idx_to_token
        numbers = [[0, *e.to_indices(tokens[1:])] for e in embeddings]
        parts = [e._idx_to_vec.asnumpy()[rows] for e, rows in zip(embeddings, numbers, strict=True)]
        self._unknown_token, self._reserved_tokens = vocabulary.unknown_token, vocabulary.reserved_tokens
        self._idx_to_token, self._token_to_idx = list(tokens), dict(vocabulary.token_to_idx)
        self._idx_to_vec = nd.array(numpy.concatenate(parts, axis=1), dtype="float32")

    @property
    def vec_len(self) -> int:
        """How many numbers a vector has."""
        return int(self._idx_to_vec.shape[1])

    @property
    def idx_to_vec(self) -> Any:
        """The vectors by number, (tokens, vec_len): what an ``nn.Embedding`` takes as its weight."""
        return self._idx_to_vec

    def get_vecs_by_tokens(self, tokens: Any, lower_case_backup: bool = False) -> Any:
        """The vector of a token, (vec_len,), or those of a list, (tokens, vec_len); the unknown token's for those that have none.

        With ``lower_case_backup`` a token that is unknown as it is written is looked up in lower case.
        """
        listed = tokens if isinstance(tokens, list) else [tokens]
        if lower_case_backup:
            listed = [token if token in self._token_to_idx else token.lower() for token in listed]
        vectors = nd.array(self._idx_to_vec.asnumpy()[self.to_indices(list(listed))], dtype="float32")
        return vectors if isinstance(tokens, list) else vectors[0]

    def update_token_vectors(self, tokens: Any, new_vectors: Any) -> None:
        """Give tokens other vectors: (vec_len,) for one token, or (tokens, vec_len).

        ArgumentError for a token without a number: the unknown one's vector changes if it is named itself. ShapeError for another shape.
        """
        listed = tokens if isinstance(tokens, list) else [tokens]
        values = new_vectors.asnumpy() if isinstance(new_vectors, nd.NDArray) else numpy.asarray(new_vectors, "float32")
        if len(listed) == 1 and values.ndim == 1:
            values = values[None]
        if values.shape != (len(listed), self.vec_len):
            fail(ShapeError, "update_token_vectors", expected=f"vectors of shape ({len(listed)}, {self.vec_len})", got=str(values.shape))
        strange = [token for token in listed if token not in self._token_to_idx]
        if strange:
            fix = f"{self.unknown_token!r}, whose vector unknown tokens have"
            fail(ArgumentError, "update_token_vectors", expected="tokens that are known", got=", ".join(map(repr, strange)), fix=fix)
        for token, vector in zip(listed, values, strict=True):
            self._idx_to_vec[self._token_to_idx[token]] = vector


def create(embedding_name: str, **kwargs: Any) -> Any:
    """A registered embedding by its name, ``glove`` or ``fasttext`` say, made with ``kwargs``."""
    return REGISTRY.create(embedding_name, **kwargs)


def get_pretrained_file_names(embedding_name: str | None = None) -> Any:
    """The names of the files that an embedding takes as ``pretrained_file_name``; without its name a dict of all that have some."""
    if embedding_name is not None:
        return list(REGISTRY.find(embedding_name).pretrained_file_names)
    return {name: list(cls.pretrained_file_names) for name, cls in REGISTRY.classes.items() if cls.pretrained_file_names}


class _Pretrained(_TokenEmbedding):
    """Vectors from a file of a known name."""

    def __init__(self, file_name: str, root: str | os.PathLike[str], init: Any, vocabulary: Vocabulary | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        path = pretrained.file_of(type(self).__name__, file_name, self.pretrained_file_names, root)
        self._load_embedding(path, " ", init)
        self._build_embedding_for_vocabulary(vocabulary)


@register
class GloVe(_Pretrained):
    """Vectors by how often words stand together (Pennington, Socher and Manning, 2014; https://nlp.stanford.edu/projects/glove).

    The file lies in ``embedding_root/glove``, unpacked. ``vocabulary``: keep the vectors of its tokens alone; else all of the file's.
    ``init_unknown_vec(shape=...)`` makes the vector of the unknown token. Other arguments are those of :class:`Vocabulary`.
    """

    pretrained_file_names = pretrained.GLOVE

    def __init__(
        self,
        pretrained_file_name: str = "glove.840B.300d.txt",
        embedding_root: str | os.PathLike[str] = os.path.join(config.home, "embeddings"),
        init_unknown_vec: Callable[..., Any] = nd.zeros,
        vocabulary: Vocabulary | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pretrained_file_name, embedding_root, init_unknown_vec, vocabulary, **kwargs)


@register
class FastText(_Pretrained):
    """Vectors of words by their parts (Bojanowski et al., 2017; https://fasttext.cc). As :class:`GloVe`, in ``embedding_root/fasttext``."""

    pretrained_file_names = pretrained.FASTTEXT

    def __init__(
        self,
        pretrained_file_name: str = "wiki.simple.vec",
        embedding_root: str | os.PathLike[str] = os.path.join(config.home, "embeddings"),
        init_unknown_vec: Callable[..., Any] = nd.zeros,
        vocabulary: Vocabulary | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pretrained_file_name, embedding_root, init_unknown_vec, vocabulary, **kwargs)


class CustomEmbedding(_TokenEmbedding):
    """Vectors from any file of lines of a token and its numbers, with ``elem_delim`` between them. Otherwise as :class:`GloVe`."""

    def __init__(
        self,
        pretrained_file_path: str | os.PathLike[str],
        elem_delim: str = " ",
        encoding: str = "utf8",
        init_unknown_vec: Callable[..., Any] = nd.zeros,
        vocabulary: Vocabulary | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._load_embedding(pretrained_file_path, elem_delim, init_unknown_vec, encoding)
        self._build_embedding_for_vocabulary(vocabulary)


class CompositeEmbedding(_TokenEmbedding):
    """For each token of a vocabulary what several embeddings have for it, one behind the other."""

    def __init__(self, vocabulary: Vocabulary, token_embeddings: Any) -> None:
        embeddings = token_embeddings if isinstance(token_embeddings, list) else [token_embeddings]
        for e in embeddings:
            if not isinstance(e, _TokenEmbedding):
                fail(ArgumentError, "CompositeEmbedding", expected="token embeddings", got=type(e).__name__, fix="CustomEmbedding(path)")
        super().__init__()
        self._take(_checked(vocabulary), embeddings)


def _checked(vocabulary: Any) -> Vocabulary:
    if not isinstance(vocabulary, Vocabulary):
        fail(ArgumentError, "vocabulary", expected="a Vocabulary", got=type(vocabulary).__name__, fix="Vocabulary(counter)")
    return vocabulary


def _read(path: str, delimiter: str, encoding: str, unknown_token: Any) -> tuple[list[str], Matrix, Matrix | None]:
    """The tokens of a file, their vectors, and the vector of the unknown token if it is among them."""
    found: dict[str, Matrix] = {}
    length = 0
    with open(path, encoding=encoding, newline="\n") as file:
        for number, line in enumerate(file, 1):
            token, *rest = line.rstrip().split(delimiter)
            try:
                vector = numpy.array(rest, numpy.float32)
            except ValueError:
                vector = numpy.empty(0, numpy.float32)
            if not vector.size:
                expected = f"a token and numbers, with {delimiter!r} between them"
                fail(FileFormatError, "embedding", expected=expected, got=f"{line[:60]!r} at line {number} of {path}")
            if token in found:
                warnings.warn(f"line {number} of {path}: {token!r} has a vector already, which it keeps", stacklevel=4)
            elif vector.size == 1:
                warnings.warn(f"line {number} of {path}, {token!r} and one number, is taken for a head and passed over", stacklevel=4)
            elif length not in (0, vector.size):
                fail(FileFormatError, "embedding", expected=f"{length} numbers a line", got=f"{vector.size} at line {number} of {path}")
            else:
                found[token], length = vector, vector.size
    unknown = found.pop(unknown_token, None)
    if not found:
        fail(FileFormatError, "embedding", expected="lines of a token and two numbers or more", got=f"none in {path}")
    return list(found), numpy.array(list(found.values())), unknown
