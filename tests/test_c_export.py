"""Exported C is compiled, and computes what `predict` does to the last bit."""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from test_random_graphs import Case

import nncore as nn
from nncore import _engine
from nncore.interop.c import library, translation
from nncore.interop.c.translation import TRANSLATIONS

L = nn.layers
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
X86 = platform.machine() in ("x86_64", "AMD64")
FUSED = _engine.variant() != "generic"
# As the variant at hand: Arm's processors of 64 bits always have fused multiply-adds.
ISA = ["-mavx2", "-mfma"] if X86 and FUSED else []
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]

pytestmark = [
    pytest.mark.skipif(not COMPILERS, reason="needs GCC or Clang"),
    pytest.mark.skipif(not X86 and not FUSED, reason="this machine's C has fused multiply-adds"),
]


def compile_c(source, target, *flags, compiler=None, wanted=0):
    """Compiles a file; returns what the compiler said."""
    command = [compiler or COMPILERS[0], *flags, str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == wanted, done.stderr
    return done.stderr


class Compiled:
    """A model's C as a library of this process."""

    def __init__(self, model, folder, *flags, compiler=None, name="m", **options):
        self.model, self.name = model, name
        self.path = folder / f"{name}.c"
        nn.interop.c.export(model, self.path, name, **options)
        library = folder / f"{name}_{len(list(folder.iterdir()))}.so"
        compile_c(self.path, library, *STRICT, *(flags or ["-O1", *ISA]), "-shared", "-fPIC", compiler=compiler)
        self.library = ctypes.CDLL(str(library))

    def __call__(self, *xs, scratch=None):
        """The outputs for arrays of the types that the C takes."""
        rows = len(xs[0])
        ys = [np.full((rows, *shape), 7, self.model.dtype) for shape in self.model.graph.output_shapes]
        function = getattr(self.library, f"{self.name}_predict" if scratch is None else f"{self.name}_predict_with")
        function.restype = None
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in ([] if scratch is None else [scratch]) + [*xs, *ys]]
        function(*pointers, ctypes.c_size_t(rows))
        return ys


def predicted(model, *xs):
    y = model.predict(xs[0] if len(xs) == 1 else list(xs), verbose=0)
    return y if isinstance(y, list) else [y]


def check(model, xs, folder, *flags, **options):
    """The C of a model computes the same bits; NaN may have others."""
    compiled = Compiled(model, folder, *flags, **options)
    for name, wanted, got in zip(model.output_names, predicted(model, *xs), compiled(*xs), strict=True):
        as_bits = f"u{wanted.itemsize}"
        same = (wanted.view(as_bits) == got.view(as_bits)) | (np.isnan(wanted) & np.isnan(got))
        assert same.all(), (name, wanted[~same], got[~same])
    return compiled


def branches(inputs, outputs, dtype):
    model = nn.Model(inputs, outputs, dtype=dtype, seed=3)
    random = np.random.default_rng(5)
    for weight in model.weights:
        weight[...] += random.uniform(0, 0.3, weight.shape)  # biases and moving averages that are not 0 or 1
    return model


# ---- every function of an element

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-3, -1e-3, 3.0, -3.0, 6.0, 1e-30, -1e-30, 1e-40, -1e-40, 88.7, 89.5, -87.3,
           -104.0, -200.0, 300.0, 709.9, -745.2, -800.0, 1e10, -1e10, 3e38, -3e38, np.inf, -np.inf, np.nan]  # fmt: skip


def activation(name):
    function = getattr(nn.activations, name)
    return function.with_parameters(0.5) if name == "threshold" else function


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations(dtype, tmp_path):
    names = [name for name in nn.activations.__all__ if type(getattr(nn.activations, name)).__module__ ==
             "nncore._activation" and not getattr(nn.activations, name)._signature.parameters.keys() & {"axis"}]
    names = [name for name in names if getattr(nn.activations, name).steps is not None]
    assert len(names) >= 20
    random = np.random.default_rng(0)
    x = np.concatenate([SPECIAL, *(random.standard_normal(500) * scale for scale in (0.01, 1.0, 10.0, 100.0))])
    x = x[: x.size // 10 * 10].reshape(10, -1).astype(dtype)
    inputs = nn.Input((x.shape[1],))
    outputs = [L.Activation(activation(name), name=f"of_{name}")(inputs) for name in names]
    relu = L.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.3, name="relu_of_three")
    outputs += [relu(inputs), L.LeakyReLU(0.2)(inputs), L.ELU(0.7)(inputs), L.PReLU("uniform")(inputs)]
    check(branches(inputs, outputs, dtype), [x], tmp_path, "-O3", *ISA)


