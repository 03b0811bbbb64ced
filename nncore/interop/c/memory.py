"""Where the buffers of a recorded prediction lie: those that are not needed at the same time share memory."""

import numpy as np

from nncore.interop.c.translation import Place


class Memory:
    """Places in two arrays, of numbers and of int32; inputs and outputs that need no conversion are used in place.

    Parameters
    ----------
    recording : Recording
    calls : for each step its arguments, as translations give them; of gather_rows and store_rows (x, y)
    direct : bool for each input: it has the model's type
    """

    def __init__(self, recording, calls, direct):
        self._roots = recording.roots
        self._root_of = recording.root_of
        first, last, writers = {}, {}, {}
        for number, arguments in enumerate(calls):
            for place in arguments:
                if isinstance(place, Place) and place.buffer is not None:
                    root = self._root_of(place.buffer)
                    first.setdefault(root, number)
                    last[root] = number
                    if place.written:
                        writers.setdefault(root, []).append(number)
        self.aliases = {}  # of each root in place: the name of the input or the output
        for number, step in enumerate(recording.steps):
            self._alias(number, step, calls[number], writers, direct, recording.input_widths, recording.output_widths)
        self.offsets, self.sizes = {}, {"numbers": 0, "indices": 0}
        spans = [(root, first[root], last[root], self._roots[root].width) for root in first if root not in self.aliases]
        for number, arguments in enumerate(calls):
            spans += [((number, place), number, number, place.width) for place in arguments
                      if isinstance(place, Place) and place.buffer is None]  # fmt: skip
        self._place(spans)

    def _alias(self, number, step, arguments, writers, direct, input_widths, output_widths):
        source, target = arguments[:2] if step.kernel in ("gather_rows", "store_rows") else (None, None)
        if step.kernel == "gather_rows":
            which = int(source.text)
            root = self._root_of(target.buffer)
            if direct[which] and writers[root] == [number]:
                self.aliases[root] = ("x", which)
        elif step.kernel == "store_rows":
            which = int(target.text)
            root = self._root_of(source.buffer)
            whole = self._roots[root].width == output_widths[which] and source.buffer.offset == self._roots[root].offset
            if whole and root not in self.aliases:
                self.aliases[root] = ("y", which)

    def _place(self, spans):
        """Gives the largest their places first, each the lowest one that is free while it is needed."""
        taken = []
        for key, begin, end, width in sorted(spans, key=lambda span: (-span[3], span[1])):
            array = self.array_of(key)
            busy = sorted((start, stop) for kept, start, stop, since, until in taken
                          if kept == array and since <= end and until >= begin)  # fmt: skip
            offset = 0
            for start, stop in busy:
                if offset + width <= start:
                    break
                offset = max(offset, stop)
            taken.append((array, offset, offset + width, begin, end))
            self.offsets[key] = offset
            self.sizes[array] = max(self.sizes[array], offset + width)

    def array_of(self, key):
        """Which of the two arrays a root, or the place of one step, lies in."""
        integers = isinstance(key, int) and self._roots[key].dtype == np.int32
        return "indices" if integers else "numbers"

    def where(self, number, place):
        """(array or input or output, offset) of a place in the step of this number."""
        if place.buffer is None:
            return ("numbers", self.offsets[number, place])
        root = self._root_of(place.buffer)
        inside = (place.buffer.offset - self._roots[root].offset) // place.buffer.dtype.itemsize
        if root in self.aliases:
            return (self.aliases[root], inside)
        return (self.array_of(root), self.offsets[root] + inside)
