"""Golden values for the tests called golden.test.ts, computed by PyTorch.

    python3 -m venv ../golden-venv
    ../golden-venv/bin/pip install torch==2.13.0 numpy==2.4.6 safetensors==0.8.0
    ../golden-venv/bin/python test/golden/generate.py             # rewrites the files beside this one
    ../golden-venv/bin/python test/golden/generate.py --check     # only compares: exit 1 if a byte differs

Everything is seeded, and every choice that could change a rounding is pinned: one thread, ATen's AVX2
kernels, MKL's machine-independent code path, oneDNN off. An x86-64 CPU with AVX2 is needed: without FMA,
`uniform_` rounds twice and gives other initial weights (ATEN_CPU_CAPABILITY=default shows it).

README.md, beside this file, says what each file holds. In names: T time steps, B batch, I input size,
H hidden size, L layers, D directions.
"""

import os

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
os.environ["MKL_CBWR"] = "COMPATIBLE"
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import itertools
import json
import math
import sys
import warnings
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

HERE = Path(__file__).resolve().parent
DTYPES = {"float32": torch.float32, "float64": torch.float64}
STEPS = 25


# ----------------------------------------------------------------------------------------------- common


class Source:
    """Numbers for one case: the same ones for each dtype, since all are drawn in float64 and then rounded."""

    def __init__(self, seed, dtype="float64"):
        self.generator = torch.Generator().manual_seed(seed)
        self.dtype = DTYPES[dtype]

    def uniform(self, *shape, low=-1.0, high=1.0):
        drawn = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return (drawn * (high - low) + low).to(self.dtype)

    def integers(self, high, *shape, low=0):
        return torch.randint(low, high, shape, generator=self.generator)


def leaf(tensor):
    return tensor.clone().requires_grad_(True)


def flat(tensors):
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def stored(tensor):
    """What safetensors gets: contiguous, off the tape, class indices as int32."""
    tensor = tensor.detach().clone().contiguous()
    return tensor.to(torch.int32) if tensor.dtype == torch.int64 else tensor


def safetensors_bytes(tensors):
    return save({name: stored(tensor) for name, tensor in tensors.items()})


def manifest_bytes(cases):
    """A JSON array with one case a line, so that a change of one case is a change of one line."""
    return ("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n").encode()


def camel(name):
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def snake(name):
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def camel_keys(options):
    return {camel(key): value for key, value in options.items()}


# ------------------------------------------------------------------------------------- recurrent modules


# (I, H, T, B). The case number runs through them, and their count shares no factor with the flags' product,
# so that every size meets every flag. The same holds for the upstream gradients.
SIZES = [(2, 3, 3, 2), (1, 2, 4, 1), (3, 1, 2, 2), (2, 2, 1, 3), (2, 3, 2, 1), (1, 1, 1, 1), (5, 2, 3, 2)]
# (I, H, T, B) and the size of the projection, which has to be smaller than H.
PROJECTED_SIZES = [
    (2, 3, 3, 2, 2),
    (1, 2, 4, 1, 1),
    (3, 2, 2, 2, 1),
    (2, 3, 1, 3, 1),
    (2, 3, 2, 1, 2),
    (1, 2, 1, 1, 1),
    (4, 4, 3, 2, 2),
]
LAYOUTS = [("batched", False), ("batched", True), ("unbatched", None)]

# Upstream gradients: of what there are any.
RNN_UPSTREAMS = ["both", "output", "both", "hN", "both"]
GRU_UPSTREAMS = [["output", "hN"], ["output"], ["hN"], ["output", "hN"], ["hN"]]
LSTM_UPSTREAMS = [
    ["output", "hN", "cN"],
    ["output"],
    ["cN"],
    ["hN"],
    ["output", "hN"],
    ["output", "cN"],
    ["hN", "cN"],
    ["output", "hN", "cN"],
    ["cN"],
    ["hN"],
    ["output", "hN", "cN"],
]

# Variable lengths: (L, bidirectional, bias, own, batchFirst, hx, upstream, T, lengths). T above the longest
# length asks for padding that no sequence reaches (total_length). `own` is what only this kind of module has.
RNN_LENGTH_CASES = [
    (1, False, True, "tanh", False, True, "both", 5, [5, 3, 1]),
    (1, False, True, "tanh", True, False, "both", 5, [2, 5, 4]),
    (1, True, True, "tanh", False, False, "both", 5, [1, 4, 5]),
    (1, True, True, "tanh", True, True, "hN", 6, [3, 1, 4]),
    (1, True, False, "relu", False, True, "output", 4, [2, 4, 2, 3]),
    (1, False, False, "relu", True, True, "both", 4, [1, 1, 1]),
    (2, False, True, "tanh", False, False, "output", 4, [4, 4, 2]),
    (2, False, True, "relu", True, True, "both", 5, [3, 4, 3]),
    (2, True, True, "tanh", False, True, "both", 5, [2, 5, 1]),
    (2, True, True, "relu", True, False, "both", 4, [1, 3, 4, 3]),
    (2, True, False, "tanh", True, True, "output", 6, [5, 2, 2]),
    (2, True, True, "tanh", False, True, "hN", 3, [1]),
    (1, True, True, "relu", False, True, "both", 1, [1, 1]),
]
LSTM_LENGTH_CASES = [
    (1, False, True, 0, False, True, ["output", "hN", "cN"], 5, [5, 3, 1]),
    (1, False, True, 1, True, False, ["output", "hN", "cN"], 5, [2, 5, 4]),
    (1, True, True, 2, False, True, ["output", "hN", "cN"], 5, [1, 4, 5]),
    (1, True, True, 0, True, True, ["cN"], 6, [3, 1, 4]),
    (1, True, False, 0, False, True, ["output"], 4, [2, 4, 2, 3]),
    (2, False, False, 1, True, True, ["hN"], 4, [1, 1, 1]),
    (2, False, True, 0, False, False, ["output", "cN"], 4, [4, 4, 2]),
    (2, True, True, 0, False, True, ["output", "hN", "cN"], 5, [2, 5, 1]),
    (2, True, True, 2, True, False, ["output", "hN"], 4, [1, 3, 4, 3]),
    (2, True, True, 0, False, True, ["hN", "cN"], 3, [1]),
    (3, True, True, 1, True, True, ["cN"], 4, [3, 4]),
    (3, False, True, 0, False, True, ["output", "hN", "cN"], 4, [4, 3]),
]
GRU_LENGTH_CASES = [
    (1, False, True, None, False, True, ["output", "hN"], 5, [5, 3, 1]),
    (1, False, True, None, True, False, ["output", "hN"], 5, [2, 5, 4]),
    (1, True, True, None, True, True, ["hN"], 6, [3, 1, 4]),
    (1, True, False, None, False, True, ["output"], 4, [2, 4, 2, 3]),
    (2, False, False, None, True, True, ["output", "hN"], 4, [1, 1, 1]),
    (2, False, True, None, False, False, ["output"], 4, [4, 4, 2]),
    (2, True, True, None, False, True, ["output", "hN"], 5, [2, 5, 1]),
    (2, True, True, None, True, False, ["output", "hN"], 4, [1, 3, 4, 3]),
    (2, True, True, None, False, True, ["hN"], 3, [1]),
    (3, True, True, None, True, True, ["output", "hN"], 4, [3, 4]),
]


