"""The text of an exported model: constants, the functions that it needs, and a call for each step."""

import re

import numpy as np

from nncore import __version__
from nncore._names import claim
from nncore.interop.c import library
from nncore.interop.c.memory import Memory
from nncore.interop.c.translation import Function, Numbers, Place, Real, Text, translate

# Types of inputs, and what they are called in C.
C_TYPES = {
    "float32": "float",
    "float64": "double",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
}

# Whether {x} has an integer part that int32 holds, for the types that have others.
_IN_RANGE = {
    "float32": "{x} > -2147483648.0f && {x} < 2147483648.0f",
    "float64": "{x} > -2147483648.0 && {x} < 2147483648.0",
    "uint32": "{x} <= INT32_MAX",
    "int64": "{x} >= INT32_MIN && {x} <= INT32_MAX",
    "uint64": "{x} <= INT32_MAX",
}

# Where a fused multiply-add is one instruction: the compiler's own names for that.
_FUSED = {
    "float": "defined(__FMA__) || defined(__FP_FAST_FMAF) || defined(__aarch64__) || \\\n"
             "    (defined(__ARM_FEATURE_FMA) && defined(__ARM_FP) && (__ARM_FP & 4))",
    "double": "defined(__FMA__) || defined(__FP_FAST_FMA) || defined(__aarch64__) || \\\n"
              "    (defined(__ARM_FEATURE_FMA) && defined(__ARM_FP) && (__ARM_FP & 8))",
}  # fmt: skip

_PREAMBLE = """\
#ifdef __FAST_MATH__
#error "-ffast-math lets the compiler change results: compile this file without it"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif

/* a b + c, rounded once: by the processor's instruction, or by the C library's {function} where NNCORE_LIBRARY_FMA says
   so. Without either it is rounded twice. */
#if defined(NNCORE_LIBRARY_FMA)
#include <math.h>
#define FUSED 1
#define FMA(a, b, c) {function}(a, b, c)
#elif defined(__GNUC__) && ({condition})
#define FUSED 1
#define FMA(a, b, c) __builtin_{function}(a, b, c)
#else
#define FUSED 0
#define FMA(a, b, c) ((a) * (b) + (c))
#endif"""


