"""The digits network in fewer bits: int8 here and in onnxruntime, float16, bfloat16, and by onnxruntime's own quantizer.

The network of ``deploy_onnx.py`` is calibrated on 200 training images. What it then answers is compared: in int8 by MXNet's quantized
operators, as an ONNX file with QuantizeLinear and DequantizeLinear, and cast to float16 and bfloat16. What onnxruntime's tools do that this
package does not (bytes that need not begin at 0, sums in int8, products of matrices of a transformer calibrated while it runs) they do with
an exported float file: ``by_onnxruntime`` is how.

    pip install "hybridnet[onnx]" onnxruntime
    python examples/deploy_quantized.py
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet.contrib import quantization
from hybridnet.gluon import nn

CALIBRATION = 200


def network() -> Any:
    """Two convolutions and two dense layers."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D())
    net.add(nn.Conv2D(32, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Flatten())
    net.add(nn.Dense(32, activation="relu"), nn.Dropout(0.2), nn.Dense(10))
    return net


def answers(file: Path, images: Any) -> Any:
    """What onnxruntime answers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Without VNNI, on a processor with AVX2, say, it would add products of int8 in 16 bits, which do not hold them.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"data": images})[0].astype("float32").argmax(axis=1)


def by_onnxruntime(source: Path, target: Path, images: Any) -> None:
    """Have onnxruntime quantize an exported file: static, a scale for each channel, calibrated on ``images``."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter([{"data": images}])

        def get_next(self) -> Any:
            return next(self.batches, None)

    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        target,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Train, and give the accuracy on held-out digits in each form, and the sizes of the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--tools", action="store_true", help="quantize by onnxruntime.quantization too")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)

    hn.random.seed(0)
    digits = load_digits()
    images, labels = digits.images[:, None].astype("float32") / 16, digits.target
    train, held_out = slice(0, 1200), slice(1200, None)
    net = network()
    net.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    net.fit(images[train], labels[train], epochs=options.epochs, batch_size=50, verbose=0 if options.quiet else 1)
    asked = images[held_out]
    examples = [hn.np.array(images[i : i + 50]) for i in range(0, CALIBRATION, 50)]
    found = {"float32": net(hn.np.array(asked)).asnumpy().argmax(axis=1)}
    sizes = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def written(form: str, block: Any, example: Any) -> Path:
            file = folder / f"{form}.onnx"
            hn.onnx.export(block, file, example, {"data": {0: "batch"}})
            sizes[form] = file.stat().st_size
            return file

        plain = written("float32", net, examples[0])
        for mode in ("naive", "entropy"):
            net8 = quantization.quantize_net_v2(net, calib_data=examples, calib_mode=mode)
            net8.hybridize()
            found[f"int8 {mode}"] = net8(hn.np.array(asked)).asnumpy().argmax(axis=1)
            found[f"onnx {mode}"] = answers(written(f"int8 {mode}", net8, examples[0]), asked)
        if options.tools:
            by_onnxruntime(plain, folder / "tools.onnx", images[:CALIBRATION])
            found["tools"] = answers(folder / "tools.onnx", asked)
        net.cast("float16")
        found["float16"] = answers(written("float16", net, examples[0].astype("float16")), asked.astype("float16"))
        net.cast("bfloat16")
        brain = examples[0].astype("bfloat16")
        found["bfloat16"] = net(hn.np.array(asked).astype("bfloat16")).astype("float32").asnumpy().argmax(axis=1)
        written("bfloat16", net, brain)
    accuracy = {form: float((answer == labels[held_out]).mean()) for form, answer in found.items()}
    for form, share in accuracy.items():
        print(f"{form:13} {share:.4f}")
    print("kB:", {form: round(size / 1000, 1) for form, size in sizes.items()})
    return {"accuracy": accuracy, "sizes": sizes}


if __name__ == "__main__":
    main()
