"""The numbers that every contender computes with: those of lib/numbers.ts, bit for bit."""

import math

import numpy as np

SEEDS = {"input": 1, "hx": 2, "gradient": 3, "fingerprint": 4, "parameters": 10}


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
    for layer in range(shape["L"]):
        features = shape["I"] if layer == 0 else shape["D"] * shape["H"]
        for suffix in ["", "_reverse"][: shape["D"]]:
            place = f"l{layer}{suffix}"
            yield f"weight_ih_{place}", (shape["H"], features)
            yield f"weight_hh_{place}", (shape["H"], shape["H"])
            yield f"bias_ih_{place}", (shape["H"],)
            yield f"bias_hh_{place}", (shape["H"],)


def numbers_of(shape, dtype):
    """Input (T, B, I), hx (L·D, B, H), the gradient of the output (T, B, D·H), and the parameters by name."""

    def array(seed, size, scale=1.0):
        return (scale * mixed(seed, math.prod(size))).reshape(size).astype(dtype)

    T, B, I, H, L, D = (shape[name] for name in "TBIHLD")
    return {
        "input": array(SEEDS["input"], (T, B, I)),
        "hx": array(SEEDS["hx"], (L * D, B, H)),
        "gradient": array(SEEDS["gradient"], (T, B, D * H)),
        "parameters": {
            name: array(SEEDS["parameters"] + index, size, 1 / math.sqrt(H))
            for index, (name, size) in enumerate(parameter_shapes(shape))
        },
    }


def fingerprint(array):
    """The fingerprint of lib/numbers.ts."""
    values = np.asarray(array, dtype=np.float64).ravel()
    return {
        "norm": float(np.sqrt(values @ values)),
        "product": float(values @ mixed(SEEDS["fingerprint"], values.size)),
    }
