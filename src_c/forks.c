/* Forks. GNU's OpenMP keeps the threads of a thread's regions in a pool of that thread's. In a forked child the pool of
 * the thread that called fork() is still there, without threads behind it, and its next region waits for them for ever.
 * So that thread lets its pool go before the fork, and parent and child get new ones. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "nncore.h"

#if defined(_OPENMP) && !defined(_WIN32) /* which knows no fork */
#include <omp.h>
#include <pthread.h>
#ifdef __linux__
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static int first_pool_is_doubtful = 0; /* of the process's first thread */
static _Thread_local int pool_let_go = 0;
static _Thread_local int pool_is_lost = 0;

static int let_pool_go(void)
{
#if _OPENMP >= 201811 || (defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 9)
    return omp_pause_resource_all(omp_pause_soft) == 0;
#else
    return 0;
#endif
}

static void before_fork(void) { pool_let_go = !nn_pool_is_lost() && let_pool_go(); }

static void in_child(void)
{
    pool_is_lost = !pool_let_go; /* where fork() was called inside a region */
    nn_forget_regions();
}

static void watch_forks(void) { pthread_atfork(before_fork, NULL, in_child); }

#ifdef __linux__
/* Whether this process is a fork that has not become another program. */
static int is_forked(void)
{
    enum { PF_FORKNOEXEC = 0x40 }; /* include/linux/sched.h; among the flags in the ninth field */
    char text[512];
    const char *behind_name;
    unsigned flags = 0;
    FILE *file = fopen("/proc/self/stat", "r");
    if (file == NULL)
        return 0;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    behind_name = strrchr(text, ')'); /* the name itself may hold anything */
    if (behind_name == NULL || sscanf(behind_name, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
        return 0;
    return (flags & PF_FORKNOEXEC) != 0;
}

typedef struct two_objects {
    ElfW(Addr) first, second;
    int first_was_before;
} two_objects;

/* Stops at one of two loaded objects; they come in the order in which they were loaded. */
static int find_either(struct dl_phdr_info *object, size_t size, void *for_objects)
{
    two_objects *objects = for_objects;
    (void)size;
    objects->first_was_before = object->dlpi_addr == objects->first;
    return objects->first_was_before || object->dlpi_addr == objects->second;
}

/* Whether somebody else had the OpenMP runtime before this library was loaded. */
static int runtime_was_here(void)
{
    Dl_info runtime, own;
    two_objects objects = {0, 0, 0};
    if (!dladdr((void *)(uintptr_t)omp_get_num_procs, &runtime) || !dladdr(&first_pool_is_doubtful, &own))
        return 1;
    objects.first = (ElfW(Addr))(uintptr_t)runtime.dli_fbase;
    objects.second = (ElfW(Addr))(uintptr_t)own.dli_fbase;
    return dl_iterate_phdr(find_either, &objects) == 0 || objects.first_was_before;
}
#endif

void nn_watch_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
#ifdef __linux__
    first_pool_is_doubtful = is_forked() && runtime_was_here();
#endif
}

int nn_pool_is_lost(void)
{
#ifdef __linux__
    if (first_pool_is_doubtful && syscall(SYS_gettid) == getpid())
        return 1;
#endif
    return pool_is_lost;
}
#else

void nn_watch_forks(void) {}

int nn_pool_is_lost(void) { return 0; }
#endif
