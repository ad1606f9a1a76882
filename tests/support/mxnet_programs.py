"""Programs of symbols and modules, and what MXNet 1.9.1 gives for them: ``tests/data/mxnet_1_9_1_programs.json``.

Run by a Python that has MXNet 1.9.1 (and no hybridnet): ``python tests/support/mxnet_programs.py``. The tests run the same functions with
hybridnet in its place. A program takes the package and gives numbers, texts, and lists and dicts of such. Parameters and data are drawn
here, so that both have the same.
"""

import contextlib
import io
import json
import logging
import re
from importlib import import_module
from inspect import isfunction
from pathlib import Path

import numpy as np

PATH = Path(__file__).resolve().parent.parent / "data" / "mxnet_1_9_1_programs.json"


def _drawn(symbol, seed=0, scale=0.3, **shapes):
    """Parameters and auxiliary states of a symbol as NumPy arrays."""
    random = np.random.RandomState(seed)
    args, _, aux = symbol.infer_shape(**shapes)
    params = {n: (random.randn(*s) * scale).astype("float32") for n, s in zip(symbol.list_arguments(), args) if n not in shapes}  # noqa: B905
    states = {n: np.full(s, float(n.endswith("var")), "float32") for n, s in zip(symbol.list_auxiliary_states(), aux)}  # noqa: B905
    return params, states


def _on(mx, arrays):
    return {name: mx.nd.array(x) for name, x in arrays.items()}


def _points(n=80, width=6, classes=3, seed=1):
    random = np.random.RandomState(seed)
    x = random.randn(n, width).astype("float32")
    return x, x[:, :classes].argmax(1).astype("float32")


def _perceptron(mx, attributes=False):
    more = {"lr_mult": 0.1, "wd_mult": 2.0} if attributes else {}
    net = mx.sym.FullyConnected(mx.sym.var("data"), weight=mx.sym.var("fc1_weight", **more), num_hidden=8, name="fc1")
    net = mx.sym.Activation(net, act_type="relu", name="relu1")
    net = mx.sym.FullyConnected(net, num_hidden=3, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def _summary(arrays):
    """Of each array two numbers in which every element has a part of its own."""
    result = {}
    for name, x in sorted(arrays.items()):
        flat = np.asarray(x.asnumpy(), "float64").reshape(-1)
        result[name] = [float(flat.sum()), float((flat * np.cos(np.arange(flat.size))).sum())]
    return result


def _fit(mx, net, x, y, params, epochs=10, batch=16, module=None, **kwargs):
    """The loss of each batch of a training, and the parameters at its end."""
    losses = []
    metric = mx.metric.create("ce")

    def note(param):
        losses.append(param.eval_metric.get()[1])
        param.eval_metric.reset()

    module = mx.mod.Module(net) if module is None else module
    args, aux = params
    data = mx.io.NDArrayIter(x, y, batch)
    module.fit(
        data, eval_metric=metric, batch_end_callback=note, arg_params=_on(mx, args), aux_params=_on(mx, aux), num_epoch=epochs, **kwargs
    )
    args, aux = module.get_params()
    return {"losses": losses, "args": _summary(args), "aux": _summary(aux)}


def fit_perceptron(mx):
    x, y = _points()
    net = _perceptron(mx)
    params = _drawn(net, data=(16, 6), softmax_label=(16,))
    return _fit(mx, net, x, y, params, optimizer_params={"learning_rate": 0.3, "momentum": 0.9, "wd": 0.01})


def fit_with_multipliers(mx):
    x, y = _points()
    net = _perceptron(mx, attributes=True)
    params = _drawn(net, data=(16, 6), softmax_label=(16,))
    module = mx.mod.Module(net, fixed_param_names=["fc2_bias"])
    return _fit(mx, net, x, y, params, module=module, optimizer_params={"learning_rate": 0.3, "wd": 0.05})


def fit_by_reduced_variance(mx):
    kind = import_module(f"{mx.__name__}.contrib.svrg_optimization.svrg_module").SVRGModule
    x, y = _points(n=76)  # the last batch of 16 is filled up by 4
    net = _perceptron(mx)
    params = _drawn(net, data=(16, 6), softmax_label=(16,))
    arguments = {"learning_rate": 0.2, "momentum": 0.5, "wd": 0.01}
    return _fit(mx, net, x, y, params, epochs=5, module=kind(net, update_freq=2), optimizer_params=arguments)


def fit_convolution(mx):
    random = np.random.RandomState(2)
    x = random.randn(80, 2, 8, 8).astype("float32")
    y = (x.mean((1, 2, 3)) > 0).astype("float32")
    net = mx.sym.Convolution(mx.sym.var("data"), num_filter=4, kernel=(3, 3), pad=(1, 1), no_bias=True, name="conv")
    net = mx.sym.BatchNorm(net, fix_gamma=False, name="bn")
    net = mx.sym.Activation(net, act_type="tanh")
    net = mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=2, name="fc"), name="softmax")
    params = _drawn(net, data=(16, 2, 8, 8), softmax_label=(16,))
    return _fit(mx, net, x, y, params, optimizer="adam", optimizer_params={"learning_rate": 0.01})


