"""Calls of the kernels of focal.h."""

import numpy as np

from cases.base import Array, cases_for
from cases.elementwise import group_shapes, logits
from cases.losses import loss_case

GAMMAS = (2.0, 0.0, 1.0, 0.7, 5.0)


@cases_for("binary_focal_crossentropy", "binary_focal_crossentropy_logits")
def binary_focal_cases(make, kernel):
    def arrays(rows, columns, number):
        target = make.random.integers(0, 2, (rows, columns)).astype(make.dtype)
        if number % 4 == 3:
            target = make.uniform(rows, columns)
        if kernel.endswith("logits"):
            return target, make.normal(rows, columns, scale=(1, 5, 30)[number % 3])
        return target, make.uniform(rows, columns)

    def one(number, rows, columns, block, target, prediction, **options):
        sizes = {"features": columns, "gamma": GAMMAS[number % 5], "alpha": 0.25, "balance": number // 3 % 2}
        return loss_case(make, kernel, number, rows, target, prediction, block, sizes, **options)

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        yield one(number, rows, columns, block, *arrays(rows, columns, number))
    for number in (1, 2, 4, 5, 10, 13):
        target, prediction = arrays(5, 31, 0)
        if kernel.endswith("logits"):
            edges = [0, -0.0, 1e-30, 80, -80, 95, -95, 110, -110, 750, -750, 1e4, -1e4]
        else:
            edges = [0, 1, 1e-7, 1 - 1e-7, 1e-30, 0.5, 0.999999, 2e-7, -0.0]
        prediction = np.resize(np.array(edges, make.dtype), (5, 31))
        prediction[2, 3] = np.nan
        yield one(number, 5, 31, 5, target, prediction, note="special")
    for rows, columns in ((128, 1), (128, 10)):
        yield one(10, rows, columns, rows, *arrays(rows, columns, 0), timed=True)


@cases_for("categorical_focal_crossentropy", "categorical_focal_crossentropy_logits")
def categorical_focal_cases(make, kernel):
    from_logits = kernel.endswith("logits")

    def one(number, rows, groups, classes, block, prediction=None, **options):
        labels = make.random.integers(0, classes, (rows, groups))
        target = (labels[..., None] == np.arange(classes)).astype(make.dtype).reshape(rows, -1)
        if number % 3 == 2:
            target = make.probabilities(rows, groups, classes).reshape(rows, -1)
        if prediction is None and from_logits:
            prediction = logits(make, number, rows, groups, classes)
        elif prediction is None:
            scale = make.dtype.type((1, 7)[number % 2])  # a sum of 1 is not required
            prediction = make.probabilities(rows, groups, classes).reshape(rows, -1) * scale
        alpha = Array(make.uniform(classes) if number % 2 else np.full(classes, 0.25, make.dtype))
        sizes = {"groups": groups, "classes": classes, "gamma": GAMMAS[number % 5], "alpha": alpha}
        return loss_case(make, kernel, number, rows, target, prediction, block, sizes, **options)

    for number, (rows, groups, classes, block) in enumerate(group_shapes(make)):
        yield one(number, rows, groups, classes, block)
    for number in (1, 2, 4, 5, 10, 13):
        for classes in (5, 17):
            if from_logits:
                x = make.normal(6, classes)
                x[0, 0], x[1], x[2, 1] = 1e4, np.linspace(-200, 200, classes), -1e4
            else:
                x = make.probabilities(6, classes)
                x[0], x[1], x[2, 1] = np.eye(1, classes), np.eye(1, classes)[:, ::-1] * 3, 1e-12
            x[5, classes // 2] = np.nan
            yield one(number, 6, 1, classes, 6, x, note="extreme")
    yield one(10, 128, 1, 10, 128, timed=True)
