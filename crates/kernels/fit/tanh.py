"""Fits the coefficients of src/pointwise/exp.rs.   pip install mpmath; python tanh.py

tanh(x) = x + x^3 P(x^2) / Q(x^2) for |x| <= split, Q(0) = 1, by a weighted linear fit of
x^3 P - (tanh(x) - x) Q = 0 on Chebyshev nodes, iterated with Lawson's weights towards the minimax error
relative to tanh(x). exp(r) on |r| <= ln(2)/2 likewise, with Q = 1 and the first two terms exact.
"""

from mpmath import mp, mpf, matrix, lu_solve, tanh, exp, log, cos, pi

mp.dps = 60


def fit(f, low, high, basis_p, basis_q, weight, rounds=60, nodes=120):
    """Coefficients p, q with sum p_i P_i(x) = f(x) (1 + sum q_i Q_i(x)), minimax in weight(x) * error."""
    xs = [(low + high) / 2 + (high - low) / 2 * cos(pi * (i + mpf(1) / 2) / nodes) for i in range(nodes)]
    lawson = [mpf(1)] * nodes
    denominators = [mpf(1)] * nodes
    best = None
    for _ in range(rounds):
        rows, right = [], []
        for x, w, d in zip(xs, lawson, denominators):
            s = mp.sqrt(w) * weight(x) / d
            rows.append([s * b(x) for b in basis_p] + [-s * f(x) * b(x) for b in basis_q])
            right.append(s * f(x))
        a, b = matrix(rows), matrix(right)
        c = lu_solve(a.T * a, a.T * b)
        p, q = list(c)[: len(basis_p)], list(c)[len(basis_p):]
        errors = []
        for i, x in enumerate(xs):
            d = 1 + sum(q_i * b(x) for q_i, b in zip(q, basis_q))
            n = sum(p_i * b(x) for p_i, b in zip(p, basis_p))
            denominators[i] = abs(d)
            errors.append(abs(weight(x) * (n / d - f(x))))
        worst = max(errors)
        if best is None or worst < best[0]:
            best = (worst, p, q)
        lawson = [w * (e / worst + mpf("1e-9")) for w, e in zip(lawson, errors)]
        total = sum(lawson)
        lawson = [w / total for w in lawson]
    return best


def power(k):
    return lambda x: x**k


def report(name, worst, coefficients):
    print(f"{name}: error {mp.nstr(worst, 3)}")
    for c in coefficients:
        print(f"    {mp.nstr(c, 20)},")


for dtype, split, p_terms, q_terms, exp_terms in [("f32", mpf("1.25"), 2, 2, 5), ("f64", mpf("1.25"), 4, 3, 10)]:
    worst, p, q = fit(
        lambda x: tanh(x) - x, mpf("1e-3"), split,
        [power(3 + 2 * i) for i in range(p_terms)], [power(2 * i) for i in range(1, q_terms + 1)],
        lambda x: 1 / tanh(x),
    )
    report(f"{dtype} P", worst, p)
    report(f"{dtype} Q", worst, [mpf(1)] + q)
    half = log(2) / 2
    worst, p, _ = fit(
        lambda x: exp(x) - 1 - x, -half, half,
        [power(2 + i) for i in range(exp_terms)], [], lambda x: 1 / exp(x),
    )
    report(f"{dtype} exp", worst, [mpf(1), mpf(1)] + p)
