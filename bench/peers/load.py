"""Lists the initializers of a model the usual way. usage: load.py MODEL"""
import sys

import onnx

model = onnx.load(sys.argv[1])
print(len(model.graph.node), sum(len(t.raw_data) for t in model.graph.initializer))
