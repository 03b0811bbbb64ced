/* Threads: a parallel region, waiting inside it, and a budget so that regions of several threads of the
 * process do not crowd each other out. A region's results never depend on how many threads it gets. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "nncore.h"

#include <stdatomic.h>
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

static atomic_int budget = 1;
static atomic_int in_use = 0;
#ifdef _OPENMP
static atomic_int usual_limit = 0; /* OpenMP's number of threads where nobody has lowered it */
#endif

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
    int limit = omp_get_max_threads(), in_all = omp_get_thread_limit(), none = 0;
    atomic_compare_exchange_strong(&usual_limit, &none, limit);
    limit = in_all < limit ? in_all : limit;
    return limit < count ? limit : count;
#else
    return 1;
#endif
}

void nn_set_thread_budget(int threads) { atomic_store(&budget, threads); }

double nn_seconds(void)
{
#ifdef _WIN32
    LARGE_INTEGER count, per_second;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&per_second);
    return (double)count.QuadPart / (double)per_second.QuadPart;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
#endif
}

static inline void give_processor_away(void)
{
#ifdef _WIN32
    SwitchToThread();
#else
    sched_yield();
#endif
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
            give_processor_away();
    }
}

int nn_reserve_threads(int threads)
{
#ifdef _OPENMP
    /* omp_set_num_threads, through which threadpoolctl limits the calling thread, counts where it lowers the number.
       The usual one does not: config.set_num_threads may go beyond it. */
    int limit = omp_get_max_threads();
    if (limit < atomic_load(&usual_limit) && limit < threads)
        threads = limit;
    int left = atomic_load(&budget) - atomic_fetch_add(&in_use, threads);
    int granted = left < 1 || omp_in_parallel() ? 1 : left < threads ? left : threads;
    atomic_fetch_sub(&in_use, threads - granted);
    return granted;
#else
    (void)threads;
    return 1;
#endif
}

void nn_forget_regions(void) { atomic_store(&in_use, 0); }

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

#ifndef _WIN32 /* which knows no fork */
static void *open_region_elsewhere(void *call)
{
    open_region(call);
    return NULL;
}

static void *wait_for_release(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

/* How many of a team's threads the system has room for, the calling one included: GNU's OpenMP ends the process where
   it cannot make one. They are tried beside as many others, as the system may count those that have ended for a while
   yet. */
static int startable(int threads)
{
    enum { MOST = 256 }; /* more are not tried one by one: who has room for so many has room for some more */
    static _Thread_local int known = 1; /* of this thread's largest team so far */
    pthread_t tried[2 * MOST];
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int wanted = 2 * ((threads < MOST ? threads : MOST) - 1), count = 0;
    if (threads <= known)
        return threads;
    pthread_mutex_lock(&mutex);
    while (count < wanted && pthread_create(&tried[count], NULL, wait_for_release, &mutex) == 0)
        count++;
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < count; i++)
        pthread_join(tried[i], NULL);
    pthread_mutex_destroy(&mutex);
    if (count < wanted)
        return 1 + count / 2;
    known = threads;
    return threads;
}
#endif
#endif

void nn_parallel(int threads, nn_region region, void *state)
{
#ifndef _OPENMP
    (void)threads;
    region(state, 0, 1);
#elif defined(_WIN32)
    const region_call call = {region, state, threads};
    open_region(&call);
#else
    region_call call = {region, state, startable(threads)};
    pthread_t thread;
    if (call.threads > 1 && !nn_pool_is_lost())
        open_region(&call);
    else if (call.threads > 1 && pthread_create(&thread, NULL, open_region_elsewhere, &call) == 0)
        /* that thread has no pool yet */
        pthread_join(thread, NULL);
    else
        region(state, 0, 1);
#endif
}
