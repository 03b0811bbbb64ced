/* A program in C with a model: predict MODEL.safetensors reads a row of numbers from each line of its input, and writes
 * the model's outputs. Python starts with it to load the model, and then waits; two threads, which know nothing of
 * Python, compute with a predictor each.
 *
 *     cc predict.c -o predict -I$(python3 -c 'import nncore; print(nncore.get_include())') \
 *         $(python3-config --cflags --embed --ldflags) -pthread
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <nncore_embed.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 2 };

typedef struct {
    nncore_predictor *predictor;
    const float *x;
    float *y;
    int64_t rows;
    int code;
} work;

static void *compute(void *argument)
{
    work *const mine = argument;
    mine->code = nncore_predict(mine->predictor, mine->x, mine->rows, mine->y);
    return NULL;
}

/* All numbers of a file; their count goes to *count. */
static float *read_numbers(FILE *file, int64_t *count)
{
    int64_t room = 1024;
    float *numbers = malloc((size_t)room * sizeof *numbers);
    *count = 0;
    while (numbers != NULL && fscanf(file, "%f", &numbers[*count]) == 1)
        if (++*count == room) {
            float *const larger = realloc(numbers, (size_t)(room *= 2) * sizeof *numbers);
            if (larger == NULL)
                free(numbers);
            numbers = larger;
        }
    return numbers;
}

static int run(PyObject *const *predictors)
{
    nncore_predictor *inside[THREADS];
    for (int t = 0; t < THREADS; t++)
        if ((inside[t] = nncore_predictor_of(predictors[t])) == NULL)
            return 1;
    const nncore_port in = nncore_input(inside[0], 0), out = nncore_output(inside[0], 0);
    if (nncore_inputs(inside[0]) != 1 || nncore_outputs(inside[0]) != 1 || in.type != NNCORE_FLOAT32) {
        fprintf(stderr, "predict: a model of float32 with one input and one output is needed\n");
        return 1;
    }

    int64_t count, failed = 0;
    float *const x = read_numbers(stdin, &count);
    const int64_t rows = count / in.size;
    float *const y = malloc((size_t)(rows * out.size + 1) * sizeof *y);
    if (x == NULL || y == NULL || rows * in.size != count) {
        fprintf(stderr, "predict: rows of %lld numbers are needed\n", (long long)in.size);
        free(x);
        free(y);
        return 1;
    }

    PyThreadState *const state = PyEval_SaveThread();
    pthread_t threads[THREADS];
    work parts[THREADS];
    for (int t = 0; t < THREADS; t++) {
        const int64_t first = rows * t / THREADS, end = rows * (t + 1) / THREADS;
        parts[t] = (work){inside[t], x + first * in.size, y + first * out.size, end - first, -1};
        if (pthread_create(&threads[t], NULL, compute, &parts[t]) != 0)
            abort();
    }
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        failed += parts[t].code != NNCORE_OK;
    }
    PyEval_RestoreThread(state);

    for (int64_t i = 0; !failed && i < rows * out.size; i++)
        printf("%.9g%c", (double)y[i], (i + 1) % out.size ? ' ' : '\n');
    free(x);
    free(y);
    return failed != 0;
}

int main(int argc, char **argv)
{
    PyObject *predictors[THREADS] = {NULL};
    int code = 1;
    if (argc != 2) {
        fprintf(stderr, "usage: predict MODEL.safetensors < rows\n");
        return 2;
    }
    Py_Initialize();
    if (import_nncore() == 0) {
        int loaded = 0;
        while (loaded < THREADS && (predictors[loaded] = nncore_load(argv[1], 1)) != NULL)
            loaded++;
        if (loaded == THREADS)
            code = run(predictors);
        while (loaded > 0)
            Py_DECREF(predictors[--loaded]);
    }
    if (PyErr_Occurred())
        PyErr_Print();
    Py_Finalize();
    return code;
}
