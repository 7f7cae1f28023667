"""8-bit dynamic quantization by onnxruntime's own tool. usage: lstm.py MODEL OUT PER_CHANNEL"""
import sys

from onnxruntime.quantization import quantize_dynamic

source, target, per_channel = sys.argv[1:4]
quantize_dynamic(source, target, per_channel=per_channel == "1")
