"""
The demo (examples/char-model) in PyTorch: the same text, sizes, initial weights, order of the data, optimizer,
learning rates and clipping, and the same line at the end of each epoch. It draws and saves nothing.

    python char_model.py --text moby-dick.txt --epochs 1 --threads 2
"""

import argparse
import math
import time
from pathlib import Path

import torch
from torch import nn


CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class CharModel(nn.Module):
    """Characters -> vectors -> recurrent layers -> a score for every character that may come next."""

    def __init__(self, cell, characters, embedding, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(characters, embedding)
        self.rnn = CELLS[cell](embedding, hidden, num_layers=layers)
        self.head = nn.Linear(hidden, characters)

    def forward(self, characters, hidden):
        output, last = self.rnn(self.embedding(characters), hidden)
        return self.head(output), last


class Rows:
    """A text cut into `batch` rows that are read side by side, `steps` characters at a time."""

    def __init__(self, numbers, batch, steps):
        self.length = (len(numbers) - 1) // batch
        self.steps = steps
        # Row by row: the characters that are read, and behind each the one that comes next.
        rows = numbers[: batch * self.length].view(batch, self.length)
        nexts = numbers[1 : batch * self.length + 1].view(batch, self.length)
        self.inputs, self.targets = rows.t(), nexts.t()

    def __len__(self):
        return math.ceil(self.length / self.steps)

    def __iter__(self):
        for start in range(0, self.length, self.steps):
            stretch = slice(start, start + self.steps)
            yield self.inputs[stretch].contiguous(), self.targets[stretch].contiguous()


class Mean:
    """A mean that grows chunk by chunk: of the loss, which comes in nats."""

    def __init__(self):
        self.total = self.count = 0

    def add(self, loss, count):
        self.total += loss * count
        self.count += count

    @property
    def bits(self):
        return self.total / self.count / math.log(2)


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", required=True)
    parser.add_argument("--cell", choices=CELLS, default="rnn")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=0.003)
    parser.add_argument("--clip", type=float, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, required=True)
    return parser.parse_args()


def main():
    given = options()
    torch.set_num_threads(given.threads)
    print(f"PyTorch {torch.__version__}")

    text = Path(given.text).read_bytes().decode("utf-8-sig")
    vocabulary = {character: number for number, character in enumerate(sorted(set(text)))}
    numbers = torch.tensor([vocabulary[character] for character in text])
    border = len(numbers) - len(numbers) // 10
    train = Rows(numbers[:border], given.batch, given.steps)
    held_out = Rows(numbers[border:], given.batch, given.steps)

    torch.manual_seed(given.seed)
    model = CharModel(given.cell, len(vocabulary), given.embedding, given.hidden, given.layers)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=given.rate)

    def loss_of(scores, targets):
        return criterion(scores.flatten(0, 1), targets.flatten())

    learned = seconds = 0
    for epoch in range(given.epochs):
        mean = Mean()
        hidden = None
        begin = time.perf_counter()
        for chunk, (inputs, targets) in enumerate(train):
            done = (epoch + chunk / len(train)) / given.epochs
            for group in optimizer.param_groups:
                group["lr"] = given.rate * (0.5 + 0.5 * math.cos(math.pi * done))

            scores, hidden = model(inputs, hidden)
            loss = loss_of(scores, targets)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), given.clip)
            optimizer.step()
            hidden = tuple(state.detach() for state in hidden) if given.cell == "lstm" else hidden.detach()
            mean.add(loss.item(), targets.numel())
        seconds += time.perf_counter() - begin
        learned += mean.count

        scored = Mean()
        hidden = None
        with torch.inference_mode():
            for inputs, targets in held_out:
                scores, hidden = model(inputs, hidden)
                scored.add(loss_of(scores, targets).item(), targets.numel())
        print(
            f"Epoch {epoch + 1}/{given.epochs}  bits/char: {mean.bits:.4f} while learning, "
            f"{scored.bits:.4f} held out  ({learned / seconds:,.0f} chars/s)",
            flush=True,
        )


main()
