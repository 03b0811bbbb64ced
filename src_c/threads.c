/* Threads: a parallel region, waiting inside it, and a budget so that regions of several threads of the
 * process do not crowd each other out. A region's results never depend on how many threads it gets. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "nncore.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

static atomic_int budget = 1;
static atomic_int in_use = 0;
static atomic_int forked = 0;

const char *nn_threading(void)
{
#ifdef _OPENMP
    return "OpenMP";
#else
    return "none (the compiler had no OpenMP): one thread";
#endif
}

int nn_available_threads(void)
{
#ifdef _OPENMP
    int count = omp_get_num_procs(); /* respects the affinity mask */
    int limit = omp_get_max_threads(), in_all = omp_get_thread_limit();
    limit = in_all < limit ? in_all : limit;
    return limit < count ? limit : count;
#else
    return 1;
#endif
}

void nn_set_thread_budget(int threads) { atomic_store(&budget, threads); }

double nn_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int64_t nn_wait_for_change(const int64_t *word, int64_t seen)
{
    enum { SPINS = 2000 };
    for (int spins = 0;; spins++) {
        int64_t value = nn_load(word);
        if (value != seen)
            return value;
        if (spins < SPINS)
            pause_briefly();
        else
            sched_yield();
    }
}

int nn_reserve_threads(int threads)
{
#ifdef _OPENMP
    int left = atomic_load(&budget) - atomic_fetch_add(&in_use, threads);
    int granted = left < 1 || omp_in_parallel() ? 1 : left < threads ? left : threads;
    atomic_fetch_sub(&in_use, threads - granted);
    return granted;
#else
    (void)threads;
    return 1;
#endif
}

void nn_release_threads(int threads) { atomic_fetch_sub(&in_use, threads); }

#ifdef _OPENMP
typedef struct region_call {
    nn_region region;
    void *state;
    int threads;
} region_call;

/* ThreadSanitizer does not see how GNU's OpenMP, which is not built for it, hands a region to its threads and waits for
   them; what the compiler puts around the region is not to be looked at, either. */
#ifdef __SANITIZE_THREAD__
#define HAND_OVER(place) __tsan_release((void *)(place))
#define TAKE_OVER(place) __tsan_acquire((void *)(place))
__attribute__((no_sanitize("thread")))
#else
#define HAND_OVER(place) (void)0
#define TAKE_OVER(place) (void)0
#endif
static void open_region(const region_call *call)
{
#ifdef __linux__
    /* Where the environment asks for bound threads (OMP_PROC_BIND, GOMP_CPU_AFFINITY), GNU's OpenMP binds the thread
       that opens its first region, too, for good: the user's own, and with it all that it starts later. That one gets
       back what it had. */
    unsigned long mask[1024];
    int bound = omp_get_proc_bind() != omp_proc_bind_false && !sched_getaffinity(0, sizeof mask, (cpu_set_t *)mask);
#endif
    HAND_OVER(call);
#pragma omp parallel num_threads(call->threads)
    {
        TAKE_OVER(call);
        call->region(call->state, omp_get_thread_num(), omp_get_num_threads());
        HAND_OVER(call);
    }
    TAKE_OVER(call);
#ifdef __linux__
    if (bound)
        sched_setaffinity(0, sizeof mask, (cpu_set_t *)mask);
#endif
}

static void *open_region_elsewhere(void *call)
{
    open_region(call);
    return NULL;
}

static void note_fork(void)
{
    atomic_store(&forked, 1);
    atomic_store(&in_use, 0);
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, note_fork); }
#endif

void nn_parallel(int threads, nn_region region, void *state)
{
#ifdef _OPENMP
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    region_call call = {region, state, threads};
    pthread_t thread;
    /* GNU's OpenMP hangs in a forked child, where the pool of the forking thread has no threads behind it any more. A
       thread made after the fork has no pool yet and gets a working one. */
    if (!atomic_load(&forked))
        open_region(&call);
    else if (pthread_create(&thread, NULL, open_region_elsewhere, &call) == 0)
        pthread_join(thread, NULL);
    else
        region(state, 0, 1);
#else
    (void)threads;
    region(state, 0, 1);
#endif
}
