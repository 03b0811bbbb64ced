"""Optimizers beside PyTorch's: the same gradients given, the same parameters after twenty steps."""

import numpy as np
import pytest

from peers import sides

A, MOMENTUM = 0.01, {"momentum": 0.9}
ADAM = {"epsilon": 1e-8, "epsilon_inside_sqrt": False}
# The contract gives AdamW the epsilon of Keras, which is another: it is too small to matter here.
CASES = {  # of nncore: class and options; of torch.optim: class and options
    "SGD": ("SGD", {}, "SGD", {}),
    "SGD nesterov": ("SGD", {**MOMENTUM, "nesterov": True}, "SGD", {**MOMENTUM, "nesterov": True}),
    "SGD momentum": ("SGD", MOMENTUM, "SGD", MOMENTUM),
    "Adagrad": ("Adagrad", {"epsilon": 1e-10, "epsilon_inside_sqrt": False}, "Adagrad", {}),
    "RMSprop": ("RMSprop", {"rho": 0.99, "epsilon": 1e-8, "epsilon_inside_sqrt": False}, "RMSprop", {}),
    "RMSprop centered": (
        "RMSprop", {"rho": 0.9, "epsilon": 1e-8, "epsilon_inside_sqrt": False, "centered": True},
        "RMSprop", {"alpha": 0.9, "centered": True},
    ),
    "Adam": ("Adam", ADAM, "Adam", {}),
    "Adam betas": ("Adam", {**ADAM, "beta_1": 0.5, "beta_2": 0.9}, "Adam", {"betas": (0.5, 0.9)}),
    "AdamW": ("AdamW", {"epsilon": 1e-20, "weight_decay": 0.1}, "AdamW", {"weight_decay": 0.1, "eps": 1e-20}),
    "Adam with weight_decay": ("Adam", {**ADAM, "weight_decay": 0.1}, "AdamW", {"weight_decay": 0.1}),
    "Adadelta": ("Adadelta", {"rho": 0.9, "epsilon": 1e-6}, "Adadelta", {}),
    "Adamax": ("Adamax", {"epsilon": 0.0}, "Adamax", {"eps": 0.0}),
}  # fmt: skip


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_twenty_steps(case, dtype):
    name, options, other, other_options = CASES[case]
    sides.has("optimizers", name)
    ours = [sides.noise(shape, dtype, seed) for seed, shape in enumerate([(3, 5), (7,), (40, 33)])]
    theirs = [sides.torch.tensor(v, requires_grad=True) for v in ours]
    optimizer = getattr(sides.nncore.optimizers, name)(learning_rate=A, **options)
    torch_optimizer = getattr(sides.torch.optim, other)(theirs, lr=A, **other_options)
    for step in range(20):
        gradients = [sides.noise(v.shape, dtype, 100 * step + seed) for seed, v in enumerate(ours)]
        optimizer.apply(gradients, ours)
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = sides.torch.tensor(gradient)
        torch_optimizer.step()
    sides.assert_close(ours, theirs, dtype, case)


@pytest.mark.parametrize("dtype", sides.DTYPES)
def test_clipping_of_all_gradients(dtype):
    ours = [np.ones((3, 5), dtype), np.ones(7, dtype)]
    theirs = [sides.torch.tensor(v, requires_grad=True) for v in ours]
    gradients = [sides.noise(v.shape, dtype, seed) for seed, v in enumerate(ours)]
    for parameter, gradient in zip(theirs, gradients, strict=True):
        parameter.grad = sides.torch.tensor(gradient)
    # PyTorch adds 1e-6 to the norm, which is about 4.5 here
    sides.torch.nn.utils.clip_grad_norm_(theirs, 0.5)
    sides.torch.optim.SGD(theirs, lr=A).step()
    sides.nncore.optimizers.SGD(A, global_clipnorm=0.5).apply(gradients, ours)
    for got, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(got, sides.numbers(wanted), atol=A * 0.5 * 3e-7 + 2e-7 * (dtype == "float32"))
