/* Preloaded by out_of_memory.py: of the allocations that are made while it is armed, the nth of at least `least` bytes
   fails. Those of OpenMP and the dynamic linker do not count: they end the process when they get none. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static long armed, counted, failing, least, failed;

static int denied(size_t size, void *caller)
{
    Dl_info from;
    if (!armed || (long)size < least)
        return 0;
    if (dladdr(caller, &from) && from.dli_fname && (strstr(from.dli_fname, "libgomp") || strstr(from.dli_fname, "ld-")))
        return 0;
    if (__atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED) != failing)
        return 0;
    failed = 1;
    errno = ENOMEM;
    return 1;
}

#define DENIED(size) denied(size, __builtin_return_address(0))

void *malloc(size_t size) { return DENIED(size) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return DENIED(count * size) ? NULL : __libc_calloc(count, size); }
void *realloc(void *memory, size_t size) { return DENIED(size) ? NULL : __libc_realloc(memory, size); }
void *aligned_alloc(size_t alignment, size_t size) { return DENIED(size) ? NULL : __libc_memalign(alignment, size); }
int posix_memalign(void **memory, size_t alignment, size_t size)
{
    if (DENIED(size))
        return ENOMEM;
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

void arm(long nth, long bytes)
{
    counted = failed = 0;
    failing = nth;
    least = bytes;
    armed = 1;
}

/* Whether an allocation has failed since. */
long disarm(void)
{
    armed = 0;
    return failed;
}
