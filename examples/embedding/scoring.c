/* An extension module in C that has a model compute without the GIL: score(predictor, x, y), for any objects with
 * buffers of the model's types, such as bytearray, array.array and NumPy's arrays. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <nncore_embed.h>

static Py_ssize_t bytes_of(nncore_port port)
{
    static const int bytes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8};
    return (Py_ssize_t)port.size * bytes[port.type];
}

static PyObject *score(PyObject *self, PyObject *arguments)
{
    PyObject *object, *result = NULL;
    Py_buffer x, y;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "Oy*w*:score", &object, &x, &y))
        return NULL;
    nncore_predictor *predictor = nncore_predictor_of(object);
    if (predictor != NULL) {
        const Py_ssize_t x_bytes = bytes_of(nncore_input(predictor, 0)), rows = x.len / x_bytes;
        if (nncore_inputs(predictor) != 1 || nncore_outputs(predictor) != 1) {
            PyErr_SetString(PyExc_ValueError, "a model with one input and one output is needed");
        } else if (rows * x_bytes != x.len || y.len != rows * bytes_of(nncore_output(predictor, 0))) {
            PyErr_SetString(PyExc_ValueError, "x and y must have whole rows, as many of each");
        } else {
            PyThreadState *const state = PyEval_SaveThread();
            const int code = nncore_predict(predictor, x.buf, rows, y.buf);
            PyEval_RestoreThread(state);
            if (code == NNCORE_OK)
                result = PyLong_FromSsize_t(rows);
            else
                PyErr_SetString(PyExc_RuntimeError, code == NNCORE_BUSY ? "the predictor is in use" : "bad argument");
        }
    }
    PyBuffer_Release(&x);
    PyBuffer_Release(&y);
    return result;
}

static PyMethodDef methods[] = {
    {"score", score, METH_VARARGS, "score(predictor, x, y): y = the model's outputs for x; returns the rows."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "scoring",
    .m_doc = "Predictions without the GIL.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_scoring(void)
{
    if (import_nncore() < 0)
        return NULL;
    return PyModule_Create(&module);
}
