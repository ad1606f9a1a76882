"""``contrib.text``: what MXNet 1.9.1 gives for the same texts and files, and what it refuses or gets wrong."""

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import nd
from hybridnet.contrib import text
from hybridnet.contrib.text.embedding import CompositeEmbedding, CustomEmbedding
from hybridnet.contrib.text.pretrained import EmbeddingFileError
from hybridnet.contrib.text.utils import count_tokens_from_str
from hybridnet.contrib.text.vocab import Vocabulary
from hybridnet.errors import ArgumentError, FileFormatError, ShapeError
from hybridnet.gluon.contrib.data.text import WikiText2
from hybridnet.gluon.data.stored import Stored

SEEN = Counter(["b", "b", "a", "a", "c", "c", "c", "d"])


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ({}, "<unk> c a b d"),
        ({"most_freq_count": 2}, "<unk> c a"),
        ({"most_freq_count": 0}, "<unk>"),
        ({"min_freq": 2}, "<unk> c a b"),
        ({"min_freq": 3, "most_freq_count": 2}, "<unk> c"),
        ({"reserved_tokens": ["<p>", "a"]}, "<unk> <p> a c b d"),
        ({"reserved_tokens": ["c"], "most_freq_count": 3}, "<unk> c a b d"),
        ({"reserved_tokens": []}, "<unk> c a b d"),
        ({"unknown_token": "c"}, "c a b d"),
    ],
)
def test_vocabulary(given: dict[str, Any], tokens: str) -> None:
    vocab = Vocabulary(SEEN, **given)
    assert vocab.idx_to_token == tokens.split() and len(vocab) == len(tokens.split())
    assert vocab.token_to_idx == {token: i for i, token in enumerate(tokens.split())}
    assert vocab.unknown_token == tokens.split()[0] and vocab.reserved_tokens == given.get("reserved_tokens")


def test_numbers_and_tokens() -> None:
    vocab = Vocabulary(SEEN)
    assert vocab.to_indices("a") == 2 and vocab.to_indices(["a", "zz"]) == [2, 0] and vocab.to_indices([]) == []
    assert vocab.to_tokens(np.int64(1)) == "c" and vocab.to_tokens([0, 4]) == ["<unk>", "d"]
    assert Vocabulary().idx_to_token == ["<unk>"]
    for wrong in (5, -1, 1.0, [0, 99]):
        with pytest.raises(ArgumentError, match="integers from 0 to 4"):
            vocab.to_tokens(wrong)
    for given, match in (
        ({"min_freq": 0}, "min_freq of 1"),
        ({"reserved_tokens": ["<unk>"]}, "got '<unk>' twice"),
        ({"reserved_tokens": ["x", "x"]}, "got 'x' twice"),
        ({"counter": ["a"]}, r"got list; .*try Counter\(tokens\)"),
        ({"counter": Counter([1, "a"])}, "tokens of one type.*got int, str"),
    ):
        with pytest.raises(ArgumentError, match=match):
            Vocabulary(**given)


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ((" Life is great ! \n life is good . \n",), {"Life": 1, "life": 1, "is": 2, "great": 1, "!": 1, "good": 1, ".": 1}),
        (("*Life*is*great*!*\n*life*is*good*.*\n", r"\*", "\n", True), {"life": 2, "is": 2, "great": 1, "!": 1, "good": 1, ".": 1}),
        (("a b", " ", "\n", False, Counter(a=3)), {"a": 4, "b": 1}),
        (("",), {}),
        (("a..b..c", "."), {}),
    ],
)
def test_counting(given: Any, counts: dict[str, int]) -> None:
    assert dict(count_tokens_from_str(*given)) == counts


