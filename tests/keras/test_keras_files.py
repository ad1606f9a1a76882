"""Models of the Keras front end in files, and what it refuses."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fitting import blobs

import hybridnet as hn
from hybridnet import serialization
from hybridnet.errors import ArgumentError, FileFormatError, HybridnetError
from hybridnet.gluon import nn
from hybridnet.keras import Input, initializers, optimizers
from hybridnet.keras.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling2D,
    InputLayer,
    LayerNormalization,
    MaxPooling2D,
)
from hybridnet.keras.models import Sequential, load_model
from hybridnet.keras.utils import to_categorical


def classifier() -> Sequential:
    hn.random.seed(2)
    return Sequential([Dense(8, activation="relu", input_shape=(2,)), BatchNormalization(), Dropout(0.1), Dense(3, activation="softmax")])


def images(n: int = 2, size: tuple[int, int] = (7, 6), channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, *size, channels)).astype(np.float32)


# -- files -----------------------------------------------------------------------------------------


def test_save_and_load(tmp_path: Path) -> None:
    x, y = blobs()
    model = classifier()
    model.compile(optimizers.Adam(0.02, beta_1=0.8), "categorical_crossentropy", ["accuracy"])
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    other = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))
    assert model.evaluate(x, y, verbose=0) == other.evaluate(x, y, verbose=0)
    assert other._session.optimizer.get_config() == model._session.optimizer.get_config()
    assert [layer.name for layer in other.layers] == [layer.name for layer in model.layers]
    assert other.get_config() == model.get_config()
    other.fit(x, y, verbose=0)
    other.save(tmp_path / "model.keras")  # over the first
    assert list(tmp_path.iterdir()) == [tmp_path / "model.keras"]


def test_every_layer_is_saved(tmp_path: Path) -> None:
    model = Sequential(
        [
            Input((9, 9, 2), name="in"),
            Conv2D(
                4,
                (3, 2),
                strides=(2, 1),
                padding="same",
                activation="elu",
                kernel_initializer=initializers.VarianceScaling(3.0),
                use_bias=False,
            ),
            LayerNormalization(),
            MaxPooling2D((2, 2), padding="same"),
            Activation("softplus"),
            AveragePooling2D(2, strides=1),
            BatchNormalization(momentum=0.8),
            Dropout(0.2),
            GlobalAveragePooling2D(),
            Dense(3),
        ]
    )
    model.save(tmp_path / "m")
    other = load_model(tmp_path / "m")
    x = images(3, (9, 9), 2)
    np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))
    assert other.input_shape == (None, 9, 9, 2)
    with pytest.raises(ArgumentError, match="compile"):
        other.evaluate(x, x)
    words = Sequential([Embedding(7, 2, input_length=3), Flatten()])
    words.save(tmp_path / "w")
    np.testing.assert_array_equal(
        load_model(tmp_path / "w").predict(np.array([[1, 2, 6]]), verbose=0), words.predict(np.array([[1, 2, 6]]), verbose=0)
    )


def test_what_compile_was_given_as_objects_is_given_again(tmp_path: Path) -> None:
    for optimizer, loss, metric in (
        ("adam", lambda a, b: (a - b) ** 2, []),
        (hn.optimizer.Adam(), "mse", []),
        ("adam", "mse", [hn.metric.MAE()]),
    ):
        model = classifier()
        model.compile(optimizer, loss, metric)
        model.save(tmp_path / "m")
        with pytest.raises(ArgumentError, match="compile"):
            load_model(tmp_path / "m").evaluate(*blobs())
    model.compile("bgd", "mse")
    model.save(tmp_path / "m")
    assert load_model(tmp_path / "m")._session.full_batch


def test_weights_alone(tmp_path: Path) -> None:
    x, _ = blobs()
    model, other = classifier(), classifier()
    other.set_weights([w + 1 for w in other.get_weights()])
    model.save_weights(str(tmp_path / "w.params"))
    other.load_weights(str(tmp_path / "w.params"))
    np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))
    assert "0.weight" in serialization.load_named(tmp_path / "w.params")


def rewritten(path: Path, change: Any) -> None:
    """Change the two members of a saved model."""
    with zipfile.ZipFile(path) as members:
        config, weights = json.loads(members.read("config.json")), members.read("weights.params")
    config, weights = change(config, weights)
    with zipfile.ZipFile(path, "w") as members:
        members.writestr("config.json", json.dumps(config))
        if weights is not None:
            members.writestr("weights.params", weights)


def with_layer(**change: Any) -> Any:
    def apply(config: Any, weights: bytes) -> Any:
        config["model"]["layers"][0].update(change)
        return config, weights

    return apply


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, w: (c, None), "hybridnet keras model, version 1; got something else"),
        (lambda c, w: (c, w[:-5]), "truncated"),
        (lambda c, w: ({**c, "format": "other"}, w), "another format"),
        (lambda c, w: ([], w), "another format"),
        (lambda c, w: ({**c, "model": 3}, w), "another format"),
        (
            lambda c, w: ({**c, "compile": {"optimizer": {"name": "adam", "config": {"x": 1}}, "loss": "mse", "metrics": []}}, w),
            "arguments of compile",
        ),
        (with_layer(class_name="os.system"), "a layer"),
        (with_layer(class_name=["Dense"]), "a layer"),
        (with_layer(config={"units": 8, "command": "rm"}), "arguments that Dense does not take"),
        (with_layer(config={"units": 8, "activation": "__import__"}), "arguments that Dense does not take"),
        (with_layer(config={"units": 9, "input_dim": 2}), r"shape \(9, 2\) for parameter"),
    ],
)
def test_foreign_files(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / "m"
    classifier().save(path)
    rewritten(path, change)
    with pytest.raises(HybridnetError, match=message):
        load_model(path)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "m"
    classifier().save(path)
    whole = path.read_bytes()
    for data in (b"", b"hello", whole[:100], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(FileFormatError, match="hybridnet keras model, version 1"):
            load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nothing")


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="activation by name, to be saved; got a function"):
        Sequential([Dense(2, activation=lambda x: x, input_dim=2)]).save(tmp_path / "m")
    with pytest.raises(ArgumentError, match=r"layers of hybridnet\.keras; got a Dense"):
        Sequential([nn.Dense(2, in_units=2)]).save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(2, activation="rellu"), "got 'rellu'.*try.*'relu'"),
        (lambda: Dense(2, kernel_initializer="glorot"), "got 'glorot'.*try 'glorot"),
        (lambda: Conv2D(2, 3, padding="full"), "padding valid or same; got 'full'"),
        (lambda: MaxPooling2D(padding="full"), "padding valid or same; got 'full'"),
        (lambda: Conv2D(2, 3, data_format="channels_first"), "channels_last.*gluon"),
        (lambda: InputLayer(), "the shape of a sample"),
        (lambda: Sequential([Dense(2), Input((3,))]), "Input as the first layer"),
        (lambda: Sequential(["Dense"]), "a Block as a child"),
        (lambda: optimizers.RMSprop(momentum=0.5), "unless centered"),
        (lambda: initializers.RandomUniform(0, 1), "minval = -maxval"),
        (lambda: initializers.RandomNormal(mean=1.0), "mean 0"),
        (lambda: initializers.VarianceScaling(mode="in"), "fan_in"),
        (lambda: to_categorical([0, 3], 3), "numbers from 0 to 2; got numbers from 0 to 3"),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_to_categorical() -> None:
    np.testing.assert_array_equal(to_categorical([0, 2]), [[1, 0, 0], [0, 0, 1]])
    assert to_categorical(np.array([[1], [0]]), 4).shape == (2, 4)
    assert to_categorical([], 3).shape == (0, 3)
