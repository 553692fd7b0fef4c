"""How measured numbers are written down: three digits, and a median with what is around it."""

import statistics


def rounded(value):
    return float(f"{value:.3g}")


def with_range(values):
    return {"median": rounded(statistics.median(values)), "range": [rounded(min(values)), rounded(max(values))]}


def spread(values):
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": rounded(median), "quartiles": [rounded(low), rounded(high)]}
