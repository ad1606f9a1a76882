"""The modules of MXNet 1.9.1 that programs import from hold the same objects as the packages that they are known by."""

import importlib

import pytest

import hybridnet as hn

#: module: the public names that MXNet's has (its ``__all__``, and classes of other modules that programs are seen to take from it).
PLACES = {
    "gluon.block": "Block HybridBlock",
    "gluon.contrib.cnn.conv_layers": "DeformableConvolution ModulatedDeformableConvolution",
    "gluon.contrib.data.sampler": "IntervalSampler",
    "gluon.contrib.estimator.batch_processor": "BatchProcessor",
    "gluon.contrib.estimator.estimator": "Estimator",
    "gluon.contrib.estimator.event_handler": "TrainBegin TrainEnd EpochBegin EpochEnd BatchBegin BatchEnd StoppingHandler MetricHandler"
    " ValidationHandler LoggingHandler CheckpointHandler EarlyStoppingHandler GradientUpdateHandler",
    "gluon.contrib.nn.basic_layers": "Concurrent HybridConcurrent Identity SparseEmbedding SyncBatchNorm PixelShuffle1D PixelShuffle2D"
    " PixelShuffle3D",
    "gluon.contrib.rnn.conv_rnn_cell": "Conv1DRNNCell Conv2DRNNCell Conv3DRNNCell Conv1DLSTMCell Conv2DLSTMCell Conv3DLSTMCell"
    " Conv1DGRUCell Conv2DGRUCell Conv3DGRUCell",
    "gluon.contrib.rnn.rnn_cell": "VariationalDropoutCell LSTMPCell",
    "gluon.data.dataloader": "DataLoader",
    "gluon.data.dataset": "Dataset SimpleDataset ArrayDataset RecordFileDataset",
    "gluon.data.sampler": "Sampler SequentialSampler RandomSampler FilterSampler BatchSampler",
    "gluon.data.vision.datasets": "MNIST FashionMNIST CIFAR10 CIFAR100 ImageRecordDataset ImageFolderDataset",
    "gluon.nn.activations": "Activation LeakyReLU PReLU ELU SELU Swish GELU",
    "gluon.nn.basic_layers": "Activation Block HybridBlock Sequential HybridSequential Dense Dropout Embedding BatchNorm BatchNormReLU"
    " InstanceNorm LayerNorm GroupNorm Flatten Lambda HybridLambda",
    "gluon.nn.conv_layers": "Activation HybridBlock Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose MaxPool1D"
    " MaxPool2D MaxPool3D AvgPool1D AvgPool2D AvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalAvgPool1D GlobalAvgPool2D"
    " GlobalAvgPool3D ReflectionPad2D",
    "gluon.parameter": "DeferredInitializationError Parameter Constant ParameterDict",
    "gluon.rnn.rnn_cell": "RecurrentCell HybridRecurrentCell RNNCell LSTMCell GRUCell SequentialRNNCell HybridSequentialRNNCell"
    " DropoutCell ModifierCell ZoneoutCell ResidualCell BidirectionalCell",
    "gluon.rnn.rnn_layer": "RNN LSTM GRU",
    "gluon.trainer": "Trainer",
    "optimizer.contrib": "GroupAdaGrad",
    "optimizer.optimizer": "AdaDelta AdaGrad Adam Adamax DCASGD FTML Ftrl LARS LBSGD NAG Nadam Optimizer RMSProp SGD SGLD Signum LAMB"
    " Test Updater ccSGD create get_updater register",
}
#: Where the public name is not in the package that holds the module.
PUBLIC = {"Activation": hn.gluon.nn, "Block": hn.gluon, "HybridBlock": hn.gluon}


@pytest.mark.parametrize("place", PLACES)
def test_the_same_objects(place: str) -> None:
    module = importlib.import_module(f"hybridnet.{place}")
    package = importlib.import_module(f"hybridnet.{place.rpartition('.')[0]}")
    for name in PLACES[place].split():
        assert getattr(module, name) is getattr(PUBLIC.get(name, package), name)
        assert name in getattr(module, "__all__", [name])


def test_modules_are_attributes_of_their_packages() -> None:
    """``gluon.nn.basic_layers.Dense`` without an import of its own."""
    for place in PLACES:
        found = hn
        for part in place.split("."):
            found = getattr(found, part)
        assert found.__name__ == f"hybridnet.{place}"
