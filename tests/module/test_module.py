"""``Module``: its stages and what it refuses, checkpoints and states, several contexts, shapes that change."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridnet as mx
from hybridnet.errors import ArgumentError, FileFormatError, HybridnetError, ShapeError, UninitializedError


@pytest.fixture(autouse=True)
def classic_rules() -> Any:
    mx.util.reset_np()
    yield
    mx.util.set_np()


def perceptron() -> Any:
    hidden = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="fc1")
    hidden = mx.sym.BatchNorm(mx.sym.Activation(hidden, act_type="tanh"), name="bn", fix_gamma=False)
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(hidden, num_hidden=3, name="fc2"), name="softmax")


def batches(n: int = 12, size: int = 4, **kwargs: Any) -> Any:
    random = np.random.RandomState(0)
    x = random.randn(n, 5).astype("float32")
    return mx.io.NDArrayIter(x, x[:, :3].argmax(1).astype("float32"), size, **kwargs)


def ready(**kwargs: Any) -> Any:
    module = mx.mod.Module(perceptron(), **kwargs)
    module.bind([("data", (4, 5))], [("softmax_label", (4,))])
    module.init_params(mx.init.Xavier())
    return module


def test_stages() -> None:
    module = mx.mod.Module(perceptron())
    assert (module.data_names, module.label_names, module.output_names) == (["data"], ["softmax_label"], ["softmax_output"])
    with pytest.raises(UninitializedError, match=r"\[Module.init_params\] expected a module after bind"):
        module.init_params()
    with pytest.raises(UninitializedError, match=r"\[Module.data_shapes\]"):
        module.data_shapes
    module.bind([("data", (4, 5))], [("softmax_label", (4,))])
    with pytest.raises(UninitializedError, match=r"\[Module.forward\] expected a module after init_params"):
        module.forward(mx.io.DataBatch([mx.nd.ones((4, 5))]))
    module.init_params()
    with pytest.raises(UninitializedError, match=r"\[Module.update\] expected a module after init_optimizer"):
        module.update()
    assert [tuple(d) for d in module.data_shapes] == [("data", (4, 5))]
    assert module.output_shapes == [("softmax_output", (4, 3))]


def test_second_calls_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    module = ready()
    before = module.get_params()[0]["fc1_weight"].asnumpy()
    with pytest.warns(UserWarning, match="already initialized"):
        module.init_params(mx.init.Zero())
    module.bind([("data", (9, 5))])
    module.init_optimizer()
    module.init_optimizer(optimizer="adam")
    assert [r.message for r in caplog.records] == ["Already bound, ignoring bind()", "optimizer already initialized, ignoring..."]
    assert (module.get_params()[0]["fc1_weight"].asnumpy() == before).all()
    module.init_params(mx.init.Zero(), force_init=True)
    assert not module.get_params()[0]["fc1_weight"].asnumpy().any()


def test_what_it_refuses() -> None:
    net = perceptron()
    with pytest.raises(ArgumentError, match=r"data_names that are arguments of the symbol; got 'x'.*try data or softmax_label"):
        mx.mod.Module(net, data_names=["x"])
    with pytest.raises(ArgumentError, match="fixed_param_names"):
        mx.mod.Module(net, fixed_param_names=["fc3_weight"])
    with pytest.raises(ArgumentError, match="a load for each of 2 contexts"):
        mx.mod.Module(net, context=[mx.cpu(0), mx.cpu(1)], work_load_list=[1])
    module = mx.mod.Module(net)
    with pytest.raises(ArgumentError, match="for_training=True where inputs_need_grad"):
        module.bind([("data", (4, 5))], for_training=False, inputs_need_grad=True)
    with pytest.raises(ArgumentError, match=r"shapes of \['data'\]"):
        module.bind([("x", (4, 5))])
    with pytest.raises(ArgumentError, match="grad_req as text"):
        mx.mod.Module(net).bind([("data", (4, 5))], grad_req=3)
    with pytest.raises(ArgumentError, match="at least one sample for each of 3 contexts"):
        mx.mod.Module(net, context=[mx.cpu(i) for i in range(3)]).bind([("data", (2, 5))])
    with pytest.raises(ShapeError, match="inputs of 4 samples"):
        mx.mod.Module(net).bind([("data", (4, 5))], [("softmax_label", (3,))])
    with pytest.raises(ArgumentError, match="parts on several"):
        mx.mod.Module(net, group2ctxs={"a": mx.cpu()}).bind([("data", (4, 5))])
    with pytest.raises(ArgumentError, match="a number of epochs"):
        mx.mod.Module(net).fit(batches())


def test_parameters_that_are_given() -> None:
    module = ready()
    args, aux = module.get_params()
    assert sorted(args) == ["bn_beta", "bn_gamma", "fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight"]
    assert sorted(aux) == ["bn_moving_mean", "bn_moving_var"]
    assert aux["bn_moving_var"].asnumpy().tolist() == [1] * 4
    some = {"fc1_bias": mx.nd.ones(4)}
    with pytest.raises(ArgumentError, match="a value for each parameter; got none for 'bn_beta'"):
        module.set_params(some, {})
    module.set_params(some, {}, allow_missing=True)
    assert module.get_params()[0]["fc1_bias"].asnumpy().tolist() == [1] * 4
    with pytest.raises(ArgumentError, match="an argument of the symbol; got 'other'"):
        module.set_params({"other": mx.nd.ones(1)}, {}, allow_missing=True)
    module.set_params({**args, "other": mx.nd.ones(1)}, aux, allow_extra=True)
    with pytest.raises(ShapeError, match=r"an array of shape \(4,\); got \(3,\)"):
        module.set_params({"fc1_bias": mx.nd.ones(3)}, {}, allow_missing=True)
    kept = module.get_params()[0]["fc2_bias"]
    kept[:] = 7  # a copy
    module.forward(mx.io.DataBatch([mx.nd.ones((4, 5))]), is_train=False)
    assert not (module._exec_group.execs[0].arg_dict["fc2_bias"].asnumpy() == 7).any()


@pytest.mark.parametrize("contexts", [1, 2])
def test_a_training_goes_on_from_its_checkpoint(tmp_path: Path, contexts: int) -> None:
    """Parameters, the optimizer's states and its count: the same numbers as without the stop."""
    options: dict[str, Any] = {"optimizer": "adam", "optimizer_params": {"learning_rate": 0.05}}
    where = [mx.cpu(i) for i in range(contexts)]

    def losses(module: Any, first: int, last: int, **more: Any) -> list[float]:
        found: list[float] = []
        metric = mx.metric.create("ce")
        note = lambda param: found.append(param.eval_metric.get()[1])
        module.fit(batches(), eval_metric=metric, batch_end_callback=note, begin_epoch=first, num_epoch=last, **options, **more)
        return found

    start = ready().get_params()
    whole = losses(mx.mod.Module(perceptron(), context=where), 0, 4, arg_params=start[0], aux_params=start[1])
    module = mx.mod.Module(perceptron(), context=where)
    callback = mx.callback.module_checkpoint(module, str(tmp_path / "net"), save_optimizer_states=True)
    first = losses(module, 0, 2, arg_params=start[0], aux_params=start[1], epoch_end_callback=callback)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "net-0001.params", "net-0001.states", "net-0002.params", "net-0002.states", "net-symbol.json",
    ]  # fmt: skip
    again = mx.mod.Module.load(str(tmp_path / "net"), 2, load_optimizer_states=True, context=where)
    np.testing.assert_allclose(first + losses(again, 2, 4), whole, rtol=1e-5)


