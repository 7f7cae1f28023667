"""Replaces one initializer and saves, flushed to disk. usage: replaceOne.py MODEL NAME OUT [DATA]

With DATA the weights go to a file of that name beside the output.
"""
import os
import sys

import numpy as np
import onnx

source, name, target, *data = sys.argv[1:]
model = onnx.load(source)
tensor = next(t for t in model.graph.initializer if t.name == name)
values = np.frombuffer(tensor.raw_data, np.float32)
tensor.raw_data = (np.round(values * 128) / 128).astype(np.float32).tobytes()
if data:
    onnx.save(model, target, save_as_external_data=True, location=data[0])
else:
    onnx.save(model, target)
for file in [target] + [os.path.join(os.path.dirname(target), one) for one in data]:
    fd = os.open(file, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
