"""Modules from PyTorch and to PyTorch: the same weights and outputs, and training that goes on from there."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import nncore  # noqa: E402
from nncore.interop.torch import from_torch, to_torch  # noqa: E402
from nncore.interop.torch.reading import registry  # noqa: E402

torch.set_num_threads(1)
F, t = torch.nn.functional, torch.nn
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def noise(shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def shaken(module, seed=0):
    """The module with other parameters and statistics than those it begins with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.dtype.is_floating_point and not getattr(tensor, "constant", False):
                tensor.add_(0.2 * torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype))
    return module.eval()


def assert_close(got, wanted, dtype="float32", what=""):
    if isinstance(wanted, (list, tuple)):
        assert len(got) == len(wanted)
        for one, other in zip(got, wanted, strict=True):
            assert_close(one, other, dtype, what)
        return
    got, wanted = np.asarray(got), wanted.detach().numpy() if hasattr(wanted, "detach") else np.asarray(wanted)
    assert got.shape == wanted.shape, f"{what}: {got.shape} is not {wanted.shape}"
    tolerance = TOLERANCE[dtype]
    scale = np.abs(wanted).max(initial=0)
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance * max(scale, 1e-3), err_msg=what)


def check(module, *shapes, rows=4, data=None):
    """Compares outputs in PyTorch's order of axes and with channels last; returns the latter model."""
    x = data or [noise((rows, *(n for n in shape if n is not None)), seed) for seed, shape in enumerate(shapes)]
    places = [shape.index(None) if None in shape else 0 for shape in shapes]
    shaken(module)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with torch.no_grad():
        wanted = module(*(torch.tensor(np.moveaxis(a, 0, place)) for a, place in zip(x, places, strict=True)))
    wanted = [one.numpy() for one in (wanted if isinstance(wanted, (tuple, list)) else [wanted])]
    made = {}
    for data_format in ("channels_first", "channels_last"):
        made[data_format] = from_torch(module, list(shapes) if len(shapes) > 1 else shapes[0], data_format=data_format)
    first, last = made["channels_first"], made["channels_last"]
    got = first.predict(x if len(x) > 1 else x[0])
    assert_close(got if isinstance(got, list) else [got], wanted)
    given = [np.moveaxis(a, 1, -1) if a.shape[1:] != tensor.sample_shape or a.ndim == 4 else a
             for a, tensor in zip(x, last.inputs, strict=True)]  # fmt: skip
    got = last.predict(given if len(given) > 1 else given[0])
    for one, other in zip(got if isinstance(got, list) else [got], wanted, strict=True):
        assert_close(one if one.shape == other.shape and one.ndim != 4 else np.moveaxis(one, -1, 1), other)
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())
    return last


# ---------------------------------------------------------------- modules

