#include "relay/jobs.h"

#include <pthread.h>
#include <stdlib.h>

#include "metrics/metrics.h"

struct job_thread {
    pthread_t thread;
    struct job_pool *pool;
    const struct chat_ports *ports;
};

struct job_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, *last;
    bool closing;
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

static void *job_main(void *argument)
{
    struct job_thread *self = argument;
    struct job *job;
    pthread_setname_np(pthread_self(), "job");
    while ((job = next_job(self->pool))) {
        job->run(job, self->ports);
        metrics_move(&metrics->gauges.jobs_queued, -1);
    }
    return NULL;
}

struct job_pool *job_pool_open(const struct chat_ports *const *ports, int threads)
{
    struct job_pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof pool->threads[0]);
    if (!pool) return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    for (int i = 0; i < threads; i++) {
        struct job_thread *thread = &pool->threads[i];
        thread->pool = pool;
        thread->ports = ports[i];
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
    metrics_move(&metrics->gauges.jobs_queued, 1);
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
