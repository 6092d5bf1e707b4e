"""Makes a network again and again, and prints the milliseconds of each, as modes/start-child.ts does."""

import json
import time

import torch

times = []
for _ in range(40):
    begin = time.perf_counter()
    torch.nn.RNN(512, 512, num_layers=4)
    times.append((time.perf_counter() - begin) * 1000)
print(json.dumps(times[10:]))
