"""``mx.contrib.quantization``: networks in int8 after they were trained, calibrated on examples.

    net8 = quantization.quantize_net_v2(net, calib_data=loader, calib_mode="entropy")
    hybridnet.onnx.export(net8, "net8.onnx", [x])  # QuantizeLinear and DequantizeLinear, for onnxruntime to compute in int8

Batch norms are folded into the layers before them; products are computed by MXNet's quantized operators. ONNX's other ways (unsigned
asymmetric bytes, sums and norms in int8, four bits) are those of ``onnxruntime.quantization``, which takes exported files: see
``examples/deploy_quantized.py``.

On x86-64 without VNNI (a processor with AVX2, say) onnxruntime adds products of int8 up in 16 bits, which do not hold them, and its
answers may be far off: there a session needs ``options.add_session_config_entry("session.x64quantprecision", "1")``.
"""

from hybridnet.contrib.quantization.calibration import CalibrationCollector
from hybridnet.contrib.quantization.model import calib_graph, quantize_graph, quantize_model
from hybridnet.contrib.quantization.network import QuantizedBlock, quantize_net, quantize_net_v2
from hybridnet.contrib.quantization.thresholds import optimal_threshold

__all__ = [
    "CalibrationCollector",
    "QuantizedBlock",
    "calib_graph",
    "optimal_threshold",
    "quantize_graph",
    "quantize_model",
    "quantize_net",
    "quantize_net_v2",
]
