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
from data import named_states, numbers_of, parameter_shapes

jax.config.update("jax_cpu_enable_async_dispatch", False)


# The cells: from the projected input with its biases, the projected state, what bias is left for the step, and the
# states, the new states. torch's gates: i, f, g, o and r, z, n.


def rnn_cell(z, r, rest, states):
    return (jnp.tanh(z + r),)


def lstm_cell(z, r, rest, states):
    i, f, g, o = jnp.split(z + r, 4, axis=-1)
    c = jax.nn.sigmoid(f) * states[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru_cell(z, r, rest, states):
    size = states[0].shape[-1]
    gates = jax.nn.sigmoid(z[..., : 2 * size] + r[..., : 2 * size])
    reset, update = gates[..., :size], gates[..., size:]
    n = jnp.tanh(z[..., 2 * size :] + reset * (r[..., 2 * size :] + rest))
    return ((1 - update) * n + update * states[0],)


CELLS = {"rnn": rnn_cell, "lstm": lstm_cell, "gru": gru_cell}


def folded(cell, b_ih, b_hh):
    """The biases that go along with the projected input, and what has to wait for the step: b_hn of a GRU."""
    if cell is not gru_cell:
        return b_ih + b_hh, None
    size = len(b_hh) // 3
    return b_ih + jnp.concatenate([b_hh[: 2 * size], jnp.zeros_like(b_hh[:size])]), b_hh[2 * size :]


def layer_outside(cell, x, states, w_ih, w_hh, b_ih, b_hh, reverse):
    bias, rest = folded(cell, b_ih, b_hh)

    def step(states, z):
        states = cell(z, states[0] @ w_hh.T, rest, states)
        return states, states[0]

    return jax.lax.scan(step, states, x @ w_ih.T + bias, reverse=reverse)


def layer_inside(cell, x, states, w_ih, w_hh, b_ih, b_hh, reverse):
    bias, rest = folded(cell, b_ih, b_hh)

    def step(states, x):
        states = cell(x @ w_ih.T + bias, states[0] @ w_hh.T, rest, states)
        return states, states[0]

    return jax.lax.scan(step, states, x, reverse=reverse)


def network(layer, cell, directions):
    """The stack as a function of input, states and the list of parameters."""

    def forward(x, states, parameters):
        lasts = []
        for place in range(0, len(states[0]), directions):
            halves = []
            for direction in range(directions):
                at = place + direction
                begin = tuple(state[at] for state in states)
                last, half = layer(cell, x, begin, *parameters[4 * at : 4 * at + 4], reverse=direction == 1)
                lasts.append(last)
                halves.append(half)
            x = halves[0] if directions == 1 else jnp.concatenate(halves, axis=-1)
        return x, tuple(jnp.stack(state) for state in zip(*lasts, strict=True))

    return forward


def training_step(forward):
    def step(x, states, parameters, gradient):
        (output, last), pullback = jax.vjp(forward, x, states, parameters)
        return output, last, pullback((gradient, tuple(jnp.zeros_like(state) for state in last)))

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
    x, gradient = (jnp.asarray(numbers[name]) for name in ("input", "gradient"))
    states = tuple(jnp.asarray(array) for array in numbers["states"])
    parameters = [jnp.asarray(array) for array in numbers["parameters"].values()]
    arguments = (x, states, parameters) if task == "forward" else (x, states, parameters, gradient)

    def compiled(layer):
        forward = network(layer, CELLS[shape["cell"]], shape["D"])
        function = jax.jit(forward if task == "forward" else training_step(forward))
        return lambda: jax.block_until_ready(function(*arguments))

    call = min((compiled(layer) for layer in (layer_outside, layer_inside)), key=seconds)
    output, last, *gradients = call()
    results = {"output": output, **named_states(shape, "N", last)}
    if gradients:
        d_x, d_states, d_parameters = gradients[0]
        names = (name for name, _ in parameter_shapes(shape))
        results |= {"input": d_x, **named_states(shape, "x", d_states), **dict(zip(names, d_parameters, strict=True))}
    return call, results


serve(f"JAX {jax.__version__}", prepare)
