"""Types of arguments, for argparse's `type`: each returns the value or says what was wanted."""

import argparse
import math


def whole_number(low):
    """A whole number of at least `low`."""

    def parse(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < low:
            raise argparse.ArgumentTypeError(f"wanted a whole number of at least {low}, got {text!r}")
        return value

    return parse


def positive_number(text):
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"wanted a number above 0, got {text!r}")
    return value


def path_ending_in(suffix):
    """The path of a file whose name ends in `suffix`."""

    def parse(text):
        if not text.lower().endswith(suffix):
            raise argparse.ArgumentTypeError(f"wanted a path that ends in {suffix}, got {text!r}")
        return text

    return parse
