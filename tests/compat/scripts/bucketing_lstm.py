"""A language model of two lengths by ``BucketingModule`` and a symbolic LSTM cell."""

import json
import sys

import mxnet as mx
import numpy as np

VOCABULARY, BATCH = 12, 4


def main():
    random = np.random.RandomState(7)
    sentences = [[int(w) for w in (start + np.arange(n)) % (VOCABULARY - 1) + 1] for start, n in zip(range(24), [3, 5] * 12, strict=False)]
    np.random.seed(0)
    train = mx.rnn.BucketSentenceIter(sentences, BATCH, buckets=[4, 6], invalid_label=0)
    for part in train.data:
        part.sort(axis=0)  # whatever the iterator shuffled
    stack = mx.rnn.SequentialRNNCell()
    stack.add(mx.rnn.LSTMCell(num_hidden=8, prefix="lstm_l0_"))

    def sym_gen(seq_len):
        data = mx.sym.Variable("data")
        label = mx.sym.Variable("softmax_label")
        embed = mx.sym.Embedding(data=data, input_dim=VOCABULARY, output_dim=6, name="embed")
        stack.reset()
        outputs, _ = stack.unroll(seq_len, inputs=embed, merge_outputs=True)
        pred = mx.sym.FullyConnected(data=mx.sym.Reshape(outputs, shape=(-1, 8)), num_hidden=VOCABULARY, name="pred")
        pred = mx.sym.SoftmaxOutput(data=pred, label=mx.sym.Reshape(label, shape=(-1,)), name="softmax", use_ignore=True, ignore_label=0)
        return pred, ("data",), ("softmax_label",)

    module = mx.mod.BucketingModule(sym_gen=sym_gen, default_bucket_key=train.default_bucket_key, context=mx.cpu())
    module.bind(data_shapes=train.provide_data, label_shapes=train.provide_label)
    module.init_params(mx.init.Zero())
    args, aux = module.get_params()
    module.set_params({name: mx.nd.array(random.uniform(-0.3, 0.3, x.shape)) for name, x in sorted(args.items())}, aux)
    module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": 0.03})
    metric = mx.metric.Perplexity(ignore_label=0)
    losses = []
    batches = []
    np.random.seed(1)
    train.reset()
    for batch in train:
        batches.append(batch)
    batches.sort(key=lambda b: (b.bucket_key, b.data[0].asnumpy().tolist()))
    for _ in range(6):
        metric.reset()
        for batch in batches:
            module.forward_backward(batch)
            module.update()
            module.update_metric(metric, batch.label)
        losses.append(metric.get()[1])
    json.dump({"losses": losses}, sys.stdout)


if __name__ == "__main__":
    main()