SHAPE = {0: (6,), 1: (6, 9), 2: (6, 8, 7)}
ACTIVATIONS = {
    "ReLU": [{}], "ReLU6": [{}], "LeakyReLU": [{"negative_slope": 0.3}], "ELU": [{"alpha": 0.5}], "SELU": [{}],
    "CELU": [{"alpha": 0.5}], "GELU": [{}, {"approximate": "tanh"}], "SiLU": [{}], "Mish": [{}], "Sigmoid": [{}],
    "Tanh": [{}], "Softplus": [{}, {"beta": 2.0}], "Softsign": [{}], "Tanhshrink": [{}],
    "Hardtanh": [{}, {"min_val": -0.3, "max_val": 0.8}, {"min_val": 0.0, "max_val": 0.5}], "Hardsigmoid": [{}],
    "Hardswish": [{}], "Hardshrink": [{"lambd": 0.3}], "Softshrink": [{"lambd": 0.3}], "LogSigmoid": [{}],
    "Threshold": [{"threshold": 0.1, "value": -2.0}], "Softmax": [{"dim": 1}, {"dim": -1}],
    "LogSoftmax": [{"dim": 1}, {"dim": -1}], "Softmin": [{"dim": 1}], "GLU": [{"dim": 1}],
    "PReLU": [{}, {"num_parameters": 6}], "Identity": [{}],
    "Dropout": [{"p": 0.3}], "AlphaDropout": [{"p": 0.3}],
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    for number, options in enumerate(ACTIVATIONS[name]):
        for axes in (0, 1, 2):
            check(t.Sequential(getattr(t, name)(**options)), SHAPE[axes])
        # behind a convolution, and behind its flattening
        check(t.Sequential(t.Conv2d(2, 6, 3), getattr(t, name)(**options)), (2, 5, 6))
        if number == 0 and name not in ("GLU", "PReLU"):
            check(t.Sequential(t.Conv2d(2, 6, 3), t.Flatten(), getattr(t, name)(**options), t.Linear(72, 3)), (2, 5, 6))


MODULES = {
    "Linear": [(lambda: t.Linear(6, 3), (6,)), (lambda: t.Linear(9, 3, bias=False), (6, 9)),
               (lambda: t.Linear(7, 3), (6, 8, 7))],
    "Conv1d": [(lambda: t.Conv1d(6, 4, 3), (6, 9)), (lambda: t.Conv1d(6, 4, 3, 2, 1), (6, 9)),
               (lambda: t.Conv1d(6, 4, 4, padding="same"), (6, 9)), (lambda: t.Conv1d(6, 4, 2, dilation=3), (6, 12)),
               (lambda: t.Conv1d(6, 12, 3, groups=6, padding=2, bias=False), (6, 9)),
               (lambda: t.Conv1d(6, 4, 3, groups=2, padding=1), (6, 9)),
               (lambda: t.Conv1d(6, 4, 3, padding=1, padding_mode="reflect"), (6, 9)),
               (lambda: t.Conv1d(6, 4, 3, padding=2, padding_mode="circular"), (6, 9))],
    "Conv2d": [(lambda: t.Conv2d(6, 4, 3), (6, 8, 7)), (lambda: t.Conv2d(6, 4, (3, 2), (2, 1), (1, 2)), (6, 8, 7)),
               (lambda: t.Conv2d(6, 4, 3, padding="same"), (6, 8, 7)), (lambda: t.Conv2d(6, 4, 3, 2, 1), (6, 8, 8)),
               (lambda: t.Conv2d(6, 4, 3, padding=1, bias=False), (6, 8, 7)),
               (lambda: t.Conv2d(6, 4, 2, padding="same", dilation=2), (6, 8, 7)),
               (lambda: t.Conv2d(6, 12, 3, padding=1, groups=6), (6, 8, 7)),
               (lambda: t.Conv2d(6, 6, 3, (1, 2), groups=6), (6, 8, 7)),
               (lambda: t.Conv2d(6, 4, 3, groups=2, stride=2, padding=3), (6, 8, 7)),
               (lambda: t.Conv2d(6, 4, 3, padding=(1, 2), padding_mode="replicate"), (6, 8, 7)),
               (lambda: t.Conv2d(6, 4, 3, padding=2, padding_mode="reflect"), (6, 8, 7)),
               (lambda: t.Conv2d(1, 4, 3), (1, 8, 7)), (lambda: t.Conv2d(1, 1, 1), (1, 8, 1))],
    "ConvTranspose1d": [(lambda: t.ConvTranspose1d(6, 4, 3), (6, 9)),
                        (lambda: t.ConvTranspose1d(6, 4, 4, 2, 1, output_padding=1), (6, 9)),
                        (lambda: t.ConvTranspose1d(6, 4, 2, 3, bias=False), (6, 9))],
    "ConvTranspose2d": [(lambda: t.ConvTranspose2d(6, 4, 3), (6, 4, 5)),
                        (lambda: t.ConvTranspose2d(6, 4, (4, 3), 2, (1, 0), (0, 1)), (6, 4, 5)),
                        (lambda: t.ConvTranspose2d(6, 4, 3, dilation=2, padding=1), (6, 4, 5)),
                        (lambda: t.ConvTranspose2d(6, 4, 2, 3), (6, 4, 5))],
    "BatchNorm1d": [(lambda: t.BatchNorm1d(6), (6,)), (lambda: t.BatchNorm1d(6, eps=0.01, affine=False), (6, 9))],
    "BatchNorm2d": [(lambda: t.BatchNorm2d(6, momentum=0.3), (6, 8, 7))],
    "InstanceNorm1d": [(lambda: t.InstanceNorm1d(6), (6, 9))],
    "InstanceNorm2d": [(lambda: t.InstanceNorm2d(6, affine=True), (6, 8, 7))],
    "GroupNorm": [(lambda: t.GroupNorm(3, 6), (6,)), (lambda: t.GroupNorm(2, 6, affine=False), (6, 9)),
                  (lambda: t.GroupNorm(6, 6, eps=0.1), (6, 8, 7))],
    "LayerNorm": [(lambda: t.LayerNorm(6), (6,)), (lambda: t.LayerNorm(9, bias=False), (6, 9)),
                  (lambda: t.LayerNorm((6, 8, 7)), (6, 8, 7)), (lambda: t.LayerNorm((8, 7)), (6, 8, 7)),
                  (lambda: t.LayerNorm(7, elementwise_affine=False), (6, 8, 7))],
    "RMSNorm": [(lambda: t.RMSNorm(6), (6,)), (lambda: t.RMSNorm(9, eps=0.1, elementwise_affine=False), (6, 9)),
                (lambda: t.RMSNorm((8, 7)), (6, 8, 7))],
    "Dropout1d": [(lambda: t.Dropout1d(), (6, 9))],
    "Dropout2d": [(lambda: t.Dropout2d(), (6, 8, 7))],
    "Softmax2d": [(lambda: t.Softmax2d(), (6, 8, 7))],
    "MaxPool1d": [(lambda: t.MaxPool1d(2), (6, 9)), (lambda: t.MaxPool1d(3, 1, 1), (6, 9)),
                  (lambda: t.MaxPool1d(3, 2, ceil_mode=True), (6, 8))],
    "MaxPool2d": [(lambda: t.MaxPool2d(2), (6, 8, 7)), (lambda: t.MaxPool2d(3, 2, 1), (6, 8, 8)),
                  (lambda: t.MaxPool2d((3, 2), 1, (1, 0)), (6, 8, 7)), (lambda: t.MaxPool2d(5, 3, 2), (6, 8, 7)),
                  (lambda: t.MaxPool2d(3, 2, 1, ceil_mode=True), (6, 8, 7))],
    "AvgPool1d": [(lambda: t.AvgPool1d(2), (6, 9)), (lambda: t.AvgPool1d(3, 2, 1, ceil_mode=True), (6, 8)),
                  (lambda: t.AvgPool1d(3, 1, 1, count_include_pad=False), (6, 9))],
    "AvgPool2d": [(lambda: t.AvgPool2d(2), (6, 8, 7)), (lambda: t.AvgPool2d(3, 2, 1), (6, 8, 8)),
                  (lambda: t.AvgPool2d(3, 2, 1, count_include_pad=False), (6, 8, 8)),
                  (lambda: t.AvgPool2d(3, 2, 1, ceil_mode=True), (6, 8, 7)),
                  (lambda: t.AvgPool2d((2, 3), divisor_override=4), (6, 8, 7))],
    "AdaptiveAvgPool1d": [(lambda: t.AdaptiveAvgPool1d(1), (6, 9)), (lambda: t.AdaptiveAvgPool1d(3), (6, 9))],
    "AdaptiveAvgPool2d": [(lambda: t.AdaptiveAvgPool2d(1), (6, 8, 7)),
                          (lambda: t.AdaptiveAvgPool2d((4, None)), (6, 8, 7))],
    "AdaptiveMaxPool1d": [(lambda: t.AdaptiveMaxPool1d(3), (6, 9))],
    "AdaptiveMaxPool2d": [(lambda: t.AdaptiveMaxPool2d(1), (6, 8, 7)),
                          (lambda: t.AdaptiveMaxPool2d((2, 7)), (6, 8, 7))],
    "Flatten": [(lambda: t.Flatten(), (6, 8, 7)), (lambda: t.Flatten(2), (6, 8, 7)),
                (lambda: t.Flatten(1, 2), (6, 8, 7))],
    "Unflatten": [(lambda: t.Unflatten(1, (2, -1)), (6,)), (lambda: t.Unflatten(1, (3, 2)), (6, 8)),
                  (lambda: t.Unflatten(-1, (2, 4)), (6, 8))],
    "Upsample": [(lambda: t.Upsample(scale_factor=3), (6, 9)), (lambda: t.Upsample(size=(16, 21)), (6, 8, 7)),
                 (lambda: t.Upsample(scale_factor=(2, 3), mode="bilinear"), (6, 8, 7)),
                 (lambda: t.Upsample(scale_factor=2, mode="linear"), (6, 9))],
    "UpsamplingNearest2d": [(lambda: t.UpsamplingNearest2d(scale_factor=2), (6, 8, 7))],
    "ZeroPad1d": [(lambda: t.ZeroPad1d((1, 2)), (6, 9))],
    "ZeroPad2d": [(lambda: t.ZeroPad2d((1, 2, 0, 3)), (6, 8, 7)), (lambda: t.ZeroPad2d((-1, 2, 0, -3)), (6, 8, 7))],
    "ConstantPad1d": [(lambda: t.ConstantPad1d(2, 3.5), (6, 9))],
    "ConstantPad2d": [(lambda: t.ConstantPad2d((1, 0, 2, 1), -1.0), (6, 8, 7))],
    "ReplicationPad1d": [(lambda: t.ReplicationPad1d((2, 1)), (6, 9))],
    "ReplicationPad2d": [(lambda: t.ReplicationPad2d((2, 1, 0, 1)), (6, 8, 7))],
    "ReflectionPad1d": [(lambda: t.ReflectionPad1d((2, 1)), (6, 9))],
    "ReflectionPad2d": [(lambda: t.ReflectionPad2d((2, 1, 0, 3)), (6, 8, 7))],
    "CircularPad1d": [(lambda: t.CircularPad1d((2, 1)), (6, 9))],
    "CircularPad2d": [(lambda: t.CircularPad2d((2, 1, 0, 3)), (6, 8, 7))],
    "PixelShuffle": [(lambda: t.PixelShuffle(2), (8, 3, 5))],
    "PixelUnshuffle": [(lambda: t.PixelUnshuffle(2), (3, 4, 6))],
    "ChannelShuffle": [(lambda: t.ChannelShuffle(3), (6, 3, 5))],
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    for make, shape in MODULES[name]:
        check(make(), shape)
        if len(shape) == 3:
            check(t.Sequential(t.Conv2d(shape[0], shape[0], 1), t.ReLU(), make(), t.Tanh()), shape)
    check(t.Sequential(make(), t.Flatten()), shape)


SEQUENCES = {
    "LSTM": [{}, {"num_layers": 2, "dropout": 0.2}, {"bidirectional": True}, {"bias": False},
             {"num_layers": 2, "bidirectional": True, "batch_first": False}],
    "GRU": [{}, {"num_layers": 3}, {"num_layers": 2, "bidirectional": True}, {"bias": False}, {"batch_first": False}],
    "RNN": [{}, {"nonlinearity": "relu"}, {"num_layers": 2, "bidirectional": True, "bias": False}],
}  # fmt: skip


class Recurrent(t.Module):
    """Outputs and states of a recurrent module."""

    def __init__(self, cls, options):
        super().__init__()
        self.rnn = getattr(t, cls)(5, 4, **{"batch_first": True, **options})

    def forward(self, x):
        y, states = self.rnn(x)
        h, c = states if isinstance(self.rnn, t.LSTM) else (states, states)
        return y, h[-1], c[0]


class LastStep(t.Module):
    """Where nobody asks for states; and where they are joined."""

    def __init__(self, cls, joined, **options):
        super().__init__()
        self.rnn, self.joined = getattr(t, cls)(5, 4, batch_first=True, bidirectional=True, **options), joined
        self.head = t.Linear(8, 3)

    def forward(self, x):
        h0 = torch.zeros(2, x.size(0), 4, device=x.device)
        if self.joined:
            _, h = self.rnn(x, h0)
            return self.head(torch.cat((h[-2], h[-1]), dim=1)), self.head(h.transpose(0, 1).reshape(x.size(0), -1))
        y, _ = self.rnn(x, h0)
        return self.head(y[:, -1]), self.head(y[:, -1, :].relu()), self.head(y.mean(1))


@pytest.mark.parametrize("cls", SEQUENCES)
def test_recurrent(cls):
    for options in SEQUENCES[cls]:
        shape = (7, 5) if options.get("batch_first", True) else (7, None, 5)
        module = shaken(Recurrent(cls, options))
        x = noise((3, 7, 5))
        with torch.no_grad():
            y, h, c = module(torch.tensor(np.moveaxis(x, 0, shape.index(None) if None in shape else 0)))
        y = y if None not in shape else y.transpose(0, 1)
        assert_close(from_torch(module, shape).predict(x), [y, h, c])
    for joined in (False, True):
        if cls != "LSTM":
            check(LastStep(cls, joined), (7, 5))


class Translator(t.Module):
    """The states of one module are the first of another."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = t.LSTM(5, 4, 2, batch_first=True), t.LSTM(3, 4, 2, batch_first=True)

    def forward(self, source, target):
        _, states = self.encoder(source)
        return self.decoder(target, states)[0]


def test_states_of_one_module_go_into_another():
    check(Translator(), (7, 5), (6, 3))


class Attending(t.Module):
    def __init__(self, batch_first=True, **options):
        super().__init__()
        self.mha = t.MultiheadAttention(6, 2, batch_first=batch_first, **options)
        mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
        self.register_buffer("mask", mask)

    def forward(self, x, other):
        y, weights = self.mha(x, x, x, attn_mask=self.mask)
        z, _ = self.mha(y, other, other, need_weights=False)
        return z, weights


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"batch_first": False}])
def test_attention(options):
    module = Attending(**options)
    if options.get("batch_first", True):
        check(module, (5, 6), (7, 6))
        return
    shaken(module)
    x, other = noise((3, 5, 6)), noise((3, 7, 6), 1)
    with torch.no_grad():
        z, weights = module(*(torch.tensor(a).transpose(0, 1) for a in (x, other)))
    made = from_torch(module, [(5, None, 6), (7, None, 6)])
    assert_close(made.predict([x, other]), [z.transpose(0, 1), weights])


class CrossAttention(t.Module):
    def __init__(self):
        super().__init__()
        self.mha = t.MultiheadAttention(6, 3, kdim=4, vdim=5, batch_first=True)

    def forward(self, q, k, v, hidden):
        return self.mha(q, k, v, key_padding_mask=hidden, average_attn_weights=False)


def test_attention_of_other_features_and_with_hidden_keys():
    module = shaken(CrossAttention())
    q, k, v = noise((3, 5, 6)), noise((3, 7, 4), 1), noise((3, 7, 5), 2)
    hidden = np.arange(7) >= np.array([[7], [4], [1]])
    with torch.no_grad():
        wanted = module(*(torch.tensor(a) for a in (q, k, v, hidden)))
    made = from_torch(module, [(5, 6), (7, 4), (7, 5), (7,)], data_format="channels_first")
    assert_close(made.predict([q, k, v, hidden]), [*wanted])


class Transformer(t.Module):
    def __init__(self, norm_first, activation):
        super().__init__()
        options = {"dim_feedforward": 12, "batch_first": True, "norm_first": norm_first, "activation": activation}
        layer = t.TransformerEncoderLayer(8, 2, **options)
        self.encoder = t.TransformerEncoder(layer, 2, t.LayerNorm(8), enable_nested_tensor=False)
        self.decoder = t.TransformerDecoder(t.TransformerDecoderLayer(8, 4, **options), 2)
        self.register_buffer("mask", t.Transformer.generate_square_subsequent_mask(5))

    def forward(self, source, target):
        memory = self.encoder(source)
        return self.decoder(target, memory, tgt_mask=self.mask)


@pytest.mark.parametrize("norm_first", [False, True])
def test_transformer(norm_first):
    torch.manual_seed(0)
    module = Transformer(norm_first, "gelu" if norm_first else "relu")
    module.mask.constant = True
    check(module, (7, 8), (5, 8))


# ---------------------------------------------------------------- programs


class Residual(t.Module):
    """A block of a residual network."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = t.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1, self.relu = t.BatchNorm2d(filters), t.ReLU(inplace=True)
        self.conv2 = t.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = t.BatchNorm2d(filters)
        self.short = t.Sequential(t.Conv2d(channels, filters, 1, stride, bias=False), t.BatchNorm2d(filters))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.short(x)
        return self.relu(y)


class Network(t.Module):
    def __init__(self):
        super().__init__()
        self.stem = t.Sequential(t.Conv2d(3, 6, 5, 2, 2), t.BatchNorm2d(6), t.ReLU(), t.MaxPool2d(3, 2, 1))
        self.blocks = t.Sequential(Residual(6, 6, 1), Residual(6, 8, 2))
        self.pool, self.head = t.AdaptiveAvgPool2d((1, 1)), t.Linear(8, 4)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        return self.head(torch.flatten(self.pool(x), 1))


class VisionTransformer(t.Module):
    """Patches by a convolution, a token and positions that are parameters."""

    def __init__(self):
        super().__init__()
        self.patches = t.Conv2d(3, 8, 4, 4)
        self.token = t.Parameter(torch.randn(1, 1, 8))
        self.positions = t.Parameter(torch.randn(1, 7, 8))
        self.encoder = t.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.scale = t.Parameter(torch.ones(8), requires_grad=False)
        self.head = t.Linear(8, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
        x = self.encoder(x * self.scale)
        return F.log_softmax(self.head(x[:, 0]), dim=-1)


class Text(t.Module):
    def __init__(self):
        super().__init__()
        self.table, self.places = t.Embedding(20, 6, padding_idx=0), t.Embedding(9, 6)
        self.conv = t.Conv1d(6, 5, 3, padding=1)
        self.rnn = t.GRU(5, 4, batch_first=True)
        self.head = t.Linear(9, 2)

    def forward(self, words):
        x = self.table(words) + self.places(torch.arange(9))
        x = F.relu(self.conv(x.permute(0, 2, 1)))
        _, h = self.rnn(x.transpose(1, 2))
        return self.head(torch.cat([h.squeeze(0), x.max(dim=2)[0]], 1))


class Functions(t.Module):
    """What is written with functions, methods and operators."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = t.Conv2d(2, 4, 3, padding=1), t.Linear(4 * 4 * 5, 6)
        self.register_buffer("mean", torch.tensor([0.3, -0.2]).view(1, 2, 1, 1))
        self.weight = t.Parameter(torch.randn(3, 6))

    def forward(self, x):
        batch, channels, rows, _ = x.shape
        y = (x - self.mean) / 0.7
        y = F.max_pool2d(F.leaky_relu(self.conv(y), 0.1), 2)
        y = F.dropout(y, 0.5, self.training)
        z = F.interpolate(y, scale_factor=2, mode="nearest") * 0.5
        gate = torch.sigmoid(z.mean((2, 3), keepdim=True))
        z = torch.clamp(z * gate, min=-0.5, max=0.5).abs()
        a = self.fc(F.gelu(y).view(batch, -1))
        b = F.linear(F.silu(a), self.weight)
        c = torch.stack([b, 1 - b, b.square()], dim=1).sum(dim=1)
        d = F.softmax(b, dim=1) * F.softplus(c, beta=2) + torch.tanh(b).pow(3) - torch.maximum(b, c)
        return d, F.pad(z, (1, 0, 2, 1)), a.unsqueeze(1).squeeze(-2).chunk(2, dim=-1)[1], rows * b + channels


class Mixer(t.Module):
    """Axes exchanged back and forth."""

    def __init__(self):
        super().__init__()
        self.embed = t.Conv2d(3, 6, 2, 2)
        self.norm, self.tokens, self.channels = t.LayerNorm(6), t.Linear(12, 12), t.Linear(6, 6)
        self.norm2 = t.BatchNorm1d(72)
        self.out = t.Linear(72, 2)

    def forward(self, x):
        x = self.embed(x)
        n, c, h, w = x.shape
        x = x.reshape(n, c, h * w).permute(0, 2, 1)
        x = x + self.tokens(self.norm(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(x)
        y = x.transpose(1, 2).reshape(n, c, h, w)
        y = F.avg_pool2d(F.pad(y, (0, 1, 0, 0), mode="replicate"), (1, 2), 1)
        return self.out(F.relu(self.norm2(y.flatten(1))))


class Shared(t.Module):
    """One module twice, on values whose axes lie differently, and on a parameter alone."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc, self.act = t.Conv2d(2, 2, 3, padding=1), t.Linear(24, 24), t.ReLU()

    def forward(self, x, y):
        a = self.fc(self.act(self.conv(self.conv(x))).flatten(1))
        return self.fc(self.act(a)) + self.fc(y)


class Heads(t.Module):
    """Attention of several heads by hand, and by PyTorch's function; an argument that has a default."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out = t.Linear(8, 24), t.Linear(8, 8)

    def forward(self, x, factor=0.5, mask=None):
        rows, steps, features = x.shape
        q, k, v = self.qkv(x).reshape(rows, steps, 3, 2, features // 2).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1) * factor).softmax(dim=-1)
        y = (weights @ v).transpose(1, 2).reshape(rows, steps, features)
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=0.1 if self.training else 0.0)
        y = self.out(y + z.transpose(1, 2).flatten(2))
        if mask is not None:
            y = y * mask
        return y, y.max(dim=1).values, torch.stack([y[:, 0].sum(-1), y[:, 1:].mean(dim=(1, 2))], dim=1)


class UNet(t.Module):
    """Images that are halved, doubled and joined; gates for each channel."""

    def __init__(self):
        super().__init__()
        self.down, self.middle = t.Conv2d(1, 4, 3, padding=1), t.Conv2d(4, 8, 3, padding=1)
        self.up, self.out = t.ConvTranspose2d(8, 4, 2, 2), t.Conv2d(8, 2, 1)
        self.gate = t.Sequential(t.Linear(4, 2), t.ReLU(), t.Linear(2, 4), t.Sigmoid())

    def forward(self, x):
        a = self.down(x)
        a = a * self.gate(a.mean([2, 3]))[:, :, None, None]
        return self.out(torch.cat([self.up(self.middle(F.max_pool2d(a, 2))), a], 1))


PROGRAMS = {"heads": (Heads, [(5, 8)]), "unet": (UNet, [(1, 8, 6)]),
            "residual": (Network, [(3, 32, 32)]), "vision": (VisionTransformer, [(3, 8, 12)]),
            "functions": (Functions, [(2, 8, 10)]), "mixer": (Mixer, [(3, 6, 8)]),
            "shared": (Shared, [(2, 3, 4), (24,)])}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    torch.manual_seed(0)
    cls, shapes = PROGRAMS[name]
    made = check(cls(), *shapes)
    if name == "shared":
        assert len(made.weights) == 4
    if name == "residual":
        assert [type(layer).__name__ for layer in made.layers].count("Permute") == 0


def test_words():
    torch.manual_seed(0)
    module = shaken(Text())
    words = np.random.default_rng(0).integers(0, 20, (5, 9))
    with torch.no_grad():
        wanted = module(torch.tensor(words))
    assert_close(from_torch(module, (9,)).predict(words), wanted)


def test_flattened_images_permute_columns_and_not_elements():
    module = t.Sequential(t.Conv2d(2, 3, 3), t.ReLU(), t.Dropout(0.1), t.Flatten(), t.BatchNorm1d(36), t.Linear(36, 4))
    made = check(module, (2, 5, 6))
    kinds = [type(layer).__name__ for layer in made.layers]
    assert (kinds.count("Permute"), kinds.count("Reshape")) == (0, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_seed_names_and_trainability(dtype):
    module = t.Sequential(t.Linear(4, 5), t.Sequential(t.ReLU(), t.Linear(5, 2))).to(getattr(torch, dtype))
    module[0].requires_grad_(False)
    made = from_torch(module, (4,), seed=5)
    assert (made.dtype, made.seed) == (dtype, 5)
    names = [layer.name for layer in made.layers]
    assert names[-1] == "1_1"
    assert len(made.trainable_variables) == 2
    x = noise((3, 4), dtype=dtype)
    assert_close(made.predict(x), module(torch.tensor(x)), dtype)
    assert module.training  # as it was


def test_a_module_of_torch_alone():
    check(t.Linear(3, 2), (3,))
    check(t.Conv2d(3, 2, 2), (3, 4, 5))


@pytest.mark.parametrize("make", [lambda: Network(), lambda: VisionTransformer()])
def test_training_goes_on_alike(make):
    """One step of gradient descent on both sides, with statistics of minibatches."""
    torch.manual_seed(0)
    shape = (3, 32, 32) if make().__class__ is Network else (3, 8, 12)
    module = shaken(make()).double()
    for one in module.modules():
        if isinstance(one, (t.Dropout, t.MultiheadAttention)):
            one.p = one.dropout = 0.0
    made = from_torch(module, shape, data_format="channels_first")
    x = noise((6, *shape), dtype="float64")
    made.compile(nncore.optimizers.SGD(0.01), "mse")
    y = noise((6, made.output_shape[-1]), 1, "float64")
    made.train_on_batch(x, y)
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), 0.01)
    F.mse_loss(module(torch.tensor(x)), torch.tensor(y)).backward()
    optimizer.step()
    again = from_torch(module, shape, data_format="channels_first")
    pairs = list(zip(made.layers, again.layers, strict=True))
    for one, other in pairs:
        statistics = isinstance(one, nncore.layers.BatchNormalization)
        for number, (got, wanted) in enumerate(zip(one.get_weights(), other.get_weights(), strict=True)):
            if not (statistics and number == 3):  # PyTorch keeps another estimate of the variance
                assert_close(got, wanted, "float64", one.name)


# ---------------------------------------------------------------- refusals


def test_every_module_is_read_or_refused_with_a_reason():
    names = {name for name in dir(t) if isinstance(getattr(t, name), type) and issubclass(getattr(t, name), t.Module)}
    transparent = {"Sequential"}
    assert names - set(registry.MODULES) - set(registry.REFUSED) - transparent == set()
    assert not set(registry.MODULES) & set(registry.REFUSED)
    tested = {*ACTIVATIONS, *MODULES, *SEQUENCES, "Embedding", "MultiheadAttention", "TransformerDecoder",
              "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
              "NonDynamicallyQuantizableLinear", "UpsamplingBilinear2d"}  # fmt: skip
    assert set(registry.MODULES) <= tested


class Program(t.Module):
    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.function(self, x)


def hooked():
    module = t.Linear(4, 4)
    module.register_forward_hook(lambda *_: None)
    return t.Sequential(module)


def half_frozen():
    module = t.Linear(4, 4)
    module.bias.requires_grad_(False)
    return t.Sequential(module)


class MyLinear(t.Linear):
    def forward(self, x):
        return torch.cumsum(super().forward(x), 1)


P = Program
REFUSALS = {
    "class": (lambda: t.Sequential(t.Linear(4, 4), t.RReLU()), (4,), r"module '1' \(RReLU\).*random"),
    "path": (lambda: P(lambda s, x: s.inner(x), inner=t.Sequential(t.LPPool1d(2, 2))), (4, 4),
             r"'inner\.0' \(LPPool1d\)"),
    "function": (lambda: P(lambda s, x: torch.cumsum(x, 1)), (4,), "function 'cumsum'"),
    "subclass": (lambda: t.Sequential(MyLinear(4, 4)), (4,), "function 'cumsum'"),
    "method": (lambda: P(lambda s, x: x.sort()), (4,), "method 'sort'"),
    "control flow": (lambda: P(lambda s, x: x if x.sum() > 0 else -x), (4,), "torch.fx cannot trace Program"),
    "hooks": (hooked, (4,), "has hooks"),
    "half frozen": (half_frozen, (4,), "some parameters need a gradient"),
    "mixed samples": (lambda: P(lambda s, x: x.view(8, -1)), (4,), "mixes samples"),
    "rows": (lambda: P(lambda s, x: x.view(x.size(0) * 4)), (4,), "number of rows"),
    "samples": (lambda: P(lambda s, x: x.mean(0)), (4,), "axis other than|other than that of samples"),
    "sample": (lambda: P(lambda s, x: x[0]), (4,), "samples cannot be chosen"),
    "softmax of samples": (lambda: t.Sequential(t.Softmax(0)), (4,), "axis of samples"),
    "dropout": (lambda: P(lambda s, x: F.dropout(x, 0.5)), (4,), "training=self.training"),
    "groups": (lambda: t.Sequential(t.ConvTranspose1d(4, 4, 2, groups=2)), (4, 5), "groups=2"),
    "statistics": (lambda: t.Sequential(t.BatchNorm1d(4, track_running_stats=False)), (4,), "track_running_stats"),
    "momentum": (lambda: t.Sequential(t.BatchNorm1d(4, momentum=None)), (4,), "momentum=None"),
    "indices": (lambda: t.Sequential(t.MaxPool1d(2, return_indices=True)), (4, 4), "return_indices"),
    "dilation": (lambda: t.Sequential(t.MaxPool1d(2, dilation=2)), (4, 4), "dilation"),
    "adaptive": (lambda: t.Sequential(t.AdaptiveAvgPool1d(3)), (4, 4), "no multiple"),
    "align_corners": (lambda: t.Sequential(t.UpsamplingBilinear2d(scale_factor=2)), (1, 4, 4), "align_corners=True"),
    "factor": (lambda: t.Sequential(t.Upsample(scale_factor=1.5)), (4, 4), "whole factors"),
    "proj_size": (lambda: t.Sequential(t.LSTM(4, 4, proj_size=2, batch_first=True)), (4, 4), "proj_size=2"),
    "batch_first": (lambda: P(lambda s, x: s.r(x)[0], r=t.GRU(4, 4)), (4, 4), "batch_first"),
    "max_norm": (lambda: t.Sequential(t.Embedding(4, 4, max_norm=1.0)), (4,), "max_norm=1.0"),
    "dtype": (lambda: t.Sequential(t.Linear(4, 4)).half(), (4,), "torch.float16"),
    "features": (lambda: t.Sequential(t.Linear(4, 4)), (5,), r"module '0' \(Linear\): inputs must have 4 features"),
    "channels": (lambda: t.Sequential(t.Conv2d(4, 4, 1)), (5, 3, 3), "must have 4 channels"),
    "inputs": (lambda: t.Sequential(t.Linear(4, 4)), [(4,), (4,)], "takes 1 inputs"),
    "two places": (lambda: t.Sequential(t.Linear(4, 4)), (None, None, 4), "axis of samples only"),
    "shape": (lambda: t.Sequential(t.Linear(4, 4)), (0,), "input_shape"),
    "indices of maxima": (lambda: P(lambda s, x: x.max(1)), (4,), "indices of maxima"),
    "output": (lambda: P(lambda s, x: torch.zeros(3)), (4,), "depend on the inputs"),
    "division": (lambda: P(lambda s, x: x / x), (4,), "divides by numbers"),
    "two shapes": (lambda: P(lambda s, x: s.fc(x)[:, 0] + s.fc(x[:, 0]), fc=t.Linear(4, 4)), (5, 4),
                   "built for samples"),
    "dropout of attention": (lambda: P(lambda s, x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.5)), (4, 4),
                             "self.training"),
    "lazy": (lambda: t.Sequential(t.LazyLinear(4)), (4,), "LazyLinear|uninitialized|first data"),
}


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_come_from_torch_is_named(case):
    make, shape, words = REFUSALS[case]
    with pytest.raises(ValueError, match=words):
        from_torch(make(), shape)


def test_one_number_for_each_sample():
    """PyTorch has (rows,) where nncore has (rows, 1)."""
    module = P(lambda s, x: torch.sigmoid(s.fc(x).squeeze(-1)) * 2 + 1, fc=t.Linear(4, 1)).eval()
    x = noise((5, 4))
    with torch.no_grad():
        assert_close(from_torch(module, (4,)).predict(x)[:, 0], module(torch.tensor(x)))


def test_outputs_in_dicts_and_unused_inputs():
    class Two(t.Module):
        def forward(self, x, y):
            return {"a": x * 2, "b": [x + 1]}

    got = from_torch(Two(), [(4,), (3,)]).predict([noise((5, 4)), noise((5, 3))])
    assert_close(got, [noise((5, 4)) * 2, noise((5, 4)) + 1])


def test_misuse():
    with pytest.raises(TypeError, match="got str"):
        from_torch("module", (4,))
    with pytest.raises(ValueError, match="data_format must be"):
        from_torch(t.Linear(4, 4), (4,), data_format="NHWC")


# ---------------------------------------------------------------- to PyTorch


def layer_cases():
    """Each layer and option that is compared with Keras, as nncore's."""
    from peers import test_keras_layers as cases

    found = {}
    for case, (name, shapes, options) in cases.LAYERS.items():
        known = options.get("activation") is None or hasattr(nncore.activations, options["activation"])
        if hasattr(nncore.layers, name) and known:
            found[case] = (name, shapes, options)
    return found


def has_no_counterpart(name, options):
    """Recurrent layers of gates and activations that PyTorch does not have."""
    allowed = {"SimpleRNN": ("tanh", "relu"), "LSTM": ("tanh",), "GRU": ("tanh",)}.get(name)
    return allowed is not None and (
        options.get("activation", "tanh") not in allowed
        or options.get("recurrent_activation", "sigmoid") != "sigmoid"
        or not options.get("reset_after", True)
    )


def with_weights(model, seed=3):
    generator = np.random.default_rng(seed)
    model.set_weights([w + generator.uniform(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def check_to_torch(model, *shapes, data=None, scripted=True, back=True):
    """Outputs of the module and of its script, and of what comes back from it; returns the module."""
    dtype = str(model.dtype)
    x = data or [noise((5, *shape), seed, dtype) for seed, shape in enumerate(shapes)]
    module = to_torch(model)
    assert not module.training
    tensors = [torch.tensor(a) for a in x]
    with torch.no_grad():
        got = module(*tensors)
        wanted = model.predict(x if len(x) > 1 else x[0])
        several = isinstance(got, (tuple, list))
        assert_close([g.numpy() for g in got] if several else got.numpy(), wanted, dtype)
        if scripted:
            again = torch.jit.script(module)(*tensors)
            assert_close([g.numpy() for g in again] if several else again.numpy(), wanted, dtype)
    if back:
        shapes = [a.shape[1:] for a in x]
        returned = from_torch(module, list(shapes) if len(shapes) > 1 else shapes[0], data_format="channels_first")
        assert_close(returned.predict(x if len(x) > 1 else x[0]), wanted, dtype)
    return module


# Whose modules are programs of which nncore has no layers.
ONE_WAY = ("Dot", "Average", "sparse_", "squareplus", "softplus", "ReLU with options", "backwards",
           "MaxPooling2D even", "MaxPooling1D same", "MaxPooling2D same")  # fmt: skip


@pytest.mark.parametrize("part", range(4))
@pytest.mark.filterwarnings("ignore")  # TorchScript has many for what it compiles
def test_every_layer_goes_to_torch(part):
    wrong = []
    for number, (case, (name, shapes, options)) in enumerate(layer_cases().items()):
        if number % 4 != part:
            continue
        inputs = [nncore.Input(shape) for shape in shapes]
        y = getattr(nncore.layers, name)(**options, name="it")(inputs if len(inputs) > 1 else inputs[0])
        model = with_weights(nncore.Model(inputs, y))
        if has_no_counterpart(name, options):
            with pytest.raises(ValueError, match=r"'it'.*PyTorch"):
                to_torch(model)
            continue
        try:
            check_to_torch(model, *shapes, scripted=number % 11 == 0, back=not any(key in case for key in ONE_WAY))
        except Exception as error:
            wrong.append(f"{case}: {type(error).__name__} {error}"[:600])
    assert not wrong, "\n".join(wrong)


def graph_of_models():
    k = nncore
    shared = k.layers.Dense(5, activation="tanh", name="shared/it".replace("/", "."))
    inner_in = k.Input((5,))
    inner = k.Model(inner_in, [shared(inner_in), k.layers.ReLU(max_value=0.5)(inner_in)], name="inner")
    a, b = k.Input((5,), name="a"), k.Input((5,), name="b-1")
    left, right = inner(shared(a))
    again, _ = inner(b)
    chain = k.Sequential([k.Input((5,)), k.layers.Dense(4, name="deep"), k.layers.BatchNormalization()], name="chain")
    return k.Model([a, b], [chain(left), k.layers.Add()([right, again])])


def sequences():
    k = nncore
    a, b = k.Input((4, 3), name="a"), k.Input((5, 3), name="b")
    _, h, c = k.layers.LSTM(2, return_state=True)(a)
    y = k.layers.LSTM(2, return_sequences=True)(b, initial_state=[h, c])
    z = k.layers.Bidirectional(k.layers.GRU(3, return_sequences=True), merge_mode="sum")(y)
    _, *last = k.layers.Bidirectional(k.layers.SimpleRNN(2, return_state=True))(z)
    w = k.layers.Bidirectional(k.layers.LSTM(2), merge_mode="ave")(z)
    u = k.layers.Bidirectional(k.layers.LSTM(2, return_sequences=True, use_bias=False), merge_mode="mul")(z)
    return k.Model([a, b], [y, z, w, u, *last])


def attentions():
    k = nncore
    a, b = k.Input((4, 6), name="a"), k.Input((5, 6), name="b")
    mask = k.Input((4, 5), name="mask")
    x = k.layers.MultiHeadAttention(2, 3)(a, b)
    causal = k.layers.MultiHeadAttention(2, 3, use_bias=False)(x, x, use_causal_mask=True)
    y, scores = k.layers.MultiHeadAttention(3, 2, value_dim=4, output_shape=5)(causal, b, attention_mask=mask,
                                                                             return_attention_scores=True)  # fmt: skip
    z = k.layers.Attention(use_scale=True)([a, b], use_causal_mask=True)
    w = k.layers.Attention(score_mode="concat")([a, b])
    return k.Model([a, b, mask], [x, y, scores, z, w, k.layers.AdditiveAttention()([a, b])])


def steps():
    k = nncore
    words = k.Input((4, 3))
    x = k.layers.TimeDistributed(k.layers.Dense(2), name="each")(words)
    inner = k.Sequential([k.Input((2,)), k.layers.Dense(3), k.layers.LayerNormalization()])
    return k.Model(words, k.layers.TimeDistributed(inner)(x))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [graph_of_models, sequences, attentions, steps])
def test_graphs_go_to_torch(make):
    model = with_weights(make())
    shapes = [tensor.sample_shape for tensor in model.inputs]
    data = [noise((5, *shape), seed) for seed, shape in enumerate(shapes)]
    if make is attentions:
        data[2] = (data[2] > -0.5).astype("float32")
        data[2][..., 0] = 1
    module = check_to_torch(model, data=data, scripted=make is not sequences, back=False)
    again = to_torch(model)
    again.load_state_dict(module.state_dict())
    if make is graph_of_models:
        assert {"shared_it.weight", "chain.deep.bias"} <= set(module.state_dict())
        assert module.shared_it is module.inner.shared_it


@pytest.mark.filterwarnings("ignore")
def test_words_go_to_torch():
    k = nncore
    model = with_weights(k.Sequential([k.Input((6,)), k.layers.Embedding(9, 4), k.layers.Conv1D(5, 3, padding="causal"),
                                       k.layers.GlobalMaxPooling1D(), k.layers.Dropout(0.2),
                                       k.layers.Dense(2)]))  # fmt: skip
    check_to_torch(model, data=[np.random.default_rng(0).integers(0, 9, (5, 6))])


def image_model(dtype):
    k = nncore
    return with_weights(k.Sequential([
        k.Input((8, 8, 3)), k.layers.Conv2D(6, 3, strides=2, padding="same"), k.layers.BatchNormalization(momentum=0.8),
        k.layers.Activation("relu"), k.layers.DepthwiseConv2D(3), k.layers.Flatten(),
        k.layers.Dense(5, trainable=False), k.layers.LayerNormalization(scale=False), k.layers.Dense(2),
    ], dtype=dtype))  # fmt: skip


def test_the_module_trains_as_the_model_does():
    """A step of gradient descent on both sides, and the weights of all layers but for the moving variance."""
    model = image_model("float64")
    module = to_torch(model)
    assert {p.dtype for p in module.parameters()} == {torch.float64}
    x, y = noise((6, 8, 8, 3), dtype="float64"), noise((6, 2), 1, "float64")
    model.compile(nncore.optimizers.SGD(0.05), "mse")
    model.train_on_batch(x, y)
    module.train()
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 0.05)
    F.mse_loss(module(torch.tensor(x)), torch.tensor(y)).backward()
    optimizer.step()
    state = to_torch(model).state_dict()
    for name, value in module.state_dict().items():
        if not name.endswith(("running_var", "num_batches_tracked")):
            assert_close(value.numpy(), state[name].numpy(), "float64", name)


def test_there_and_back_again():
    """The same layers come back, but for activations, which are layers of their own then."""
    model = image_model("float32")
    back = from_torch(to_torch(model), (8, 8, 3), data_format="channels_first")
    kinds = [[type(layer).__name__ for layer in m.layers if layer.weights] for m in (model, back)]
    assert kinds[0] == kinds[1]
    assert len(model.trainable_variables) == len(back.trainable_variables)


def test_copies_are_independent_and_pickled():
    import copy
    import pickle

    model = with_weights(nncore.Sequential([nncore.Input((3,)), nncore.layers.Dense(2, activation="gelu")]))
    x = noise((4, 3))
    before = model.predict(x)
    module = to_torch(model)
    with torch.no_grad():
        next(module.parameters()).zero_()
    assert (model.predict(x) == before).all()
    module = to_torch(model)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert_close(twin(torch.tensor(x)).detach().numpy(), before)


def test_every_layer_is_written_or_refused_with_a_reason():
    from nncore.interop.torch.writing import registry as writing

    ours = {thing.__name__ for name in nncore.layers.__all__ if isinstance(thing := getattr(nncore.layers, name), type)}
    assert ours == set(writing.LAYERS) | set(writing.REFUSED)
    assert not set(writing.LAYERS) & set(writing.REFUSED)


class Mine(nncore.layers.Layer):
    def forward(self, x):
        return x

    def backward(self, dy):
        return dy


def around(layer, shape=(4, 3)):
    return nncore.Sequential([nncore.Input(shape), layer])


@pytest.mark.parametrize(("make", "error", "words"), [
    (lambda: around(Mine(name="mine")), ValueError, r"'mine' \(Mine\)"),
    (lambda: around(nncore.layers.Masking(name="m")), ValueError, r"'m' \(Masking\).*no masks"),
    (lambda: around(nncore.layers.Embedding(3, 2, mask_zero=True), (4,)), ValueError, "mask_zero"),
    (lambda: around(nncore.layers.LSTM(2, dropout=0.1)), ValueError, "dropout=0.1"),
    (lambda: around(nncore.layers.GRU(2, reset_after=False)), ValueError, "reset_after"),
    (lambda: nncore.Sequential([nncore.layers.Dense(2)]), ValueError, "not built"),
    (lambda: t.Linear(2, 2), TypeError, "got Linear"),
])  # fmt: skip
def test_what_cannot_go_to_torch_is_named(make, error, words):
    with pytest.raises(error, match=words):
        to_torch(make())
