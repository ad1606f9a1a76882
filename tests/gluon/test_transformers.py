"""GPT-2, BERT and ViT: what they compute, how they learn, and how text is written on with them."""

from pathlib import Path
from typing import Any

import numpy
import pytest
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import amp, autograd, gluon, np
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon.model_zoo import transformers


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(4)


def drawn(net: Any) -> Any:
    """``net`` with weights so large that tokens differ in what they are followed by."""
    net.initialize()
    for p in net.collect_params().values():
        if p.name.endswith("weight"):
            # What follows a token is by its place as well: scores alone are highest for the token itself.
            p.set_data(np.random.normal(scale=2.0 if "position" in p.name else 0.5, size=p.shape))
    return net


def small_gpt2(**kwargs: Any) -> transformers.GPT2:
    sizes = {"vocab_size": 13, "max_length": 24, "units": 8, "num_layers": 2, "num_heads": 2, "dropout": 0.0}
    return drawn(transformers.GPT2(**{**sizes, **kwargs}))


def tokens(*shape: int) -> Any:
    return np.random.randint(0, 13, size=shape).astype("int32")


# -- the networks -----------------------------------------------------------------------------------


def test_names() -> None:
    net = small_gpt2(prefix="net_")
    names = list(net.collect_params())
    assert names[:4] == [
        "net_word_embed_weight",
        "net_position_embed_weight",
        "net_layer0_attention_query_weight",
        "net_layer0_attention_query_bias",
    ]
    assert "net_layer1_ffn_norm_gamma" in names
    assert "layers.1.ffn_norm.gamma" in net._collect_params_with_prefix()
    assert net.output.weight is net.word_embed.weight, "the scores are products with the table of tokens"


@pytest.mark.parametrize(
    ("make", "millions"),
    [
        (transformers.gpt2_124m, 124),
        (transformers.gpt2_355m, 355),
        (transformers.gpt2_774m, 774),
        (transformers.bert_base, 109),
        (transformers.bert_large, 335),
        (transformers.vit_base, 87),
        (transformers.vit_large, 304),
    ],
)
def test_sizes(make: Any, millions: int) -> None:
    """The numbers of parameters that the papers' networks have."""
    number = sum(numpy.prod(p.shape) for p in make().collect_params().values())
    assert round(number / 1e6) == millions


def test_gpt2_sees_no_later_token() -> None:
    net = small_gpt2()
    x = tokens(2, 7)
    scores = net(x)
    assert scores.shape == (2, 7, 13)
    x[:, 5] = (x[:, 5] + 1) % 13
    changed = abs(net(x) - scores).max(axis=(0, 2)).asnumpy()
    assert (changed[:5] == 0).all()
    assert (changed[5:] > 1e-3).all()


def test_bert_leaves_out_what_is_not_valid() -> None:
    net = drawn(transformers.BERT(vocab_size=13, max_length=12, units=8, num_layers=2, num_heads=2))
    x = tokens(2, 6)
    valid_length = np.array([6, 4], dtype="int32")
    sequence, pooled = net(x, None, valid_length)
    assert sequence.shape == (2, 6, 8)
    assert pooled.shape == (2, 8)
    numpy.testing.assert_allclose(net(x[1:, :4])[0].asnumpy(), sequence[1:, :4].asnumpy(), rtol=1e-4, atol=1e-5)
    numpy.testing.assert_array_equal(net(x, np.zeros_like(x), valid_length)[1].asnumpy(), pooled.asnumpy())
    assert abs(net(x, np.ones_like(x), valid_length)[1] - pooled).max() > 1e-3


def test_vit_takes_images_of_its_size() -> None:
    net = drawn(transformers.ViT(classes=3, image_size=8, patch_size=4, units=8, num_layers=1, num_heads=2))
    images = np.random.normal(size=(2, 3, 8, 8))
    scores = net(images)
    assert scores.shape == (2, 3)
    other = np.concatenate([images[:, :, :, 4:], images[:, :, :, :4]], axis=3)  # left and right exchanged
    assert abs(net(other) - scores).max() > 1e-3, "it knows where a patch is"
    with pytest.raises(ShapeError, match=r"\[ViT\] expected images \(batch, 3, 8, 8\); got \(2, 3, 8, 4\)"):
        net(images[:, :, :, :4])
    with pytest.raises(ArgumentError, match="expected an image_size that patches of 16 divide; got 100"):
        transformers.ViT(image_size=100)