class Source:
    """The C of a recorded prediction.

    Parameters
    ----------
    recording : Recording
    name : str, what all that is visible from outside begins with
    title : str, what the model is called
    input_types : for each input a key of C_TYPES
    """

    def __init__(self, recording, name, title, input_types):
        self.recording, self.name, self.title, self.input_types = recording, name, title, input_types
        self.double = recording.dtype == np.float64
        self.real = "double" if self.double else "float"
        self._constants, self._known, self._needed = [], {}, {"real", "integer"}
        self._names = {*library.words(self.double), *C_TYPES.values(), "size_t", "rows", "scratch", "predict_row",
                       f"{name}_scratch", f"{name}_predict", f"{name}_predict_with"}  # fmt: skip
        self._functions = {}
        recording.leave_out_dead_steps()
        calls = [self._call(step) for step in recording.steps]
        direct = [C_TYPES[kind] == self.real for kind in input_types]
        self.memory = Memory(recording, [arguments for _, arguments in calls], direct)
        self._calls = self._formatted(calls)

    # ---- steps

    def _call(self, step):
        if step.kernel in ("gather_rows", "gather_labels"):
            return step.kernel, (Text(step.arguments["source"].name[1:]), Place(step.arguments["y"], True))
        if step.kernel == "store_rows":
            return step.kernel, (Place(step.arguments["x"], False), Text(step.arguments["target"].name[6:]))
        name, *arguments = translate(step)
        return name, tuple(arguments)

    def _formatted(self, calls):
        """Lines of C, those of a layer behind its name."""
        lines, layer = [], None
        for number, (step, (name, arguments)) in enumerate(zip(self.recording.steps, calls, strict=True)):
            if name in ("gather_rows", "gather_labels"):
                found = self._gathered(number, name, *arguments)
            elif name == "store_rows":
                found = self._stored(number, *arguments)
            else:
                self._needed.add(name)
                where = step.layer or "model"
                found = f"{name}({', '.join(self._argument(number, a, where) for a in arguments)});"
            if found is None:
                continue
            if step.layer and step.layer != layer:
                lines.append(f"/* {_comment(step.layer)} */")
            layer = step.layer
            lines.append(found)
        return lines

    def _gathered(self, number, kernel, which, place):
        which = int(which.text)
        where, _ = self.memory.where(number, place)
        if not isinstance(where, str):
            return None
        x, target, count = self._port("x", which), self._place(number, place), self.recording.input_widths[which]
        value = f"(real){x}[i]"
        if kernel == "gather_labels":
            value = f"(int32_t){x}[i]"
            if self.input_types[which] in _IN_RANGE:
                value = f"{_IN_RANGE[self.input_types[which]].format(x=f'{x}[i]')} ? {value} : INT32_MIN"
        return f"for (integer i = 0; i < {count}; i++)\n    ({target})[i] = {value};"

    def _stored(self, number, place, which):
        which = int(which.text)
        y = self._port("y", which)
        if self.memory.where(number, place) == (("y", which), 0):
            return None
        count = self.recording.output_widths[which]
        return f"for (integer i = 0; i < {count}; i++)\n    {y}[i] = ({self._place(number, place)})[i];"

    def _port(self, kind, number):
        """The parameter for an input ("x") or an output ("y")."""
        many = len(self.recording.input_widths if kind == "x" else self.recording.output_widths) > 1
        return f"{kind}{number}" if many else kind

    def _place(self, number, place):
        where, offset = self.memory.where(number, place)
        base = f"scratch->{where}" if isinstance(where, str) else self._port(*where)
        return f"{base} + {offset}" if offset else base

    def _argument(self, number, argument, layer):
        match argument:
            case None:
                return "0"
            case Text(text):
                if text in ("hyperbolic_tangent", "sigmoid"):
                    self._needed.add(text)
                return text
            case Real(value):
                return self._literal(value)
            case Place():
                return self._place(number, argument)
            case Numbers():
                return self._table(argument, layer)
            case Function():
                return self._function(number, argument, layer)
            case (base, matrix):
                return self._constant(matrix, base, layer)
            case np.ndarray():
                return self._constant(argument, argument, layer)
        return str(argument)

    # ---- constants

    def _literal(self, value):
        value = float(np.float64(value) if self.double else np.float32(value))
        if np.isnan(value):
            self._needed.add("NOT_A_NUMBER")
            return "NOT_A_NUMBER"
        if np.isinf(value):
            self._needed.add("INFINITE")
            return "INFINITE" if value > 0 else "-INFINITE"
        if value.is_integer() and abs(value) < 1e6 and (value or not np.signbit(value)):
            return str(int(value))
        return _hexadecimal([value], "" if self.double else "f")[0]

    def _constant(self, array, base, layer):
        """The name of a constant with these numbers, which begin where `base` does."""
        if array.size == 0:  # of windows without a tap
            return "0"
        array = np.ascontiguousarray(array)
        key = (array.shape, array.dtype.str, array.tobytes())
        if key not in self._known:
            if not np.isfinite(array).all():
                raise ValueError(f"c.export needs finite weights; layer {layer!r} has NaN or infinite ones")
            name = self._unique(self.recording.name_of(base) or f"{layer}_constant")
            suffix = "" if self.double else "f"
            numbers = _hexadecimal(array.ravel().tolist(), suffix)
            size = " * ".join(map(str, array.shape)) or "1"
            self._constants.append(f"static const real {name}[{size}] = {{\n{_wrapped(numbers)}\n}};")
            self._known[key] = name
        return self._known[key]

    def _table(self, numbers, layer):
        """Structs of integers: a constant, by address where it is one."""
        key = (numbers.type, numbers.count, numbers.values.tobytes())
        if key not in self._known:
            self._needed.add(numbers.type)
            name = self._unique(f"{layer}_{numbers.type}")
            rows = np.asarray(numbers.values).reshape(numbers.count, -1).tolist()
            listed = ", ".join("{" + ", ".join(map(str, row)) + "}" for row in rows)
            self._constants.append(f"static const {numbers.type} {name}[{numbers.count}] = {{{listed}}};")
            self._known[key] = name
        return self._known[key]

    def _function(self, number, function, layer):
        """The name of a static function with this call."""
        self._needed.add(function.name)
        call = f"{function.name}({', '.join(self._argument(number, a, layer) for a in function.arguments)});"
        if call not in self._functions:
            name = self._unique(f"{layer}_activation")
            self._functions[call] = (
                name, f"static void {name}(integer count, const real *x, real *y)\n{{\n    {call}\n}}")  # fmt: skip
        return self._functions[call][0]

    def _unique(self, wanted):
        """A name in C that is not taken: the one that is wanted, with a number if need be."""
        wanted = re.sub(r"\W", "_", wanted, flags=re.ASCII)
        wanted = wanted if wanted[:1].isalpha() else f"w_{wanted}"
        return claim(wanted, self._names, first=2)

    # ---- the whole

    def declarations(self):
        """What a caller sees."""
        name, sizes = self.name, []
        for kind, widths in (("INPUT", self.recording.input_widths), ("OUTPUT", self.recording.output_widths)):
            for number, width in enumerate(widths):
                place = f"_{number}" if len(widths) > 1 else ""
                sizes.append(f"#define {name.upper()}_{kind}{place}_SIZE {width}")
        members = [f"    {self.real} numbers[{max(1, self.memory.sizes['numbers'])}];"]
        if self.memory.sizes["indices"]:
            members.append(f"    int32_t indices[{self.memory.sizes['indices']}];")
        sizes = "\n".join(sizes)
        members = "\n".join(members)
        return f"""\
/* Elements of a row. */
{sizes}

/* What a prediction works in; its contents before and after do not matter. */
typedef struct {{
{members}
}} {name}_scratch;

/* y = the model's outputs for so many rows of x, one after the other without gaps. x and y may not overlap. It may be
   called from several threads at once, each with a scratch of its own. */
void {name}_predict_with({name}_scratch *scratch, {self._parameters()}, size_t rows);

/* The same with a scratch that there is once: for one thread at a time. NNCORE_NO_STATIC_SCRATCH leaves it out. */
#ifndef NNCORE_NO_STATIC_SCRATCH
void {name}_predict({self._parameters()}, size_t rows);
#endif"""

    def header(self):
        """A header of its own."""
        guard = f"{self.name.upper()}_H"
        return f"""\
/* {self._title()} */
#ifndef {guard}
#define {guard}

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

{self.declarations()}

#ifdef __cplusplus
}}
#endif

#endif
"""

    def text(self):
        """The whole file."""
        name, inputs, outputs = self.name, self.recording.input_widths, self.recording.output_widths
        body = "\n".join(f"    {line}" for call in self._calls for line in call.split("\n"))
        functions = "".join(f"{text}\n\n" for _, text in self._functions.values())
        ports = [self._port("x", n) for n in range(len(inputs))] + [self._port("y", n) for n in range(len(outputs))]
        advances = ", ".join(f"{port} += {width}" for port, width in zip(ports, [*inputs, *outputs], strict=True))
        function = "fma" if self.double else "fmaf"
        preamble = _PREAMBLE.replace("{function}", function).replace("{condition}", _FUSED[self.real])
        constants = "\n\n".join(self._constants)
        unused = [port for port in ("scratch", *ports) if not re.search(rf"\b{port}\b", body)]
        body = "\n".join([*(f"    (void){port};" for port in unused), body])
        return f"""\
/* {self._title()}

   C99 without any library, allocation or global state but the scratch. Predictions are the same bits as the model's own
   where the compiler has fused multiply-adds (-mfma or -march=native on x86-64, Arm with VFPv4, AArch64); without, they
   are those of nncore's variant "generic". */
#include <stddef.h>
#include <stdint.h>

/* ---- what callers see */

{self.declarations()}

/* ---- arithmetic */

{preamble}

{library.needed(self._needed, self.double)}

/* ---- the model */

{constants}

{functions}static void predict_row({name}_scratch *scratch, {self._parameters()})
{{
{body}
}}

void {name}_predict_with({name}_scratch *scratch, {self._parameters()}, size_t rows)
{{
    for (; rows > 0; rows--, {advances})
        predict_row(scratch, {", ".join(ports)});
}}

#ifndef NNCORE_NO_STATIC_SCRATCH
void {name}_predict({self._parameters()}, size_t rows)
{{
    static {name}_scratch scratch;
    {name}_predict_with(&scratch, {", ".join(ports)}, rows);
}}
#endif
"""

    def _title(self):
        return f"{_comment(self.title)}, exported by nncore {__version__}."

    def _parameters(self):
        inputs = [f"const {C_TYPES[kind]} *{self._port('x', number)}" for number, kind in enumerate(self.input_types)]
        outputs = [f"{self.real} *{self._port('y', number)}" for number in range(len(self.recording.output_widths))]
        return ", ".join([*inputs, *outputs])


def _hexadecimal(values, suffix):
    """Finite numbers in C's hexadecimal notation."""
    return (re.sub(r"\.?0*p", "p", f"{suffix} ".join(map(float.hex, values))) + suffix).split(" ")


def _wrapped(numbers, width=116):
    """Numbers with commas between them, in lines."""
    lines, line = [], ""
    for number in numbers:
        if len(line) + len(number) + 2 > width:
            lines.append(line.rstrip())
            line = ""
        line += number + ", "
    return "\n".join(f"    {line}" for line in [*lines, line.rstrip(", ")])


def _comment(text):
    """A text that can stand in a comment."""
    return re.sub(r"[^ -~]|\?", "_", str(text)).replace("*/", "* /").replace("/*", "/ *")
