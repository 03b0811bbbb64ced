"""What the kernel of orthogonal.h computes."""

import numpy as np

from reference.base import nearly, reference, wide


@reference
def orthonormalize(a, w, block):
    vectors = wide(a.vectors)
    conditions = []
    for i, vector in enumerate(vectors):
        before = vector.copy()
        for _ in range(2):
            for earlier in vectors[:i]:
                vector -= (earlier @ vector) * earlier
        conditions.append(float(np.linalg.norm(before.astype(float)) / np.linalg.norm(vector.astype(float))))
        vector /= np.sqrt(vector @ vector)
    # what rounding does to a vector grows where little of it is left, and so does what it does to those after it
    magnitude = np.cumprod(np.maximum(conditions, 1.0))[:, None] * np.ones(vectors.shape[1])
    return {"vectors": nearly(..., vectors, 4 * (len(vectors) + 4), np.minimum(magnitude, 64))}
