"""Matplotlib, where it is there."""


def require(what):
    """Returns what pictures share; raises ImportError, naming the extra, without Matplotlib."""
    try:
        from nncore.plots import _figure
    except ImportError as error:
        raise ImportError(f"{what} needs Matplotlib: pip install 'nncore[plots]'") from error
    return _figure
