"""PyTorch: torch.nn.RNN, GRU and LSTM. The number of threads comes as the argument."""

import sys

from serve import refuse, serve

try:
    import torch
except ImportError as error:
    refuse(f"this Python has no PyTorch ({error})")

from data import named_states, numbers_of

MODULES = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}

torch.set_num_threads(int(sys.argv[1]))


def prepare(task, shape, dtype):
    numbers = numbers_of(shape, dtype)
    rnn = MODULES[shape["cell"]](
        shape["I"],
        shape["H"],
        num_layers=shape["L"],
        bidirectional=shape["D"] == 2,
        dtype=getattr(torch, dtype),
    )
    rnn.load_state_dict({name: torch.from_numpy(array) for name, array in numbers["parameters"].items()})
    x, gradient = (torch.from_numpy(numbers[name]) for name in ("input", "gradient"))
    states = [torch.from_numpy(array) for array in numbers["states"]]
    is_lstm = shape["cell"] == "lstm"
    hx = tuple(states) if is_lstm else states[0]

    def named(output, last):
        last = last if is_lstm else [last]
        return {"output": output.detach(), **named_states(shape, "N", [state.detach() for state in last])}

    if task == "forward":

        def forward():
            with torch.inference_mode():
                return rnn(x, hx)

        return forward, named(*forward())

    for leaf in (x, *states):
        leaf.requires_grad_()
    leaves = {"input": x, **named_states(shape, "x", states), **dict(rnn.named_parameters())}
    wanted = list(leaves.values())

    def step():
        output, last = rnn(x, hx)
        return output, last, torch.autograd.grad(output, wanted, gradient)

    output, last, gradients = step()
    return step, {**named(output, last), **dict(zip(leaves, gradients, strict=True))}


serve(f"PyTorch {torch.__version__}", prepare)
