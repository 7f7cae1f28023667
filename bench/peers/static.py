"""8-bit static quantization by onnxruntime's own tool, per channel, min-max. usage: static.py MODEL DATASET OUT MATMUL_ONLY"""
import json
import os
import sys

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

source, dataset, target, matmul_only = sys.argv[1:5]
spec = json.load(open(dataset))["calibration"]["inputs"]
arrays = {}
for given, one in spec.items():
    values = np.load(os.path.join(os.path.dirname(dataset), one["file"]))
    if "mean" in one:
        values = ((values - np.array(one["mean"])) / np.array(one["std"])).astype(np.float32)
    if one.get("layout") == "NHWC->NCHW":
        values = values.transpose(0, 3, 1, 2).copy()
    if "mask" in one:
        values = values > 0
    arrays[given] = values
session = ort.InferenceSession(source)
types = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
feeds = {i.name: arrays.get(i.name, arrays.get("*")).astype(types[i.type]) for i in session.get_inputs()}


class Reader(CalibrationDataReader):
    def __init__(self):
        self.at = 0

    def get_next(self):
        if self.at >= len(next(iter(feeds.values()))):
            return None
        batch = {name: values[self.at : self.at + 16] for name, values in feeds.items()}
        self.at += 16
        return batch


options = {"op_types_to_quantize": ["MatMul", "Gemm"]} if matmul_only == "1" else {}
quantize_static(
    source,
    target,
    Reader(),
    quant_format=QuantFormat.QDQ,
    per_channel=True,
    activation_type=QuantType.QUInt8,
    weight_type=QuantType.QInt8,
    **options,
)
