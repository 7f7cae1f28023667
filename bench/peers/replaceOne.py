"""Replaces one initializer and saves, flushed to disk. usage: replaceOne.py MODEL NAME OUT"""
import os
import sys

import numpy as np
import onnx

source, name, target = sys.argv[1:4]
model = onnx.load(source)
tensor = next(t for t in model.graph.initializer if t.name == name)
values = np.frombuffer(tensor.raw_data, np.float32)
tensor.raw_data = (np.round(values * 128) / 128).astype(np.float32).tobytes()
onnx.save(model, target)
fd = os.open(target, os.O_RDONLY)
os.fsync(fd)
os.close(fd)
