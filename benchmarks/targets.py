"""What nncore is to reach.

A target is a ratio to a peer in the same run, or a share of a peak measured in the same run, as machines differ. Where
it was stated in seconds or bytes, these are those of two cores with AVX-512 that do 261 GFLOP/s each; beside it stands
the ratio to what the peer needed on that machine.
"""

# Share of the variant's multiply-add peak on one core, by m, k, n. The same for the transposed products.
PRODUCTS = {
    (2048, 2048, 2048): 0.93,
    (512, 512, 512): 0.96,
    (128, 784, 256): 0.95,
    (64, 64, 64): 0.93,
    (32, 784, 128): 0.95,
    (128, 256, 10): 0.75,
}
LESS_OF_PEAK = {"avx512": 0.0, "avx2": 0.03}  # other variants have no target

# Training steps with Adam.
BEST_PEER_MEAN = 2.7
BEST_PEER_WORST = 1.25
TORCH_MEAN = 12.0
STEP_OF_PEAK = 0.90  # of the two largest networks
# With two threads: microseconds of JAX, an epoch compiled into one call, and those that nncore was to reach beside it.
STEPS = {
    ((4, 16, 16, 3), 32): (8.4, 1.0),
    ((64, 64, 10), 1): (4.1, 1.0),
    ((64, 64, 10), 32): (12.2, 3.0),
    ((17, 64, 64, 6), 64): (22, 5.5),
    ((17, 256, 256, 6), 256): (463, 225),
    ((784, 128, 10), 32): (88, 36),
    ((784, 256, 128, 10), 128): (460, 265),
    ((784, 1024, 1024, 10), 256): (6852, 5200),
    ((128, 512, 512, 512, 2), 1024): (9223, 7250),
}
CALL_SECONDS = 2e-6  # of train_on_batch beyond the step inside fit
BUSY_RATIO = 2.2  # how much longer a step may take while one of two processors is busy

# MNIST, 784-256-128-10, Adam, minibatches of 128; what PyTorch needed beside it.
EPOCH_SECONDS = 0.14
EPOCH_PEERS = {"torch": 0.48, "jax": 0.23, "sklearn": 0.77}
ACCURACY = 0.976
ACCURATE_SECONDS = 1.5
ACCURATE_PEERS = {"torch": 5.3, "jax": 6.6, "sklearn": 4.8}
MEMORY_BYTES = 150e6

# Prediction, 784-256-128-10, by rows: seconds of nncore, and of the peers beside it.
PREDICTION = {
    1: (6e-6, {"onnxruntime": 9.5e-6, "numpy": 14e-6, "torch": 26e-6}),
    10_000: (10e-3, {"onnxruntime": 13.6e-3, "torch": 29e-3}),
}

IMPORT_SECONDS = 0.03  # beyond NumPy's
INSTALLED_BYTES = 10e6  # beyond NumPy's


def share_of_peak(shape, variant):
    """The target of a matrix product; None where there is none."""
    less = LESS_OF_PEAK.get(variant)
    return None if less is None or shape not in PRODUCTS else PRODUCTS[shape] - less


def peer_ratio(seconds, peer_seconds):
    """How many times as long as nncore a peer must take for the target to be met."""
    return peer_seconds / seconds