def _fit_on_two(mx, kvstore, optimizer="sgd", workload=None):
    x, y = _points()
    net = _perceptron(mx)
    params = _drawn(net, data=(16, 6), softmax_label=(16,))
    module = mx.mod.Module(net, context=[mx.cpu(0), mx.cpu(1)], work_load_list=workload)
    return _fit(mx, net, x, y, params, module=module, kvstore=kvstore, optimizer=optimizer, optimizer_params={"learning_rate": 0.2})


def fit_on_two_contexts(mx):
    return _fit_on_two(mx, "local")


def fit_on_two_contexts_of_unequal_load(mx):
    return _fit_on_two(mx, "device", "adagrad", [1, 3])


def fit_with_a_schedule(mx):
    x, y = _points()
    net = _perceptron(mx)
    params = _drawn(net, data=(16, 6), softmax_label=(16,))
    schedule = mx.lr_scheduler.FactorScheduler(step=10, factor=0.7, base_lr=0.4)
    return _fit(mx, net, x, y, params, optimizer_params={"learning_rate": 0.4, "lr_scheduler": schedule, "clip_gradient": 0.5})


def _sentences(mx, lengths=(3, 5, 5, 3, 4), batch=4, words=7):
    random = np.random.RandomState(3)
    batches = []
    for length in lengths:
        rows = random.randint(0, words, (batch, length + 1)).astype("float32")
        rows[:, 1:] = (rows[:, :1] + np.arange(1, length + 1)) % words
        desc = [mx.io.DataDesc("data", (batch, length), layout="NT")], [mx.io.DataDesc("softmax_label", (batch, length), layout="NT")]
        data = [mx.nd.array(rows[:, :-1])], [mx.nd.array(rows[:, 1:])]
        batches.append(mx.io.DataBatch(*data, pad=0, bucket_key=length, provide_data=desc[0], provide_label=desc[1]))
    return batches


def _language_model(mx, make, words=7):
    def sym_gen(length):
        data, label = mx.sym.var("data"), mx.sym.var("softmax_label")
        embedded = mx.sym.Embedding(data, input_dim=words, output_dim=5, name="embed")
        stack = make()
        stack.reset()
        outputs, _ = stack.unroll(length, inputs=embedded, merge_outputs=True)
        out = mx.sym.FullyConnected(mx.sym.Reshape(outputs, shape=(-1, 6)), num_hidden=words, name="pred")
        return mx.sym.SoftmaxOutput(out, mx.sym.Reshape(label, shape=(-1,)), name="softmax"), ("data",), ("softmax_label",)

    return sym_gen


def _train_buckets(mx, make):
    batches = _sentences(mx)
    generate = _language_model(mx, make)
    module = mx.mod.BucketingModule(generate, default_bucket_key=5)
    module.bind([("data", (4, 5))], [("softmax_label", (4, 5))])
    args, _ = _drawn(generate(5)[0], data=(4, 5), softmax_label=(4, 5))
    module.init_params(arg_params=_on(mx, args), aux_params={})
    module.init_optimizer(optimizer_params={"learning_rate": 0.5, "momentum": 0.5})
    losses = []
    for _ in range(10):
        for batch in batches:
            metric = mx.metric.Perplexity(ignore_label=None)
            module.forward_backward(batch)
            module.update()
            metric.update([batch.label[0].reshape((-1,))], module.get_outputs())
            losses.append(metric.get()[1])
    return {"losses": losses, "args": _summary(module.get_params()[0])}


