"""Trains the shapes classifier. usage: python examples/train/images.py TRAINING_FOLDER   (needs torch 2, onnx)

Reads images_x.npy and images_y.npy (scripts/examples.mjs --train), writes examples/images/shapes.{onnx,safetensors}.
"""
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from export import write_onnx, write_safetensors

SEED, EPOCHS, BATCH, RATE = 0, 28, 64, 5e-3
MEAN, STD = 100.0, 44.0
WIDTHS, CLASSES = (12, 24, 48), 10


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, each convolution followed by batch normalization."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ShapesNet(nn.Module):
    def __init__(self):
        super().__init__()
        a, b, c = WIDTHS
        self.stem = nn.Conv2d(1, a, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(a)
        self.blocks = nn.Sequential(Block(a, a, 1), Block(a, b, 2), Block(b, c, 2))
        self.classifier = nn.Linear(c, CLASSES)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn(self.stem(x))))
        return self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    folder = sys.argv[1]
    x = (torch.from_numpy(np.load(f"{folder}/images_x.npy")).float()[:, None] - MEAN) / STD
    y = torch.from_numpy(np.load(f"{folder}/images_y.npy")).long()
    held_x, held_y, x, y = x[-1000:], y[-1000:], x[:-1000], y[:-1000]
    model = ShapesNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1e-2)
    steps = EPOCHS * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        model.train()
        order = torch.randperm(len(x))
        for i in range(len(x) // BATCH):
            pick = order[i * BATCH:(i + 1) * BATCH]
            # Shapes stay what they are under quarter turns.
            batch = x[pick].rot90(int(torch.randint(4, ())), (2, 3))
            loss = F.cross_entropy(model(batch), y[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(held_x).argmax(1) == held_y).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.3f}, held-out accuracy {accuracy:.4f}", flush=True)
    write_onnx(model, x[:1], "examples/images/shapes.onnx", "image", "scores", {0: "batch"})
    write_safetensors(model, "examples/images/shapes.safetensors", {"format": "pt", "model": "shapes"})


main()
