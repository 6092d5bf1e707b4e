"""
The conversation with the benchmark: one line of JSON each way, on standard input and output.

    {"do": "prepare", "task": "step", "shape": {…}, "dtype": "float32"}   {"work": 0, "probe": {…}} or {"refusal": "…"}
    {"do": "sample", "work": 0, "calls": 10, "samples": 3}                {"times": [ms, ms, ms]}
    {"do": "dispose", "work": 0}                                          {}
    {"do": "version"}                                                     {"version": "PyTorch 2.13.0"}
"""

import gc
import json
import sys
import time


def refuse(reason):
    """Answers the first request with the reason why this peer cannot be had, and ends."""
    sys.stdin.readline()
    print(json.dumps({"refusal": reason}), flush=True)
    sys.exit()


def serve(version, prepare):
    """
    Answers requests until standard input ends.

    `prepare(task, shape, dtype)` gives a function to be timed and its results as named arrays, or the reason why
    it does not do this as a string.
    """
    from data import fingerprint  # needs numpy, which a Python without any peer has not

    works = {}
    for number, line in enumerate(sys.stdin):
        request = json.loads(line)
        match request["do"]:
            case "version":
                reply = {"version": version}
            case "prepare":
                prepared = prepare(request["task"], request["shape"], request["dtype"])
                if isinstance(prepared, str):
                    reply = {"refusal": prepared}
                else:
                    call, results = prepared
                    works[number] = call
                    probe = {name: fingerprint(array) for name, array in results.items()}
                    reply = {"work": number, "probe": probe}
            case "sample":
                call = works[request["work"]]
                reply = {"times": sample(call, request["calls"], request["samples"])}
            case "dispose":
                del works[request["work"]]
                gc.collect()
                reply = {}
        print(json.dumps(reply), flush=True)


def sample(call, calls, samples):
    """Milliseconds of a call, in each of `samples` rows of `calls` calls."""
    times = []
    for _ in range(samples):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        times.append((time.perf_counter() - start) * 1000 / calls)
    return times
