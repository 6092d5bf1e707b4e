"""PyTorch: torch.nn.RNN. The number of threads comes as the argument."""

import sys

from serve import refuse, serve

try:
    import torch
except ImportError as error:
    refuse(f"this Python has no PyTorch ({error})")

from data import numbers_of

torch.set_num_threads(int(sys.argv[1]))


def prepare(task, shape, dtype):
    numbers = numbers_of(shape, dtype)
    rnn = torch.nn.RNN(
        shape["I"],
        shape["H"],
        num_layers=shape["L"],
        bidirectional=shape["D"] == 2,
        dtype=getattr(torch, dtype),
    )
    rnn.load_state_dict({name: torch.from_numpy(array) for name, array in numbers["parameters"].items()})
    x, hx, gradient = (torch.from_numpy(numbers[name]) for name in ("input", "hx", "gradient"))

    if task == "forward":

        def forward():
            with torch.inference_mode():
                return rnn(x, hx)

        output, hn = forward()
        return forward, {"output": output, "hN": hn}

    leaves = {"input": x.requires_grad_(), "hx": hx.requires_grad_(), **dict(rnn.named_parameters())}
    wanted = list(leaves.values())

    def step():
        output, hn = rnn(x, hx)
        return output, hn, torch.autograd.grad(output, wanted, gradient)

    output, hn, gradients = step()
    return step, {"output": output.detach(), "hN": hn.detach(), **dict(zip(leaves, gradients, strict=True))}


serve(f"PyTorch {torch.__version__}", prepare)
