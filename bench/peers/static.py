"""Static INT8 by onnxruntime's own tool. usage: static.py MODEL FOLDER OUT [upgrade] [tensor|channel] [minmax|percentile] [all|matmul]

The model is prepared as the tool advises (optimized, shapes inferred). FOLDER holds one NAME.npy per input, first axis samples, and batch.json with the rows of one run.
"""
import json
import os
import sys

import numpy as np
import onnx
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

source, folder, target = sys.argv[1:4]
options = sys.argv[4:]


class Reader(CalibrationDataReader):
    def __init__(self):
        rows = json.load(open(os.path.join(folder, "batch.json")))
        arrays = {f[:-4]: np.load(os.path.join(folder, f)) for f in os.listdir(folder) if f.endswith(".npy")}
        count = len(next(iter(arrays.values())))
        self.batches = iter([{k: v[i : i + rows] for k, v in arrays.items()} for i in range(0, count - rows + 1, rows)])

    def get_next(self):
        return next(self.batches, None)


prepared = target + ".prepared.onnx"
try:
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    model = onnx.load(prepared)
except Exception as error:
    print("not prepared:", error, file=sys.stderr)
    model = onnx.load(source)
if "upgrade" in options:
    from onnx import version_converter

    model = version_converter.convert_version(model, 13)
    initializers = {t.name for t in model.graph.initializer}
    for value in [v for v in model.graph.input if v.name in initializers]:
        model.graph.input.remove(value)
    model.ir_version = max(model.ir_version, 7)
quantize_static(
    model,
    target,
    Reader(),
    quant_format=QuantFormat.QDQ,
    per_channel="channel" in options,
    activation_type=QuantType.QUInt8,
    weight_type=QuantType.QInt8,
    calibrate_method=CalibrationMethod.Percentile if "percentile" in options else CalibrationMethod.MinMax,
    op_types_to_quantize=["MatMul", "Gemm"] if "matmul" in options else None,
)