NETWORKS = {
    "gpt2": (lambda: small_gpt2(), lambda: (tokens(2, 5),)),
    "bert": (
        lambda: drawn(transformers.BERT(vocab_size=13, max_length=8, units=8, num_layers=2, num_heads=2, dropout=0.0)),
        lambda: (tokens(2, 5), None, np.array([5, 3], dtype="int32")),
    ),
    "vit": (
        lambda: drawn(transformers.ViT(classes=3, image_size=8, patch_size=4, units=8, num_layers=2, num_heads=2)),
        lambda: (np.random.normal(size=(2, 3, 8, 8)),),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_hybridized_alike_with_gradients(name: str) -> None:
    """Values and gradients of every parameter, eagerly and hybridized."""
    make, inputs = NETWORKS[name]
    net, x = make(), inputs()
    found = []
    for hybrid in (False, True):
        net.hybridize(hybrid)
        with autograd.record():
            y = net(*x)
            y = y[1] if isinstance(y, tuple) else y
            loss = (y * np.arange(y.size).reshape(y.shape)).sum()
        loss.backward()
        gradients = {p.name: p.grad().asnumpy().copy() for p in net.collect_params().values()}
        found.append((y.asnumpy(), gradients))
    (eager, gradients), (compiled, others) = found
    numpy.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-5)
    largest = max(
        abs(value).max() for value in gradients.values()
    )  # a bias of keys moves nothing: its gradient is what rounding leaves of 0
    for key, value in gradients.items():
        numpy.testing.assert_allclose(others[key], value, rtol=1e-3, atol=1e-4 * abs(value).max() + 1e-6 * largest, err_msg=key)
        assert abs(value).max() > 0, key


def test_it_learns_in_one_compiled_step() -> None:
    """A rule, that each number is followed by the next one, in a training step that is one program, with dropout."""
    net = transformers.GPT2(vocab_size=6, max_length=8, units=16, num_layers=1, num_heads=2, dropout=0.1)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
    text = (np.arange(9).reshape(1, -1) + np.arange(6).reshape(-1, 1)) % 6

    @hn.jit
    def step(text: Any) -> Any:
        with autograd.record():
            scores = net(text[:, :-1])
            loss = loss_fn(scores.reshape(-1, 6), text[:, 1:].reshape(-1)).mean()
        loss.backward()
        trainer.step(1)
        return loss

    losses = [step(text.astype("int32")).item() for _ in range(40)]
    assert losses[-1] < 0.1 < losses[0]
    assert step.retraces == []
    written = transformers.Generator(net)([[2, 3]], 6).asnumpy()
    assert written.tolist() == [[2, 3, 4, 5, 0, 1, 2, 3]]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """By places, where the table of tokens stands twice or once, and by names."""
    net = small_gpt2(prefix="net_")
    x = tokens(1, 4)
    file = str(tmp_path / "gpt2.params")
    for save in (net.save_parameters, lambda file: net.save_parameters(file, deduplicate=True), net.collect_params().save):
        save(file)
        again = transformers.GPT2(vocab_size=13, max_length=24, units=8, num_layers=2, num_heads=2, prefix="net_")
        again.load_parameters(file)
        numpy.testing.assert_array_equal(again(x).asnumpy(), net(x).asnumpy())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_sixteen_bits(dtype: str) -> None:
    """A network that is cast computes in that type, and writes on."""
    for name, (make, inputs) in NETWORKS.items():
        net = make()
        net.cast(dtype)
        x = [a.astype(dtype) if name == "vit" else a for a in inputs()]
        y = net(*x)
        assert (y[1] if isinstance(y, tuple) else y).dtype == dtype
    net = small_gpt2()
    net.cast(dtype)
    generator = transformers.Generator(net)
    assert {x.dtype for cache in generator._caches for x in cache} == {numpy.dtype(generator._net.word_embed.weight.dtype)}
    assert generator(tokens(1, 3), 4, temperature=0.7, top_k=3).shape == (1, 7)


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match=r"\[MultiHeadAttention\] expected units that num_heads divides.*got 8, 3 and 3"):
        small_gpt2(num_heads=3)
    with pytest.raises(ShapeError, match=r"at most max_length=24 tokens; got \(1, 25\)"):
        small_gpt2()(tokens(1, 25))
    bert = transformers.BERT(vocab_size=13, max_length=4, units=8, num_layers=1, num_heads=2)
    bert.initialize()
    with pytest.raises(ShapeError, match=r"at most max_length=4 tokens; got \(1, 5\)"):
        bert(tokens(1, 5))