FILES = {
    "plain": "a 1 2 3\nb 4 5 6\nc 0 0 1\n",
    "head": "3 3\na 1 2 3\nb 4 5 6\n",
    "unknown": "<unk> 9 9 9\na 1 2 3\n",
    "tabs": "a\t1\t2\nb c\t3\t4\n",
    "twice": "a 1 2 3\na 7 8 9\n",
    "length": "a 1 2 3\nb 4 5\n",
    "gap": "a 1 2 3\n\nb 4 5 6\n",
    "word": "a 1 2 x\n",
    "nothing": "",
    "unknown_alone": "<unk> 9 9 9\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def shown(embedding: Any) -> Any:
    assert embedding.idx_to_vec.shape == (len(embedding), embedding.vec_len)
    return embedding.idx_to_token, embedding.idx_to_vec.asnumpy().tolist()


ZERO, ONE, A, B, C, UNKNOWN = [0.0] * 3, [1.0] * 3, [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [0.0, 0.0, 1.0], [9.0] * 3


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("plain", {}, (["<unk>", "a", "b", "c"], [ZERO, A, B, C])),
        ("plain", {"init_unknown_vec": nd.ones}, (["<unk>", "a", "b", "c"], [ONE, A, B, C])),
        ("unknown", {}, (["<unk>", "a"], [UNKNOWN, A])),
        ("tabs", {"elem_delim": "\t"}, (["<unk>", "a", "b c"], [[0, 0], [1, 2], [3, 4]])),
        (
            "plain",
            {"vocabulary": Vocabulary(Counter(["b", "zz", "zz"]), reserved_tokens=["<p>"])},
            (["<unk>", "<p>", "zz", "b"], [ZERO, ZERO, ZERO, B]),
        ),
        (
            "unknown",
            {"vocabulary": Vocabulary(Counter(["a", "zz", "zz"]), unknown_token="<u>")},
            (["<u>", "zz", "a"], [UNKNOWN, UNKNOWN, A]),
        ),
        # In these MXNet forgets the vectors of the tokens that are named, so that all others have a wrong one.
        ("plain", {"unknown_token": "<x>", "reserved_tokens": ["<p>"]}, (["<x>", "<p>", "a", "b", "c"], [ZERO, ZERO, A, B, C])),
        ("plain", {"counter": Counter(["b", "zz", "zz"])}, (["<unk>", "zz", "b", "a", "c"], [ZERO, ZERO, B, A, C])),
    ],
)
def test_files(folder: Path, name: str, given: dict[str, Any], expected: Any) -> None:
    assert shown(CustomEmbedding(folder / name, **given)) == expected


def test_files_that_warn(folder: Path) -> None:
    with pytest.warns(UserWarning, match="line 1 of .*head, '3' and one number, is taken for a head"):
        assert shown(CustomEmbedding(folder / "head")) == (["<unk>", "a", "b"], [ZERO, A, B])
    with pytest.warns(UserWarning, match="line 2 of .*twice: 'a' has a vector already"):
        assert shown(CustomEmbedding(folder / "twice")) == (["<unk>", "a"], [ZERO, A])


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("length", "expected 3 numbers a line; got 2 at line 2"),
        ("gap", r"a token and numbers, with ' ' between them; got '\\n' at line 2"),
        ("word", "got 'a 1 2 x.n' at line 1"),
        ("nothing", "two numbers or more; got none in"),
        ("unknown_alone", "two numbers or more; got none in"),
    ],
)
def test_broken_files_are_named(folder: Path, name: str, match: str) -> None:
    with pytest.raises(FileFormatError, match=match):
        CustomEmbedding(folder / name)


def test_vectors_of_tokens(folder: Path) -> None:
    e = CustomEmbedding(folder / "plain")
    assert e.get_vecs_by_tokens("a").asnumpy().tolist() == A and e.get_vecs_by_tokens("A").asnumpy().tolist() == ZERO
    assert e.get_vecs_by_tokens("A", True).asnumpy().tolist() == A
    assert e.get_vecs_by_tokens(["A", "b", "Q"], lower_case_backup=True).asnumpy().tolist() == [A, B, ZERO]
    assert e.get_vecs_by_tokens([]).shape == (0, 3)
    e.update_token_vectors("a", nd.array(ONE))
    e.update_token_vectors(["b", "<unk>"], nd.array([ONE, C]))
    assert shown(e)[1] == [C, ONE, ONE, C]
    for tokens, vectors in ((["a", "b"], ONE), (["a", "b"], [[1, 1], [2, 2]]), ("a", [ONE, ONE])):
        with pytest.raises(ShapeError, match=r"vectors of shape \(., 3\)"):
            e.update_token_vectors(tokens, nd.array(vectors))
    with pytest.raises(ArgumentError, match=r"got 'zz'.*'<unk>', whose vector"):
        e.update_token_vectors(["a", "zz"], nd.array([UNKNOWN, UNKNOWN]))
    assert shown(e)[1] == [C, ONE, ONE, C], "nothing was written"


def test_several_embeddings_at_once(folder: Path) -> None:
    vocab = Vocabulary(Counter(["b", "b", "a", "zz"]))
    first, second = CustomEmbedding(folder / "plain"), CustomEmbedding(folder / "unknown")
    both = CompositeEmbedding(vocab, [first, second])
    assert shown(both) == (["<unk>", "b", "a", "zz"], [ZERO + UNKNOWN, B + UNKNOWN, A + A, ZERO + UNKNOWN])
    assert shown(CompositeEmbedding(vocab, first)) == (["<unk>", "b", "a", "zz"], [ZERO, B, A, ZERO])
    layer = hn.gluon.nn.Embedding(len(both), both.vec_len)
    layer.initialize()
    layer.weight.set_data(both.idx_to_vec)
    assert layer(nd.array(both.to_indices(["a", "?"]))).asnumpy().tolist() == [A + A, ZERO + UNKNOWN]
    with pytest.raises(ArgumentError, match="token embeddings; got int"):
        CompositeEmbedding(vocab, [3])
    with pytest.raises(ArgumentError, match="expected a Vocabulary; got int"):
        CompositeEmbedding(3, first)  # type: ignore[arg-type]


