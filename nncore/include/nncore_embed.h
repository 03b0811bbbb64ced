/* Predictions of nncore's models from C, without the GIL.
 *
 * A program that embeds Python, or an extension of it, includes Python.h and then this file, compiled with what
 * nncore.get_include() gives among the folders of headers; nothing is linked. import_nncore() comes once in each source
 * file that uses it, before anything else, with the GIL.
 */
#ifndef NNCORE_EMBED_H
#define NNCORE_EMBED_H

#include <Python.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an nncore.embed.Predictor has inside. It lives as long as that object. */
typedef struct nncore_predictor nncore_predictor;

/* What nncore_predict returns. */
enum {
    NNCORE_OK = 0,
    NNCORE_BUSY = 1,        /* another thread is in it: y is as it was */
    NNCORE_BAD_ARGUMENT = 2 /* a negative number of rows, a pointer that is NULL: y is as it was */
};

/* Types of elements. */
enum {
    NNCORE_BOOL = 0,
    NNCORE_INT8 = 1,
    NNCORE_UINT8 = 2,
    NNCORE_INT16 = 3,
    NNCORE_UINT16 = 4,
    NNCORE_INT32 = 5,
    NNCORE_UINT32 = 6,
    NNCORE_INT64 = 7,
    NNCORE_UINT64 = 8,
    NNCORE_FLOAT16 = 9,
    NNCORE_FLOAT32 = 10,
    NNCORE_FLOAT64 = 11
};

/* An input or an output: its type, and the elements of one row. */
typedef struct nncore_port {
    int32_t type;
    int32_t reserved;
    int64_t size;
} nncore_port;

#define NNCORE_API_VERSION 1

/* What nncore.embed offers. Later versions add to the end. */
typedef struct nncore_api {
    int32_t version;
    nncore_predictor *(*predictor)(PyObject *object);
    int (*inputs)(const nncore_predictor *predictor);
    int (*outputs)(const nncore_predictor *predictor);
    nncore_port (*input)(const nncore_predictor *predictor, int number);
    nncore_port (*output)(const nncore_predictor *predictor, int number);
    int (*predict)(nncore_predictor *predictor, const void *const *x, int64_t rows, void *const *y);
} nncore_api;

static const nncore_api *nncore_functions = NULL;

/* Imports nncore. Returns 0, or -1 with an exception of Python's. */
static inline int import_nncore(void)
{
    PyObject *module = PyImport_ImportModule("nncore.embed");
    if (module == NULL)
        return -1;
    Py_DECREF(module);
    nncore_functions = (const nncore_api *)PyCapsule_Import("nncore.embed._api", 0);
    if (nncore_functions == NULL)
        return -1;
    if (nncore_functions->version < NNCORE_API_VERSION) {
        PyErr_Format(PyExc_ImportError, "this was compiled for version %d of nncore's functions; nncore has %d",
                     NNCORE_API_VERSION, (int)nncore_functions->version);
        nncore_functions = NULL;
        return -1;
    }
    return 0;
}

/* The predictor of a model's file, as a new reference to an nncore.embed.Predictor for `threads` threads; NULL with an
   exception. With the GIL. */
static inline PyObject *nncore_load(const char *path, int threads)
{
    PyObject *module = PyImport_ImportModule("nncore.embed"), *made = NULL;
    if (module != NULL)
        made = PyObject_CallMethod(module, "load", "si", path, threads);
    Py_XDECREF(module);
    return made;
}

/* What is inside an nncore.embed.Predictor, for as long as that is; NULL with an exception for another object. With the
   GIL. */
static inline nncore_predictor *nncore_predictor_of(PyObject *object) { return nncore_functions->predictor(object); }

/* How many inputs and outputs there are, and what each is. No GIL is needed from here on. */
static inline int nncore_inputs(const nncore_predictor *predictor) { return nncore_functions->inputs(predictor); }

static inline int nncore_outputs(const nncore_predictor *predictor) { return nncore_functions->outputs(predictor); }

static inline nncore_port nncore_input(const nncore_predictor *predictor, int number)
{
    return nncore_functions->input(predictor, number);
}

static inline nncore_port nncore_output(const nncore_predictor *predictor, int number)
{
    return nncore_functions->output(predictor, number);
}

/* y = the model's outputs for so many rows of x: a pointer for each input and output, whose rows have no gaps. */
static inline int nncore_predict_all(nncore_predictor *predictor, const void *const *x, int64_t rows, void *const *y)
{
    return nncore_functions->predict(predictor, x, rows, y);
}

/* The same for a model with one input and one output. */
static inline int nncore_predict(nncore_predictor *predictor, const void *x, int64_t rows, void *y)
{
    if (nncore_inputs(predictor) != 1 || nncore_outputs(predictor) != 1)
        return NNCORE_BAD_ARGUMENT;
    return nncore_predict_all(predictor, &x, rows, &y);
}

#ifdef __cplusplus
}
#endif

#endif