# -- writing on -------------------------------------------------------------------------------------


def written_without_cache(net: Any, start: Any, number: int) -> Any:
    for _ in range(number):
        following = np.argmax(net(start)[:, -1], axis=-1).astype("int32").reshape(-1, 1)
        start = np.concatenate([start, following], axis=1)
    return start


@pytest.mark.parametrize("length", [1, 2, 5, 7])
def test_the_cache_changes_nothing(length: int) -> None:
    """The most probable tokens, as the network gives them when it reads everything again for each."""
    net = small_gpt2()
    generator = transformers.Generator(net, batch_size=3)
    for _ in range(2):  # what an earlier text has left in the cache does not count
        start = tokens(3, length)
        expected = written_without_cache(net, start, 11).asnumpy()
        numpy.testing.assert_array_equal(generator(start, 11).asnumpy(), expected)
        assert len(numpy.unique(expected[:, length:])) > 2, "the weights make no difference"


def test_programs_are_few() -> None:
    """A beginning is read in pieces of 4, 2 and 1 tokens: no length of 7 or less needs more than three programs."""
    generator = transformers.Generator(small_gpt2())
    generator(tokens(1, 7), 5)
    traced = len(generator._step.retraces)
    assert traced == 2
    for length in (6, 3, 5, 1):
        generator(tokens(1, length), 9)
    assert len(generator._step.retraces) == traced
    generator(tokens(1, 3), 2, temperature=0.5)
    sampled = len(generator._step.retraces)
    generator(tokens(1, 3), 4, temperature=2.0)
    assert len(generator._step.retraces) == sampled, "a temperature is data"


def test_up_to_the_last_place() -> None:
    net = small_gpt2()
    start = tokens(1, 20)
    for generator in (transformers.Generator(net), transformers.Generator(net, max_length=24)):
        whole = generator(start, 5)
        numpy.testing.assert_array_equal(whole.asnumpy(), written_without_cache(net, start, 5).asnumpy())
        with pytest.raises(ShapeError, match=r"expected tokens \(1, 1 to 19\), so that 6 more are at most 25; got \(1, 20\)"):
            generator(start, 6)
    with pytest.raises(ShapeError, match=r"expected tokens \(1, 1 to 20\)"):
        transformers.Generator(net)(tokens(2, 3), 5)
    with pytest.raises(ArgumentError, match="max_length from 1 to 24, the network's; got 25"):
        transformers.Generator(net, max_length=25)
    for wrong in ({"temperature": -1.0}, {"top_k": 14}, {"top_k": 0}):
        with pytest.raises(ArgumentError, match=r"\[Generator\] expected new_tokens and a temperature of 0 or more, top_k from 1 to 13"):
            transformers.Generator(net)(tokens(1, 2), 2, **wrong)
    assert transformers.Generator(net)(start, 0).shape == start.shape