def test_files_by_name(tmp_path: Path) -> None:
    assert len(text.embedding.get_pretrained_file_names("glove")) == 10
    names = text.embedding.get_pretrained_file_names()
    assert sorted(names) == ["fasttext", "glove"] and len(set(names["fasttext"])) == 327 and "wiki.zh_yue.vec" in names["fasttext"]
    with pytest.raises(EmbeddingFileError, match=r"the unpacked file .*glove.glove\.6B\.50d\.txt; got none there"):
        text.embedding.create("glove", pretrained_file_name="glove.6B.50d.txt", embedding_root=tmp_path)
    with pytest.raises(ArgumentError, match="one of its 327 files; got 'x'"):
        text.embedding.FastText("x")
    with pytest.raises(ArgumentError, match=r"fasttext, glove; got 'gloves'.*try glove"):
        text.embedding.create("gloves")
    (tmp_path / "glove").mkdir()
    (tmp_path / "glove" / "glove.6B.50d.txt").write_text("a 1 2\n")
    made = text.embedding.create("GloVe", pretrained_file_name="glove.6B.50d.txt", embedding_root=tmp_path)
    assert shown(made) == (["<unk>", "a"], [[0, 0], [1, 2]])

    @text.embedding.register
    class Mine(CustomEmbedding):
        pass

    try:
        (tmp_path / "mine").write_text("a 1 2\n")
        assert isinstance(text.embedding.create("mine", pretrained_file_path=tmp_path / "mine"), Mine)
        assert text.embedding.get_pretrained_file_names("mine") == [] and "mine" not in text.embedding.get_pretrained_file_names()
    finally:
        del text.embedding.REGISTRY.classes["mine"]


TEXT = " \n = Valkyria = \n \n the cat sat on the mat . the cat <unk> ran \n a b c \n"


@pytest.mark.parametrize("packed", [False, True])
def test_wikitext(tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if packed:
        with zipfile.ZipFile(tmp_path / "wikitext-2-v1.zip", "w") as archive:
            archive.writestr("wikitext-2/wiki.train.tokens", TEXT)
            archive.writestr("wikitext-2/wiki.valid.tokens", " the cat zebra \n")
    else:
        (tmp_path / "wiki.train.tokens").write_text(TEXT)
        (tmp_path / "wiki.valid.tokens").write_text(" the cat zebra \n")
    data = WikiText2(tmp_path, seq_len=4)
    assert data.vocabulary.idx_to_token == ["<unk>", "<eos>", "the", "=", "cat", ".", "Valkyria", "a", "b", "c", "mat", "on", "ran", "sat"]
    assert data.frequencies["the"] == 3 and "<eos>" not in data.frequencies
    pairs = [(x.asnumpy().tolist(), y.asnumpy().tolist()) for x, y in (data[i] for i in range(len(data)))]
    assert pairs == [
        ([3, 6, 3, 1], [6, 3, 1, 2]),
        ([2, 4, 13, 11], [4, 13, 11, 2]),
        ([2, 10, 5, 2], [10, 5, 2, 4]),
        ([4, 0, 12, 1], [0, 12, 1, 7]),
    ]
    assert data[0][0].dtype == np.int32
    held_out = WikiText2(tmp_path, "validation", data.vocabulary, 2)
    assert [(x.asnumpy().tolist(), y.asnumpy().tolist()) for x, y in (held_out[i] for i in range(len(held_out)))] == [([2, 4], [4, 0])]
    assert len(WikiText2(tmp_path, "validation", seq_len=20)) == 0
    with pytest.raises(ArgumentError, match="train, validation or test; got 'val'"):
        WikiText2(tmp_path, "val")
    if packed:
        (tmp_path / "wikitext-2-v1.zip").write_bytes(b"PK")
        with pytest.raises(FileFormatError, match=r"a whole archive; got .*wikitext-2-v1\.zip"):
            WikiText2(tmp_path)
        monkeypatch.setattr(WikiText2, "_archive", Stored("other.zip", "0"))
        with pytest.raises(hn.gluon.download.DownloadError, match=r"putting other\.zip into"):
            WikiText2(tmp_path)
