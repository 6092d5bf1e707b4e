"""Writes pytorch.json: what PyTorch's losses and optimizers give, for tests/pytorch.rs.

Run with PyTorch 2.13 on the CPU: python make.py
"""

import itertools
import json
import math
import pathlib

import torch

torch.manual_seed(2024)
torch.set_num_threads(1)


def numbers(tensor):
    """A flat list; NaN, which JSON lacks, becomes null."""
    return [None if math.isnan(x) else x for x in tensor.detach().flatten().tolist()]


def losses():
    reductions = ("none", "mean", "sum")
    shapes = ((1, 1), (5, 3), (3, 37), (0, 4))
    for dtype, reduction, (rows, classes), ignored in itertools.product(
        (torch.float32, torch.float64), reductions, shapes, ("none", "some", "all")
    ):
        logits = (torch.randn(rows, classes, dtype=dtype) * 3).requires_grad_()
        targets = torch.randint(classes, (rows,))
        ignore_index = -100
        if ignored == "all":
            targets[:] = ignore_index
        elif ignored == "some":
            ignore_index = 0
        loss = torch.nn.functional.cross_entropy(
            logits, targets, ignore_index=ignore_index, reduction=reduction
        )
        grad_out = torch.randn_like(loss)
        loss.backward(grad_out)
        yield {
            "loss": "cross_entropy",
            "dtype": str(dtype).removeprefix("torch."),
            "reduction": reduction,
            "ignore_index": ignore_index,
            "classes": classes,
            "input": numbers(logits),
            "target": targets.tolist(),
            "grad_out": numbers(grad_out),
            "out": numbers(loss),
            "grad_input": numbers(logits.grad),
        }
    for dtype, reduction, count in itertools.product(
        (torch.float32, torch.float64), reductions, (0, 1, 37)
    ):
        x = torch.randn(count, dtype=dtype, requires_grad=True)
        t = torch.randn(count, dtype=dtype, requires_grad=True)
        loss = torch.nn.functional.mse_loss(x, t, reduction=reduction)
        grad_out = torch.randn_like(loss)
        loss.backward(grad_out)
        yield {
            "loss": "mse",
            "dtype": str(dtype).removeprefix("torch."),
            "reduction": reduction,
            "input": numbers(x),
            "target": numbers(t),
            "grad_out": numbers(grad_out),
            "out": numbers(loss),
            "grad_input": numbers(x.grad),
            "grad_target": numbers(t.grad),
        }


def optimizers():
    """25 steps down p³/6 - c·p, whose gradient p²/2 - c any language computes to the last bit."""
    sgd = [
        {"lr": 0.05},
        {"lr": 0.05, "weight_decay": 0.1},
        {"lr": 0.05, "momentum": 0.9},
        {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
        {"lr": 0.05, "momentum": 0.8, "nesterov": True},
        {"lr": 0.005, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05, "maximize": True},
    ]
    adam = [
        {"lr": 0.01},
        {"lr": 0.05, "betas": (0.8, 0.9), "eps": 1e-3},
        {"lr": 0.05, "betas": (0.4, 0.99)},
        {"lr": 0.01, "weight_decay": 0.1},
        {"lr": 0.05, "amsgrad": True},
        {"lr": 0.01, "amsgrad": True, "weight_decay": 0.02, "maximize": True},
    ]
    runs = [(torch.optim.SGD, options) for options in sgd] + [(torch.optim.Adam, options) for options in adam]
    for (kind, options), dtype in itertools.product(runs, (torch.float32, torch.float64)):
        p = (torch.rand(300, dtype=dtype) * 1.5 + 0.5).requires_grad_()
        c = torch.rand(300, dtype=dtype) * 1.5 + 0.5
        # Elements do not influence each other: every 20th is enough.
        start, optimizer = p.detach().clone(), kind([p], **options)
        after = {}
        for step in range(1, 26):
            p.grad = (p * p * 0.5 - c).detach()
            optimizer.step()
            if step in (1, 2, 25):
                after[step] = numbers(p[::20])
        yield {
            "optimizer": kind.__name__,
            "dtype": str(dtype).removeprefix("torch."),
            "options": optimizer.defaults,
            "start": numbers(start[::20]),
            "c": numbers(c[::20]),
            "after": after,
        }


golden = {"torch": torch.__version__, "losses": list(losses()), "optimizers": list(optimizers())}
path = pathlib.Path(__file__).with_name("pytorch.json")
path.write_text(json.dumps(golden, allow_nan=False).replace('{"loss"', '\n{"loss"').replace('{"optimizer"', '\n{"optimizer"') + "\n")