# ---- every layer

def image_branches(x):
    """Outputs of all layers for images."""
    return [
        L.Conv2D(5, 3, activation="relu")(x), L.Conv2D(4, (2, 3), strides=(2, 1), padding="same")(x),
        L.Conv2D(6, 3, dilation_rate=2, padding="same", groups=2, use_bias=False)(x), L.Conv2D(37, 1)(x),
        L.Conv2DTranspose(5, 3, strides=2, padding="same", activation="tanh")(x),
        L.Conv2DTranspose(3, 4, strides=(3, 2))(x), L.Conv2DTranspose(3, 2, dilation_rate=2, use_bias=False)(x),
        L.Conv2DTranspose(2, 1, strides=3)(x), L.DepthwiseConv2D(3, padding="same", activation="relu")(x),
        L.DepthwiseConv2D((2, 3), strides=2, depth_multiplier=2)(x), L.SeparableConv2D(7, 3)(x),
        L.MaxPooling2D()(x), L.MaxPooling2D(3, strides=2, padding="same")(x), L.AveragePooling2D((2, 3))(x),
        L.AveragePooling2D(3, strides=2, padding="same")(x), L.GlobalMaxPooling2D(keepdims=True)(x),
        L.GlobalAveragePooling2D()(x), L.BatchNormalization()(x), L.LayerNormalization()(x),
        L.LayerNormalization(axis=[1, 2, 3], center=False)(x), L.RMSNormalization()(x),
        L.GroupNormalization(groups=2)(x), L.UnitNormalization()(x), L.Flatten()(x),
        L.Reshape((-1, 2))(x), L.Permute((3, 1, 2))(x),
        L.ZeroPadding2D(((1, 0), (2, 3)))(x), L.Cropping2D(((1, 0), (2, 1)))(x), L.UpSampling2D((2, 3))(x),
        L.UpSampling2D(2, interpolation="bilinear")(x), L.Rescaling(1 / 255, -0.5)(x), L.Dropout(0.5)(x),
        L.PReLU("uniform", shared_axes=[1, 2])(x), L.PReLU("uniform", shared_axes=[3])(x), L.Softmax(axis=1)(x),
        L.Activation("log_softmax")(x), L.Dense(33, activation="softmax")(x), L.GaussianNoise(0.1)(x),
    ]  # fmt: skip


