"""The neural network operators, one family a file; the functions carry the names of MXNet's ``npx``."""

from hybridnet.ops.nn import activation, convolution, deconvolution, dropout, embedding, like, linear, loss, norm, pooling, recurrence, resize, rnn, sequence, softmax
