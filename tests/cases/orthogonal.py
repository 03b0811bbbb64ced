"""Calls of the kernel of orthogonal.h."""

import numpy as np

from cases.base import cases_for


@cases_for("orthonormalize")
def orthonormalize_cases(make, kernel):
    shapes = [(1, 1), (1, 5), (2, 2), (2, 17), (3, 64), (7, 29), (16, 33), (17, 100), *((4, n) for n in range(4, 40))]
    for count, length in shapes:
        # random directions leaning towards the axes: far from dependent, so that results can be compared
        vectors = make.normal(count, length, scale=0.3 / np.sqrt(length)) + np.eye(count, length, dtype=make.dtype)
        vectors *= make.uniform(count, 1, low=0.5, high=2.0)
        yield make.case(f"({count}, {length})", (0, 1), vectors=make.matrix(vectors, 0), count=count, length=length)
    vectors = make.normal(64, 512)
    yield make.case("(64, 512)", (0, 1), timed=True, vectors=make.matrix(vectors, 0), count=64, length=512)
