"""Torch-Pruning of the shared resnet8 without labels. usage: torchPrune.py MODEL.onnx WEIGHTS.safetensors INPUTS.npy OUT.onnx l1|l2|random uniform|global RATIO

Group magnitude, then batch normalization measured anew on INPUTS. The pruned weights replace those of MODEL.
"""
import json
import struct
import sys

import numpy as np
import onnx
import torch
import torch_pruning as tp
from torch import nn

source, weights, inputs, target, norm, spread, ratio = sys.argv[1:8]
torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout)
        self.short = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)) if cin != cout else nn.Identity()

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.short(x))


class ResNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 24, 3, 1, 1, bias=False), nn.BatchNorm2d(24)
        self.l1, self.l2, self.l3 = Block(24, 24, 1), Block(24, 48, 2), Block(48, 96, 2)
        self.fc = nn.Linear(96, 10)

    def forward(self, x):
        x = self.l3(self.l2(self.l1(torch.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


def read_safetensors(path):
    raw = open(path, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    dtypes = {"F32": np.float32, "I64": np.int64}
    tensors = {}
    for name, info in json.loads(raw[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        a, b = info["data_offsets"]
        values = np.frombuffer(raw[8 + size + a : 8 + size + b], dtypes[info["dtype"]])
        tensors[name] = torch.tensor(values.reshape(info["shape"]).copy())
    return tensors


model = ResNet8()
model.load_state_dict(read_safetensors(weights), strict=False)
model.eval()
x = torch.tensor(np.load(inputs))
importance = tp.importance.RandomImportance() if norm == "random" else tp.importance.GroupMagnitudeImportance(p=int(norm[1]))
everywhere = spread == "global"
pruner = tp.pruner.MagnitudePruner(
    model,
    x[:1],
    importance=importance,
    pruning_ratio=float(ratio),
    global_pruning=everywhere,
    ignored_layers=[model.fc],
    **({"max_pruning_ratio": 0.8} if everywhere else {}),
)
pruner.step()
for module in model.modules():
    if isinstance(module, nn.BatchNorm2d):
        module.reset_running_stats()
        module.momentum = None
model.train()
with torch.no_grad():
    for i in range(0, len(x), 64):
        model(x[i : i + 64])

graph = onnx.load(source)
state = model.state_dict()
copies = {n.output[0]: n.input[0] for n in graph.graph.node if n.op_type == "Identity"}
for node in [n for n in graph.graph.node if n.op_type == "Identity"]:
    graph.graph.node.remove(node)
names = [t.name for t in graph.graph.initializer] + list(copies)
del graph.graph.initializer[:]
for name in names:
    graph.graph.initializer.append(onnx.numpy_helper.from_array(state[name].numpy(), name))
del graph.graph.value_info[:]
onnx.save(graph, target)
