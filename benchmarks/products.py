"""Section 2: the matrix products of a dense layer, on one core.

With m rows, k inputs and n units:

    NN   y = x w       (m, k) (k, n)   forward
    TN   dw = x' dy    (k, m) (m, n)   gradient of the weights
    NT   dx = dy w'    (m, n) (n, k)   gradient of the inputs
"""

from . import page, peers, targets

TITLE = "Matrix products on one core"
LAYOUTS = ("NN", "TN", "NT")
QUICK_SHAPES = 3  # the last ones of the list


def work(name, threads, layout, m, k, n):
    """Computes a product when called: work for a contender."""
    return {"numpy": _numpy, "torch": _torch, "nncore": _nncore}[name](layout, m, k, n)


def _arrays(m, k, n):
    """x, w and dy."""
    import numpy as np

    rng = np.random.default_rng(0)
    return (rng.standard_normal(shape, dtype=np.float32) for shape in ((m, k), (k, n), (m, n)))


def _operands(layout, x, w, dy):
    """Which two are multiplied; a transpose is a view."""
    return {"NN": (x, w), "TN": (x.T, dy), "NT": (dy, w.T)}[layout]


def _numpy(layout, m, k, n):
    import numpy as np

    a, b = _operands(layout, *_arrays(m, k, n))
    out = np.empty((a.shape[0], b.shape[1]), np.float32)

    def multiply(calls):
        for _ in range(calls):
            np.matmul(a, b, out=out)

    return multiply


def _torch(layout, m, k, n):
    import torch

    torch.set_num_threads(1)
    a, b = _operands(layout, *map(torch.from_numpy, _arrays(m, k, n)))
    out = torch.empty((a.shape[0], b.shape[1]))

    def multiply(calls):
        for _ in range(calls):
            torch.mm(a, b, out=out)

    return multiply


def _nncore(layout, m, k, n):
    """The product as a dense layer has it in a plan: in blocks and tiles, and with the mirrors that a plan makes."""
    import nncore as nn
    from nncore._plan import Builder

    layer = nn.layers.Dense(n, use_bias=False, trainable=layout != "NT")
    nn.Sequential([nn.Input((k,)), layer], seed=0)  # which makes the weights
    builder = Builder("float32", m, backward=layout != "NN", split=True)
    x = builder.value((k,), layout == "NT")
    y = layer.emit(builder, x)
    builder.on_backward(lambda: builder.gradient_target(y))
    plan = builder.finish().plan
    x_values, _, dy_values = _arrays(m, k, n)
    plan.array(x.buffer)[:] = x_values
    if layout != "NN":
        plan.array(y.gradient)[:] = dy_values
    plan.run(m, minibatch=m)  # which makes the mirrors
    # Of a plan that is split: 1 forward, 2 backward by rows, 3 parameters. One product is in each.
    first, end = {"NN": (1, 2), "NT": (2, 3), "TN": (2, None)}[layout]

    def multiply(calls):
        plan.run(calls * m, minibatch=m, first_phase=first, last_phase=end, prologue=False)

    return multiply


def measure(run):
    """Section 2."""
    section = page.Section(TITLE, "products")
    section.text(
        "A dense layer's three products with m rows, k inputs and n units, float32: NN is y = x w, TN is dw = x' dy, "
        "NT is dx = dy w'. nncore computes them as in a training step: rows in blocks, dw in tiles, which stay in "
        "cache for the update and are not stored, and w' (and w where its rows are long) from a mirror, which was "
        "written before and is not in the time: a call of `fit` writes it once, and each update keeps it. NumPy and "
        "PyTorch multiply in place (`out=`), the transposes being views. Medians of rounds in turns, each library in "
        "a process of its own on the same core; the share is that of this variant's peak on one core."
    )
    less = targets.LESS_OF_PEAK.get(run.variant)
    if less is None:
        section.text(f"There are targets for AVX-512 and AVX2, and none for {run.variant}.")
    elif less:
        section.text(f"The targets are those for AVX-512, less {less * 100:g} points for {run.variant}.")
    names = run.contenders.installed("numpy", "torch", "nncore")
    shapes = list(targets.PRODUCTS)[-QUICK_SHAPES:] if run.quick else list(targets.PRODUCTS)
    headings = ["m, k, n", "product", *(f"{peers.title(name)}, GFLOP/s" for name in names), "nncore, µs",
                "nncore, share of the peak", "target", "", "times as fast as the best of the others"]  # fmt: skip
    section.table(headings, [_row(run, section, names, layout, shape) for shape in shapes for layout in LAYOUTS])
    held = [result for result in section.results if result["share"] and result["target"]]
    met = sum(result["share"] >= result["target"] for result in held)
    if held:
        wanted, reached = f"{len(held)} of {len(held)}", f"{met} of {len(held)}"
        section.target("matrix products that reach their share of one core's peak", wanted, reached, met == len(held))
    return section


def _row(run, section, names, layout, shape):
    m, k, n = shape
    flops = 2.0 * m * k * n
    works = {name: run.work(name, "products.work", 1, layout=layout, m=m, k=k, n=n) for name in names}
    medians, rounds = run.measure(works)
    share = run.share(flops, medians.get("nncore"), 1)
    wanted = targets.share_of_peak(shape, run.variant)
    section.results.append({"case": [layout, *shape], "seconds": medians, "rounds": rounds, "share": share,
                            "target": wanted})  # fmt: skip
    rates = [page.number(flops / medians[name] / 1e9 if name in medians else None) for name in names]
    said = page.verdict(share >= wanted) if share and wanted else ""
    return [f"{m}, {k}, {n}", layout, *rates, page.microseconds(medians.get("nncore")), page.percent(share, 1),
            page.percent(wanted), said, page.number(page.ratio_to_best(medians))]  # fmt: skip
