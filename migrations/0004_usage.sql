-- migrate:up

-- What each user's answers, completions and titles used and cost, by day and model: numbers alone, nothing of what was
-- said. Written in the same statement as an answer's final row, so an answer counts exactly once; it outlives the
-- sessions it came from. Counted from the version on that knows it.
--
-- No CHECK keeps the numbers from going below 0: what changes an answer that has counted already (a rating taken back, an
-- owner that was thought dead) adds a difference, and PostgreSQL checks the row that an upsert proposes.
CREATE TABLE chat_usage_daily (
    user_id           text NOT NULL
                      CONSTRAINT chat_usage_daily_user_id CHECK (user_id ~ '^[A-Za-z0-9._:@|+=/-]{1,255}$'),
    -- In UTC, as the daily quota's: when the answer began.
    day               date NOT NULL,
    model             text NOT NULL CONSTRAINT chat_usage_daily_model CHECK (char_length(model) BETWEEN 1 AND 127),
    answers           bigint NOT NULL DEFAULT 0, -- that ended, however
    regenerated       bigint NOT NULL DEFAULT 0, -- of them: asked for again
    stopped           bigint NOT NULL DEFAULT 0,
    interrupted       bigint NOT NULL DEFAULT 0,
    failed            bigint NOT NULL DEFAULT 0,
    -- Sessions with an answer on that day, each at the day's first.
    sessions          bigint NOT NULL DEFAULT 0,
    rated_up          bigint NOT NULL DEFAULT 0,
    rated_down        bigint NOT NULL DEFAULT 0,
    completions       bigint NOT NULL DEFAULT 0,
    prompt_tokens     bigint NOT NULL DEFAULT 0,
    completion_tokens bigint NOT NULL DEFAULT 0,
    cost_micro_usd    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, day, model)
);

-- The reports over all users walk the days.
CREATE INDEX chat_usage_daily_by_day ON chat_usage_daily (day, user_id, model);

-- Completions are counted in batches, one at a time from each worker process. The number of its last one, written with
-- the batch, tells a batch that is sent again because nobody knows whether it arrived.
CREATE TABLE chat_usage_writers (
    id         uuid PRIMARY KEY,
    batch      bigint NOT NULL,
    counted_at timestamptz NOT NULL
);

-- migrate:down

DROP TABLE chat_usage_writers;
DROP TABLE chat_usage_daily;
