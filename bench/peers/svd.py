"""Low-rank weights by numpy: plain SVD, or whitened by the layer's inputs (SVD-LLM). usage: svd.py MODEL FOLDER OUT plain|whitened KEEP

FOLDER holds one NAME.npy per input, first axis samples. Every MatMul with a constant matrix but the one of the graph's output gets the best
product of two factors with KEEP of its parameters; the product is stored, so the file keeps its size and says only what the values are worth.
Prints {"layers", "kept"}: the share of parameters that the factors would have.
"""
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

source, folder, target, mode, keep = sys.argv[1:6]
model = onnx.load(source)
weights = {t.name: t for t in model.graph.initializer}
outputs = {o.name for o in model.graph.output}
layers = [n for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in weights and n.output[0] not in outputs]
grams = {}
if mode == "whitened":
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    values = list(dict.fromkeys(n.input[0] for n in layers))
    for name in values:
        probe.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {f[:-4]: np.load(os.path.join(folder, f)) for f in os.listdir(folder) if f.endswith(".npy")}
    count = len(next(iter(feeds.values())))
    for i in range(0, count, 16):
        results = session.run(values, {k: v[i : i + 16] for k, v in feeds.items()})
        for name, x in zip(values, results):
            x = x.reshape(-1, x.shape[-1]).astype(np.float64)
            grams[name] = grams.get(name, 0) + x.T @ x
kept = total = 0
for node in layers:
    tensor = weights[node.input[1]]
    w = numpy_helper.to_array(tensor).astype(np.float64)
    rows, columns = w.shape
    rank = int(float(keep) * rows * columns / (rows + columns))
    total += w.size
    kept += rank * (rows + columns)
    if mode == "whitened":
        g = grams[node.input[0]]
        lower = np.linalg.cholesky(g + 1e-6 * np.trace(g) / len(g) * np.eye(len(g)))
        u, s, v = np.linalg.svd(lower.T @ w, full_matrices=False)
        low = np.linalg.solve(lower.T, u[:, :rank] * s[:rank]) @ v[:rank]
    else:
        u, s, v = np.linalg.svd(w, full_matrices=False)
        low = (u[:, :rank] * s[:rank]) @ v[:rank]
    tensor.CopyFrom(numpy_helper.from_array(low.astype(np.float32), tensor.name))
onnx.save(model, target)
print(json.dumps({"layers": len(layers), "kept": kept / total}))
