#include "relay/jobs.h"

#include "tests/fakes/fake_wait.h"
#include "unit.h"

enum { THREADS = 3, JOBS = 200 };

static struct chat_ports ports[THREADS];
static const struct chat_ports *const each[THREADS] = {&ports[0], &ports[1], &ports[2]};
static struct fake_wait wait_for;

struct counted {
    struct job job; /* first */
    int runs, limit;
    bool foreign_ports;
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

static void count_run(struct job *self, const struct chat_ports *given)
{
    struct counted *job = (struct counted *)self;

    fake_wait_lock(&wait_for);
    job->runs++;
    job->foreign_ports = given < ports || given >= ports + THREADS;
    total++;
    fake_wait_unlock(&wait_for);
}

START_TEST(every_job_runs_once_with_a_thread_s_own_ports)
{
    struct job_pool *pool = job_pool_open(each, THREADS);

    ck_assert_ptr_nonnull(pool);
    for (int i = 0; i < JOBS; i++) {
        jobs[i].job.run = count_run;
        job_pool_submit(pool, &jobs[i].job);
    }
    job_pool_close(pool); /* runs what is queued */
    for (int i = 0; i < JOBS; i++) {
        ck_assert_int_eq(jobs[i].runs, 1);
        ck_assert(!jobs[i].foreign_ports);
    }
}
END_TEST

START_TEST(a_job_may_be_submitted_again_after_it_ran)
{
    struct job_pool *pool = job_pool_open(each, 1);
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

static void stay_inside(struct job *self, const struct chat_ports *given)
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
    struct job_pool *pool = job_pool_open(each, THREADS);
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

START_TEST(closing_nothing_is_fine)
{
    job_pool_close(NULL);
    job_pool_close(job_pool_open(each, THREADS));
}
END_TEST

UNIT_SUITE(relay_jobs)
{
    Suite *suite = suite_create("relay_jobs");
    TCase *tcase = UNIT_CASE(suite, "pool", every_job_runs_once_with_a_thread_s_own_ports,
                             a_job_may_be_submitted_again_after_it_ran,
                             a_job_that_blocks_leaves_the_other_threads_to_others, closing_nothing_is_fine);

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
