#include "loop/jobs.h"

#include <pthread.h>
#include <stdlib.h>

struct job_thread {
    pthread_t thread;
    struct job_pool *pool;
    const void *context;
};

struct job_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, *last;
    bool closing;
    void (*queued)(int by);
    int thread_count;
    struct job_thread threads[];
};

static struct job *next_job(struct job_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->closing) pthread_cond_wait(&pool->work, &pool->lock);
    struct job *job = pool->first;
    if (job) {
        pool->first = job->next;
        if (!pool->first) pool->last = NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void count(const struct job_pool *pool, int by)
{
    if (pool->queued) pool->queued(by);
}

static void run_done(struct post *post)
{
    struct job *job = LOOP_OWNER(post, struct job, post);
    job->done(job);
}

/* A job without `done` may be gone once it has run. */
static void run_job(struct job *job, const void *context)
{
    bool has_done = job->done != NULL;
    job->run(job, context);
    if (!has_done) return;
    job->post.run = run_done;
    loop_post(job->loop, &job->post);
}

static void *job_main(void *argument)
{
    struct job_thread *self = argument;
    struct job *job;
    pthread_setname_np(pthread_self(), "job");
    while ((job = next_job(self->pool))) {
        run_job(job, self->context);
        count(self->pool, -1);
    }
    return NULL;
}

struct job_pool *job_pool_open(const void *const *contexts, int threads, void (*queued)(int by))
{
    struct job_pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof pool->threads[0]);
    if (!pool) return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pool->queued = queued;
    for (int i = 0; i < threads; i++) {
        struct job_thread *thread = &pool->threads[i];
        thread->pool = pool;
        thread->context = contexts[i];
        if (pthread_create(&thread->thread, NULL, job_main, thread) != 0) break;
        pool->thread_count++;
    }
    if (pool->thread_count == threads) return pool;
    job_pool_close(pool);
    return NULL;
}

void job_pool_submit(struct job_pool *pool, struct job *job)
{
    job->next = NULL;
    count(pool, 1);
    pthread_mutex_lock(&pool->lock);
    if (pool->last)
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

void job_pool_stop(struct job_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->thread_count; i++) pthread_join(pool->threads[i].thread, NULL);
    pool->thread_count = 0;
}

void job_pool_close(struct job_pool *pool)
{
    if (!pool) return;
    job_pool_stop(pool);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
