"""The numbers that every contender computes with: those of lib/numbers.ts, bit for bit."""

import math

import numpy as np

SEEDS = {"input": 1, "hx": 2, "gradient": 3, "fingerprint": 4, "cx": 6, "parameters": 10}
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
STATES = {"rnn": ["h"], "gru": ["h"], "lstm": ["h", "c"]}


def mixed(seed, length):
    """`length` numbers of a seed, between -1 and 1."""
    start = np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    bits = np.arange(length, dtype=np.uint32) + start
    bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(0x7FEB352D)
    bits = (bits ^ (bits >> np.uint32(15))) * np.uint32(0x846CA68B)
    bits = bits ^ (bits >> np.uint32(16))
    return bits / 2.0**31 - 1


def parameter_shapes(shape):
    """Names and shapes in the order of the state dict."""
    rows = GATES[shape["cell"]] * shape["H"]
    for layer in range(shape["L"]):
        features = shape["I"] if layer == 0 else shape["D"] * shape["H"]
        for suffix in ["", "_reverse"][: shape["D"]]:
            place = f"l{layer}{suffix}"
            yield f"weight_ih_{place}", (rows, features)
            yield f"weight_hh_{place}", (rows, shape["H"])
            yield f"bias_ih_{place}", (rows,)
            yield f"bias_hh_{place}", (rows,)


def numbers_of(shape, dtype):
    """
    Input (T, B, I), the states that it begins with (hx, and of an LSTM cx; each (L·D, B, H)), the gradient of the
    output (T, B, D·H), and the parameters by name.
    """

    def array(seed, size, scale=1.0):
        return (scale * mixed(seed, math.prod(size))).reshape(size).astype(dtype)

    T, B, I, H, L, D = (shape[name] for name in "TBIHLD")
    return {
        "input": array(SEEDS["input"], (T, B, I)),
        "states": [array(SEEDS[f"{state}x"], (L * D, B, H)) for state in STATES[shape["cell"]]],
        "gradient": array(SEEDS["gradient"], (T, B, D * H)),
        "parameters": {
            name: array(SEEDS["parameters"] + index, size, 1 / math.sqrt(H))
            for index, (name, size) in enumerate(parameter_shapes(shape))
        },
    }


def named_states(shape, kind, states):
    """States by name: hx and cx for the kind "x", hN and cN for "N"."""
    return {f"{state}{kind}": values for state, values in zip(STATES[shape["cell"]], states, strict=True)}


def fingerprint(array):
    """The fingerprint of lib/numbers.ts."""
    values = np.asarray(array, dtype=np.float64).ravel()
    return {
        "norm": float(np.sqrt(values @ values)),
        "product": float(values @ mixed(SEEDS["fingerprint"], values.size)),
    }
