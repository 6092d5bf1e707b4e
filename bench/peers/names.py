"""
The example names (examples/names) in PyTorch: the same names, split, sizes, initial weights, order of the data in the
first epoch, optimizer, learning rates and clipping, and the same line at the end of each epoch. It draws nothing.

    python names.py --female female/names.txt --male male/names.txt --epochs 2 --threads 2
"""

import argparse
import hashlib
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

ALPHABET = "-abcdefghijklmnopqrstuvwxyz"


def read_names(female, male):
    """The names that stand in one of the two lists only, with 1 for female, ordered by their hashes."""
    female, male = (set(Path(path).read_text().strip().split("\n")) for path in (female, male))
    names = sorted(female ^ male, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return [(name.lower(), float(name in female)) for name in names]


class Classifier(nn.Module):
    """Letters -> vectors -> two layers, both directions -> one score a name."""

    def __init__(self, hidden, dropout):
        super().__init__()
        self.embedding = nn.Embedding(len(ALPHABET), 32)
        self.dropout = nn.Dropout(dropout)
        self.rnn = nn.RNN(32, hidden, num_layers=2, bidirectional=True, dropout=dropout)
        self.head = nn.Linear(2 * hidden, 1)

    def forward(self, names):
        lengths = [len(name) for name in names]
        letters = torch.tensor(
            [[ALPHABET.index(letter) for letter in name.ljust(max(lengths), "-")] for name in names]
        ).t()
        vectors = self.dropout(self.embedding(letters))
        packed = pack_padded_sequence(vectors, torch.tensor(lengths), enforce_sorted=False)
        _, h_n = self.rnn(packed)
        return self.head(self.dropout(torch.cat([h_n[-2], h_n[-1]], dim=1)))


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--female", required=True)
    parser.add_argument("--male", required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--rate", type=float, default=0.003)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, required=True)
    return parser.parse_args()


def main():
    given = options()
    torch.set_num_threads(given.threads)
    print(f"PyTorch {torch.__version__}")

    names = read_names(given.female, given.male)
    border = round(len(names) / 5)
    held_out, train = names[:border], names[border:]

    torch.manual_seed(given.seed)
    model = Classifier(given.hidden, given.dropout)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=given.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, given.epochs)

    def score(some):
        model.eval()
        with torch.inference_mode():
            scores = model([name for name, _ in some])[:, 0]
        female = torch.tensor([female for _, female in some]) == 1
        return 100 * ((scores > 0) == female).double().mean().item()

    for epoch in range(given.epochs):
        start = time.perf_counter()
        model.train()
        order = torch.rand(len(train), dtype=torch.float64).argsort(stable=True).tolist()
        for done in range(0, len(train), given.batch):
            some = [train[place] for place in order[done : done + given.batch]]
            scores = model([name for name, _ in some])
            loss = criterion(scores, torch.tensor([[female] for _, female in some]))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1)
            optimizer.step()
        schedule.step()
        seconds = time.perf_counter() - start
        print(
            f"Epoch {epoch + 1}/{given.epochs}  of the learned names right: {score(train):.1f} %  "
            f"({seconds:.3f} s)",
            flush=True,
        )


main()
