"""Trains the character model. usage: python examples/train/text.py TRAINING_FOLDER   (needs torch 2, onnx)

Reads text.txt (scripts/examples.mjs --train), writes examples/text/chars.{onnx,safetensors}.
"""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

from export import write_onnx, write_safetensors

SEED, STEPS, BATCH, RATE = 0, 3000, 24, 3e-3
WIDTH, LAYERS, HEADS, CONTEXT = 96, 2, 4, 96


class Linear(nn.Module):
    """x @ weight with the weight as [inputs, outputs], the way MatMul stores it."""

    def __init__(self, inputs, outputs, scale=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * (0.02 * scale))

    def forward(self, x):
        return x @ self.weight


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        residual = 1 / math.sqrt(2 * LAYERS)
        self.norm1 = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value = Linear(WIDTH, WIDTH), Linear(WIDTH, WIDTH), Linear(WIDTH, WIDTH)
        self.out = Linear(WIDTH, WIDTH, residual)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.up, self.down = Linear(WIDTH, 4 * WIDTH), Linear(4 * WIDTH, WIDTH, residual)

    def forward(self, x, hidden):
        def split(t):
            return t.reshape(t.shape[0], t.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)

        y = self.norm1(x)
        q, k, v = split(self.query(y)), split(self.key(y)), split(self.value(y))
        scores = (q @ k.transpose(-1, -2)) * (WIDTH // HEADS) ** -0.5
        y = scores.masked_fill(hidden, -1e9).softmax(-1) @ v
        x = x + self.out(y.transpose(1, 2).reshape(x.shape))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class CharModel(nn.Module):
    def __init__(self, characters):
        super().__init__()
        self.embedding = nn.Embedding(characters, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.register_buffer("order", torch.arange(CONTEXT), persistent=False)
        nn.init.normal_(self.embedding.weight, 0, 0.05)
        nn.init.normal_(self.position.weight, 0, 0.02)

    def forward(self, ids):
        order = self.order[:ids.shape[1]]
        hidden = order[None, :] > order[:, None]
        x = self.embedding(ids) + self.position(order)
        for block in self.blocks:
            x = block(x, hidden)
        # The output projection shares the embedding.
        return self.norm(x) @ self.embedding.weight.t()


def windows(ids, starts):
    picked = torch.stack([ids[s:s + CONTEXT + 1] for s in starts])
    return picked[:, :-1], picked[:, 1:]


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    characters = json.load(open("examples/text/charset.json"))["chars"]
    index = {c: i for i, c in enumerate(characters)}
    ids = torch.tensor([index[c] for c in open(f"{sys.argv[1]}/text.txt").read()])
    held, ids = ids[-30_000:], ids[:-30_000]
    held_x, held_y = windows(held, range(0, len(held) - CONTEXT - 1, CONTEXT))
    model = CharModel(len(characters))
    weights = [p for n, p in model.named_parameters() if p.dim() == 2 and "blocks" in n]
    others = [p for n, p in model.named_parameters() if not (p.dim() == 2 and "blocks" in n)]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], lr=RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.08)
    for step in range(STEPS):
        x, y = windows(ids, torch.randint(len(ids) - CONTEXT - 1, (BATCH,)).tolist())
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 249:
            with torch.no_grad():
                held_loss = F.cross_entropy(model(held_x).flatten(0, 1), held_y.flatten()).item()
            print(f"step {step + 1}: loss {loss.item():.3f}, held-out perplexity {math.exp(held_loss):.4f}", flush=True)
    write_onnx(model, held_x[:2], "examples/text/chars.onnx", "ids", "logits", {0: "batch", 1: "length"})
    write_safetensors(model, "examples/text/chars.safetensors", {"format": "pt", "model": "chars"})


main()
