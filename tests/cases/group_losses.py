"""Calls of the kernels of group_losses.h."""

import numpy as np

from cases.base import cases_for
from cases.elementwise import group_shapes
from cases.losses import loss_case


@cases_for("cosine_similarity", "categorical_hinge", "gaussian_nll")
def group_loss_cases(make, kernel):
    pairs = kernel == "gaussian_nll"  # of mean and log-variance

    def arrays(rows, groups, classes, number):
        prediction = make.normal(rows, groups * classes, scale=(1, 3, 0.1)[number % 3])
        if pairs:
            return make.normal(rows, groups * classes // 2), prediction
        if kernel == "categorical_hinge":
            labels = make.random.integers(0, classes, (rows, groups))
            target = (labels[..., None] == np.arange(classes)).astype(make.dtype).reshape(rows, -1)
            return target, np.round(prediction * 4) / 4 if number % 2 else prediction  # some are equal
        return make.normal(rows, groups * classes), prediction

    def one(number, rows, groups, classes, block, target, prediction, **options):
        sizes = {"groups": groups, "classes": classes}
        return loss_case(make, kernel, number, rows, target, prediction, block, sizes, **options)

    for number, (rows, groups, classes, block) in enumerate(group_shapes(make)):
        classes *= 1 + pairs
        yield one(number, rows, groups, classes, block, *arrays(rows, groups, classes, number))
    for number in (1, 2, 4, 5):
        for classes in (6, 34):
            target, prediction = arrays(9, 1, classes, 0)
            prediction[0], prediction[1], target[2] = 0, 1e-30, 0
            if kernel == "categorical_hinge":
                prediction[3, 1], prediction[4, 2] = 1e4, -1e4
            elif pairs:
                prediction[3], prediction[4] = 60, -60
                prediction[5, classes // 2 :], prediction[6, classes // 2 :] = 1e4, -1e4
                prediction[7, : classes // 2] = 1e4
            else:
                huge = np.finfo(make.dtype).max / 8
                prediction[3], target[4], prediction[5, 1], prediction[6] = huge, huge, -huge, 1e-9
            prediction[8, 1] = np.nan
            yield one(number, 9, 1, classes, 9, target, prediction, note="special")
    for classes in (2, 10, 256):
        yield one(1, 128, 1, classes, 128, *arrays(128, 1, classes, 0), timed=True)