def sequence_branches(x, y):
    """Outputs of layers for one or two sequences."""
    return [
        L.Conv1D(5, 3, padding="causal", dilation_rate=2)(x), L.Conv1DTranspose(4, 3, strides=2)(x),
        L.DepthwiseConv1D(3)(x), L.SeparableConv1D(4, 2)(x), L.MaxPooling1D(3, padding="same")(x),
        L.AveragePooling1D(2)(x), L.GlobalMaxPooling1D()(x), L.ZeroPadding1D(2)(x), L.Cropping1D(1)(x),
        L.UpSampling1D(2)(x), L.Add()([x, y, x]), L.Subtract()([x, y]), L.Multiply()([x, y]), L.Average()([x, y, y]),
        L.Maximum()([x, y]), L.Minimum()([x, y]), L.Concatenate()([x, y]), L.Concatenate(axis=1)([x, y]),
        L.Dot(axes=2)([x, y]), L.Dot(axes=1, normalize=True)([x, y]), L.Dot(axes=(1, 1))([x, y]),
        L.RepeatVector(3)(L.Flatten()(x)), L.SimpleRNN(5)(x),
        L.SimpleRNN(3, activation="relu", return_sequences=True)(x), L.LSTM(4)(x),
        L.LSTM(4, return_sequences=True, go_backwards=True)(x),
        L.LSTM(3, activation="gelu", recurrent_activation="hard_sigmoid")(x), L.GRU(5)(x),
        L.GRU(4, reset_after=False, return_sequences=True)(x), L.GRU(3, activation="elu", use_bias=False)(x),
        L.Bidirectional(L.LSTM(3, return_sequences=True))(x), L.TimeDistributed(L.Dense(3))(x),
        L.MultiHeadAttention(2, 3)(x, y), L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True),
        L.Attention()([x, y]), L.AdditiveAttention()([x, y]), L.LSTM(4)(L.Masking(0.0)(x)),
        L.GlobalAveragePooling1D()(L.Masking(0.0)(x)), x * 2.0 - y, L.Activation("glu")(x),
        L.Dense(4)(L.Dense(40, activation="relu")(x)), x,
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_of_images(dtype, tmp_path):
    x = nn.Input((9, 8, 4))
    model = branches(x, image_branches(x), dtype)
    data = np.random.default_rng(1).standard_normal((3, 9, 8, 4)).astype(dtype)
    data[1, 2:4] = 0
    data[2, 0, 0, 0] = -0.0
    check(model, [data], tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_of_sequences(dtype, tmp_path):
    x, y = nn.Input((7, 6)), nn.Input((7, 6))
    model = branches([x, y], sequence_branches(x, y), dtype)
    data = [np.random.default_rng(seed).standard_normal((3, 7, 6)).astype(dtype) for seed in (1, 2)]
    data[0][1, 3:] = 0
    check(model, data, tmp_path)


def test_numbers_of_rows(tmp_path):
    numbers, features = nn.Input((6,)), nn.Input((2,))
    embedded = L.Embedding(11, 5, mask_zero=True)(numbers)
    outputs = [embedded, L.LSTM(4)(embedded), L.GlobalAveragePooling1D()(embedded), L.Dense(3)(features),
               L.GRU(3, return_sequences=True)(embedded), L.Concatenate()([L.Flatten()(embedded), features]),
               L.Embedding(40, 2)(L.Rescaling(2.0)(numbers))]  # fmt: skip
    model = branches([numbers, features], outputs, "float32")
    random = np.random.default_rng(0)
    data = random.integers(0, 11, (5, 6)), random.standard_normal((5, 2)).astype(np.float32)
    compiled = check(model, [data[0].astype(np.float32), data[1]], tmp_path, name="from_float")
    check(model, [data[0].astype(np.int32), data[1]], tmp_path, name="from_int", input_dtype=["int32", None])
    check(model, [data[0].astype(np.uint8), data[1]], tmp_path, name="from_byte", input_dtype=["uint8", "float32"])
    for kind in ("uint32", "int64", "uint64"):
        wide = check(model, [data[0].astype(kind), data[1]], tmp_path, "-O0", *ISA, name=kind, input_dtype=[kind, None])
        far = np.array([[0, 10, 11, 2**31, 2**32 - 1, 2**32 - 1 if kind == "uint32" else 2**32]], kind)
        rows = np.isnan(wide(far, data[1][:1])[0][0]).all(-1)
        assert rows.tolist() == [False, False, True, True, True, True]
    strange = np.array([[-1, 11, np.nan, np.inf, 3e9, 10.9]], np.float32)
    assert np.isnan(compiled(strange, data[1][:1])[0][0]).all(-1).tolist() == [True, True, True, True, True, False]


@pytest.mark.parametrize("first", [0, 500])
def test_random_graphs(first, tmp_path):
    for seed in range(first, first + 8):
        case = Case(seed)
        xs = case.x if isinstance(case.x, list) else [case.x]
        check(case.model, [np.asarray(x, np.float64) for x in xs], tmp_path, "-O0", *ISA, name=f"graph_{seed}")


def test_every_forward_kernel_has_its_c():
    forward = {name for name in _engine.KERNELS if name.endswith("_forward")}
    assert forward - set(TRANSLATIONS) == set()
    defined = {name for double in (False, True) for _, names, _ in library.pieces(double) for name in names}
    text = Path(translation.__file__).read_text(encoding="utf-8")
    assert {name for name in re.findall(r'\("(\w+)"', text) if name.islower()} <= defined | {"count", "x", "y"}


# ---- compilers and their options

def convolutional(dtype="float32"):
    """A network with products, windows, a normalization, square roots and exponentials."""
    model = nn.Sequential([
        nn.Input((12, 12, 3)), L.Rescaling(1 / 255), L.Conv2D(40, 3, activation="relu"), L.BatchNormalization(),
        L.MaxPooling2D(), L.DepthwiseConv2D(3, activation="gelu"), L.Flatten(), L.LayerNormalization(),
        L.Dense(35, activation="tanh"), L.Dense(10, activation="softmax"),
    ], dtype=dtype, seed=1)  # fmt: skip
    return model


IMAGES = np.random.default_rng(4).integers(0, 256, (5, 12, 12, 3))


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("options", [["-O3"], ["-O2", "-std=gnu11"], ["-Os"]], ids=" ".join)
def test_compilers(compiler, options, tmp_path):
    check(convolutional(), [IMAGES.astype(np.float32)], tmp_path, *options, *ISA, compiler=compiler)


@pytest.mark.skipif(not X86 or not FUSED, reason="once, where multiply-adds may be fused or not")
def test_without_fused_instructions(tmp_path):
    model, x = convolutional(), IMAGES.astype(np.float32)
    check(model, [x], tmp_path, "-O2", "-DNNCORE_LIBRARY_FMA", "-lm", name="of_library")
    generic = Compiled(model, tmp_path, "-O3", "-msse2")(x)[0]
    assert (generic != predicted(model, x)[0]).any()
    model.save(tmp_path / "model.safetensors")
    np.save(tmp_path / "x.npy", x)
    code = ("import sys, numpy as np, nncore as nn; "
            "model = nn.models.load_model('model.safetensors'); "
            "np.save('y.npy', model.predict(np.load('x.npy'), verbose=0))")  # fmt: skip
    paths = os.pathsep.join([os.path.dirname(os.path.dirname(nn.__file__)), *sys.path])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path,
                   env={**os.environ, "NNCORE_ISA": "generic", "PYTHONPATH": paths})  # fmt: skip
    assert np.array_equal(generic, np.load(tmp_path / "y.npy"))