def test_files(tmp_path: Path) -> None:
    module = ready()
    module.save_params(str(tmp_path / "a.params"))
    other = mx.mod.Module(perceptron())
    other.bind([("data", (4, 5))], [("softmax_label", (4,))])
    other.load_params(str(tmp_path / "a.params"))
    for a, b in zip(module.get_params(), other.get_params(), strict=True):
        assert all((a[n].asnumpy() == b[n].asnumpy()).all() for n in a)
    mx.nd.save(str(tmp_path / "b.params"), {"fc1_weight": mx.nd.ones((4, 5))})
    with pytest.raises(FileFormatError, match=r"names arg:… and aux:…; got 'fc1_weight' in .*b.params"):
        other.load_params(str(tmp_path / "b.params"))
    mx.nd.save(str(tmp_path / "c-0001.params"), [mx.nd.ones(1)])
    with pytest.raises(FileFormatError, match="named arrays; got a list of 1"):
        mx.model.load_params(str(tmp_path / "c"), 1)
    with pytest.raises(ArgumentError, match="the number of an epoch"):
        mx.model.load_checkpoint(str(tmp_path / "c"), "1")  # type: ignore[arg-type]


def test_batches_of_other_sizes() -> None:
    module = ready()
    module.init_optimizer()
    shapes = []
    for n in (4, 2, 6, 4):
        module.forward_backward(mx.io.DataBatch([mx.nd.ones((n, 5))], [mx.nd.zeros((n,))]))
        module.update()
        shapes.append(module.get_outputs()[0].shape)
    assert shapes == [(4, 3), (2, 3), (6, 3), (4, 3)]
    module.forward(mx.io.DataBatch([mx.nd.ones((3, 5))]), is_train=False)  # without labels
    assert module.get_outputs()[0].shape == (3, 3)