def buckets_of_lstms(mx):
    def make():
        stack = mx.rnn.SequentialRNNCell()
        stack.add(mx.rnn.LSTMCell(6, prefix="lstm_l0_"))
        stack.add(mx.rnn.ResidualCell(mx.rnn.GRUCell(6, prefix="gru_l1_")))
        return stack

    return _train_buckets(mx, make)


def buckets_of_a_fused_network(mx):
    return _train_buckets(mx, lambda: mx.rnn.FusedRNNCell(6, num_layers=2, mode="lstm", prefix="lstm_"))


def a_chain_of_modules(mx):
    x, y = _points()
    hidden = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    chain = mx.mod.SequentialModule()
    chain.add(mx.mod.Module(hidden, label_names=None))
    chain.add(mx.mod.Module(mx.sym.SoftmaxOutput(mx.sym.var("data"), name="softmax")), take_labels=True, auto_wiring=True)
    args, aux = _drawn(hidden, data=(16, 6))
    return _fit(mx, None, x, y, (args, aux), epochs=4, module=chain, optimizer_params={"learning_rate": 0.5})


def a_loss_in_python(mx):
    x, y = _points()
    hidden = mx.sym.softmax(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc"))

    def gradient(scores, labels):
        p = scores.asnumpy()
        return -np.eye(3, dtype="float32")[labels.asnumpy().astype(int)] / p / len(p)

    chain = mx.mod.SequentialModule()
    chain.add(mx.mod.Module(hidden, label_names=None))
    chain.add(mx.mod.PythonLossModule(grad_func=gradient), take_labels=True, auto_wiring=True)
    args, aux = _drawn(hidden, data=(16, 6))
    return _fit(mx, None, x, y, (args, aux), epochs=4, module=chain, optimizer_params={"learning_rate": 8.0})


def gradients_of_inputs(mx):
    x, y = _points(n=8)
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    module = mx.mod.Module(net, label_names=None, context=[mx.cpu(0), mx.cpu(1)])
    module.bind([("data", (8, 6))], for_training=True, inputs_need_grad=True, grad_req="add")
    args, aux = _drawn(net, data=(8, 6))
    module.init_params(arg_params=_on(mx, args), aux_params=_on(mx, aux))
    batch = mx.io.DataBatch([mx.nd.array(x)], None)
    heads = [mx.nd.array(np.random.RandomState(5).randn(8, 3))]
    for _ in range(2):
        module.forward(batch, is_train=True)
        module.backward(heads)
    grads = {f"{n}{i}": g for n, block in zip(["w", "b"], module._exec_group.grad_arrays) for i, g in enumerate(block)}  # noqa: B905
    outputs = {"out": module.get_outputs()[0], "in": module.get_input_grads()[0]}
    parts = [list(o.shape) for o in module.get_outputs(merge_multi_context=False)[0]]
    return [_summary(grads), _summary(outputs), parts, [[n, list(s)] for n, s in module.output_shapes]]


def predictions(mx):
    x, y = _points(n=22)
    net = _perceptron(mx)
    args, aux = _drawn(net, data=(8, 6), softmax_label=(8,))
    module = mx.mod.Module(net)
    module.bind([("data", (8, 6))], [("softmax_label", (8,))], for_training=False)
    module.init_params(arg_params=_on(mx, args), aux_params=_on(mx, aux))
    data = mx.io.NDArrayIter(x, y, 8)
    whole = module.predict(data)
    parts = [[list(o.shape) for o in outs] for outs in module.predict(data, merge_batches=False)]
    stepwise = [(i, len(outs), batch.pad) for outs, i, batch in module.iter_predict(data, num_batch=2)]
    small = module.predict(mx.io.NDArrayIter(x[:5], y[:5], 5))  # another size of batch
    score = module.score(data, ["acc", "ce"])
    some = module.score(data, "ce", num_batch=1)
    listed = [list(o.shape) for o in module.predict(data, always_output_list=True)]
    return [list(whole.shape), _summary({"whole": whole, "small": small}), parts, stepwise, score, some, listed]


def the_older_trainer(mx):
    x, y = _points()
    net = _perceptron(mx)
    args, aux = _drawn(net, data=(16, 6), softmax_label=(16,))
    model = mx.model.FeedForward(
        net, num_epoch=4, numpy_batch_size=16, learning_rate=0.3, momentum=0.9, arg_params=_on(mx, args), aux_params=_on(mx, aux)
    )
    data = mx.io.NDArrayIter(x, y, 16)
    model.fit(data, eval_metric="ce")
    return [np.asarray(model.predict(x)).sum(0).tolist(), float(model.score(data, "ce")), _summary(model.arg_params)]


def _logged(run):
    """What a function logs, without times."""
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    before = root.level, root.handlers[:]
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        run()
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
    return re.sub(r"(Speed: |cost=)[\d.einf]+", r"\1#", stream.getvalue()).splitlines()


def what_training_logs(mx):
    x, y = _points()
    net = _perceptron(mx)
    params = _on(mx, _drawn(net, data=(16, 6), softmax_label=(16,))[0])
    data = mx.io.NDArrayIter(x, y, 16)
    module = mx.mod.Module(net)
    callbacks = [mx.callback.Speedometer(16, 2), mx.callback.log_train_metric(2), mx.callback.ProgressBar(5, 20)]

    def run():
        module.fit(
            data,
            eval_data=data,
            eval_metric=["acc", "ce"],
            arg_params=params,
            num_epoch=2,
            batch_end_callback=callbacks,
            eval_end_callback=mx.callback.LogValidationMetricsCallback(),
        )

    return _logged(run)


def what_a_monitor_sees(mx):
    net = _perceptron(mx)
    module = mx.mod.Module(net)
    module.bind([("data", (4, 6))], [("softmax_label", (4,))])
    module.init_params(arg_params=_on(mx, _drawn(net, data=(4, 6), softmax_label=(4,))[0]))
    monitor = mx.mon.Monitor(2, pattern="fc.*", sort=True)
    module.install_monitor(monitor)
    x, y = _points(n=4)
    seen = []
    for _ in range(3):
        monitor.tic()
        module.forward_backward(mx.io.DataBatch([mx.nd.array(x)], [mx.nd.array(y)]))
        # MXNet shows the outputs of its gradients' operators too, which are not there where the gradient is one program.
        seen.append([[step, name, float(text)] for step, name, text in monitor.toc() if "_backward_" not in name])
    return seen


def a_summary(mx):
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        mx.viz.print_summary(_perceptron(mx), shape={"data": (1, 6)})
        a = mx.sym.var("a")
        mx.viz.print_summary(mx.sym.Concat(a, a * 2, name="cc"), shape={"a": (2, 3)}, line_length=80, positions=[0.3, 0.5, 0.7, 1.0])
    return stream.getvalue().splitlines()


def _structure(mx, outputs):
    symbol = mx.sym.Group(list(outputs)) if isinstance(outputs, (list, tuple)) else outputs
    nodes = json.loads(symbol.tojson())["nodes"]
    return [[node["op"], node["name"], node.get("attrs", {}), node["inputs"]] for node in nodes]


def cells(mx):
    rnn = mx.rnn

    def stack():
        stacked = rnn.SequentialRNNCell()
        for cell in (rnn.LSTMCell(3, prefix="l0_"), rnn.DropoutCell(0.5), rnn.ZoneoutCell(rnn.RNNCell(3, "relu", prefix="l2_"), 0.1, 0.2)):
            stacked.add(cell)
        return stacked

    made = {
        "rnn": rnn.RNNCell(3),
        "lstm": rnn.LSTMCell(3, forget_bias=2.0),
        "gru": rnn.GRUCell(3),
        "stack": stack(),
        "residual": rnn.ResidualCell(rnn.GRUCell(3)),
        "directions": rnn.BidirectionalCell(rnn.LSTMCell(3, prefix="l_"), rnn.RNNCell(2, prefix="r_")),
        "unfused": rnn.FusedRNNCell(3, num_layers=2, mode="gru", bidirectional=True, dropout=0.2, prefix="f_").unfuse(),
        "fused": rnn.FusedRNNCell(3, num_layers=2, mode="lstm", bidirectional=True, get_next_state=True, dropout=0.2, prefix="f_"),
        "conv_rnn": rnn.ConvRNNCell((1, 2, 4, 5), 3),
        "conv_lstm": rnn.ConvLSTMCell((1, 2, 4, 5), 3, activation="relu"),
        "conv_gru": rnn.ConvGRUCell((1, 2, 4, 5), 3, h2h_kernel=(5, 5), i2h_stride=(2, 2)),
    }
    result = {}
    for name, cell in made.items():
        with mx.name.NameManager():
            outputs, _ = cell.unroll(2, [mx.sym.var(f"t{i}") for i in range(2)])
            result[name] = _structure(mx, outputs)
    for layout in ("NTC", "TNC"):
        for merge in (None, True):
            if (layout, merge) != ("NTC", None):  # MXNet divides there what it has just joined
                with mx.name.NameManager():
                    outputs, _ = made["directions"].unroll(2, mx.sym.var("data"), layout=layout, merge_outputs=merge)
                    result[f"directions {layout} {merge}"] = _structure(mx, outputs)
    return result


def packed_weights(mx):
    fused = mx.rnn.FusedRNNCell(2, num_layers=2, mode="lstm", bidirectional=True, prefix="f_")
    shape = fused.unroll(1, [mx.sym.var("t0")])[0].infer_shape(t0=(1, 3))[0]
    flat = {"f_parameters": mx.nd.arange(max(int(np.prod(s)) for s in shape)), "other": mx.nd.ones(1)}
    parts = fused.unpack_weights(flat)
    again = fused.pack_weights(parts)
    plain = fused.unfuse().pack_weights(parts)
    return [_summary(parts), _summary(again), _summary(plain)]


def sentences(mx):
    encode = mx.rnn.encode_sentences
    first, vocab = encode([["a", "b"], ["b", "c"]], start_label=1, invalid_label=2)
    data = mx.rnn.BucketSentenceIter([[1, 2, 3], [3, 4]], 1, buckets=[2, 4], invalid_label=0, layout="TN")
    batches = sorted([b.bucket_key, b.data[0].asnumpy().tolist(), b.label[0].asnumpy().tolist(), str(b.provide_data)] for b in data)
    return [first, vocab, encode([["c"]], vocab=vocab)[0], batches, str(data.provide_data), data.default_bucket_key]


def two_inputs(mx):
    """Matrix factorization: which user likes what."""
    random = np.random.RandomState(4)
    user = mx.sym.Embedding(mx.sym.var("user"), input_dim=10, output_dim=4, name="u")
    item = mx.sym.Embedding(mx.sym.var("item"), input_dim=12, output_dim=4, name="i")
    user = mx.sym.FullyConnected(mx.sym.Activation(user, act_type="relu"), num_hidden=4, name="fc")
    net = mx.sym.LinearRegressionOutput(mx.sym.Flatten(mx.sym.sum(user * item, axis=1)), label=mx.sym.var("score"))
    inputs = {"user": random.randint(0, 10, 60).astype("float32"), "item": random.randint(0, 12, 60).astype("float32")}
    data = mx.io.NDArrayIter(inputs, {"score": random.randn(60).astype("float32")}, 20)
    args, _ = _drawn(net, user=(20,), item=(20,), score=(20,))
    module = mx.mod.Module(net, data_names=["user", "item"], label_names=["score"])
    errors = []
    metric = mx.metric.CustomMetric(lambda label, pred: float(np.sqrt(np.mean((label - pred.flatten()) ** 2))))
    module.fit(
        data,
        eval_metric=metric,
        arg_params=_on(mx, args),
        num_epoch=4,
        optimizer="adam",
        optimizer_params={"learning_rate": 0.05},
        batch_end_callback=lambda param: errors.append(param.eval_metric.get()[1]),
    )
    return [errors, _summary(module.get_params()[0])]


def two_outputs(mx):
    """Two tasks, one with labels that are to be ignored."""
    random = np.random.RandomState(5)
    x = random.randn(40, 5).astype("float32")
    shared = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=8, name="fc"), act_type="relu")
    first = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(shared, num_hidden=3, name="a"), name="first")
    second = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(shared, num_hidden=2, name="b"), name="second", use_ignore=True, ignore_label=-1)
    net = mx.sym.Group([first, second])
    labels = {"first_label": (x[:, 0] > 0).astype("float32") + (x[:, 1] > 0), "second_label": np.where(x[:, 2] > 1, -1.0, x[:, 3] > 0)}
    data = mx.io.NDArrayIter(x, labels, 10)
    args, _ = _drawn(net, data=(10, 5), first_label=(10,), second_label=(10,))
    module = mx.mod.Module(net, label_names=("first_label", "second_label"))
    metric = mx.metric.CrossEntropy(output_names=["first_output"], label_names=["first_label"])
    module.fit(data, eval_metric=metric, arg_params=_on(mx, args), num_epoch=3, optimizer_params={"learning_rate": 0.3})
    return [_summary(dict(zip("ab", module.predict(data)))), module.score(data, metric), [[n, list(s)] for n, s in module.output_shapes]]  # noqa: B905


