"""4- or 8-bit weight-only quantization by onnxruntime's own tool, saved and flushed. usage: nbits.py MODEL BLOCK OUT [BITS]"""
import os
import sys

import onnx
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

source, block, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]
bits = int(sys.argv[4]) if len(sys.argv) > 4 else 4
quantizer = MatMulNBitsQuantizer(onnx.load(source), bits=bits, block_size=block, is_symmetric=False)
quantizer.process()
quantizer.model.save_model_to_file(target)
fd = os.open(target, os.O_RDONLY)
os.fsync(fd)
os.close(fd)
