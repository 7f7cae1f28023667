"""Dynamic INT8 by onnxruntime's own tool. usage: dynamic.py MODEL OUT [tensor|channel]"""
import sys

from onnxruntime.quantization import QuantType, quantize_dynamic

source, target, granularity = sys.argv[1:4]
quantize_dynamic(source, target, per_channel=granularity == "channel", weight_type=QuantType.QInt8)
