"""Writes a trained torch model as ONNX (TorchScript exporter, nothing folded or fused) and as safetensors."""
import json
import struct
import warnings

import numpy as np
import onnx
import torch

OPSET = 17


def write_onnx(model, example, path, input_name, output_name, dynamic):
    model.eval()
    warnings.filterwarnings("ignore")
    # PRESERVE and no folding keep each BatchNormalization a node of its own and each shared weight one
    # initializer; the model is in evaluation mode, so batch statistics are not used.
    torch.onnx.export(
        model, (example,), path, dynamo=False, opset_version=OPSET, training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False, input_names=[input_name], output_names=[output_name],
        dynamic_axes={input_name: dynamic, output_name: dynamic})
    graph = onnx.load(path)
    for node in graph.graph.node:
        if node.op_type == "BatchNormalization":  # what only training reads
            kept = [a for a in node.attribute if a.name == "epsilon"]
            del node.attribute[:]
            node.attribute.extend(kept)
        node.doc_string = ""
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)


def write_safetensors(model, path, metadata):
    header, chunks, offset = {"__metadata__": metadata}, [], 0
    for name, value in model.state_dict().items():
        array = np.ascontiguousarray(value.detach().numpy())
        dtype = {"float32": "F32", "int64": "I64"}[str(array.dtype)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
        chunks.append(array.tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