def test_contexts_that_get_batches_of_their_own() -> None:
    module = mx.mod.Module(perceptron(), context=[mx.cpu(0), mx.cpu(1)])
    module.bind([("data", (4, 5))], [("softmax_label", (4,))])
    module.init_params(mx.init.Xavier())
    x = mx.nd.array(np.random.RandomState(0).randn(4, 5))
    module.forward(mx.io.DataBatch([x], [mx.nd.zeros(4)]), is_train=False)
    expected = module.get_outputs()[0].asnumpy()
    module.forward([mx.io.DataBatch([x[i : i + 2]], [mx.nd.zeros(2)]) for i in (0, 2)], is_train=False)
    assert (module.get_outputs()[0].asnumpy() == expected).all()
    metric = mx.metric.Accuracy()
    module.update_metric(metric, [[mx.nd.zeros(2)], [mx.nd.zeros(2)]], pre_sliced=True)
    assert metric.num_inst == 4


def test_states_are_kept_between_batches() -> None:
    state = mx.sym.var("state")
    new = mx.sym.elemwise_add(mx.sym.var("data"), state, name="sum")
    module = mx.mod.Module(mx.sym.Group([new, mx.sym.BlockGrad(new, name="kept")]), label_names=None, state_names=["state"])
    module.bind([("data", (2, 3))], for_training=False)
    module.init_params()
    module.set_states(value=1)
    for expected in (3, 5, 7):
        module.forward(mx.io.DataBatch([mx.nd.full((2, 3), 2)]))
        outputs = module.get_outputs(merge_multi_context=False)
        assert (outputs[1][0].asnumpy() == expected).all()
        module.set_states(states=outputs[1:])
    assert (module.get_states()[0].asnumpy() == 7).all()
    with pytest.raises(ArgumentError, match="either states or a value"):
        module.set_states()


def test_parameters_are_shared_by_buckets() -> None:
    """The very arrays: an update through one bucket is seen by all."""

    def sym_gen(key: int) -> Any:
        summed = mx.sym.sum(mx.sym.var("data"), axis=1, keepdims=True)
        return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(summed, num_hidden=2, name="fc"), name="softmax"), ["data"], ["softmax_label"]

    module = mx.mod.BucketingModule(sym_gen, default_bucket_key=8)
    module.bind([("data", (2, 8))], [("softmax_label", (2,))])
    module.init_params(mx.init.One())
    module.init_optimizer(optimizer_params={"learning_rate": 1.0})
    for key in (3, 8, 5):
        shapes = [("data", (2, key))], [("softmax_label", (2,))]
        batch = mx.io.DataBatch([mx.nd.ones((2, key))], [mx.nd.zeros(2)], bucket_key=key, provide_data=shapes[0], provide_label=shapes[1])
        module.prepare(batch)
        module.forward_backward(batch)
        module.update()
    groups = [m._exec_group for m in module._buckets.values()]
    assert len(groups) == 3 and len({id(g.execs[0].arg_dict["fc_weight"]) for g in groups}) == 1
    assert module.get_params()[0]["fc_weight"].asnumpy()[0, 0] != 1


