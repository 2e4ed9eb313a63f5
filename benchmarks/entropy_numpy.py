#!/usr/bin/python3
"""numpy's time for the spectral entropies of entropy_benchmark: run both, one after the other, on one machine.

Needs Debian's python3-numpy.

    OPENBLAS_NUM_THREADS=1 /usr/bin/python3 benchmarks/entropy_numpy.py
"""
import sys
import time

import numpy as np


def entropy(squares):
    p = squares[squares > 0] / squares.sum()
    return -(p * np.log(p)).sum()


def by_svd(w):
    return entropy(np.linalg.svd(w, compute_uv=False).astype(np.float64) ** 2)


def by_gram(w):
    wide = w.astype(np.float64)
    return entropy(np.maximum(np.linalg.eigvalsh(wide @ wide.T), 0))


def median_ms(body, w):
    times = []
    while len(times) < 5 or (sum(times) < 0.5 and len(times) < 1001):
        start = time.perf_counter()
        body(w)
        times.append(time.perf_counter() - start)
    return 1e3 * sorted(times)[len(times) // 2]


print("%-44s %12s" % ("case", "median ms"))
generator = np.random.default_rng(1)
for rows, columns, size in [(10, 512, "10 x 512"), (100, 2048, "100 x 2048"), (100, 65536, "100 x 65k")]:
    w = generator.standard_normal((rows, columns), dtype=np.float32)
    if abs(by_svd(w) - by_gram(w)) > 1e-5:  # of a float SVD
        sys.exit("numpy's two entropies of " + size + " differ")
    print("%-44s %12.5f" % ("entropy/" + size + "/numpy SVD", median_ms(by_svd, w)))
    print("%-44s %12.5f" % ("entropy/" + size + "/numpy Gram + eigvalsh", median_ms(by_gram, w)))
