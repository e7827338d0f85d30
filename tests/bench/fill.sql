-- Sessions and the words of messages for bench-db: psql -v sessions=… -v messages=…
-- A tenth of the sessions is one user's, ten others have a hundredth each, all others 25 each. One session in 51 has ten
-- times as many messages as the mean. The words are as uneven as language's; each text ends with one that about ten
-- messages in all share.
SET session_replication_role = replica; -- no foreign key is asked, row by row, what is so by construction
SET synchronous_commit = off;
SELECT setseed(0.5);

CREATE TABLE bench_phrases AS
SELECT n, content, to_tsvector('simple', content) AS vector
FROM generate_series(0, 19999) n
CROSS JOIN LATERAL (SELECT string_agg('w' || lpad(floor(exp(random() * ln(20000)))::text, 5, '0'), ' ') AS content
                    FROM generate_series(1, 13) WHERE n >= 0) p;
CREATE UNIQUE INDEX ON bench_phrases (n);

INSERT INTO chat_sessions (id, user_id, title, title_source, model, created_at, updated_at, last_message_at,
                           deleted_at, message_count, last_seq, title_vector)
SELECT (lpad(to_hex((at * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(i), 12, '0'))::uuid,
       CASE i % 10 WHEN 0 THEN 'heavy' WHEN 1 THEN 'large-' || i / 10 % 10
                   ELSE 'user-' || i % greatest(10, :sessions / 25) END,
       left(p.content, 41), 'first_message', 'm', to_timestamp(at), to_timestamp(at + i * 7919 % 1000000),
       to_timestamp(at + i * 7919 % 1000000), CASE WHEN i % 97 = 0 THEN to_timestamp(at + 1000000) END, c.n, c.n,
       to_tsvector('simple', left(p.content, 41))
FROM (SELECT i, 1700000000 + i * (60000000.0 / :sessions) AS at,
             CASE WHEN i % 51 = 7 THEN 10 ELSE 0.82 END * :messages / :sessions + CASE WHEN i % 6 = 0 THEN 1 ELSE 0 END AS mean
      FROM generate_series(1, :sessions::bigint) i) s
CROSS JOIN LATERAL (SELECT greatest(2, mean::bigint)) c (n)
JOIN bench_phrases p ON p.n = i * 31 % 20000;

-- Use as it would have been counted: a row a user and day with a session, of one model.
INSERT INTO chat_usage_daily (user_id, day, model, answers, sessions, prompt_tokens, completion_tokens, cost_micro_usd)
SELECT user_id, (created_at AT TIME ZONE 'UTC')::date, model, sum(message_count) / 2, count(*), 0, 0, 0
FROM chat_sessions GROUP BY 1, 2, 3;

CREATE TABLE bench_users AS
SELECT user_id, CASE WHEN user_id = 'heavy' THEN 'heavy' ELSE 'ordinary' END AS kind
FROM chat_sessions WHERE user_id NOT LIKE 'large-%' GROUP BY user_id;
GRANT SELECT ON bench_users TO chat;
ANALYZE chat_sessions, bench_phrases, bench_users;