@pytest.mark.skipif(not FUSED or not all(map(shutil.which, ["aarch64-linux-gnu-gcc", "qemu-aarch64"])),
                    reason="needs a compiler for AArch64, and QEMU")  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_another_processor(dtype, tmp_path):
    model, x = convolutional(dtype), IMAGES.astype(dtype)
    nn.interop.c.export(model, tmp_path / "net.c", header=tmp_path / "net.h")
    real = "float" if dtype == "float32" else "double"
    (tmp_path / "main.c").write_text(
        f'#include "net.h"\n#include <stdio.h>\nint main(void)\n{{\n    static {real} x[5 * NET_INPUT_SIZE], '
        f"y[5 * NET_OUTPUT_SIZE];\n    if (fread(x, 1, sizeof x, stdin) != sizeof x)\n        return 1;\n"
        "    net_predict(x, y, 5);\n    return fwrite(y, 1, sizeof y, stdout) != sizeof y;\n}\n"
    )
    command = ["aarch64-linux-gnu-gcc", "-std=gnu11", "-O3", "-static", "net.c", "main.c", "-o", "main"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    if "cannot find" in done.stderr or "No such file" in done.stderr:
        pytest.skip("no C library for AArch64")
    assert done.returncode == 0, done.stderr
    done = subprocess.run(["qemu-aarch64", tmp_path / "main"], input=x.tobytes(), capture_output=True, check=True)
    assert done.stdout == model.predict(x, verbose=0).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_is_needed(dtype, tmp_path):
    """No library, and for float32 nothing of double."""
    nn.interop.c.export(convolutional(dtype), tmp_path / "net.c")
    double = ["-Wdouble-promotion", "-Wfloat-conversion"] if dtype == "float32" else []
    for compiler in COMPILERS:
        compile_c(tmp_path / "net.c", tmp_path / "net.o", *STRICT, *double, "-Wshadow", "-ffreestanding", "-O2", *ISA,
                  "-c", compiler=compiler)  # fmt: skip
        if shutil.which("nm"):
            listed = subprocess.run(["nm", "-u", tmp_path / "net.o"], capture_output=True, text=True, check=True).stdout
            assert set(listed.split()) <= {"U", "memset", "memcpy", "memmove", "_GLOBAL_OFFSET_TABLE_"}
    text = (tmp_path / "net.c").read_text()
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert bool(re.search(r"\bdouble\b", code)) == (dtype == "float64")
    assert [line for line in text.splitlines() if line.startswith("#include")] == [
        "#include <stddef.h>", "#include <stdint.h>", "#include <math.h>"]  # fmt: skip
    assert "fast-math" in compile_c(tmp_path / "net.c", tmp_path / "net.o", "-ffast-math", "-c", wanted=1)


@pytest.mark.skipif("gcc" not in COMPILERS, reason="needs GCC's sanitizers")
def test_sanitizers(tmp_path):
    x, y = nn.Input((9, 8, 4)), nn.Input((7, 6))
    z, w = nn.Input((7, 6)), nn.Input((4,))
    outputs = [*image_branches(x), *sequence_branches(y, z), L.Embedding(5, 3, mask_zero=True)(w)]
    model = branches([x, y, z, w], outputs, "float32")
    nn.interop.c.export(model, tmp_path / "net.c", "net", header=tmp_path / "net.h")
    sizes = [f"NET_{kind}_{n}_SIZE" for kind, count in (("INPUT", 4), ("OUTPUT", len(outputs))) for n in range(count)]
    allocated = "\n".join(f"    float *p{n} = calloc(2 * {size}, sizeof(float));" for n, size in enumerate(sizes))
    given = ", ".join(f"p{n}" for n in range(len(sizes)))
    freed = "\n".join(f"    free(p{n});" for n in range(len(sizes)))
    (tmp_path / "main.c").write_text(
        f'#include "net.h"\n#include <stdlib.h>\nint main(void)\n{{\n{allocated}\n'
        f"    net_scratch *scratch = malloc(sizeof *scratch);\n    net_predict_with(scratch, {given}, 2);\n"
        f"    net_predict({given}, 2);\n    free(scratch);\n{freed}\n    return 0;\n}}\n"
    )
    flags = ["-O0", *ISA, "-fsanitize=address,undefined", "-fno-sanitize-recover=all", str(tmp_path / "net.c")]
    done = subprocess.run(["gcc", *flags, str(tmp_path / "main.c"), "-o", str(tmp_path / "main")], capture_output=True,
                          text=True, check=False)  # fmt: skip
    if "cannot find" in done.stderr:
        pytest.skip("no sanitizers here")
    assert done.returncode == 0, done.stderr
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_square_roots(dtype, tmp_path):
    nn.interop.c.export(nn.Sequential([nn.Input((3,)), L.LayerNormalization()], dtype=dtype), tmp_path / "m.c")
    (tmp_path / "roots.c").write_text('#include "m.c"\nvoid roots(const real *x, real *y, size_t count)\n{\n'
                                      "    for (size_t i = 0; i < count; i++)\n        y[i] = sqrt_of(x[i]);\n}\n")
    compile_c(tmp_path / "roots.c", tmp_path / "roots.so", *STRICT, "-O2", *ISA, "-shared", "-fPIC")
    bits = np.dtype(f"u{np.dtype(dtype).itemsize}")
    random = np.random.default_rng(0).integers(0, np.iinfo(bits).max, 100000, dtype=bits, endpoint=True).view(dtype)
    squares = np.arange(1, 3000, dtype=dtype) ** 2
    x = np.concatenate([np.array(SPECIAL, dtype), random, squares, np.nextafter(squares, np.inf, dtype=dtype)])
    y = np.empty_like(x)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (x, y)]
    ctypes.CDLL(str(tmp_path / "roots.so")).roots(*pointers, ctypes.c_size_t(x.size))
    with np.errstate(invalid="ignore"):
        wanted = np.sqrt(x)
    assert np.array_equal(wanted, y, equal_nan=True)
    assert np.array_equal(np.signbit(wanted[~np.isnan(wanted)]), np.signbit(y[~np.isnan(y)]))


