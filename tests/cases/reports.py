"""Calls of the kernels of reports.h."""

import numpy as np

from cases.base import ROWS, Array, cases_for


@cases_for("require_finite")
def require_finite_cases(make, kernel):
    for rows in (1, 5, 16, 30, 128):
        yield make.case(f"({rows},) finite", rows, values=Array(make.specials(rows, 1, False, False)[:, 0]))
        for number, bad in enumerate((np.nan, np.inf, -np.inf)):
            values = make.normal(rows)
            place = (0, rows // 2, rows - 1)[number]
            values[place] = bad
            yield make.case(f"({rows},) {bad} at {place}", rows, values=Array(values))
            if rows > 2:
                yield make.case(f"({rows},) {bad} at {place} out of the block", (1, rows - 1), values=Array(values))


@cases_for("accumulate_sum")
def accumulate_sum_cases(make, kernel):
    for rows in (0, *ROWS, 31, 32, 33, 128, 1000):
        values = make.magnitudes(max(rows, 1), low=-4, high=4)
        yield make.case(f"({rows},)", (0, 1), {"rows": rows}, timed=rows == 128, values=Array(values[:rows]),
                        total=Array(np.array([rows * 0.1])), scale=(1.0, -0.3)[rows % 2])  # fmt: skip


@cases_for("accumulate_weighted_sum")
def accumulate_weighted_sum_cases(make, kernel):
    for rows in (0, *ROWS, 33, 128):
        values = make.magnitudes(max(rows, 1), low=-2, high=2)
        weight = Array(make.uniform(max(rows, 1))[:rows]) if rows % 3 else None
        yield make.case(f"({rows},)", (0, 1), {"rows": rows}, values=Array(values[:rows]), weight=weight,
                        totals=Array(np.array([rows * 0.1, 2.5])))  # fmt: skip
