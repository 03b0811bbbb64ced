"""Calls of the element-wise losses of losses.h, and of the rescaling after a loss."""

import numpy as np

from cases.base import Array, cases_for
from cases.gather import SOURCE_TYPES
from cases.losses import loss_case

RATES = ("poisson", "mean_squared_logarithmic_error")
MARGINS = ("hinge", "squared_hinge")

OPTIONS = {
    "huber": ({"delta": 1.0}, {"delta": 0.3}, {"delta": 50.0}),
    "gaussian_nll_fixed": ({"variance": 1.0, "offset": 0.0}, {"variance": 0.3, "offset": -0.6}),
}


def kernel_sizes(kernel, number, columns):
    """Arguments that are numbers: shape and options."""
    shape = {"features": columns}
    if kernel == "kl_divergence":
        groups = next(n for n in (3, 2, 1) if columns % n == 0)
        shape = {"groups": groups, "classes": columns // groups}
    options = OPTIONS.get(kernel, ({},))
    return {**shape, **options[number % len(options)]}


@cases_for("absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error", "huber", "log_cosh",
           "poisson", "kl_divergence", "hinge", "squared_hinge", "gaussian_nll_fixed")  # fmt: skip
def element_loss_cases(make, kernel):
    def arrays(rows, columns, number):
        if kernel == "kl_divergence":
            return make.uniform(rows, columns), make.uniform(rows, columns, high=1.3)
        if kernel in RATES:
            return make.uniform(rows, columns, high=4), make.uniform(rows, columns, low=0.001, high=4)
        prediction = make.normal(rows, columns, scale=(1, 3, 20)[number % 3])
        if kernel in MARGINS:
            target = make.random.integers(0, 2, (rows, columns)) * (1 + number % 2) - number % 2  # 0 and 1, or -1 and 1
            return target.astype(make.dtype), prediction
        return make.normal(rows, columns), prediction

    def one(number, rows, columns, block, target, prediction, **options):
        sizes = kernel_sizes(kernel, number, columns)
        return loss_case(make, kernel, number, rows, target, prediction, block, sizes, **options)

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        yield one(number, rows, columns, block, *arrays(rows, columns, number))
    for number, (rows, columns) in enumerate(((300, 1), (130, 2), (2, 600), (90, 3))):
        yield one(number + 1, rows, columns, (1, rows), *arrays(rows, columns, number))
    for number in (1, 2, 4, 5):
        target, prediction = arrays(5, 31, 0)
        edges = np.array([0, -0.0, 1, -1, 0.75, 1e-7, 1e-30, -1e-30, 1e4, -1e4, 1e18, 0.3, 50], make.dtype)
        prediction[0], target[1] = np.resize(edges, 31), np.resize(edges[3:], 31)
        if kernel in RATES:
            target[1] = np.abs(target[1])
        if kernel in (*MARGINS, "poisson"):
            prediction[0, 10::13] = 1e9  # a square or product that a float holds
        target[2] = prediction[2]  # no difference
        prediction[3, 4], prediction[4, 5], target[4, 8] = np.nan, np.inf, np.nan
        yield one(number, 5, 31, 5, target, prediction, note="special")
    for rows, columns in ((128, 1), (128, 10), (128, 784)):
        yield one(1, rows, columns, rows, *arrays(rows, columns, 0), timed=True)


@cases_for("rescale_loss")
def rescale_cases(make, kernel):
    def one(number, rows, columns, block, source_type, timed=False):
        divide, weighted, labelled = number % 4 > 0, number % 4 > 1, number % 2 == 1
        data_rows, dtype = rows + 4, SOURCE_TYPES[source_type]
        labels = Array(make.random.integers(0, 2 if dtype.kind == "b" else 4, (data_rows, 1)).astype(dtype),
                       stride_bytes=dtype.itemsize + number % 3)  # fmt: skip
        weights = make.uniform(data_rows)
        if number % 16 == 6:
            weights[:] = 0
        x = make.matrix(make.normal(rows, columns), 0 if timed else None)
        order = Array(make.random.permutation(data_rows)) if number % 3 == 1 else None
        note = f"{'divided' if divide else ''}{' weighted' if weighted else ''}{' labels' if labelled else ''}"
        return make.case(
            f"({rows}, {columns}) {note} {dtype}", block, {"rows": rows, "first_row": number % 5, "order": order},
            timed=timed, x=x, labels=labels if labelled else None, weights=Array(weights) if weighted else None,
            features=columns, x_stride=x.stride, label_type=source_type, label_stride_bytes=labels.stride_bytes,
            ignored=number % 2 if labelled else 2**31, divide=int(divide), scale=(1.0, 0.75)[number % 2],
        )  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        yield one(number, rows, columns, block, number % len(SOURCE_TYPES))
    yield one(3, 128, 10, 128, 2, timed=True)