def test_bucketing_checkpoints(tmp_path: Path) -> None:
    def sym_gen(key: int) -> Any:
        flat = mx.sym.sum(mx.sym.var("data") * key, axis=1, keepdims=True)
        return mx.sym.FullyConnected(flat, num_hidden=2, name="fc"), ["data"], None

    module = mx.mod.BucketingModule(sym_gen, default_bucket_key=4)
    module.bind([("data", (2, 4))])
    module.init_params(mx.init.Uniform())
    module.save_checkpoint(str(tmp_path / "b"), 3)
    x = mx.io.DataBatch([mx.nd.ones((2, 4))], bucket_key=4, provide_data=[("data", (2, 4))])
    module.forward(x, is_train=False)
    kwargs: dict[str, Any] = {"label_names": None}
    loaded = mx.mod.BucketingModule.load(str(tmp_path / "b"), 3, **kwargs)
    made = mx.mod.BucketingModule.load(str(tmp_path / "b"), 3, sym_gen, 4)
    args, aux = module.get_params()
    given = mx.mod.BucketingModule.load_dict({4: sym_gen(4)[0]}, default_bucket_key=4, arg_params=args, aux_params=aux, **kwargs)
    for other in (loaded, made, given):
        other.bind([("data", (2, 4))], for_training=False)
        other.forward(x, is_train=False)
        assert (other.get_outputs()[0].asnumpy() == module.get_outputs()[0].asnumpy()).all()
    with pytest.raises(ArgumentError, match="either sym_dict or sym_gen"):
        mx.mod.BucketingModule.load_dict(default_bucket_key=1)
    with pytest.raises(ArgumentError, match="a default_bucket_key"):
        mx.mod.BucketingModule(sym_gen)


def test_chains_refuse() -> None:
    chain = mx.mod.SequentialModule()
    with pytest.raises(ArgumentError, match="modules; got none"):
        chain.bind([("data", (2, 3))])
    with pytest.raises(ArgumentError, match="take_labels or auto_wiring; got 'labels'"):
        chain.add(mx.mod.Module(perceptron()), labels=True)
    layer = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    chain.add(mx.mod.Module(layer, label_names=None)).add(mx.mod.Module(layer, label_names=None), auto_wiring=True)
    chain.bind([("data", (2, 3))])
    with pytest.raises(ArgumentError, match="parameters of different names; got 'fc_weight' in modules 0 and 1"):
        chain.init_params()


def test_python_modules_refuse() -> None:
    loss = mx.mod.PythonLossModule()
    with pytest.raises(ArgumentError, match=r"shapes of \['data'\]"):
        loss.bind([("x", (2, 3))])
    loss.bind([("data", (2, 3))], [("softmax_label", (2,))])
    loss.forward(mx.io.DataBatch([mx.nd.ones((2, 3))], [mx.nd.ones(2)]))
    with pytest.raises(NotImplementedError, match="grad_func"):
        loss.backward()
    with pytest.raises(ArgumentError, match="no out_grads"):
        loss.backward([mx.nd.ones((2, 3))])
    with pytest.raises(NotImplementedError, match=r"PythonModule._compute_output_shapes"):
        mx.mod.PythonModule(["data"], [], ["out"]).bind([("data", (2, 3))])


def test_an_iterator_at_its_end_is_told() -> None:
    data = batches()
    list(data)
    with pytest.raises(HybridnetError, match="expected batches; got none in epoch 0"):
        mx.mod.Module(perceptron()).fit(data, num_epoch=1)


def test_feed_forward(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    random = np.random.RandomState(0)
    x = random.randn(20, 5).astype("float32")
    y = x[:, :3].argmax(1)
    caplog.set_level(logging.INFO)
    model = mx.model.FeedForward.create(perceptron(), x, y, num_epoch=3, learning_rate=0.5, numpy_batch_size=5, eval_data=(x, y))
    assert sum("Validation-accuracy" in r.message for r in caplog.records) == 6  # the callback's line, and fit's
    outputs, data, labels = model.predict(x, return_data=True)
    assert outputs.shape == (20, 3) and (data == x).all() and labels.shape == (20,)
    model.save(str(tmp_path / "m"))
    again = mx.model.FeedForward.load(str(tmp_path / "m"), 3)
    assert again.begin_epoch == 3 and (again.predict(x) == outputs).all()
    for call, match in (
        (lambda: model.fit(x), "labels y beside an array"),
        (lambda: model.score(x), "an iterator with labels"),
        (lambda: mx.model.FeedForward(perceptron()).fit(x, y), "a number of epochs"),
        (lambda: mx.model.FeedForward(perceptron(), num_epoch=1).fit(x, y[:3]), "a label for each of 20"),
    ):
        with pytest.raises(ArgumentError, match=match):
            call()
    with pytest.raises(UninitializedError, match="a model with parameters"):
        mx.model.FeedForward(perceptron()).predict(x)
