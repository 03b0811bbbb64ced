"""A plugin of pytest's: what tests try in a forked process is tried in this one, as only its counters are kept."""


def pytest_configure(config: object) -> None:
    """Replaces `in_child` before any test module has taken it."""
    import guarded  # of tests/, which pytest puts on the path

    guarded.in_child = lambda check: list(check(lambda text: None))