# ---- how it is used

def test_scratch_may_hold_anything(tmp_path):
    x, y = nn.Input((7, 6)), nn.Input((7, 6))
    model = branches([x, y], sequence_branches(x, y), "float64")
    data = [np.random.default_rng(seed).standard_normal((4, 7, 6)) for seed in (1, 2)]
    compiled = Compiled(model, tmp_path, header=tmp_path / "m.h")
    (tmp_path / "size.c").write_text('#include "m.h"\n#include <stdio.h>\n'
                                     'int main(void) { printf("%zu", sizeof(m_scratch)); return 0; }')  # fmt: skip
    compile_c(tmp_path / "size.c", tmp_path / "size")
    size = int(subprocess.run([tmp_path / "size"], capture_output=True, check=True).stdout)
    wanted, found = predicted(model, *data), []

    def run(part):
        scratch = np.full(size // 8, np.nan)
        found.append((part, compiled(*(each[part : part + 1] for each in data), scratch=scratch)))

    threads = [threading.Thread(target=run, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for part, ys in found:
        assert all(np.array_equal(a[part : part + 1], b) for a, b in zip(wanted, ys, strict=True))


def test_types_of_inputs(tmp_path):
    model = nn.Sequential([nn.Input((12, 12, 3)), L.Rescaling(1 / 255)])
    for number, kind in enumerate(["uint8", "int8", "int16", "uint16", "int32", "int64", "uint64", np.float64]):
        check(model, [IMAGES.astype(kind)], tmp_path, "-O0", name=f"of_{number}", input_dtype=kind)
    assert "const uint8_t *x" in (tmp_path / "of_0.c").read_text()


def test_no_rows_one_row_and_weights_that_change(tmp_path):
    model = nn.Sequential([nn.Input((3,)), L.Dense(2, name="for")])  # a word of C
    x = np.ones((3, 3), np.float32)
    compiled = check(model, [x], tmp_path)
    assert compiled(x[:0])[0].shape == (0, 2)
    assert np.array_equal(compiled(x[:1])[0], model.predict(x[:1], verbose=0))
    before = compiled(x)[0]
    model.weights[0][...] += 1
    assert np.array_equal(compiled(x)[0], before)


def test_memory_is_shared_and_ports_are_used_in_place(tmp_path):
    def scratch_of(*layers):
        nn.interop.c.export(nn.Sequential([nn.Input((10,)), *layers]), tmp_path / "net.c")
        text = (tmp_path / "net.c").read_text()
        return int(text.split("float numbers[")[1].split("]")[0])

    assert scratch_of(L.Dense(5)) == 1  # from x to y
    assert scratch_of(L.Dense(50), L.Dense(5)) == 50
    assert scratch_of(L.Dense(50), L.Dense(40), L.Dense(30), L.Dense(20), L.Dense(5)) == 90


def test_shared_layers_models_as_layers_and_an_output_that_is_an_input(tmp_path):
    inner = nn.Sequential([nn.Input((4,)), L.Dense(4, activation="relu"), L.Dense(4)])
    x, y = nn.Input((4,)), nn.Input((4,))
    a, b = inner(x), inner(y)
    model = branches([x, y], [a, b, a + b, y, a], "float32")
    data = [np.random.default_rng(seed).standard_normal((3, 4)).astype(np.float32) for seed in (1, 2)]
    compiled = check(model, data, tmp_path)
    assert compiled.path.read_text().count("static const real dense") == 4  # weights are there once


@pytest.mark.parametrize("name", ["of", "softmax", "x", "dense", "R", "odd"])
def test_names(name, tmp_path):
    """Of models, layers and weights, whatever else they mean in C."""
    layers = [L.Dense(3, name="dense"), L.Dense(3, name="of"), L.Dense(3, name="scale"), L.Dense(3, name="9 ?? ("),
              L.Dense(3, name="für"), L.Dense(3, name="x_predict"), L.PReLU("ones", name="uint8"), L.Softmax(name="y")]
    model = nn.Sequential([nn.Input((3,)), *layers], name="a model */ #")
    check(model, [np.ones((2, 3), np.float32)], tmp_path, "-O0", *ISA, name=name)


def test_headers(tmp_path):
    nn.interop.c.export(convolutional(), tmp_path / "of-images.c", header=tmp_path / "images.h")
    (tmp_path / "main.c").write_text('#include "images.h"\n#include "images.h"\n'
                                     "int main(void) { return sizeof(of_images_scratch) == OF_IMAGES_INPUT_SIZE; }\n")
    compile_c(tmp_path / "main.c", tmp_path / "main", *STRICT)
    if shutil.which("g++"):
        compile_c(tmp_path / "main.c", tmp_path / "main", "-x", "c++", "-Wall", "-Werror", compiler="g++")


class Doubled(L.Layer):
    """2 x, in NumPy."""

    def forward(self, x):
        return 2 * x


def test_refusals(tmp_path):
    path = tmp_path / "net.c"
    inputs = nn.Input((3,))
    model = nn.Sequential([inputs, L.Dense(2, name="only")])

    def refused(words, given=model, error=ValueError, **options):
        with pytest.raises(error, match=words):
            nn.interop.c.export(given, path, **options)
        assert list(tmp_path.iterdir()) == []

    refused("must be a Model", L.Dense(2), TypeError)
    refused("has no shape yet", nn.Sequential([L.Dense(2)]))
    refused("identifier in C; got 'a-b'", name="a-b")
    refused("identifier in C; got 'while'", name="while")
    refused("must be a string", error=TypeError, name=3)
    refused("path and header must be two files", header=str(path))
    refused("input_dtype must be one of float32, .*; got 'float16'", input_dtype="float16")
    refused("1 inputs; input_dtype has 2", input_dtype=["int8", "int8"])
    refused("layer 'doubled' .* in Python", nn.Sequential([nn.Input((3,)), Doubled(name="doubled")]))
    refused("stateful layers; layer 'kept'", nn.Sequential([nn.Input((4, 3)), L.LSTM(2, stateful=True, name="kept")]))
    model.weights[0][0, 0] = np.inf
    refused("layer 'only' has NaN or infinite")