def test_drawn_by_the_scores() -> None:
    """How often tokens are drawn is their softmax at that temperature, of the best ``top_k`` alone; a seed gives the same again."""
    net = small_gpt2()
    number = 4000
    generator = transformers.Generator(net, batch_size=number, max_length=4)
    start = np.broadcast_to(np.array([[3, 1]], dtype="int32"), (number, 2))
    scores = net(start[:1])[0, -1].asnumpy().astype("float64")
    for temperature, top_k in ((1.0, None), (0.5, None), (2.0, 4)):
        hn.random.seed(5)
        found = generator(start, 1, temperature=temperature, top_k=top_k).asnumpy()
        hn.random.seed(5)
        numpy.testing.assert_array_equal(generator(start, 1, temperature=temperature, top_k=top_k).asnumpy(), found)
        kept = scores >= numpy.sort(scores)[-(top_k or 13)]
        expected = numpy.where(kept, numpy.exp((scores - scores.max()) / temperature), 0)
        expected /= expected.sum()
        often = numpy.bincount(found[:, -1], minlength=13) / number
        assert (often[~kept] == 0).all()
        assert (abs(often - expected) < 5 * numpy.sqrt(expected / number) + 1e-3).all()  # five times the deviation of such a count


def test_the_end() -> None:
    """After its end a sequence is filled with that token; when all have ended, no step is made."""
    net = small_gpt2()
    start = tokens(4, 3)
    free = transformers.Generator(net, 4)(start, 12).asnumpy()
    end = int(free[0, 5])
    found = transformers.Generator(net, 4)(start, 12, end_token=end).asnumpy()
    length = found.shape[1]
    for row, other in zip(found, free, strict=True):
        ends = numpy.flatnonzero(other[3:] == end)
        first = 3 + int(ends[0]) if ends.size else 15
        numpy.testing.assert_array_equal(row[: first + 1], other[: min(first + 1, length)])
        assert (row[first:] == end).all()
    assert (found[0, 5:] == end).all()
    alone = transformers.Generator(net, 1)(start[:1], 12, end_token=end)
    assert alone.shape[1] <= 6


@pytest.mark.parametrize("lengths", [(5, 1, 3), (4, 4, 2), (5, 5, 5)])
def test_beginnings_of_several_lengths(lengths: tuple[int, ...]) -> None:
    """Each sequence goes on as it would alone, whatever stands behind its beginning; its end counts only after it."""
    net = small_gpt2()
    start = tokens(3, 5)
    valid_length = np.array(lengths, dtype="int32")
    found = transformers.Generator(net, 3)(start, 7, valid_length=valid_length).asnumpy()
    alone = transformers.Generator(net)
    assert found.shape == (3, 12)
    for row, length, beginning in zip(found, lengths, start, strict=True):
        numpy.testing.assert_array_equal(row, alone(beginning[:length].reshape(1, -1), 12 - length).asnumpy()[0])
    end = int(np.argmax(net(start)[0, min(lengths) - 1]))  # what it says within a beginning, where nobody asked
    ended = transformers.Generator(net, 3)(start, 7, valid_length=valid_length, end_token=end).asnumpy()
    for row, other, length in zip(ended, found, lengths, strict=True):
        ends = [*numpy.flatnonzero(other[length:] == end), 12][0] + length
        numpy.testing.assert_array_equal(row[: ends + 1], other[: min(ends + 1, len(row))])
        assert (row[ends:] == end).all()
    for wrong in ((0, 1, 1), (6, 1, 1), (1, 1)):
        with pytest.raises(ArgumentError, match=r"expected valid_length \(3,\) with numbers from 1 to 5; got \("):
            transformers.Generator(net, 3)(start, 2, valid_length=wrong)


def test_in_bfloat16() -> None:
    """``amp`` computes the products in bfloat16; the caches are of the parameters' type."""
    net = small_gpt2()
    amp.init("bfloat16")
    try:
        found = transformers.Generator(net)(tokens(1, 3), 4)
    finally:
        amp.init("float32")
    assert found.shape == (1, 7)


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
def test_on_a_gpu(emulated_gpu: Any) -> None:
    """The same tokens, greedily, and each step is one CUDA graph."""
    net = small_gpt2()
    start = tokens(2, 3)
    expected = transformers.Generator(net, 2)(start, 5).asnumpy()
    net.reset_ctx(hn.gpu())
    generator = transformers.Generator(net, 2)
    numpy.testing.assert_array_equal(generator(start, 5).asnumpy(), expected)
    place = np.array(1, dtype="int32", device=hn.gpu())
    assert "1 CUDA graph" in generator._step.explain(start[:, :1].to_device(hn.gpu()), place, None, None)
