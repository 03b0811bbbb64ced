"""Section 11: training steps of convolutional and recurrent networks, beside PyTorch and JAX."""

import numpy as np

from . import page, peers

TITLE = "Convolutional and recurrent networks"

MINIBATCH = 128
# Over images of 28 x 28 pixels with one channel, or over their 28 rows as steps.
NETWORKS = {
    "LeNet-5": "5 x 5 windows of 6 and 16 filters, each with maxima of 2 x 2, dense 120, 84, 10",
    "3 x 3": "3 x 3 windows of 32 and 64 filters, maxima of 2 x 2, dense 128, 10",
    "LSTM": "128 units over 28 steps of 28, dense 10",
    "GRU": "128 units over 28 steps of 28, dense 10",
}
# By how much nncore is to be faster, and than whom.
TARGETS = {"LeNet-5": (3.0, ["torch"]), "3 x 3": (2.0, ["torch"]), "LSTM": (1.5, ["torch", "jax"]),
           "GRU": (1.5, ["torch", "jax"])}  # fmt: skip


def measure(run):
    """The section."""
    section = page.Section(TITLE, "networks")
    names = run.contenders.installed("torch", "jax", "nncore")
    section.text(
        f"Milliseconds of a training step, Adam, cross-entropy, {MINIBATCH} images as one minibatch that is the same "
        "each time, called from Python once a step. PyTorch has images channels last, which is the faster order for "
        "most of these, and Adam fused; JAX compiles the step."
    )
    section.list([f"{network}: {what}" for network, what in NETWORKS.items()])
    rows = []
    for network in ("LeNet-5", "LSTM") if run.quick else NETWORKS:
        for threads in run.thread_counts:
            works = {name: run.work(name, "networks.step", threads, network=network) for name in names}
            medians, rounds = run.measure(works)
            section.results.append({"network": network, "threads": threads, "seconds": medians, "rounds": rounds})
            wanted, against = TARGETS[network]
            others = [medians[name] for name in against if name in medians]
            ratio = min(others) / medians["nncore"] if others else None
            reached = ""
            if ratio and threads == run.threads:
                reached = section.target(f"{network}, {page.count(threads, 'thread')}", f"{wanted} times as fast",
                                         page.number(ratio), ratio >= wanted)  # fmt: skip
            rows.append([network, str(threads), *(page.number(medians.get(n) and medians[n] * 1e3) for n in names),
                         page.number(ratio), str(wanted), reached])  # fmt: skip
    section.table(["network", "threads", *(f"{peers.title(name)}, ms" for name in names), "peer / nncore", "wanted",
                   ""], rows)  # fmt: skip
    return section


def step(name, threads, network):
    """A function of a number of calls that trains so many steps, for `contenders.Work`."""
    random = np.random.default_rng(0)
    images = random.standard_normal((MINIBATCH, 28, 28, 1)).astype(np.float32)
    labels = random.integers(0, 10, MINIBATCH)
    x = images if network in ("LeNet-5", "3 x 3") else images[..., 0]
    one = {"nncore": _nncore, "torch": _torch, "jax": _jax}[name](network, threads, x, labels)

    def steps(calls):
        for _ in range(calls):
            one()

    return steps


def _nncore(network, threads, x, labels):
    import nncore as nn

    layers = nn.layers
    if network == "LeNet-5":
        inner = [layers.Conv2D(6, 5, activation="relu"), layers.MaxPooling2D(2),
                 layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(),
                 layers.Dense(120, activation="relu"), layers.Dense(84, activation="relu")]  # fmt: skip
    elif network == "3 x 3":
        inner = [layers.Conv2D(32, 3, activation="relu"), layers.Conv2D(64, 3, activation="relu"),
                 layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(128, activation="relu")]  # fmt: skip
    else:
        inner = [getattr(layers, network)(128)]
    nn.config.set_num_threads(threads)
    model = nn.Sequential([nn.Input(x.shape[1:]), *inner, layers.Dense(10)])
    model.compile(nn.optimizers.Adam(0.001), nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return lambda: model.train_on_batch(x, labels)


def _torch(network, threads, x, labels):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    if network == "LeNet-5":
        model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                              nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84),
                              nn.ReLU(), nn.Linear(84, 10))  # fmt: skip
    elif network == "3 x 3":
        model = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                              nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10))  # fmt: skip
    else:
        model = nn.ModuleList([getattr(nn, network)(28, 128, batch_first=True), nn.Linear(128, 10)])
    x, labels = torch.from_numpy(x), torch.from_numpy(labels)
    forward = model
    if x.ndim == 4:
        x, model = x.permute(0, 3, 1, 2), model.to(memory_format=torch.channels_last)
        forward = model
    else:
        recurrent, dense = model

        def forward(x):
            return dense(recurrent(x)[0][:, -1])

    optimizer, loss = torch.optim.Adam(model.parameters(), lr=0.001, fused=True), nn.CrossEntropyLoss()

    def one():
        optimizer.zero_grad()
        loss(forward(x), labels).backward()
        optimizer.step()

    return one


def _jax(network, threads, x, labels):
    import flax.linen as fl
    import jax
    import jax.numpy as jnp
    import optax

    class Network(fl.Module):
        @fl.compact
        def __call__(self, x):
            if network == "LeNet-5":
                for filters in (6, 16):
                    x = fl.max_pool(fl.relu(fl.Conv(filters, (5, 5), padding="VALID")(x)), (2, 2), (2, 2))
                x = x.reshape(x.shape[0], -1)
                x = fl.relu(fl.Dense(84)(fl.relu(fl.Dense(120)(x))))
            elif network == "3 x 3":
                for filters in (32, 64):
                    x = fl.relu(fl.Conv(filters, (3, 3), padding="VALID")(x))
                x = fl.max_pool(x, (2, 2), (2, 2)).reshape(x.shape[0], -1)
                x = fl.relu(fl.Dense(128)(x))
            else:
                cell = fl.OptimizedLSTMCell if network == "LSTM" else fl.GRUCell
                x = fl.RNN(cell(128))(x)[:, -1]
            return fl.Dense(10)(x)

    model, x, labels = Network(), jnp.asarray(x), jnp.asarray(labels)
    weights, optimizer = model.init(jax.random.key(0), x), optax.adam(0.001)

    @jax.jit
    def update(weights, state):
        def loss(weights):
            return optax.softmax_cross_entropy_with_integer_labels(model.apply(weights, x), labels).mean()

        changes, state = optimizer.update(jax.grad(loss)(weights), state, weights)
        return optax.apply_updates(weights, changes), state

    held = [weights, optimizer.init(weights)]

    def one():
        held[:] = update(*held)
        jax.block_until_ready(held[0])

    return one
