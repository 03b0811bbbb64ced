/* Calls of one variant's kernels, for tests/test_emulated.py: as a library, or as a program that answers calls on
 * its standard input with their results on its standard output. NN_TESTED_VARIANT is the variant's table. */
#include "nncore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const nn_variant NN_TESTED_VARIANT;

/* What test_emulated.py knows as CALL: words of eight bytes. */
typedef struct call {
    int64_t dtype, kernel;
    nn_block block;
    int64_t rows, first_row, step, update;
    uint64_t seed;
    double learning_rate;
    double coefficient[8];
    int64_t gradient, gradient_stride, order;
    int64_t nonfinite;
    int64_t pointers; /* bit i: slot i is a place in memory */
    nn_slot slots[NN_MAX_ARGUMENTS];
    int64_t bytes; /* of the memory that goes with the call */
} call;

/* A place is what is added to `memory`; 0 is NULL. */
static void *at(int64_t place, char *memory) { return place ? memory + place : NULL; }

__attribute__((visibility("default"))) void tested_call(call *c, char *memory)
{
    static _Alignas(64) char scratch[NN_SCRATCH_BYTES];
    nn_worker worker = {
        .rows = c->rows,
        .first_row = c->first_row,
        .order = at(c->order, memory),
        .step = c->step,
        .update = c->update,
        .turn = NN_UPDATING,
        .seed = c->seed,
        .learning_rate = c->learning_rate,
        .gradient = at(c->gradient, memory),
        .gradient_stride = c->gradient_stride,
        .scratch = scratch,
    };
    memcpy(worker.coefficient, c->coefficient, sizeof worker.coefficient);
    for (int i = 0; i < NN_MAX_ARGUMENTS; i++)
        if (c->pointers >> i & 1)
            c->slots[i].pointer = at(c->slots[i].size, memory);
    NN_TESTED_VARIANT.kernels[c->dtype][c->kernel](c->slots, &worker, &c->block);
    memcpy(c->coefficient, worker.coefficient, sizeof worker.coefficient);
    c->learning_rate = worker.learning_rate;
    c->nonfinite = worker.nonfinite;
}

__attribute__((visibility("default"))) int64_t tested_panel_width(int64_t dtype)
{
    return NN_TESTED_VARIANT.column_tile[dtype];
}

int main(void)
{
    int64_t widths[2] = {tested_panel_width(0), tested_panel_width(1)};
    if (fwrite(widths, sizeof widths, 1, stdout) != 1 || fflush(stdout))
        return 1;
    call now;
    while (fread(&now, sizeof now, 1, stdin) == 1) {
        char *memory = aligned_alloc(64, (size_t)(now.bytes + 63) / 64 * 64);
        if (!memory || fread(memory, (size_t)now.bytes, 1, stdin) != 1)
            return 1;
        tested_call(&now, memory);
        if (fwrite(&now, sizeof now, 1, stdout) != 1 || fwrite(memory, (size_t)now.bytes, 1, stdout) != 1 ||
            fflush(stdout))
            return 1;
        free(memory);
    }
    return 0;
}