class Recurrent:
    """A kind of recurrent module, and what its cases have beyond the flags that all kinds have."""

    def __init__(self, name, layers, own, upstreams, length_cases, states=("h",), shared=False):
        self.name = name
        self.layers = layers  # numbers of layers in the product of flags
        self.own = own  # the name of its own option and the values, if there is one
        self.upstreams = upstreams
        self.length_cases = length_cases
        self.states = states  # an LSTM has two
        # To keep the files small, all cases of a kind may begin with the same numbers as parameters, and five of
        # 13 have float32 too. Without that, every case has its own parameters and both dtypes.
        self.shared = shared
        self.used = 0  # how many of the shared numbers

    def owns(self):
        """The options that only this kind has, once for each value."""
        if self.own is None:
            return [{}]
        key, values = self.own
        return [{key: value} for value in values]

    def product_cases(self):
        """Every combination of the flags, as manifest entries."""
        flags = itertools.product(self.layers, [False, True], [True, False], self.owns(), LAYOUTS, [True, False])
        for number, (layers, bidirectional, bias, own, (layout, batch_first), hx) in enumerate(flags):
            sizes = PROJECTED_SIZES if own.get("projSize") else SIZES
            input_size, hidden_size, steps, batch, *projection = sizes[number % len(sizes)]
            if projection:
                own = {"projSize": projection[0]}
            yield {
                "id": f"c{number:03}",
                "dtypes": ["float64"] if self.shared and number % 13 > 4 else ["float64", "float32"],
                "inputSize": input_size,
                "hiddenSize": hidden_size,
                "numLayers": layers,
                "bidirectional": bidirectional,
                "bias": bias,
                **own,
                # Without a batch the flag means nothing, which is worth a check: it takes both values there.
                "batchFirst": number % 4 < 2 if batch_first is None else batch_first,
                "layout": layout,
                "hx": hx,
                "T": steps,
                "B": batch if layout == "batched" else 1,
                "upstream": self.upstreams[number % len(self.upstreams)],
            }

    def varied_cases(self):
        """Sequences of different lengths."""
        for number, (layers, bidirectional, bias, own, batch_first, hx, upstream, steps, lengths) in enumerate(
            self.length_cases
        ):
            yield {
                "id": f"v{number:02}",
                "dtypes": ["float64"],
                "inputSize": 2 + number % 2,
                "hiddenSize": 3 - number % 2,
                "numLayers": layers,
                "bidirectional": bidirectional,
                "bias": bias,
                **({self.own[0]: own} if self.own else {}),
                "batchFirst": batch_first,
                "layout": "batched",
                "hx": hx,
                "T": steps,
                "B": len(lengths),
                "upstream": upstream,
                "lengths": lengths,
            }

    def given(self, case):
        """Whether there is an upstream gradient, by name."""
        upstream = ["output", "hN"] if case["upstream"] == "both" else case["upstream"]
        return {name: name in upstream for name in ("output", *(f"{state}N" for state in self.states))}

    def case(self, case, dtype, seed):
        """The tensors of one case: its inputs, its results, its gradients."""
        source = Source(seed, dtype)
        own = {snake(key): case[key] for key in [self.own[0]]} if self.own else {}
        module = getattr(nn, self.name)(
            case["inputSize"],
            case["hiddenSize"],
            num_layers=case["numLayers"],
            bias=case["bias"],
            batch_first=case["batchFirst"],
            bidirectional=case["bidirectional"],
            dtype=DTYPES[dtype],
            **own,
        )
        if self.shared:
            self.used = max(self.used, begin_with(shared_row(dtype), module))
        else:
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.copy_(source.uniform(*parameter.shape, low=-0.8, high=1.0))

        steps, batch = case["T"], case["B"]
        batched = case["layout"] == "batched"
        directions = 2 if case["bidirectional"] else 1
        frames = [batch, steps] if case["batchFirst"] else [steps, batch]
        input = leaf(source.uniform(*(frames if batched else [steps]), case["inputSize"], low=-2.0, high=2.0))
        rows = case["numLayers"] * directions
        features = {"h": case.get("projSize") or case["hiddenSize"], "c": case["hiddenSize"]}
        begin = {}
        for state in self.states if case["hx"] else []:
            shape = [rows, batch, features[state]] if batched else [rows, features[state]]
            begin[f"{state}x"] = leaf(source.uniform(*shape))
        hx = joined(begin.values())

        if "lengths" in case:
            packed = pack_padded_sequence(
                input, torch.tensor(case["lengths"]), batch_first=case["batchFirst"], enforce_sorted=False
            )
            packed_output, last = module(packed, hx)
            output, lengths = pad_packed_sequence(packed_output, batch_first=case["batchFirst"], total_length=steps)
            assert lengths.tolist() == case["lengths"]
        else:
            output, last = module(input, hx)

        results = {"output": output, **named_states(self.states, last)}
        gradients = {
            name: source.uniform(*results[name].shape) for name, given in self.given(case).items() if given
        }
        torch.autograd.backward([results[name] for name in gradients], list(gradients.values()))
        return {
            "input": input,
            **begin,
            **({} if self.shared else {"parameters": flat(module.parameters())}),
            **results,
            **{upstream_name(name): gradient for name, gradient in gradients.items()},
            "grad/input": input.grad,
            **{f"grad/{name}": gradient_of(state) for name, state in begin.items()},
            "grad/parameters": flat(gradient_of(parameter) for parameter in module.parameters()),
        }

    def lively_seed(self, case, seed):
        """The first of a row of seeds with which something comes out and gets back: so small a relu network may die."""
        frames = case["T"] * case["B"]
        real = sum(case["lengths"]) / frames if "lengths" in case else 1
        for candidate in range(seed, seed + 100_000, 1000):
            result = self.case(case, "float64", candidate)
            if all((result[name] != 0).double().mean() >= 0.5 * real for name in ("output", "grad/input")):
                return candidate
        raise AssertionError(f"{case['id']}: no seed keeps the network alive")

    def files(self):
        name = self.name.lower()
        cases = [*self.product_cases(), *self.varied_cases()]
        tensors = {"float64": {}, "float32": {}}
        for number, case in enumerate(cases):
            seed = self.lively_seed(case, 1000 + number)
            results = {dtype: self.case(case, dtype, seed) for dtype in case["dtypes"]}
            for dtype, result in results.items():
                tensors[dtype] |= {f"{case['id']}/{name}": tensor for name, tensor in result.items()}
                # The two precisions agree, so no case sits on a kink of relu, where a rounding would decide.
                for key, tensor in result.items():
                    torch.testing.assert_close(tensor.double(), results["float64"][key], rtol=1e-5, atol=1e-5)
        for dtype in tensors if self.shared else []:
            tensors[dtype]["parameters"] = shared_row(dtype)[: self.used]
        return {
            f"{name}.json": manifest_bytes(cases),
            f"{name}-float64.safetensors": safetensors_bytes(tensors["float64"]),
            f"{name}-float32.safetensors": safetensors_bytes(tensors["float32"]),
        }


def shared_row(dtype):
    """The numbers that the parameters of many modules begin with."""
    return Source(999, dtype).uniform(2000, low=-0.8, high=1.0)


def begin_with(row, module):
    """Fills the parameters, in state-dict order, and gives the number of what they took."""
    start = 0
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(row[start : start + parameter.numel()].reshape(parameter.shape))
            start += parameter.numel()
    assert start <= len(row)
    return start


def joined(states):
    """The states as a module wants them: none, one tensor, or a pair."""
    states = tuple(states)
    return states if len(states) > 1 else states[0] if states else None


def named_states(states, last):
    """The last states as `hN` and, for an LSTM, `cN`."""
    return {f"{state}N": tensor for state, tensor in zip(states, last if len(states) > 1 else [last], strict=True)}


def upstream_name(result):
    """The name of a result's upstream gradient: gradOutput, gradHN, gradCN."""
    return "grad" + result[0].upper() + result[1:]


def gradient_of(tensor):
    """Its gradient: zeros where nothing of the loss depends on it."""
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


RECURRENT = [
    Recurrent("RNN", [1, 2, 3], ("nonlinearity", ["tanh", "relu"]), RNN_UPSTREAMS, RNN_LENGTH_CASES),
    Recurrent("LSTM", [1, 2], ("projSize", [0, 1]), LSTM_UPSTREAMS, LSTM_LENGTH_CASES, ("h", "c"), shared=True),
    Recurrent("GRU", [1, 2], None, GRU_UPSTREAMS, GRU_LENGTH_CASES, shared=True),
]


def recurrent_files():
    return {name: content for kind in RECURRENT for name, content in kind.files().items()}


# --------------------------------------------------------------------------------------------------- cells


class RecurrentCell:
    """A kind of cell, and what its cases have beyond the flags that all kinds have."""

    def __init__(self, name, file, own=({},), states=("h",), steps=None, upstreams=None, seed=2000):
        self.name = name
        self.file = file
        self.own = own  # its own options
        self.states = states
        # None: one step on an input without time, and parameters of its own in every case. Otherwise that many
        # steps on an input (T, …), and all cases begin with the same numbers as parameters.
        self.steps = steps
        self.upstreams = upstreams or [["output"]]
        self.seed = seed

    def files(self):
        """Every combination of dtype, bias, own options, batch and hx."""
        cases, tensors, used = [], {}, 0
        flags = itertools.product(["float64", "float32"], [True, False], self.own, [3, 1, None], [True, False])
        for number, (dtype, bias, own, batch, hx) in enumerate(flags):
            id = f"cell{number:02}"
            input_size, hidden_size = 2 + number % 3, 3 + number % 2
            if self.steps is not None:
                input_size, hidden_size, batch = 1 + number % 3, 2 + number % 2, batch and min(batch, 2)
            source = Source(self.seed + number, dtype)
            cell = getattr(nn, self.name)(input_size, hidden_size, bias=bias, dtype=DTYPES[dtype], **own)
            if self.steps is None:
                with torch.no_grad():
                    for parameter in cell.parameters():
                        parameter.copy_(source.uniform(*parameter.shape))
            else:
                used = max(used, begin_with(shared_row(dtype), cell))
            rows = [] if batch is None else [batch]
            time = [] if self.steps is None else [self.steps]
            input = leaf(source.uniform(*time, *rows, input_size, low=-2.0, high=2.0))
            begin = {f"{state}x": leaf(source.uniform(*rows, hidden_size)) for state in self.states if hx}

            state, outputs = joined(begin.values()), []
            for x in [input] if self.steps is None else input:
                state = cell(x, state)
                outputs.append(named_states(self.states, state)["hN"])
            results = {"output": outputs[0] if self.steps is None else torch.stack(outputs)}
            if len(self.states) > 1:  # the last h is in the output
                results["cN"] = named_states(self.states, state)["cN"]
            upstream = self.upstreams[number % len(self.upstreams)]
            gradients = {name: source.uniform(*results[name].shape) for name in upstream}
            torch.autograd.backward([results[name] for name in gradients], list(gradients.values()))
            own_tensors = {
                "input": input,
                **begin,
                **({"parameters": flat(cell.parameters())} if self.steps is None else {}),
                **results,
                **{upstream_name(name): gradient for name, gradient in gradients.items()},
                "grad/input": input.grad,
                **{f"grad/{name}": tensor.grad for name, tensor in begin.items()},
                "grad/parameters": flat(parameter.grad for parameter in cell.parameters()),
            }
            tensors |= {f"{id}/{name}": tensor for name, tensor in own_tensors.items()}
            cases.append(
                {
                    "id": id,
                    "inputSize": input_size,
                    "hiddenSize": hidden_size,
                    "options": {"bias": bias, **own, "dtype": dtype},
                    "hx": hx,
                    **({} if self.steps is None else {"T": self.steps, "upstream": upstream}),
                }
            )
        for dtype in DTYPES if self.steps is not None else []:
            tensors[f"parameters/{dtype}"] = shared_row(dtype)[:used]
        return {f"{self.file}.json": manifest_bytes(cases), f"{self.file}.safetensors": safetensors_bytes(tensors)}


