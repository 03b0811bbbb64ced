"""What is too slow, too big or too rough for the tests: each module is a command that tries one kind of harm.

Run as ``python -m reliability.NAME`` from a checkout; ``--help`` says what there is to set. Every command ends with one
line that says what was tried and how often, and with an exit code other than 0 where something broke. What the last
runs gave is in docs/reliability.md. A short form of most commands is part of .ci/run.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
