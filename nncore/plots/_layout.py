"""Where the boxes of a graph go, in layers: every edge leads down, few cross, and long ones are straight.

After Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical system structures, 1981: ranks by the
longest way, waypoints where an edge passes a rank, an order in each rank by the barycentres of neighbours, and places
that are as near to those of neighbours as widths allow. What is too high is cut into columns beside each other.
"""

import itertools
from typing import NamedTuple

import numpy as np

SWEEPS = 12
TOO_HIGH = 1.35  # times the height of a column: what is cut in two
WAYPOINT_WIDTH = 0.08


class Vertex:
    """A box, or a waypoint of an edge: its width and height come from outside, x and y, its middle, from here."""

    def __init__(self, width, height, content=None):
        self.width, self.height, self.content = width, height, content
        self.rank = self.x = self.y = 0
        self.column = 0
        self.above, self.below = [], []  # neighbours in the next ranks

    @property
    def is_waypoint(self):
        """Whether it is none of the boxes."""
        return self.content is None


class Drawing(NamedTuple):
    """A finished layout: y grows downwards, and all of it lies between (0, 0) and (width, height)."""

    vertices: list
    paths: list  # for each edge, ("move" | "line" | "curve", x, y) from point to point; curves leave and end upright
    width: float
    height: float


def lay_out(vertices, edges, gap, rank_gap, most_height):
    """Places vertices, which come in topological order.

    Parameters
    ----------
    vertices : list of Vertex
    edges : list of (Vertex, Vertex)
    gap, rank_gap : float
        Between neighbours, and between ranks.
    most_height : float
        Of a column.
    """
    ranks, chains = _ranked(vertices, edges)
    _order(ranks)
    _place(ranks, chains, gap)
    columns, widths, heights = _columns(ranks, rank_gap, most_height)
    channels = [2 * gap + 0.12 * _cut(ranks, last) for _, last in columns[:-1]] + [0.0]
    left = 0.0
    for column, (first, last) in enumerate(columns):
        members = [v for rank in ranks[first:last] for v in rank]
        shift = left - min(v.x - v.width / 2 for v in members)
        for vertex in members:
            vertex.x += shift
            vertex.column = column
        left += widths[column] + channels[column]
    return Drawing(vertices, _paths(chains, ranks, columns, heights), left, max(heights))


# ---- ranks


def _ranked(vertices, edges):
    """Lists of the vertices of each rank, with waypoints, and each edge as the chain of what it passes."""
    for vertex in vertices:
        vertex.rank = 0
    for source, target in edges:  # in topological order of sources
        target.rank = max(target.rank, source.rank + 1)
    targets = {}
    for source, target in edges:
        targets.setdefault(id(source), []).append(target)
    fed = {id(target) for _, target in edges}
    for vertex in reversed(vertices):  # inputs that are read late stand near their readers
        if id(vertex) not in fed and id(vertex) in targets:
            vertex.rank = min(target.rank for target in targets[id(vertex)]) - 1
    ranks = [[] for _ in range(max(v.rank for v in vertices) + 1)]
    for vertex in vertices:
        vertex.above, vertex.below = [], []
        ranks[vertex.rank].append(vertex)
    chains = []
    for source, target in edges:
        chain = [source]
        for rank in range(source.rank + 1, target.rank):
            waypoint = Vertex(WAYPOINT_WIDTH, 0)
            waypoint.rank = rank
            ranks[rank].append(waypoint)
            chain.append(waypoint)
        chain.append(target)
        for upper, lower in itertools.pairwise(chain):
            upper.below.append(lower)
            lower.above.append(upper)
        chains.append(chain)
    return ranks, chains


# ---- order within ranks


def _order(ranks):
    best, fewest = [list(rank) for rank in ranks], _crossings(ranks)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        for rank in ranks[1:] if down else ranks[-2::-1]:
            _sort(rank, ranks[rank[0].rank + (-1 if down else 1)], "above" if down else "below")
        count = _crossings(ranks)
        if count < fewest:
            best, fewest = [list(rank) for rank in ranks], count
    for rank, order in zip(ranks, best, strict=True):
        rank[:] = order


def _sort(rank, fixed, side):
    places = {id(vertex): place for place, vertex in enumerate(fixed)}
    keys = {}
    for place, vertex in enumerate(rank):
        near = [places[id(other)] for other in getattr(vertex, side)]
        keys[id(vertex)] = sum(near) / len(near) if near else place * len(fixed) / len(rank)
    rank.sort(key=lambda vertex: keys[id(vertex)])


def _crossings(ranks):
    total = 0
    for upper, lower in itertools.pairwise(ranks):
        places = {id(vertex): place for place, vertex in enumerate(lower)}
        ends = [sorted(places[id(other)] for other in vertex.below) for vertex in upper]
        seen = []
        for each in ends:
            total += sum(1 for end in each for before in seen if before > end)
            seen += each
    return total


# ---- places


def _place(ranks, chains, gap):
    for rank in ranks:
        x = 0.0
        for vertex in rank:
            vertex.x = x + vertex.width / 2
            x += vertex.width + gap
    for sweep in range(2 * SWEEPS):
        down = sweep % 2 == 0
        for rank in ranks if down else ranks[::-1]:
            _settle(rank, gap, ("above",) if down else ("below",))
    for rank in ranks:
        _settle(rank, gap, ("above", "below"))
    for chain in chains:
        _straighten(chain, ranks, gap)