CELLS = [
    RecurrentCell("RNNCell", "cell", own=[{"nonlinearity": "tanh"}, {"nonlinearity": "relu"}]),
    RecurrentCell(
        "LSTMCell",
        "lstm-cell",
        states=("h", "c"),
        steps=3,
        upstreams=[["output", "cN"], ["output"], ["cN"], ["output", "cN"], ["cN"]],
        seed=2100,
    ),
    RecurrentCell("GRUCell", "gru-cell", steps=3, seed=2200),
]


def cell_files():
    return {name: content for kind in CELLS for name, content in kind.files().items()}


# ----------------------------------------------------------------------------------------------- JordanRNN


class JordanRNN(nn.Module):
    """nn.JordanRNN in a loop, for autograd: torch has none of its own. Time first, batched."""

    NAMES = ["weight_ih", "weight_yh", "weight_hy", "bias_ih", "bias_yh", "bias_hy"]

    def __init__(self, input_size, hidden_size, output_size, nonlinearity, output_nonlinearity, bias, source):
        super().__init__()
        shapes = [(hidden_size, input_size), (hidden_size, output_size), (output_size, hidden_size)]
        shapes += [(hidden_size,), (hidden_size,), (output_size,)] if bias else []
        for name, shape in zip(self.NAMES, shapes):
            self.register_parameter(name, nn.Parameter(source.uniform(*shape, low=-0.8, high=1.0)))
        self.act = getattr(torch, nonlinearity)
        self.out = {"identity": lambda v: v, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[output_nonlinearity]
        self.biases = [self.bias_ih, self.bias_yh, self.bias_hy] if bias else [None] * 3

    def forward(self, input, y, teacher=None):
        outputs = []
        for t, x in enumerate(input):
            fed = y if t == 0 or teacher is None else teacher[t - 1]
            h = functional.linear(x, self.weight_ih, self.biases[0])
            h = self.act(h + functional.linear(fed, self.weight_yh, self.biases[1]))
            y = self.out(functional.linear(h, self.weight_hy, self.biases[2]))
            outputs.append(y)
        return torch.stack(outputs)


def jordan_case(case, seed):
    """The tensors of one case. Sequences of different lengths are run one by one, without any padding."""
    source = Source(seed, case["options"]["dtype"])
    options = case["options"]
    sizes = [case["inputSize"], case["hiddenSize"], case["outputSize"]]
    module = JordanRNN(*sizes, options["nonlinearity"], options["outputNonlinearity"], options["bias"], source)
    steps, batch, lengths = case["T"], case["B"], case["lengths"] or [case["T"]] * case["B"]
    input = leaf(source.uniform(steps, batch, sizes[0], low=-2.0, high=2.0))
    y0 = leaf(source.uniform(batch, sizes[2])) if case["y0"] else None
    teacher = leaf(source.uniform(steps, batch, sizes[2])) if case["teacher"] else None
    begin = y0 if case["y0"] else torch.zeros(batch, sizes[2], dtype=input.dtype)
    output = torch.zeros(steps, batch, sizes[2], dtype=input.dtype)
    y_n = []
    for b, length in enumerate(lengths):
        taught = teacher[:length, b : b + 1] if case["teacher"] else None
        own = module(input[:length, b : b + 1], begin[b : b + 1], taught)
        output = torch.index_put(output, (torch.arange(length), torch.tensor(b)), own[:, 0])
        y_n.append(own[-1, 0])
    y_n = torch.stack(y_n)
    grad_output, grad_y_n = source.uniform(*output.shape), source.uniform(*y_n.shape)
    torch.autograd.backward([output, y_n], [grad_output, grad_y_n])
    tensors = {
        "input": input,
        "y0": y0,
        "teacher": teacher,
        "parameters": flat(module.parameters()),
        "output": output,
        "yN": y_n,
        "gradOutput": grad_output,
        "gradYN": grad_y_n,
        "grad/input": input.grad,
        "grad/y0": y0.grad if case["y0"] else None,
        # One step of one sequence feeds nothing back.
        "grad/teacher": (torch.zeros_like(teacher) if teacher.grad is None else teacher.grad) if case["teacher"] else None,
        "grad/parameters": flat(parameter.grad for parameter in module.parameters()),
    }
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def jordan_files():
    """Every combination of functions, bias and teacher; dtype, y0 and lengths run through them."""
    cases, tensors = [], {}
    flags = itertools.product(["tanh", "relu"], ["identity", "tanh", "sigmoid"], [True, False], [False, True])
    for number, (nonlinearity, output_nonlinearity, bias, teacher) in enumerate(flags):
        input_size, hidden_size, steps, batch = SIZES[number % len(SIZES)]
        lengths = [1 + (number + 2 * b) % steps for b in range(batch)] if number % 3 == 1 else None
        case = {
            "id": f"j{number:02}",
            "inputSize": input_size,
            "hiddenSize": hidden_size,
            "outputSize": 1 + number % 4,
            "options": {
                "nonlinearity": nonlinearity,
                "outputNonlinearity": output_nonlinearity,
                "bias": bias,
                "dtype": "float32" if number % 5 == 3 else "float64",
            },
            "teacher": teacher,
            "y0": number % 5 != 2,
            "T": steps,
            "B": batch,
            "lengths": lengths,
        }
        tensors |= {f"{case['id']}/{name}": tensor for name, tensor in jordan_case(case, 9000 + number).items()}
        cases.append(case)
    return {"jordan.json": manifest_bytes(cases), "jordan.safetensors": safetensors_bytes(tensors)}


# ------------------------------------------------------------------------------------------- initial values


INIT_SEEDS = [0, 1, 42, 2**32 + 5, -1]


def make(kind, *arguments, **options):
    return {"kind": kind, "arguments": list(arguments), "options": options}


# What follows one manual_seed, in order: constructors and draws, with the arguments of torch.
INIT_PROGRAMS = {
    "rnn": [make("RNN", 3, 4)],
    "rnn-deep": [make("RNN", 5, 7, num_layers=2, bidirectional=True)],
    "rnn-no-bias": [make("RNN", 3, 4, bias=False)],
    "rnn-relu-float64": [make("RNN", 2, 3, nonlinearity="relu", dtype="float64")],
    "rnn-wide-float64": [make("RNN", 20, 33, dtype="float64")],
    "rnn-cell": [make("RNNCell", 3, 4)],
    "linear": [make("Linear", 5, 3)],
    "linear-no-bias": [make("Linear", 7, 4, bias=False)],
    "linear-float64": [make("Linear", 5, 3, dtype="float64")],
    "rnn-then-linear": [make("RNN", 3, 4), make("Linear", 4, 2)],
    "embedding": [make("Embedding", 10, 4)],
    "embedding-small": [make("Embedding", 3, 4)],
    "embedding-padding": [make("Embedding", 3, 4, padding_idx=1)],
    "rand": [make("rand", [5])],
    "rand-float64": [make("rand", [5], dtype="float64")],
    "randn": [make("randn", [5])],
    "randn-16": [make("randn", [16])],
    "randn-40": [make("randn", [40])],
    "randn-float64": [make("randn", [5], dtype="float64")],
    "randn-40-float64": [make("randn", [40], dtype="float64")],
    # Under 16 elements normal numbers come in pairs, and the second of a pair waits for the next call.
    "mixed": [
        make("randn", [5]),
        make("rand", [2]),
        make("randn", [2, 9]),
        make("randn", [1]),
        make("Linear", 3, 2, dtype="float64"),
        make("randn", [3], dtype="float64"),
        make("Embedding", 5, 4),
        make("rand", [3]),
        make("randn", [2]),
    ],
}


def built(step):
    """The tensors of one constructor or draw, by name."""
    options = dict(step["options"])
    dtype = DTYPES[options.pop("dtype", "float32")]
    if step["kind"] in ("rand", "randn"):
        return {"values": getattr(torch, step["kind"])(step["arguments"][0], dtype=dtype, **options)}
    return dict(getattr(nn, step["kind"])(*step["arguments"], dtype=dtype, **options).state_dict())


# The same for LSTM and GRU.
GATED_INIT_PROGRAMS = {
    "lstm": [make("LSTM", 3, 4)],
    "lstm-deep": [make("LSTM", 2, 3, num_layers=2, bidirectional=True)],
    "lstm-projection": [make("LSTM", 3, 4, proj_size=2)],
    "lstm-projection-deep": [make("LSTM", 2, 3, num_layers=2, bidirectional=True, proj_size=1)],
    "lstm-projection-no-bias": [make("LSTM", 2, 3, bias=False, proj_size=2)],
    "lstm-no-bias": [make("LSTM", 3, 2, bias=False)],
    "lstm-float64": [make("LSTM", 2, 3, dtype="float64")],
    "gru": [make("GRU", 3, 4)],
    "gru-deep": [make("GRU", 2, 3, num_layers=2, bidirectional=True)],
    "gru-no-bias": [make("GRU", 3, 2, bias=False)],
    "gru-float64": [make("GRU", 2, 3, dtype="float64")],
    "lstm-cell": [make("LSTMCell", 3, 4)],
    "lstm-cell-no-bias": [make("LSTMCell", 2, 3, bias=False, dtype="float64")],
    "gru-cell": [make("GRUCell", 3, 4)],
    "gru-cell-no-bias": [make("GRUCell", 2, 3, bias=False, dtype="float64")],
    "all": [
        make("LSTM", 2, 3, proj_size=1),
        make("rand", [2]),
        make("GRU", 3, 2),
        make("LSTMCell", 2, 3),
        make("GRUCell", 3, 1),
        make("Linear", 4, 2),
    ],
}


def init_cases(programs, seeds_of):
    cases, tensors = [], {}
    for name, program in programs.items():
        for seed in seeds_of(name):
            id = f"{name}@{seed}"
            torch.manual_seed(seed)
            names = []
            for number, step in enumerate(program):
                results = built(step)
                names.append(list(results))
                tensors |= {f"{id}/{number}/{key}": tensor for key, tensor in results.items()}
            steps = [
                {**step, "options": camel_keys(step["options"]), "names": own} for step, own in zip(program, names)
            ]
            cases.append({"id": id, "program": name, "seed": seed, "steps": steps})
    return manifest_bytes(cases), safetensors_bytes(tensors)


def init_files():
    manifest, tensors = init_cases(
        INIT_PROGRAMS, lambda name: INIT_SEEDS[:1] if name == "rnn-wide-float64" else INIT_SEEDS
    )
    gated_manifest, gated_tensors = init_cases(GATED_INIT_PROGRAMS, lambda name: [42])
    return {
        "init.json": manifest,
        "init.safetensors": tensors,
        "init-gated.json": gated_manifest,
        "init-gated.safetensors": gated_tensors,
    }


# ---------------------------------------------------------------------------------------------- trajectories


TRAJECTORIES = [
    {
        "id": "sgd",
        "seed": 11,
        "rnn": {"input_size": 3, "hidden_size": 5, "num_layers": 2},
        "outputs": 2,
        "loss": {"kind": "MSELoss", "reduction": "mean"},
        "optimizer": {"kind": "SGD", "lr": 0.1},
    },
    {
        "id": "sgd-nesterov",
        "seed": 12,
        "rnn": {"input_size": 3, "hidden_size": 5, "num_layers": 2},
        "outputs": 4,
        "loss": {"kind": "CrossEntropyLoss", "reduction": "mean", "ignore_index": -100},
        "optimizer": {"kind": "SGD", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        "max_norm": 0.25,
    },
    {
        "id": "sgd-dampening",
        "seed": 13,
        "rnn": {"input_size": 2, "hidden_size": 4, "bidirectional": True, "nonlinearity": "relu", "batch_first": True},
        "outputs": 3,
        "loss": {"kind": "CrossEntropyLoss", "reduction": "sum", "ignore_index": 1},
        "optimizer": {"kind": "SGD", "lr": 0.02, "momentum": 0.8, "dampening": 0.3},
    },
    {
        "id": "sgd-maximize",
        "seed": 14,
        "rnn": {"input_size": 2, "hidden_size": 4, "bidirectional": True, "nonlinearity": "relu"},
        "outputs": 2,
        "loss": {"kind": "MSELoss", "reduction": "sum"},
        "optimizer": {"kind": "SGD", "lr": 0.002, "momentum": 0.5, "maximize": True, "weight_decay": 0.1},
        "max_norm": 5.0,
    },
    {
        "id": "adam",
        "seed": 15,
        "rnn": {"input_size": 3, "hidden_size": 5, "num_layers": 2},
        "outputs": 2,
        "loss": {"kind": "MSELoss", "reduction": "mean"},
        "optimizer": {"kind": "Adam"},
    },
    {
        "id": "adam-amsgrad",
        "seed": 16,
        "rnn": {"input_size": 3, "hidden_size": 4, "bidirectional": True, "nonlinearity": "relu"},
        "outputs": 3,
        "loss": {"kind": "CrossEntropyLoss", "reduction": "mean", "ignore_index": -100},
        "optimizer": {
            "kind": "Adam",
            "lr": 0.03,
            "betas": [0.8, 0.95],
            "eps": 1e-6,
            "weight_decay": 0.1,
            "amsgrad": True,
        },
        "max_norm": 0.5,
    },
    {
        # Truncated backpropagation: a new chunk of a longer sequence in each step, the state carried over.
        "id": "adam-embedding-carry",
        "seed": 17,
        "embedding": {"num_embeddings": 7, "embedding_dim": 4, "padding_idx": 0},
        "rnn": {"input_size": 4, "hidden_size": 5},
        "outputs": 7,
        "loss": {"kind": "CrossEntropyLoss", "reduction": "mean", "ignore_index": 0},
        "optimizer": {"kind": "Adam", "lr": 0.02},
        "max_norm": 0.4,
        "carry": True,
    },
    {
        "id": "sgd-float32",
        "dtype": "float32",
        "seed": 18,
        "rnn": {"input_size": 3, "hidden_size": 5, "num_layers": 2},
        "outputs": 4,
        "loss": {"kind": "CrossEntropyLoss", "reduction": "mean", "ignore_index": -100},
        "optimizer": {"kind": "SGD", "lr": 0.1, "momentum": 0.9},
        "max_norm": 0.3,
    },
    {
        "id": "adamw",
        "seed": 19,
        "rnn": {"input_size": 3, "hidden_size": 5, "num_layers": 2},
        "outputs": 2,
        "loss": {"kind": "L1Loss", "reduction": "mean"},
        "optimizer": {"kind": "AdamW"},
        "max_value": 0.01,
    },
    {
        "id": "adamw-amsgrad",
        "seed": 20,
        "rnn": {"input_size": 3, "hidden_size": 4, "bidirectional": True, "nonlinearity": "relu"},
        "outputs": 3,
        "loss": {"kind": "CrossEntropyLoss", "reduction": "mean", "ignore_index": -100},
        "optimizer": {
            "kind": "AdamW",
            "lr": 0.03,
            "betas": [0.8, 0.95],
            "eps": 1e-6,
            "weight_decay": 0.2,
            "amsgrad": True,
            "maximize": True,
        },
        "max_norm": 0.5,
        "scheduler": {"kind": "StepLR", "step_size": 4, "gamma": 0.7},
    },
    {
        "id": "adamw-float32",
        "dtype": "float32",
        "seed": 21,
        "rnn": {"input_size": 3, "hidden_size": 5},
        "outputs": 2,
        "loss": {"kind": "BCEWithLogitsLoss", "reduction": "mean"},
        "optimizer": {"kind": "AdamW", "lr": 0.02, "weight_decay": 0.1},
        "scheduler": {"kind": "CosineAnnealingLR", "t_max": 10, "eta_min": 0.001},
    },
    {
        "id": "rmsprop",
        "seed": 22,
        "rnn": {"input_size": 3, "hidden_size": 5, "num_layers": 2},
        "outputs": 2,
        "loss": {"kind": "BCEWithLogitsLoss", "reduction": "sum"},
        "optimizer": {"kind": "RMSprop"},
        "scheduler": {
            "kind": "ReduceLROnPlateau",
            "factor": 0.5,
            "patience": 1,
            "threshold": 0.02,
            "cooldown": 1,
            "min_lr": 0.001,
        },
    },
    {
        "id": "rmsprop-centered",
        "seed": 23,
        "rnn": {"input_size": 2, "hidden_size": 4, "bidirectional": True},
        "outputs": 2,
        "loss": {"kind": "L1Loss", "reduction": "sum"},
        "optimizer": {
            "kind": "RMSprop",
            "lr": 0.003,
            "alpha": 0.8,
            "eps": 1e-4,
            "weight_decay": 0.05,
            "momentum": 0.7,
            "centered": True,
        },
        "max_value": 0.3,
        "scheduler": {
            "kind": "ReduceLROnPlateau",
            "mode": "max",
            "factor": 0.3,
            "patience": 2,
            "threshold": 0.1,
            "threshold_mode": "abs",
            "eps": 1e-6,
        },
    },
    {
        "id": "rmsprop-float32",
        "dtype": "float32",
        "seed": 24,
        "rnn": {"input_size": 3, "hidden_size": 5},
        "outputs": 2,
        "loss": {"kind": "L1Loss", "reduction": "mean"},
        "optimizer": {"kind": "RMSprop", "lr": 0.005, "momentum": 0.5, "maximize": True},
        "scheduler": {"kind": "CosineAnnealingLR", "t_max": 6},
    },
    {
        "id": "adam-float32",
        "dtype": "float32",
        "seed": 25,
        "rnn": {"input_size": 3, "hidden_size": 5},
        "outputs": 2,
        "loss": {"kind": "MSELoss", "reduction": "mean"},
        "optimizer": {"kind": "Adam", "lr": 0.02, "weight_decay": 0.01},
        "max_value": 0.02,
        "scheduler": {"kind": "StepLR", "step_size": 10},
    },
]

# The same with an LSTM or a GRU as `rnn`.
GATED_TRAJECTORIES = [
    {
        "id": "lstm-adam",
        "kind": "LSTM",
        "seed": 31,
        "rnn": {"input_size": 3, "hidden_size": 5, "num_layers": 2},
        "outputs": 2,
        "loss": {"kind": "MSELoss", "reduction": "mean"},
        "optimizer": {"kind": "Adam", "lr": 0.02},
    },
    {
        "id": "lstm-projection-sgd",
        "kind": "LSTM",
        "seed": 32,
        "rnn": {"input_size": 3, "hidden_size": 4, "bidirectional": True, "batch_first": True, "proj_size": 2},
        "outputs": 3,
        "loss": {"kind": "CrossEntropyLoss", "reduction": "mean", "ignore_index": -100},
        "optimizer": {"kind": "SGD", "lr": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        "max_norm": 0.25,
    },
    {
        "id": "lstm-embedding-carry",
        "kind": "LSTM",
        "seed": 33,
        "embedding": {"num_embeddings": 6, "embedding_dim": 3, "padding_idx": 0},
        "rnn": {"input_size": 3, "hidden_size": 4},
        "outputs": 6,
        "loss": {"kind": "CrossEntropyLoss", "reduction": "mean", "ignore_index": 0},
        "optimizer": {"kind": "AdamW", "lr": 0.02},
        "max_norm": 0.4,
        "carry": True,
    },
    {
        "id": "lstm-float32",
        "kind": "LSTM",
        "dtype": "float32",
        "seed": 34,
        "rnn": {"input_size": 3, "hidden_size": 5, "bias": False},
        "outputs": 2,
        "loss": {"kind": "L1Loss", "reduction": "mean"},
        "optimizer": {"kind": "RMSprop", "lr": 0.005},
        "max_value": 0.02,
    },
    {
        "id": "gru-adam",
        "kind": "GRU",
        "seed": 35,
        "rnn": {"input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True},
        "outputs": 2,
        "loss": {"kind": "MSELoss", "reduction": "sum"},
        "optimizer": {"kind": "Adam", "lr": 0.02, "amsgrad": True},
        "max_norm": 0.5,
    },
    {
        "id": "gru-embedding-carry",
        "kind": "GRU",
        "seed": 36,
        "embedding": {"num_embeddings": 6, "embedding_dim": 3, "padding_idx": 0},
        "rnn": {"input_size": 3, "hidden_size": 4},
        "outputs": 6,
        "loss": {"kind": "CrossEntropyLoss", "reduction": "mean", "ignore_index": 0},
        "optimizer": {"kind": "SGD", "lr": 0.1, "momentum": 0.9},
        "carry": True,
    },
    {
        "id": "gru-float32",
        "kind": "GRU",
        "dtype": "float32",
        "seed": 37,
        "rnn": {"input_size": 3, "hidden_size": 5, "batch_first": True},
        "outputs": 4,
        "loss": {"kind": "CrossEntropyLoss", "reduction": "mean", "ignore_index": -100},
        "optimizer": {"kind": "SGD", "lr": 0.1, "momentum": 0.9},
        "max_norm": 0.3,
    },
]


class Model(nn.Module):
    def __init__(self, spec, dtype):
        super().__init__()
        if "embedding" in spec:
            self.embedding = nn.Embedding(**spec["embedding"], dtype=dtype)
        self.rnn = getattr(nn, spec.get("kind", "RNN"))(**spec["rnn"], dtype=dtype)
        directions = 2 if spec["rnn"].get("bidirectional") else 1
        features = spec["rnn"].get("proj_size") or spec["rnn"]["hidden_size"]
        self.head = nn.Linear(directions * features, spec["outputs"], dtype=dtype)

    def forward(self, input, hx=None):
        output, h_n = self.rnn(self.embedding(input) if hasattr(self, "embedding") else input, hx)
        return self.head(output), h_n


def trajectory_data(spec, dtype):
    """Input and target: one batch for all steps, or, where the state is carried, one chunk a step."""
    source = Source(5000 + spec["seed"], dtype)
    steps, batch = 5, 3
    frames = [batch, steps] if spec["rnn"].get("batch_first") else [steps, batch]
    outputs = spec["outputs"]
    if spec.get("carry"):
        text = source.integers(outputs, STEPS * steps + 1, batch)
        return text[:-1].reshape(STEPS, *frames), text[1:].reshape(STEPS, *frames)
    input = source.uniform(*frames, spec["rnn"]["input_size"], low=-1.5, high=1.5)
    if spec["loss"]["kind"] != "CrossEntropyLoss":
        return input, source.uniform(*frames, outputs, low=0.0 if spec["loss"]["kind"] == "BCEWithLogitsLoss" else -1.0)
    target = source.integers(outputs, *frames)
    if spec["loss"]["ignore_index"] < 0:  # a class index is ignored where it occurs; this one has to be put in
        target[1, 0] = target[-1, -1] = target[0, 1] = spec["loss"]["ignore_index"]
    return input, target


def trajectory(spec):
    dtype_name = spec.get("dtype", "float64")
    torch.manual_seed(spec["seed"])
    model = Model(spec, DTYPES[dtype_name])
    initial = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    inputs, targets = trajectory_data(spec, dtype_name)

    loss_options = {key: value for key, value in spec["loss"].items() if key != "kind"}
    criterion = getattr(nn, spec["loss"]["kind"])(**loss_options)
    optimizer_options = {key: value for key, value in spec["optimizer"].items() if key != "kind"}
    optimizer = getattr(torch.optim, spec["optimizer"]["kind"])(model.parameters(), foreach=False, **optimizer_options)

    scheduler, scheduled = None, {key: value for key, value in spec.get("scheduler", {}).items() if key != "kind"}
    if scheduled:
        arguments = {"T_max" if key == "t_max" else key: value for key, value in scheduled.items()}
        scheduler = getattr(torch.optim.lr_scheduler, spec["scheduler"]["kind"])(optimizer, **arguments)

    losses, norms, rates, state = [], [], [], None
    for step in range(STEPS):
        input, target = (inputs[step], targets[step]) if spec.get("carry") else (inputs, targets)
        optimizer.zero_grad()
        prediction, state = model(input, state if spec.get("carry") else None)
        state = state.detach() if torch.is_tensor(state) else tuple(part.detach() for part in state)
        if spec["loss"]["kind"] == "CrossEntropyLoss":  # torch wants (N, C) here
            prediction, target = prediction.reshape(-1, spec["outputs"]), target.reshape(-1)
        loss = criterion(prediction, target)
        loss.backward()
        losses.append(loss.item())
        if "max_norm" in spec:
            norm = nn.utils.clip_grad_norm_(model.parameters(), spec["max_norm"], foreach=False)
            norms.append(norm.item())
        if "max_value" in spec:
            nn.utils.clip_grad_value_(model.parameters(), spec["max_value"], foreach=False)
        optimizer.step()
        if scheduler is not None:
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step(*([loss.item()] if spec["scheduler"]["kind"] == "ReduceLROnPlateau" else []))

    rnn_options = {key: value for key, value in spec["rnn"].items() if key not in ("input_size", "hidden_size")}
    manifest = {
        "id": spec["id"],
        "dtype": dtype_name,
        "seed": spec["seed"],
        "embedding": camel_keys(spec["embedding"]) if "embedding" in spec else None,
        "rnn": {
            **({"kind": spec["kind"]} if "kind" in spec else {}),
            "inputSize": spec["rnn"]["input_size"],
            "hiddenSize": spec["rnn"]["hidden_size"],
            "options": camel_keys(rnn_options),
        },
        "outputs": spec["outputs"],
        "loss": {"kind": spec["loss"]["kind"], "options": camel_keys(loss_options)},
        "optimizer": {"kind": spec["optimizer"]["kind"], "options": camel_keys(optimizer_options)},
        "maxNorm": spec.get("max_norm"),
        "carry": spec.get("carry", False),
        "names": list(initial),
        "losses": losses,
        "norms": norms,
    }
    if "max_value" in spec:
        manifest["maxValue"] = spec["max_value"]
    if scheduler is not None:
        manifest["scheduler"] = {"kind": spec["scheduler"]["kind"], "options": camel_keys(scheduled)}
        manifest["rates"] = rates
    tensors = {"input": inputs, "target": targets}
    tensors |= {f"initial/{name}": tensor for name, tensor in initial.items()}
    tensors |= {f"final/{name}": tensor for name, tensor in model.state_dict().items()}
    return manifest, {f"{spec['id']}/{name}": tensor for name, tensor in tensors.items()}


def trajectory_files():
    files = {}
    for name, specs in (("trajectory", TRAJECTORIES), ("trajectory-gated", GATED_TRAJECTORIES)):
        cases, tensors = [], {}
        for spec in specs:
            case, own = trajectory(spec)
            cases.append(case)
            tensors |= own
        files |= {f"{name}.json": manifest_bytes(cases), f"{name}.safetensors": safetensors_bytes(tensors)}
    return files


# --------------------------------------------------------------------------------------------------- schedules


SCHEDULES = [
    {"kind": "StepLR", "step_size": 3},
    {"kind": "StepLR", "step_size": 1, "gamma": 0.5},
    {"kind": "StepLR", "step_size": 4, "gamma": 0.25, "last_epoch": 6},
    {"kind": "CosineAnnealingLR", "t_max": 5},
    {"kind": "CosineAnnealingLR", "t_max": 7, "eta_min": 0.01},
    {"kind": "CosineAnnealingLR", "t_max": 1},
    {"kind": "CosineAnnealingLR", "t_max": 9, "eta_min": 0.05, "last_epoch": 4},
    {"kind": "ReduceLROnPlateau", "patience": 0},
    {"kind": "ReduceLROnPlateau", "patience": 2, "factor": 0.5, "cooldown": 2},
    {"kind": "ReduceLROnPlateau", "mode": "max", "patience": 1, "threshold": 0.05},
    {"kind": "ReduceLROnPlateau", "patience": 1, "threshold_mode": "abs", "threshold": 0.2, "min_lr": [0.02, 0.3]},
    {"kind": "ReduceLROnPlateau", "mode": "max", "threshold_mode": "abs", "threshold": 0.1, "patience": 1, "eps": 0.02},
]

# Falls, rises, stands still, and is lost once.
METRICS = [3.0, 2.5, 2.6, 2.4, 2.4, 2.4, 2.39, 2.0, float("nan"), 2.1, 2.2, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.1, 1.0, 1.1]


def schedule(number, spec):
    """The learning rates of two groups, before each step and after the last, and the last state."""
    options = {key: value for key, value in spec.items() if key != "kind"}
    arguments = {"T_max" if key == "t_max" else key: value for key, value in options.items()}
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": 0.2}, {"params": [nn.Parameter(torch.zeros(1))]}]
    for group in groups if "last_epoch" in spec else []:
        group["initial_lr"] = 0.8
    optimizer = torch.optim.SGD(groups, lr=0.5)
    scheduler = getattr(torch.optim.lr_scheduler, spec["kind"])(optimizer, **arguments)
    optimizer.step()
    rates = []
    for metric in METRICS:
        rates.append([group["lr"] for group in optimizer.param_groups])
        scheduler.step(*([metric] if spec["kind"] == "ReduceLROnPlateau" else []))
    rates.append([group["lr"] for group in optimizer.param_groups])
    state = {camel("t_max" if key == "T_max" else key.lstrip("_")): value for key, value in scheduler.state_dict().items()}
    for key in ("isInitial", "getLrCalledWithinStep", "modeWorse", "defaultMinLr"):
        state.pop(key, None)  # torch's own bookkeeping
    assert all(math.isfinite(value) for value in state.values() if isinstance(value, float))
    return {"id": f"{number}-{spec['kind']}", "kind": spec["kind"], "options": camel_keys(options), "rates": rates, "state": state}


def schedule_files():
    cases = [schedule(number, spec) for number, spec in enumerate(SCHEDULES)]
    metrics = [None if math.isnan(metric) else metric for metric in METRICS]
    return {"schedule.json": manifest_bytes([{"metrics": metrics}, *cases])}


# ----------------------------------------------------------------------------------------- errors and reprs


def like(*shape, dtype="float32"):
    """A tensor of zeros, as the manifest describes it."""
    return {"shape": list(shape), "dtype": dtype}


def constructions(kind):
    """What a constructor is given: a description, arguments, options. Most of it is refused."""
    yield "input_size 0", [0, 4], {}
    yield "hidden_size 0", [3, 0], {}
    yield "input_size -1", [-1, 4], {}
    yield "hidden_size -1", [3, -1], {}
    yield "input_size 1.5", [1.5, 4], {}
    yield "hidden_size '4'", [3, "4"], {}
    yield "no hidden_size", [3], {}
    yield "an unknown option", [3, 4], {"hidden_layers": 2}
    yield "the nonlinearity of an RNN", [3, 4], {"nonlinearity": "tanh"}
    yield "bias 1", [3, 4], {"bias": 1}
    yield "plain", [3, 4], {}
    yield "without biases", [3, 4], {"bias": False}
    yield "float64", [3, 4], {"dtype": "float64"}
    if kind in ("LSTMCell", "GRUCell"):
        yield "proj_size of a cell", [3, 4], {"proj_size": 2}
        return
    yield "num_layers 0", [3, 4], {"num_layers": 0}
    yield "num_layers 1.5", [3, 4], {"num_layers": 1.5}
    yield "batch_first 1", [3, 4], {"batch_first": 1}
    yield "dropout 1.1", [3, 4], {"num_layers": 2, "dropout": 1.1}
    yield "dropout '0.5'", [3, 4], {"num_layers": 2, "dropout": "0.5"}
    yield "dropout true", [3, 4], {"num_layers": 2, "dropout": True}
    yield "proj_size 2", [3, 4], {"proj_size": 2}
    yield "proj_size 0", [3, 4], {"proj_size": 0}
    yield "proj_size -1", [3, 4], {"proj_size": -1}
    yield "proj_size as large as hidden_size", [3, 4], {"proj_size": 4}
    yield "proj_size larger than hidden_size", [3, 4], {"proj_size": 5}
    yield "proj_size 1.5", [3, 4], {"proj_size": 1.5}
    yield "proj_size '2'", [3, 4], {"proj_size": "2"}
    yield "a wrong hidden_size and a wrong proj_size", [3, 0], {"proj_size": 5}
    yield "a wrong num_layers and a wrong proj_size", [3, 4], {"num_layers": 0, "proj_size": 5}
    yield "two layers", [3, 4], {"num_layers": 2}
    yield "dropout", [3, 4], {"num_layers": 2, "dropout": 0.5}
    yield "dropout 1", [3, 4], {"num_layers": 2, "dropout": 1}
    every = {"num_layers": 3, "bias": False, "batch_first": True, "dropout": 0.25, "bidirectional": True}
    yield "every option", [5, 7], every
    if kind == "LSTM":
        yield "every option and a projection", [5, 7], {**every, "proj_size": 3}


def lstm_calls():
    """What forward is given: a description, options of the LSTM(3, 4), input, hx, lengths to pack with."""
    x, h, c = like(5, 2, 3), like(1, 2, 4), like(1, 2, 4)
    yield "a pair", {}, x, [h, c], None
    yield "hx a tensor of one layer", {}, x, h, None
    yield "hx a tensor of two layers", {"num_layers": 2}, x, like(2, 2, 4), None
    yield "hx one tensor in a list", {}, x, [h], None
    yield "hx of three tensors", {}, x, [h, c, c], None
    yield "hx an empty list", {}, x, [], None
    yield "hx a number", {}, x, 0, None
    yield "h0 missing", {}, x, [None, c], None
    yield "c0 missing", {}, x, [h, None], None
    yield "1-D input", {}, like(3), None, None
    yield "4-D input", {}, like(1, 5, 2, 3), None, None
    yield "another input size", {}, like(5, 2, 7), None, None
    yield "another input size, unbatched", {}, like(5, 7), None, None
    yield "another input size and a wrong h0", {}, like(5, 2, 7), [like(1, 7, 4), c], None
    yield "2-D states for 3-D input", {}, x, [like(1, 4), like(1, 4)], None
    yield "3-D states for 2-D input", {}, like(5, 3), [like(1, 1, 4), like(1, 1, 4)], None
    yield "only c0 2-D for 3-D input", {}, x, [h, like(1, 4)], None
    yield "only h0 3-D for 2-D input", {}, like(5, 3), [like(1, 1, 4), like(1, 4)], None
    yield "unbatched", {}, like(5, 3), [like(1, 4), like(1, 4)], None
    yield "h0 of another batch size", {}, x, [like(1, 7, 4), c], None
    yield "c0 of another batch size", {}, x, [h, like(1, 7, 4)], None
    yield "h0 that would have to be broadcast", {}, x, [like(1, 1, 4), c], None
    yield "c0 that would have to be broadcast", {}, x, [h, like(1, 1, 4)], None
    yield "h0 of another hidden size", {}, x, [like(1, 2, 5), c], None
    yield "c0 of another hidden size", {}, x, [h, like(1, 2, 5)], None
    yield "both wrong", {}, x, [like(1, 2, 5), like(1, 2, 6)], None
    yield "h0 for too few layers", {"num_layers": 2, "bidirectional": True}, x, [like(2, 2, 4), like(4, 2, 4)], None
    yield "c0 for too few layers", {"num_layers": 2, "bidirectional": True}, x, [like(4, 2, 4), like(2, 2, 4)], None
    yield "states with the batch first", {"batch_first": True}, like(2, 5, 3), [like(2, 1, 4), like(2, 1, 4)], None
    yield "unbatched states of another size", {}, like(5, 3), [like(1, 7), like(1, 4)], None
    yield "unbatched c0 of another size", {}, like(5, 3), [like(1, 4), like(1, 7)], None
    yield "projected pair", {"proj_size": 2}, x, [like(1, 2, 2), c], None
    yield "h0 of the hidden size with a projection", {"proj_size": 2}, x, [h, c], None
    yield "c0 of the projection's size", {"proj_size": 2}, x, [like(1, 2, 2), like(1, 2, 2)], None
    yield "input of another dtype", {}, like(5, 2, 3, dtype="float64"), None, None
    yield "everything of another dtype", {}, like(5, 2, 3, dtype="float64"), [like(1, 2, 4, dtype="float64")] * 2, None
    yield "h0 of another dtype", {}, x, [like(1, 2, 4, dtype="float64"), c], None
    yield "c0 of another dtype", {}, x, [h, like(1, 2, 4, dtype="float64")], None
    yield "no steps", {}, like(0, 2, 3), None, None
    yield "packed", {}, x, [h, c], [5, 2]
    yield "packed, another input size", {}, like(5, 2, 7), None, [5, 2]
    yield "packed, hx a tensor of one layer", {}, x, h, [5, 2]
    yield "packed, hx one tensor in a list", {}, x, [h], [5, 2]
    yield "packed, h0 of another batch size", {}, x, [like(1, 7, 4), c], [5, 2]
    yield "packed, c0 of another batch size", {}, x, [h, like(1, 7, 4)], [5, 2]
    yield "packed, h0 of another hidden size", {}, x, [like(1, 2, 5), c], [5, 2]
    yield "packed, c0 of another hidden size", {}, x, [h, like(1, 2, 5)], [5, 2]
    yield "packed, 2-D states", {}, x, [like(1, 4), like(1, 4)], [5, 2]
    yield "packed, input of another dtype", {}, like(5, 2, 3, dtype="float64"), None, [5, 2]
    yield "packed, h0 of another dtype", {}, x, [like(1, 2, 4, dtype="float64"), c], [5, 2]


def gru_calls():
    x, h = like(5, 2, 3), like(1, 2, 4)
    yield "a state", {}, x, h, None
    yield "hx a pair", {}, x, [h, h], None
    yield "hx a number", {}, x, 0, None
    yield "1-D input", {}, like(3), None, None
    yield "4-D input", {}, like(1, 5, 2, 3), None, None
    yield "another input size", {}, like(5, 2, 7), None, None
    yield "another input size, unbatched", {}, like(5, 7), None, None
    yield "2-D state for 3-D input", {}, x, like(1, 4), None
    yield "3-D state for 2-D input", {}, like(5, 3), like(1, 1, 4), None
    yield "unbatched", {}, like(5, 3), like(1, 4), None
    yield "hx of another batch size", {}, x, like(1, 7, 4), None
    yield "hx that would have to be broadcast", {}, x, like(1, 1, 4), None
    yield "hx of another hidden size", {}, x, like(1, 2, 5), None
    yield "hx for too few layers", {"num_layers": 2, "bidirectional": True}, x, like(2, 2, 4), None
    yield "hx with the batch first", {"batch_first": True}, like(2, 5, 3), like(2, 1, 4), None
    yield "unbatched hx of another size", {}, like(5, 3), like(1, 7), None
    yield "input of another dtype", {}, like(5, 2, 3, dtype="float64"), None, None
    yield "hx of another dtype", {}, x, like(1, 2, 4, dtype="float64"), None
    yield "no steps", {}, like(0, 2, 3), None, None
    yield "packed", {}, x, h, [5, 2]
    yield "packed, another input size", {}, like(5, 2, 7), None, [5, 2]
    yield "packed, hx a pair", {}, x, [h, h], [5, 2]
    yield "packed, hx of another batch size", {}, x, like(1, 7, 4), [5, 2]
    yield "packed, hx of another hidden size", {}, x, like(1, 2, 5), [5, 2]
    yield "packed, 2-D hx", {}, x, like(1, 4), [5, 2]
    yield "packed, input of another dtype", {}, like(5, 2, 3, dtype="float64"), None, [5, 2]
    yield "packed, hx of another dtype", {}, x, like(1, 2, 4, dtype="float64"), [5, 2]


def lstm_cell_calls():
    x, h, c = like(2, 3), like(2, 4), like(2, 4)
    yield "a pair", {}, x, [h, c], None
    yield "hx a tensor", {}, x, h, None
    yield "hx one tensor in a list", {}, x, [h], None
    yield "hx of three tensors", {}, x, [h, c, c], None
    yield "hx an empty list", {}, x, [], None
    yield "hx a number", {}, x, 0, None
    yield "c0 missing", {}, x, [h, None], None
    yield "3-D input", {}, like(1, 2, 3), None, None
    yield "0-D input", {}, like(), None, None
    yield "3-D h", {}, x, [like(1, 2, 4), c], None
    yield "3-D c", {}, x, [h, like(1, 2, 4)], None
    yield "unbatched", {}, like(3), [like(4), like(4)], None
    yield "1-D states for 2-D input", {}, x, [like(4), like(4)], None
    yield "2-D states for 1-D input", {}, like(3), [h, c], None
    yield "another input size", {}, like(2, 7), None, None
    yield "another input size, unbatched", {}, like(7), None, None
    yield "h of another hidden size", {}, x, [like(2, 5), c], None
    yield "c of another hidden size", {}, x, [h, like(2, 5)], None
    yield "h of another batch size", {}, like(3, 3), [h, like(3, 4)], None
    yield "c of another batch size", {}, x, [h, like(3, 4)], None
    yield "c that would have to be broadcast", {}, x, [h, like(1, 4)], None
    yield "h that would have to be broadcast", {}, x, [like(1, 4), c], None
    yield "input of another dtype", {}, like(2, 3, dtype="float64"), None, None
    yield "h of another dtype", {}, x, [like(2, 4, dtype="float64"), c], None
    yield "c of another dtype", {}, x, [h, like(2, 4, dtype="float64")], None


def gru_cell_calls():
    x, h = like(2, 3), like(2, 4)
    yield "a state", {}, x, h, None
    yield "hx a pair", {}, x, [h, h], None
    yield "hx a number", {}, x, 0, None
    yield "3-D input", {}, like(1, 2, 3), None, None
    yield "0-D input", {}, like(), None, None
    yield "3-D hx", {}, x, like(1, 2, 4), None
    yield "unbatched", {}, like(3), like(4), None
    yield "1-D hx for 2-D input", {}, x, like(4), None
    yield "2-D hx for 1-D input", {}, like(3), h, None
    yield "another input size", {}, like(2, 7), None, None
    yield "another input size, unbatched", {}, like(7), None, None
    yield "hx of another hidden size", {}, x, like(2, 5), None
    yield "hx of another batch size", {}, like(3, 3), h, None
    yield "hx that would have to be broadcast", {}, x, like(1, 4), None
    yield "input of another dtype", {}, like(2, 3, dtype="float64"), None, None
    yield "hx of another dtype", {}, x, like(2, 4, dtype="float64"), None


CALLS = {"LSTM": lstm_calls, "GRU": gru_calls, "LSTMCell": lstm_cell_calls, "GRUCell": gru_cell_calls}


def realized(value):
    """A description of tensors as tensors."""
    if isinstance(value, dict):
        return torch.zeros(value["shape"], dtype=DTYPES[value["dtype"]])
    return tuple(realized(item) for item in value) if isinstance(value, list) else value


def shapes_of(value):
    """The shapes of a result, nested as it is."""
    if isinstance(value, PackedSequence):
        return list(value.data.shape)
    return list(value.shape) if torch.is_tensor(value) else [shapes_of(item) for item in value]


def outcome(run):
    """What comes of it: the value, or the error as torch words it."""
    try:
        return run()
    except Exception as error:
        # Compiled code appends where it was raised; that is no part of the message.
        return {"error": {"type": type(error).__name__, "message": str(error).split("\nException raised from")[0]}}


def error_files():
    """What torch says about right and wrong arguments: a repr, the shapes of the results, or an error."""
    cases = []
    for kind, calls in CALLS.items():

        def made(arguments, options):
            options = {key: DTYPES[value] if key == "dtype" else value for key, value in options.items()}
            return getattr(nn, kind)(*arguments, **options)

        for number, (what, arguments, options) in enumerate(constructions(kind)):
            case = {"id": f"{kind}-make-{number:02}", "kind": kind, "what": what}
            case |= {"arguments": arguments, "options": camel_keys(options)}
            cases.append(case | outcome(lambda: {"repr": repr(made(arguments, options))}))
        for number, (what, options, input, hx, lengths) in enumerate(calls()):
            case = {"id": f"{kind}-forward-{number:02}", "kind": kind, "what": what}
            case |= {"arguments": [3, 4], "options": camel_keys(options), "input": input, "hx": hx}
            case |= {} if lengths is None else {"lengths": lengths}
            module = made([3, 4], options)

            def forward():
                given = realized(input)
                if lengths is not None:
                    given = pack_padded_sequence(given, torch.tensor(lengths))
                return {"shapes": shapes_of(module(given, realized(hx)))}

            cases.append(case | outcome(forward))
    return {"errors-gated.json": manifest_bytes(cases)}


# -------------------------------------------------------------------------------------------------- operations


class Operations:
    """Collects cases: an operation by the name it has in the package, its tensors, its other arguments."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.cases, self.tensors = [], {}

    def add(self, name, op, function, tensors, arguments=(), options=None, indices=None):
        """`function(*tensors, *indices)` is the value; every tensor gets a gradient, indices do not."""
        indices = indices or {}
        id = f"{name}.{self.dtype}"
        leaves = {key: leaf(value) for key, value in tensors.items()}
        output = function(*leaves.values(), *indices.values())
        gradient = Source(9000 + len(self.cases), self.dtype).uniform(*output.shape)
        output.backward(gradient)
        own = {**leaves, **indices, "output": output, "gradOutput": gradient}
        own |= {f"grad/{key}": value.grad for key, value in leaves.items()}
        self.tensors |= {f"{id}/{key}": value for key, value in own.items()}
        self.cases.append(
            {
                "id": id,
                "op": op,
                "dtype": self.dtype,
                "tensors": list(leaves),
                "indices": list(indices),
                "arguments": list(arguments),
                "options": camel_keys(options or {}),
            }
        )


def elementwise(operations, source):
    special = torch.tensor([0.0, -0.0, 1e-3, -1e-3, 0.5, -0.5, 3.0, -3.0, 30.0, -30.0, 800.0, -800.0])
    special = special.to(source.dtype).reshape(3, 4)
    for op in ("tanh", "relu", "sigmoid"):
        operations.add(op, op, getattr(torch, op), {"x": special})
    x, y = source.uniform(2, 3), source.uniform(2, 3)
    operations.add("add", "add", torch.add, {"x": x, "y": y})
    operations.add("mul", "mul", torch.mul, {"x": x, "y": y})
    operations.add("add-number", "add", lambda x: x + 0.75, {"x": x}, [0.75])
    operations.add("mul-number", "mul", lambda x: x * -1.5, {"x": x}, [-1.5])
    operations.add("square", "square", lambda x: x * x, {"x": x})
    operations.add("sum", "sum", torch.sum, {"x": source.uniform(3, 2, 2)})
    operations.add("mean", "mean", torch.mean, {"x": source.uniform(3, 2, 2)})


def rearranging(operations, source):
    x = source.uniform(3, 4, 2)
    for number, (op, arguments) in enumerate(
        [
            ("select", (0, 1)),
            ("select", (1, 3)),
            ("select", (-1, -2)),
            ("narrow", (0, 1, 2)),
            ("narrow", (1, 0, 1)),
            ("narrow", (-2, 1, 3)),
            ("transpose", (0, 1)),
            ("transpose", (0, -1)),
            ("transpose", (1, 1)),
            ("reshape", (4, 6)),
            ("reshape", (2, -1, 3)),
        ]
    ):
        operations.add(f"{op}-{number}", op, lambda x: getattr(x, op)(*arguments), {"x": x}, arguments)
    parts = {"x": source.uniform(2, 3), "y": source.uniform(1, 3), "z": source.uniform(2, 3)}
    same = {"x": parts["x"], "y": source.uniform(2, 3), "z": parts["z"]}
    wide = {"x": parts["x"], "y": source.uniform(2, 1)}
    operations.add("cat-default", "cat", lambda *all: torch.cat(all), parts)
    operations.add("cat-last", "cat", lambda *all: torch.cat(all, -1), wide, [-1])
    for dim in (0, 1, -1):
        operations.add(f"stack{dim}", "stack", lambda *all: torch.stack(all, dim), same, [dim])


def layers(operations, source):
    weight, bias = source.uniform(3, 4), source.uniform(3)
    for shape in ([4], [2, 4], [2, 3, 4]):
        tensors = {"x": source.uniform(*shape), "weight": weight, "bias": bias}
        operations.add(f"linear-{len(shape)}d", "Linear", functional.linear, tensors)
    operations.add("linear-no-bias", "Linear", functional.linear, {"x": source.uniform(2, 4), "weight": weight})

    table = source.uniform(6, 3)
    indices = {"x": torch.tensor([[1, 2, 2], [5, 1, 1]])}
    for name, padding in (("", None), ("-padding", 1)):
        operations.add(
            f"embedding{name}",
            "Embedding",
            lambda weight, x: functional.embedding(x, weight, padding_idx=padding),
            {"weight": table},
            options={} if padding is None else {"padding_idx": padding},
            indices=indices,
        )


def losses(operations, source):
    for reduction in ("none", "mean", "sum"):
        tensors = {"x": source.uniform(2, 3), "y": source.uniform(2, 3)}
        operations.add(
            f"mse-{reduction}",
            "MSELoss",
            lambda x, y: functional.mse_loss(x, y, reduction=reduction),
            tensors,
            options={"reduction": reduction},
        )

    def cross_entropy(name, logits, target, **options):
        def value(x, target):
            # torch wants the classes second: (N, C) or (N, C, d1, ...)
            classes_second = x.movedim(-1, 1) if x.dim() > 1 else x
            return functional.cross_entropy(classes_second, target, **options)

        indices = {"target": target}
        operations.add(
            f"cross-entropy-{name}", "CrossEntropyLoss", value, {"x": logits}, options=options, indices=indices
        )

    flat_target = torch.tensor([2, 0, -100, 3, 1])
    for reduction in ("none", "mean", "sum"):
        cross_entropy(f"2d-{reduction}", source.uniform(5, 4, low=-3, high=3), flat_target, reduction=reduction)
        deep_target = torch.tensor([[2, 0], [1, 2], [0, 1]])
        cross_entropy(
            f"3d-{reduction}",
            source.uniform(3, 2, 3, low=-3, high=3),
            deep_target,
            reduction=reduction,
            ignore_index=2,
        )
    cross_entropy("default", source.uniform(5, 4), flat_target)
    huge = torch.tensor([[1000.0, -1000.0, 999.0], [-1000.0, 0.0, -1000.0], [50.0, 50.0, 50.0]]).to(source.dtype)
    cross_entropy("huge", huge, torch.tensor([2, 0, 1]))
    cross_entropy("all-ignored-mean", source.uniform(2, 3), torch.tensor([-100, -100]))
    cross_entropy("all-ignored-sum", source.uniform(2, 3), torch.tensor([-100, -100]), reduction="sum")


def more_losses(operations, source):
    """Element against target; beside ordinary numbers equal ones, and logits that an exponential would not hold."""
    x = torch.tensor([[0.5, -1.5, 2.0], [0.0, 3.0, -0.25]]).to(source.dtype)
    y = torch.tensor([[0.5, 1.5, -2.0], [0.0, 2.5, 0.75]]).to(source.dtype)
    logits = torch.tensor([[0.5, -1.5, 100.0], [0.0, -100.0, 20.0]]).to(source.dtype)
    for reduction in ("none", "mean", "sum"):
        options = {"reduction": reduction}
        for name, tensors in (("", {"x": source.uniform(2, 3), "y": source.uniform(2, 3)}), ("-signs", {"x": x, "y": y})):
            operations.add(
                f"l1{name}-{reduction}",
                "L1Loss",
                lambda x, y: functional.l1_loss(x, y, reduction=reduction),
                tensors,
                options=options,
            )
        probability = source.uniform(2, 3, low=0.0)
        for name, input in (("", source.uniform(2, 3, low=-3, high=3)), ("-large", logits)):
            operations.add(
                f"bce-with-logits{name}-{reduction}",
                "BCEWithLogitsLoss",
                lambda x, y: functional.binary_cross_entropy_with_logits(x, y, reduction=reduction),
                {"x": input, "y": probability},
                options=options,
            )


def operation_files():
    cases, tensors = [], {}
    for dtype in ("float64", "float32"):
        operations = Operations(dtype)
        source = Source(8000, dtype)
        for group in (elementwise, rearranging, layers, losses, more_losses):
            group(operations, source)
        cases += operations.cases
        tensors |= operations.tensors
    return {"ops.json": manifest_bytes(cases), "ops.safetensors": safetensors_bytes(tensors)}


# ------------------------------------------------------------------------------------------------------- files


def file_files():
    """Every kind that the package reads, in one file; and what Python reads from a file that the package wrote."""
    every = {
        "double": torch.tensor([[0.1, -0.0], [float("inf"), 5e-324]], dtype=torch.float64),
        "single": torch.tensor([0.1, -3e38, 1e-45], dtype=torch.float32),
        "half": torch.tensor([[1.5, -65504.0, 6e-8]], dtype=torch.float16),
        "brain": torch.tensor([1.5, -3e38, 1e-40], dtype=torch.bfloat16),
        "long": torch.tensor([[-(2**31)], [2**31 - 1]], dtype=torch.int64),
        "int": torch.tensor([-1, 7], dtype=torch.int32),
        "scalar": torch.tensor(3, dtype=torch.int64),
        "empty": torch.zeros(2, 0),
    }
    native = {
        "b.double": every["double"],
        "a.indices": every["int"],
        "weight": every["single"],
        "scalar": torch.tensor(2.5),
    }
    listed = [{"name": name, "shape": list(value.shape), "values": numbers(value)} for name, value in every.items()]
    files = {
        "python-kinds.safetensors": save(every, metadata={"format": "pt"}),
        "python-kinds.json": manifest_bytes(listed),
        "python-native.safetensors": save(native, metadata={"format": "pt"}),
    }
    written = HERE / "written.safetensors"  # by test/golden/write.ts
    if written.exists():
        with safe_open(written, "pt") as file:
            found = [
                {"name": name, "dtype": str(value.dtype).removeprefix("torch."), "shape": list(value.shape), "values": numbers(value)}
                for name, value in ((name, file.get_tensor(name)) for name in sorted(file.keys()))
            ]
            files["written.json"] = manifest_bytes([{"metadata": dict(sorted(file.metadata().items()))}, *found])
    return files


def guide_files():
    """The files that docs/from-pytorch.md brings over."""
    torch.manual_seed(7)
    rnn = torch.nn.RNN(3, 4, num_layers=2, bidirectional=True)
    torch.manual_seed(7)
    lstm = torch.nn.LSTM(3, 4, num_layers=2, proj_size=2)
    return {"guide.safetensors": save(rnn.state_dict()), "guide-lstm.safetensors": save(lstm.state_dict())}


def numbers(tensor):
    """A flat list; what JSON lacks becomes a text."""
    values = tensor.flatten().tolist()
    return [value if math.isfinite(value) else {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN") for value in values]


# -------------------------------------------------------------------------------------------------------- main


PARTS = [
    recurrent_files,
    cell_files,
    jordan_files,
    init_files,
    trajectory_files,
    schedule_files,
    error_files,
    operation_files,
    file_files,
    guide_files,
]


def main():
    parser = argparse.ArgumentParser(description="Golden values for the tests called golden.test.ts, computed by PyTorch.")
    parser.add_argument("--check", action="store_true", help="compare with the files that are here, write nothing")
    check = parser.parse_args().check

    version = torch.__version__.split("+")[0]
    assert version == "2.13.0", f"these files are made by torch 2.13.0, not {version}"
    capability = torch.backends.cpu.get_cpu_capability()
    assert capability == "AVX2", f"an x86-64 CPU with AVX2 is needed, torch sees {capability}"
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.mkldnn.enabled = False
    warnings.filterwarnings("ignore", message="LSTM with projections is not supported with oneDNN")

    files = {}
    for part in PARTS:
        files |= part()
    stale = []
    for name, content in files.items():
        path = HERE / name
        if not check:
            path.write_bytes(content)
        elif not path.exists() or path.read_bytes() != content:
            stale.append(name)
        print(f"{len(content):8}  {name}")
    print(f"{sum(map(len, files.values())):8}  in all")
    if stale:
        sys.exit(f"these differ from what torch gives: {', '.join(stale)}")


if __name__ == "__main__":
    main()
