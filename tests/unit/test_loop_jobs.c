#include "loop/jobs.h"

#include <string.h>

#include "tests/fakes/fake_wait.h"
#include "unit.h"

enum { THREADS = 3, JOBS = 200 };

static int contexts[THREADS];
static const void *const each[THREADS] = {&contexts[0], &contexts[1], &contexts[2]};
static struct fake_wait wait_for;

struct counted {
    struct job job; /* first */
    int runs, limit;
    bool foreign_context;
};
static struct counted jobs[JOBS];
static int total, inside, most_inside;
static bool may_leave;

static void set_up(void)
{
    fake_wait_init(&wait_for);
    total = inside = most_inside = 0;
    may_leave = false;
    for (int i = 0; i < JOBS; i++) jobs[i] = (struct counted){0};
}

static void tear_down(void)
{
    fake_wait_fini(&wait_for);
}

static void count_run(struct job *self, const void *given)
{
    struct counted *job = (struct counted *)self;

    fake_wait_lock(&wait_for);
    job->runs++;
    job->foreign_context = (const int *)given < contexts || (const int *)given >= contexts + THREADS;
    total++;
    fake_wait_unlock(&wait_for);
}

START_TEST(every_job_runs_once_with_a_thread_s_own_context)
{
    struct job_pool *pool = job_pool_open(each, THREADS, NULL);

    ck_assert_ptr_nonnull(pool);
    for (int i = 0; i < JOBS; i++) {
        jobs[i].job.run = count_run;
        job_pool_submit(pool, &jobs[i].job);
    }
    job_pool_close(pool); /* runs what is queued */
    for (int i = 0; i < JOBS; i++) {
        ck_assert_int_eq(jobs[i].runs, 1);
        ck_assert(!jobs[i].foreign_context);
    }
}
END_TEST

START_TEST(a_job_may_be_submitted_again_after_it_ran)
{
    struct job_pool *pool = job_pool_open(each, 1, NULL);
    bool came;

    jobs[0].job.run = count_run;
    for (int i = 1; i <= 3; i++) {
        job_pool_submit(pool, &jobs[0].job);
        FAKE_WAIT_UNTIL(&wait_for, jobs[0].runs == i, came);
        ck_assert(came);
    }
    job_pool_close(pool);
}
END_TEST

static void stay_inside(struct job *self, const void *given)
{
    (void)self;
    (void)given;
    fake_wait_lock(&wait_for);
    if (++inside > most_inside) most_inside = inside;
    pthread_cond_broadcast(&wait_for.changed);
    while (!may_leave) pthread_cond_wait(&wait_for.changed, &wait_for.lock);
    inside--;
    fake_wait_unlock(&wait_for);
}

START_TEST(a_job_that_blocks_leaves_the_other_threads_to_others)
{
    struct job_pool *pool = job_pool_open(each, THREADS, NULL);
    bool came;

    for (int i = 0; i < THREADS; i++) {
        jobs[i].job.run = stay_inside;
        job_pool_submit(pool, &jobs[i].job);
    }
    FAKE_WAIT_UNTIL(&wait_for, inside == THREADS, came);
    ck_assert(came);
    fake_wait_lock(&wait_for);
    may_leave = true;
    fake_wait_unlock(&wait_for);
    job_pool_close(pool);
    ck_assert_int_eq(most_inside, THREADS);
}
END_TEST

struct reported {
    struct job job; /* first */
    bool ran_first;
    pthread_t ran_on, done_on;
    int runs, dones;
};

static void run_reported(struct job *self, const void *given)
{
    struct reported *job = (struct reported *)self;

    (void)given;
    job->ran_on = pthread_self();
    job->runs++;
}

static void done_reported(struct job *self)
{
    struct reported *job = (struct reported *)self;

    job->done_on = pthread_self();
    job->ran_first = job->runs == ++job->dones;
}

START_TEST(done_comes_on_the_loop_after_the_run)
{
    static struct reported reported[JOBS];
    struct job_pool *pool = job_pool_open(each, THREADS, NULL);
    struct loop loop = {0};

    ck_assert(loop_open(&loop, clock_system()) && loop_start(&loop));
    pthread_t loop_thread = loop.thread;
    for (int i = 0; i < JOBS; i++) {
        reported[i] = (struct reported){.job = {.run = run_reported, .done = done_reported, .loop = &loop}};
        job_pool_submit(pool, &reported[i].job);
    }
    job_pool_close(pool); /* all have run, and their ends are posted */
    loop_stop(&loop);
    loop_close(&loop);
    for (int i = 0; i < JOBS; i++) {
        ck_assert_int_eq(reported[i].dones, 1);
        ck_assert(reported[i].ran_first);
        ck_assert(pthread_equal(reported[i].done_on, loop_thread));
        ck_assert(!pthread_equal(reported[i].ran_on, loop_thread));
    }
}
END_TEST

/* As one that frees itself does; but what is read of it then is nonsense for certain. */
static void lay_waste(struct job *self, const void *given)
{
    count_run(&jobs[0].job, given);
    memset(self, 0xff, sizeof *self);
}

START_TEST(nobody_looks_at_a_job_without_a_done_once_it_has_run)
{
    static struct job gone[10];
    struct job_pool *pool = job_pool_open(each, 1, NULL);

    for (size_t i = 0; i < UNIT_COUNT(gone); i++) {
        gone[i] = (struct job){.run = lay_waste};
        job_pool_submit(pool, &gone[i]);
    }
    job_pool_close(pool);
    ck_assert_int_eq(total, (int)UNIT_COUNT(gone));
}
END_TEST

static int queued_now, queued_ever;

static void count_queued(int by)
{
    fake_wait_lock(&wait_for);
    queued_now += by;
    if (by > 0) queued_ever += by;
    fake_wait_unlock(&wait_for);
}

START_TEST(each_job_is_counted_in_and_out)
{
    struct job_pool *pool = job_pool_open(each, THREADS, count_queued);

    queued_now = queued_ever = 0;
    for (int i = 0; i < JOBS; i++) {
        jobs[i].job.run = count_run;
        job_pool_submit(pool, &jobs[i].job);
    }
    job_pool_close(pool);
    ck_assert_int_eq(queued_ever, JOBS);
    ck_assert_int_eq(queued_now, 0);
}
END_TEST

START_TEST(closing_nothing_is_fine)
{
    job_pool_close(NULL);
    job_pool_close(job_pool_open(each, THREADS, NULL));
}
END_TEST

UNIT_SUITE(loop_jobs)
{
    Suite *suite = suite_create("loop_jobs");
    TCase *tcase = UNIT_CASE(
        suite, "pool", every_job_runs_once_with_a_thread_s_own_context, a_job_may_be_submitted_again_after_it_ran,
        a_job_that_blocks_leaves_the_other_threads_to_others, done_comes_on_the_loop_after_the_run,
        nobody_looks_at_a_job_without_a_done_once_it_has_run, each_job_is_counted_in_and_out, closing_nothing_is_fine);

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
