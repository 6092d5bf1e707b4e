"""Writes python.safetensors, which tests/python.rs reads: python make.py, with torch 2.13 and safetensors 0.6 or later."""

import pathlib

import torch
from safetensors.torch import save_file

tensors = {
    "rnn.weight_ih_l0": torch.tensor([[0.5, -1.25], [3e38, 1e-45]]),
    "rnn.bias_ih_l0": torch.tensor([0.1, float("-inf"), -0.0], dtype=torch.float64),
    "half": torch.tensor([1.0, 65504.0, 6e-8], dtype=torch.float16),
    "brain": torch.tensor([[1.0], [-3e38]], dtype=torch.bfloat16),
    "num_batches": torch.tensor(123456),
    "indices": torch.tensor([-1, 7], dtype=torch.int32),
    "empty": torch.zeros(2, 0),
}
save_file(tensors, pathlib.Path(__file__).with_name("python.safetensors"), metadata={"format": "pt", "epoch": "5"})