def _straighten(chain, ranks, gap):
    """Puts the waypoints of an edge above each other where there is a place for all of them."""
    low, high = -np.inf, np.inf
    for waypoint in chain[1:-1]:
        rank = ranks[waypoint.rank]
        place = next(number for number, vertex in enumerate(rank) if vertex is waypoint)
        room = waypoint.width / 2 + gap / 2
        if place > 0:
            low = max(low, rank[place - 1].x + rank[place - 1].width / 2 + room)
        if place + 1 < len(rank):
            high = min(high, rank[place + 1].x - rank[place + 1].width / 2 - room)
    if low <= high:
        for waypoint in chain[1:-1]:
            waypoint.x = float(np.clip(np.median([vertex.x for vertex in chain[1:-1]]), low, high))


def _settle(rank, gap, sides):
    """Moves a rank to where its neighbours are, as far as the order and the gaps allow: least squares."""
    wanted, weights = np.empty(len(rank)), np.empty(len(rank))
    for place, vertex in enumerate(rank):
        near = [other for side in sides for other in getattr(vertex, side)]
        wanted[place] = np.mean([other.x for other in near]) if near else vertex.x
        # Boxes stand above each other, and edges give way to them; who has no neighbour there makes room.
        weights[place] = 0.05 if not near else 0.2 if vertex.is_waypoint else 1
    half = np.array([vertex.width / 2 for vertex in rank])
    apart = np.concatenate([[0], np.cumsum(half[1:] + half[:-1] + gap)])
    for vertex, x in zip(rank, _isotonic(wanted - apart, weights) + apart, strict=True):
        vertex.x = float(x)


def _isotonic(values, weights):
    """The increasing numbers that are nearest: pool adjacent violators."""
    blocks = []  # (mean, weight, count)
    for value, weight in zip(values, weights, strict=True):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, u, m), (b, v, n) = blocks[-2:]
            blocks[-2:] = [((a * u + b * v) / (u + v), u + v, m + n)]
    return np.repeat([mean for mean, _, _ in blocks], [count for _, _, count in blocks])


# ---- columns


def _columns(ranks, rank_gap, most_height):
    """Ranks of each column as (first, behind the last), the columns' widths and heights; sets y."""
    heights = [max(v.height for v in rank) for rank in ranks]
    gaps = [rank_gap + min(0.6, 0.05 * _reach(rank)) for rank in ranks]
    columns, first = [], 0
    while sum(heights[first:]) + sum(gaps[first:]) > TOO_HIGH * most_height:
        bottoms = np.cumsum(np.add(heights[first:], gaps[first:]))
        target = bottoms[-1] / np.ceil(bottoms[-1] / most_height)
        # Where few edges are cut, near to where it should be.
        cost = [_cut(ranks, first + n + 1) + 8 * abs(y - target) / target for n, y in enumerate(bottoms[:-1])]
        if not cost:
            break
        last = first + 1 + int(np.argmin(cost))
        columns.append((first, last))
        first = last
    columns.append((first, len(ranks)))
    widths, bottoms = [], []
    for first, last in columns:
        y = 0.0
        for rank, height, room in zip(ranks[first:last], heights[first:last], gaps[first:last], strict=True):
            for vertex in rank:
                vertex.y = y + height / 2
            y += height + room
        bottoms.append(y - room)
        members = [v for rank in ranks[first:last] for v in rank]
        widths.append(max(v.x + v.width / 2 for v in members) - min(v.x - v.width / 2 for v in members))
    return columns, widths, bottoms


def _reach(rank):
    """How far to the side edges to the next rank go, which need room for that."""
    return max((abs(lower.x - upper.x) for upper in rank for lower in upper.below), default=0.0)


def _cut(ranks, rank):
    return len({id(upper) for lower in ranks[rank] for upper in lower.above})


def _channels(ranks, columns, gap):
    """The room that edges to the next column need beside each column."""
    return [2 * gap + 0.12 * _cut(ranks, last) if last < len(ranks) else 0.0 for _, last in columns]


# ---- paths


def _paths(chains, ranks, columns, heights):
    """For each chain how to draw it: ("move" | "line" | "curve", x, y) from point to point."""
    spans = [(min(v.y - v.height / 2 for v in rank), max(v.y + v.height / 2 for v in rank)) for rank in ranks]
    right = [max(v.x + v.width / 2 for rank in ranks[first:last] for v in rank) for first, last in columns]
    ports = _ports(chains)
    lanes = [{} for _ in columns]  # beside each column: who leads an edge through it
    paths = []
    for number, chain in enumerate(chains):
        x = chain[0].x
        path = [("move", x, chain[0].y + chain[0].height / 2)]
        for upper, lower in itertools.pairwise(chain):
            end = ports[number] if lower is chain[-1] else lower.x
            path.append(("line", x, spans[upper.rank][1]))  # beside a higher box
            if upper.column == lower.column:
                path.append(("curve", end, spans[lower.rank][0]))
            else:
                place = lanes[upper.column].setdefault(id(chain[0]), len(lanes[upper.column]))
                lane, away = right[upper.column] + 0.2 + 0.12 * place, 0.14 + 0.06 * place
                low = heights[upper.column] + away
                path += [("line", x, low), ("line", lane, low), ("line", lane, -away), ("line", end, -away),
                         ("line", end, spans[lower.rank][0])]  # fmt: skip
            x = end
        path.append(("line", x, chain[-1].y - chain[-1].height / 2))
        paths.append(path)
    return paths


def _ports(chains):
    """Where each chain enters its box: beside each other, in the order in which they come."""
    entries = {}
    for number, chain in enumerate(chains):
        entries.setdefault(id(chain[-1]), []).append((chain[-2].column, chain[-2].x, number))
    ports = {}
    for number, chain in enumerate(chains):
        target, coming = chain[-1], sorted(entries[id(chain[-1])])
        place = [entry[-1] for entry in coming].index(number)
        room = min(target.width * 0.8, 0.35 * (len(coming) + 1))
        ports[number] = target.x + room * ((place + 1) / (len(coming) + 1) - 0.5)
    return ports
