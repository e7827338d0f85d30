-- One of several jobs at once: psql -v job=0 -v jobs=2 -v messages=…
SET session_replication_role = replica;
SET synchronous_commit = off;
INSERT INTO chat_messages (id, session_id, user_id, seq, parent_id, role, status, content, model, token_count,
                           created_at, search_vector)
SELECT (left(s.id::text, 14) || '7' || lpad(to_hex(c.n), 3, '0') || substr(s.id::text, 19))::uuid, s.id, s.user_id, c.n,
       CASE WHEN c.n > 1 THEN (left(s.id::text, 14) || '7' || lpad(to_hex(c.n - 1), 3, '0') || substr(s.id::text, 19))::uuid END,
       CASE c.n % 2 WHEN 1 THEN 'user' ELSE 'assistant' END, 'complete', p.content || ' ' || rare.word, 'm', 20,
       s.created_at + c.n * interval '5 seconds', p.vector || to_tsvector('simple', rare.word)
FROM chat_sessions s
CROSS JOIN LATERAL generate_series(1, s.message_count::int) c (n)
CROSS JOIN LATERAL (SELECT abs(hashint8(('x' || right(s.id::text, 8))::bit(32)::bigint * 4096 + c.n)::bigint)) h (hash)
CROSS JOIN LATERAL (SELECT 'r' || lpad((h.hash % greatest(1, :messages / 10))::text, 7, '0')) rare (word)
JOIN bench_phrases p ON p.n = h.hash / 7 % 20000
WHERE abs(hashtext(s.id::text)::bigint) % :jobs = :job;