def adversaries(mx):
    """Two modules, of which one learns by the other's gradient of its input, and that one from two backwards."""
    random = np.random.RandomState(6)
    make = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.var("rand"), num_hidden=6, name="g"), act_type="tanh")
    judge = mx.sym.LogisticRegressionOutput(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=1, name="d"), label=mx.sym.var("label"))
    maker = mx.mod.Module(make, data_names=("rand",), label_names=None)
    maker.bind([("rand", (4, 3))])
    maker.init_params(arg_params=_on(mx, _drawn(make, rand=(4, 3))[0]), aux_params={})
    judging = mx.mod.Module(judge, label_names=("label",))
    judging.bind([("data", (4, 6))], [("label", (4, 1))], inputs_need_grad=True)
    judging.init_params(arg_params=_on(mx, _drawn(judge, data=(4, 6), label=(4, 1))[0]), aux_params={})
    for module in (maker, judging):
        module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": 0.02, "beta1": 0.5})
    said = []
    for _ in range(6):
        maker.forward(mx.io.DataBatch([mx.nd.array(random.randn(4, 3))], None), is_train=True)
        made = maker.get_outputs()
        judging.forward_backward(mx.io.DataBatch(made, [mx.nd.zeros((4, 1))]))
        kept = [[grad.copyto(grad.context) for grad in grads] for grads in judging._exec_group.grad_arrays]
        judging.forward_backward(mx.io.DataBatch([mx.nd.array(random.randn(4, 6))], [mx.nd.ones((4, 1))]))
        for now, before in zip(judging._exec_group.grad_arrays, kept):  # noqa: B905
            now[0] += before[0]
        judging.update()
        judging.forward_backward(mx.io.DataBatch(made, [mx.nd.ones((4, 1))]))
        maker.backward(judging.get_input_grads())
        maker.update()
        said.append(float(judging.get_outputs()[0].asnumpy().sum()))
    return [said, _summary(maker.get_params()[0]), _summary(judging.get_params()[0])]


