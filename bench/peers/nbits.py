"""4-bit weight-only quantization by onnxruntime's own tool, saved and flushed. usage: nbits.py MODEL BLOCK OUT"""
import os
import sys

import onnx
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

source, block, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]
quantizer = MatMulNBitsQuantizer(onnx.load(source), block_size=block, is_symmetric=False)
quantizer.process()
quantizer.model.save_model_to_file(target)
fd = os.open(target, os.O_RDONLY)
os.fsync(fd)
os.close(fd)
