"""Calls of the kernels of metrics.h."""

import numpy as np

from cases.base import cases_for
from cases.elementwise import group_shapes


def metric_case(make, kernel, target, prediction, block, sizes, timed=False):
    """A case of a metric."""
    t, p = make.matrix(target, 0 if timed else None), make.matrix(prediction, 0 if timed else None)
    shape = ", ".join(str(n) for n in (len(target), *sizes.values()))
    return make.case(f"({shape})", block, {"rows": len(target)}, timed=timed, target=t, prediction=p,
                     value=make.output(len(target)), target_stride=t.stride, prediction_stride=p.stride,
                     **sizes)  # fmt: skip


@cases_for("accuracy", "binary_accuracy")
def feature_metric_cases(make, kernel):
    binary = kernel == "binary_accuracy"

    def arrays(rows, columns):
        prediction = np.round(make.uniform(rows, columns), 1).astype(make.dtype)  # some on the threshold
        if not binary:
            return np.round(make.uniform(rows, columns), 1).astype(make.dtype), prediction
        return make.random.integers(0, 2, (rows, columns)).astype(make.dtype), prediction

    shapes = [*make.row_shapes(), (300, 1, (1, 299)), (130, 2, (0, 130)), (2, 600, (0, 2))]
    for number, (rows, columns, block) in enumerate(shapes):
        sizes = {"threshold": (0.5, 0.0, 0.3)[number % 3]} if binary else {}
        yield metric_case(make, kernel, *arrays(rows, columns), block, {"features": columns, **sizes})
    target, prediction = arrays(5, 31)
    prediction[0, :6] = np.nan, np.inf, -np.inf, -0.0, 0.0, 0.5
    target[0, 7:10] = -0.0, 0.5, np.nan
    if not binary:
        target[0, :6] = np.nan, np.inf, np.inf, 0.0, -0.0, 0.5
        target[1], prediction[1] = 1e-30, 0
    sizes = {"threshold": 0.5} if binary else {}
    yield metric_case(make, kernel, target, prediction, 5, {"features": 31, **sizes})
    yield metric_case(make, kernel, *arrays(128, 10), 128, {"features": 10, **sizes}, timed=True)


@cases_for("categorical_accuracy", "sparse_categorical_accuracy", "top_k_categorical_accuracy",
           "sparse_top_k_categorical_accuracy")  # fmt: skip
def class_metric_cases(make, kernel):
    sparse = kernel.startswith("sparse")

    def one(rows, groups, classes, block, steps, timed=False, nan=False):
        # few different values: the first of equals counts
        prediction = np.round(make.normal(rows, groups * classes) * steps).astype(make.dtype)
        target = np.round(make.normal(rows, groups * classes) * steps).astype(make.dtype)
        right = make.random.random((rows, groups)) < 0.5
        guess = prediction.reshape(rows, groups, classes).argmax(axis=-1)
        labels = np.where(right, guess, make.random.integers(-1, classes + 1, (rows, groups)))
        if not sparse:
            target.reshape(rows, groups, classes)[right] = prediction.reshape(rows, groups, classes)[right]
        sizes = {"groups": groups, "classes": classes}
        if "top_k" in kernel:
            sizes["k"] = (1, 3, 5)[rows % 3]
        if nan:
            prediction[0, :3], prediction[1], prediction[2] = np.nan, np.nan, (-np.inf, np.inf) * (classes // 2)
        return metric_case(make, kernel, labels.astype(np.int32) if sparse else target, prediction, block, sizes,
                           timed)  # fmt: skip

    for number, (rows, groups, classes, block) in enumerate(group_shapes(make)):
        yield one(rows, groups, classes, block, (1, 100)[number % 2])
    if "top_k" in kernel:
        for rows, classes in ((4, 6), (5, 38), (9, 70)):
            yield one(rows, 1, classes, rows, 1, nan=True)
    yield one(128, 1, 10, 128, 100, timed=True)