def a_new_head(mx):
    """Layers of a network that is there, fixed, with another last one."""
    net = mx.sym.Convolution(mx.sym.var("data"), num_filter=3, kernel=(3, 3), name="conv")
    net = mx.sym.Flatten(mx.sym.BatchNorm(net, fix_gamma=False, name="bn"), name="flat")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=4, name="fc1"), name="softmax")
    args, aux = (_on(mx, part) for part in _drawn(net, data=(4, 1, 6, 6), softmax_label=(4,)))
    features = net.get_internals()["flat_output"]
    old = {name: x for name, x in args.items() if not name.startswith("fc1")}
    new = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(features, num_hidden=2, name="fc2"), name="softmax")
    module = mx.mod.Module(new, fixed_param_names=sorted(old))
    module.bind([("data", (4, 1, 6, 6))], [("softmax_label", (4,))])
    module.init_params(mx.init.One())
    module.set_params(old, aux, allow_missing=True)
    module.init_optimizer(optimizer_params={"learning_rate": 0.1})
    random = np.random.RandomState(7)
    for _ in range(3):
        module.forward_backward(mx.io.DataBatch([mx.nd.array(random.randn(4, 1, 6, 6))], [mx.nd.array([0, 1, 0, 1])]))
        module.update()
    inside = mx.mod.Module(features, label_names=None)
    inside.bind([("data", (1, 1, 6, 6))], for_training=False)
    inside.set_params(args, aux)  # what it does not have is passed over
    inside.forward(mx.io.DataBatch([mx.nd.ones((1, 1, 6, 6))]))
    return [_summary(module.get_params()[0]), _summary({"out": inside.get_outputs()[0]})]


PROGRAMS = {name: f for name, f in list(globals().items()) if isfunction(f) and f.__module__ == __name__ and name[0] != "_"}


def main():
    import mxnet

    results = {name: program(mxnet) for name, program in PROGRAMS.items()}
    PATH.write_text(json.dumps(results, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
