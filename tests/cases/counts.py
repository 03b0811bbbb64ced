"""Calls of the kernels of counts.h."""

import numpy as np

from cases.base import Array, cases_for


def count_case(make, number, target, prediction, size, sizes, *, note="", timed=False, **arrays):
    """A case of a kernel that adds to a state of `size` numbers; two of three have weights of rows."""
    rows = len(prediction)
    t, p = make.matrix(target, 0 if timed else None), make.matrix(prediction, 0 if timed else None)
    weight = Array(make.uniform(rows, high=3)) if number % 3 else None
    if make.kernel == "confusion_matrix":
        labels = target.dtype == np.int32
        arrays |= {"labels": t if labels else None, "target": None if labels else t}
    label = f"({', '.join(str(n) for n in (rows, *sizes.values()))}) {note}"
    return make.case(label, (0, 1), {"rows": rows}, timed=timed, prediction=p, weight=weight,
                     state=Array(np.linspace(0, 7, size)), target_stride=t.stride, prediction_stride=p.stride,
                     **{"target": t, **arrays}, **sizes)  # fmt: skip


@cases_for("count_above")
def count_above_cases(make, kernel):
    even = np.arange(200) / 199
    thresholds = {
        "one": [0.5],
        "a third": [1 / 3],
        "two": [0.0, 1.0],
        "even": even,
        "AUC": [-1e-7, *even[1:-1], 1 + 1e-7],
        "uneven": [0.001, 0.002, 0.3, 0.3, 0.98],
        "of no prediction": [-1e10],
    }

    def one(number, name, rows, groups, classes, prediction=None, timed=False, **options):
        above = np.array(thresholds[name]).astype(make.dtype)
        shape = (rows, groups * classes)
        if prediction is None:
            prediction = make.uniform(*shape, low=-0.1, high=1.1)
            places = make.random.integers(0, len(above), shape)
            prediction = np.where(make.random.random(shape) < 0.3, above[places], prediction)  # not above itself
        target = np.round(make.uniform(*shape, low=-1)).astype(make.dtype)
        sizes = {"groups": groups, "classes": classes, "count": len(above), "first_class": 0, "last_class": classes,
                 "by_class": 0, "top_k": 0, **options}  # fmt: skip
        states = sizes["last_class"] - sizes["first_class"] if sizes["by_class"] else 1
        return count_case(make, number, target, prediction, states * 2 * (len(above) + 1), sizes, note=name,
                          timed=timed, thresholds=Array(above))  # fmt: skip

    for number, name in enumerate(thresholds):
        yield one(number, name, 33, 1, 1)
        yield one(number + 1, name, 7, 2, 3, by_class=number % 2)
        yield one(number + 2, name, 5, 2, 4, first_class=1, last_class=3, by_class=number % 2)
        yield one(number, name, 9, 1, 6, top_k=number % 4 + 1)
        few = np.round(make.uniform(8, 6), 1).astype(make.dtype)  # equals
        few[0], few[1, :4], few[2, 1], few[3, 0] = np.nan, np.nan, np.inf, -np.inf
        yield one(number, name, 8, 1, 6, few, top_k=3)
        specials = make.specials(4, 32)
        yield one(number, name, 4, 1, 32, specials)
    yield one(1, "AUC", 128, 1, 1, timed=True)
    yield one(1, "one", 128, 1, 10, timed=True)


@cases_for("f_score_sums")
def f_score_cases(make, kernel):
    def one(number, rows, classes, by_largest, special=False, timed=False):
        prediction = np.round(make.uniform(rows, classes, low=-0.5), 1).astype(make.dtype)
        target = make.random.integers(0, 2, (rows, classes)).astype(make.dtype)
        if number % 2:
            target = make.normal(rows, classes)
        if special:
            prediction[0], prediction[1] = 0, np.array([1e-9] * (classes - 1) + [-0.0])
            prediction[2], prediction[3, 0], prediction[4, -1] = -1, np.nan, np.nan
            prediction[5, 0], prediction[6] = np.inf, -np.inf
        return count_case(make, number, target, prediction, 4 * classes,
                          {"classes": classes, "by_largest": by_largest, "threshold": (0.5, 0.3)[number % 2]},
                          timed=timed)  # fmt: skip

    for number, classes in enumerate((1, 2, 3, 7, 8, 9, 31)):
        for by_largest in (0, 1):
            yield one(number, 11, classes, by_largest)
            if classes > 1:
                yield one(number, 9, classes, by_largest, special=True)
    yield one(0, 128, 10, 1, timed=True)


@cases_for("r2_sums")
def r2_cases(make, kernel):
    for number, (rows, features) in enumerate(((1, 1), (5, 1), (3, 2), (17, 7), (30, 8), (12, 33), (128, 1))):
        target, prediction = make.normal(rows, features, scale=3), make.normal(rows, features, scale=3)
        yield count_case(make, number, target, prediction, 3 * features + 2, {"features": features},
                         timed=rows == 128)  # fmt: skip


@cases_for("confusion_matrix")
def confusion_matrix_cases(make, kernel):
    def one(number, rows, groups, classes, target_classes, count, ignored=-1, threshold=None, timed=False):
        def side(elements):
            if elements > 1:
                return np.round(make.normal(rows, groups * elements)).astype(make.dtype)  # equals
            return make.uniform(rows, groups, low=-2, high=count + 1)

        prediction = side(classes)
        if rows > 4 and number % 2:
            prediction[0], prediction[1, 0], prediction[2, -1], prediction[3] = np.nan, np.nan, np.nan, np.inf
        sizes = {"groups": groups, "classes": classes, "target_classes": target_classes, "count": count,
                 "ignored": ignored, "by_threshold": int(threshold is not None),
                 "threshold": threshold or 0.0}  # fmt: skip
        labels = make.random.integers(-1, count + 1, (rows, groups)).astype(np.int32)
        target = side(target_classes) if target_classes else labels
        return count_case(make, number, target, prediction, count * count, sizes, timed=timed)

    number = 0
    for rows, groups in ((6, 1), (9, 2), (5, 7)):
        for classes, target_classes, count in ((1, 1, 4), (4, 0, 4), (4, 4, 4), (5, 1, 3), (1, 3, 5), (2, 0, 2)):
            number += 1
            yield one(number, rows, groups, classes, target_classes, count, (-1, 1, 2**31)[number % 3])
        yield one(number, rows, groups, 1, 1, 2, threshold=0.5)
        yield one(number + 1, rows, groups, 1, 0, 2, threshold=0.3)
    yield one(2, 128, 1, 10, 0, 10, timed=True)
