"""Calls of the kernels of losses.h."""

import itertools

import numpy as np

from cases.base import Array, cases_for
from cases.elementwise import group_shapes, logits


def loss_case(make, kernel, number, rows, target, prediction, block, sizes, *, timed=False, note=""):
    """A case of a loss: weights in every other one; a gradient nowhere, in memory of its own or in place."""
    in_place, wanted = number % 6 == 2, number % 3 != 0 or timed
    weighted = number % 2 == 1
    if prediction.shape[1] * rows < 1000 and number % 6 == 5:
        sizes = {**sizes, "scale": 0.75}
    t, p = make.matrix(target, 0 if timed else None), make.matrix(prediction, 0 if timed else None)
    gradient = None
    if wanted:
        gradient = p if in_place and not timed else make.output(*prediction.shape, padding=0 if timed else None)
    given = {"weighted": weighted, "gradient": wanted, "in place": in_place and wanted and not timed}
    label = " ".join([f"({rows}, {', '.join(str(n) for n in sizes.values() if isinstance(n, int))})", note,
                      *(name for name, on in given.items() if on)])  # fmt: skip
    smoothing = {"label_smoothing": 0.1 if number // 2 % 2 else 0.0} if takes_smoothing(kernel) else {}
    weight = Array(make.uniform(rows, high=3) * (make.random.random(rows) > 0.2).astype(make.dtype))
    return make.case(
        label, block, {"rows": rows + number % 3}, timed=timed, target=t, prediction=p,
        weight=weight if weighted else None, loss=make.output(rows), gradient=gradient, target_stride=t.stride,
        prediction_stride=p.stride, gradient_stride=gradient.stride if wanted else 0,
        **{"scale": 1.0, **sizes, **smoothing},
    )  # fmt: skip


def takes_smoothing(kernel):
    """Whether targets are probabilities, which can be smoothed."""
    return "crossentropy" in kernel and "sparse" not in kernel


@cases_for("mean_squared_error", "binary_crossentropy", "binary_crossentropy_logits")
def feature_loss_cases(make, kernel):
    def arrays(rows, columns, number):
        if kernel == "mean_squared_error":
            return make.normal(rows, columns), make.normal(rows, columns)
        target = make.random.integers(0, 2, (rows, columns)).astype(make.dtype)
        if number % 4 == 3:
            target = make.uniform(rows, columns)
        if kernel == "binary_crossentropy":
            return target, make.uniform(rows, columns)
        return target, make.normal(rows, columns, scale=(1, 10, 100)[number % 3])

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        target, prediction = arrays(rows, columns, number)
        yield loss_case(make, kernel, number, rows, target, prediction, block, {"features": columns})
    shapes = ((300, 1), (257, 1), (130, 2), (2, 600), (90, 3))  # around the 256 elements that are taken at a time
    for number, (rows, columns) in enumerate(shapes):
        target, prediction = arrays(rows, columns, number)
        yield loss_case(make, kernel, number + 1, rows, target, prediction, (1, rows), {"features": columns})
    for number in (1, 2, 4, 5):
        target, prediction = arrays(5, 31, 0)
        if kernel == "binary_crossentropy":
            p = np.array([0, 1, 1e-7, 1 - 1e-7, 1e-30, 0.5, 0.999999, 2e-7, -0.0], make.dtype)
            prediction = np.resize(p, (5, 31))
            prediction[2, 3], prediction[3, 4], prediction[4, 5:7] = np.nan, np.inf, -np.inf
        elif kernel == "binary_crossentropy_logits":
            prediction = np.resize(np.array([0, -0.0, 1e-30, 88, -88, 105, -105, 750, -750, 1e30, -1e30], make.dtype), (5, 31))  # noqa: E501
            prediction[2, 3], prediction[3, 4], prediction[4, 5] = np.nan, np.inf, -np.inf
        else:
            target[0, :4] = prediction[0, :4] = 1e-30
            target[1, 0], target[2, 0] = np.inf, np.nan
        yield loss_case(make, kernel, number, 5, target, prediction, 5, {"features": 31}, note="special")
    for rows, columns in ((128, 1), (128, 10), (128, 784)):
        target, prediction = arrays(rows, columns, 0)
        yield loss_case(make, kernel, 1, rows, target, prediction, rows, {"features": columns}, timed=True)


@cases_for("categorical_crossentropy", "categorical_crossentropy_logits", "sparse_categorical_crossentropy",
           "sparse_categorical_crossentropy_logits")  # fmt: skip
def class_loss_cases(make, kernel):
    sparse, from_logits = "sparse" in kernel, kernel.endswith("logits")

    def targets(rows, groups, classes, number):
        labels = make.random.integers(0, classes, (rows, groups))
        if sparse:
            return labels.astype(np.int32)
        if number % 3 == 2:
            return make.probabilities(rows, groups, classes).reshape(rows, -1)
        return (labels[..., None] == np.arange(classes)).astype(make.dtype).reshape(rows, -1)

    def predictions(rows, groups, classes, number):
        if from_logits:
            return logits(make, number, rows, groups, classes)
        scale = (1, 1, 7)[number % 3]  # a sum of 1 is not required
        return make.probabilities(rows, groups, classes).reshape(rows, -1) * make.dtype.type(scale)

    def one(number, rows, groups, classes, block, target=None, prediction=None, **options):
        target = targets(rows, groups, classes, number) if target is None else target
        prediction = predictions(rows, groups, classes, number) if prediction is None else prediction
        sizes = {"groups": groups, "classes": classes}
        if sparse:
            sizes["ignored"] = (2**31, 0, -1)[number // 2 % 3]
        return loss_case(make, kernel, number, rows, target, prediction, block, sizes, **options)

    for number, (rows, groups, classes, block) in enumerate(group_shapes(make)):
        yield one(number, rows, groups, classes, block)
    for number, classes in itertools.product((1, 2, 4, 5), (5, 16, 17, 40)):
        if sparse:
            labels = np.resize(np.array([0, classes - 1, classes, -1, 2**31 - 1, -(2**31), 1], np.int32), (20, 1))
            yield one(number, 20, 1, classes, 20, labels, note="labels that are no class")
        if from_logits and sparse:  # classes that are ruled out
            x, target = make.normal(9, classes), targets(9, 1, classes, 0)
            x[(make.random.random(x.shape) < 0.4) & (target != np.arange(classes))] = -np.inf
            x[7, 0], x[8, target[8, 0]] = np.inf, -np.inf
            yield one(number, 9, 1, classes, 9, target, x, note="infinite")
        if from_logits:
            x = make.normal(6, classes)
            x[0, 0], x[1], x[2] = 1e4, np.linspace(-200, 200, classes), 1e30
            target = targets(6, 1, classes, 0)
        else:
            x = make.probabilities(6, classes)
            x[0], x[1], x[2] = np.eye(1, classes), np.eye(1, classes)[:, ::-1], np.eye(1, classes) * 3
            x[3, 1] = 1e-12
            target = targets(6, 1, classes, 0)
            if not sparse:
                target[1] = x[0]
        x[5, classes // 2] = np.nan
        yield one(number, 6, 1, classes, 6, target, x, note="extreme")
    for rows, groups, classes in ((128, 1, 10), (128, 1, 256)):
        yield one(1, rows, groups, classes, rows, timed=True)
