"""
JAX: the same network, compiled whole, as a scan over time.

Where the input is projected, all at once before the scan or step by step within it, makes up to eight times the
difference, either way; both are compiled and the faster one is measured. Calls run on the thread that makes them,
which is faster for small networks and no slower for large ones.
"""

import time

from serve import refuse, serve

try:
    import jax
except ImportError as error:
    refuse(f"this Python has no JAX ({error})")

import jax.numpy as jnp
from data import numbers_of, parameter_shapes

jax.config.update("jax_cpu_enable_async_dispatch", False)


def layer_outside(x, h0, w_ih, w_hh, b_ih, b_hh, reverse):
    def step(h, z):
        h = jnp.tanh(z + h @ w_hh.T)
        return h, h

    return jax.lax.scan(step, h0, x @ w_ih.T + (b_ih + b_hh), reverse=reverse)


def layer_inside(x, h0, w_ih, w_hh, b_ih, b_hh, reverse):
    def step(h, x):
        h = jnp.tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
        return h, h

    return jax.lax.scan(step, h0, x, reverse=reverse)


def network(layer, directions):
    """The stack as a function of input, hx and the list of parameters."""

    def forward(x, hx, parameters):
        states = []
        for place in range(0, len(hx), directions):
            halves = []
            for direction in range(directions):
                at = place + direction
                last, half = layer(x, hx[at], *parameters[4 * at : 4 * at + 4], reverse=direction == 1)
                states.append(last)
                halves.append(half)
            x = halves[0] if directions == 1 else jnp.concatenate(halves, axis=-1)
        return x, jnp.stack(states)

    return forward


def training_step(forward):
    def step(x, hx, parameters, gradient):
        (output, hn), pullback = jax.vjp(forward, x, hx, parameters)
        return output, hn, pullback((gradient, jnp.zeros_like(hn)))

    return step


def seconds(call):
    """The shortest of a few calls."""
    call()
    begin = time.perf_counter()
    shortest = float("inf")
    while time.perf_counter() - begin < 0.2:
        start = time.perf_counter()
        call()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def prepare(task, shape, dtype):
    if dtype != "float32":
        return f"its default has no {dtype}"
    numbers = numbers_of(shape, dtype)
    x, hx, gradient = (jnp.asarray(numbers[name]) for name in ("input", "hx", "gradient"))
    parameters = [jnp.asarray(array) for array in numbers["parameters"].values()]
    arguments = (x, hx, parameters) if task == "forward" else (x, hx, parameters, gradient)

    def compiled(layer):
        forward = network(layer, shape["D"])
        function = jax.jit(forward if task == "forward" else training_step(forward))
        return lambda: jax.block_until_ready(function(*arguments))

    call = min((compiled(layer) for layer in (layer_outside, layer_inside)), key=seconds)
    output, hn, *gradients = call()
    results = {"output": output, "hN": hn}
    if gradients:
        d_x, d_hx, d_parameters = gradients[0]
        names = (name for name, _ in parameter_shapes(shape))
        results |= {"input": d_x, "hx": d_hx, **dict(zip(names, d_parameters, strict=True))}
    return call, results


serve(f"JAX {jax.__version__}", prepare)
