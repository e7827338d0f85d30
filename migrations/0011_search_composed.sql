-- migrate:up transaction:false

-- Letters with marks are composed before they are indexed (NFC): "é" is found as one code point or as two. This makes the
-- words anew of texts and titles that are not in NFC, just as lib/postgres/search_text.c does; a contract test holds one
-- against the other. What the version before stores after this is indexed as it is written; this step, taken back and
-- done again, makes it new too.
--
-- No row is locked while the tables are read, and each row is a transaction of its own, so nothing waits for this and this
-- can be begun again at any time. One statement, as COMMIT within DO wants no transaction around it.
DO $up$
DECLARE
    row_id uuid;
BEGIN
    CREATE OR REPLACE FUNCTION pg_temp.search_words(source text) RETURNS text LANGUAGE sql AS $words$
        WITH letter AS (
            SELECT at, c, ascii(c) AS point
            FROM unnest(string_to_array(normalize(source, NFC), NULL)) WITH ORDINALITY AS t (c, at)
        ), kind AS (
            SELECT at, c,
                point < 128 AND c !~ '[0-9A-Za-z]' OR point IN (133, 160, 5760, 8232, 8233, 8239, 8287, 12288)
                    OR point BETWEEN 8192 AND 8202 AS breaks,
                point BETWEEN 12293 AND 12295 OR point BETWEEN 12353 AND 12438 OR point BETWEEN 12449 AND 12538
                    OR point BETWEEN 12540 AND 12543 OR point BETWEEN 12784 AND 12799 OR point BETWEEN 13312 AND 19903
                    OR point BETWEEN 19968 AND 40959 OR point BETWEEN 44032 AND 55203 OR point BETWEEN 63744 AND 64255
                    OR point BETWEEN 65382 AND 65437 OR point BETWEEN 131072 AND 262143 AS cjk
            FROM letter
        ), pair AS (
            SELECT at, c, breaks, cjk, lead(c) OVER w AS next, lead(cjk) OVER w AS next_cjk
            FROM kind WINDOW w AS (ORDER BY at)
        ), spaced AS (
            SELECT string_agg(CASE WHEN breaks THEN ' '
                                   WHEN cjk THEN ' ' || c || CASE WHEN next_cjk THEN next ELSE '' END || ' '
                                   ELSE c END, '' ORDER BY at) AS text
            FROM pair
        ), word AS (
            SELECT at, w, sum(octet_length(w) + 1) OVER (ORDER BY at) - 1 AS bytes
            FROM spaced, unnest(string_to_array(text, ' ')) WITH ORDINALITY AS t (w, at)
            WHERE w <> '' AND octet_length(w) <= 255
        )
        SELECT coalesce(string_agg(w, ' ' ORDER BY at), '') FROM word WHERE bytes <= 262144
    $words$;

    FOR row_id IN SELECT id FROM chat_messages WHERE search_vector IS NOT NULL AND content IS NOT NFC NORMALIZED LOOP
        UPDATE chat_messages SET search_vector = to_tsvector('simple', pg_temp.search_words(content))
        WHERE id = row_id AND search_vector IS NOT NULL;
        COMMIT;
    END LOOP;
    FOR row_id IN SELECT id FROM chat_sessions WHERE title_vector IS NOT NULL AND title IS NOT NFC NORMALIZED LOOP
        UPDATE chat_sessions SET title_vector = to_tsvector('simple', pg_temp.search_words(title)) WHERE id = row_id;
        COMMIT;
    END LOOP;

    DROP FUNCTION pg_temp.search_words(text);
    COMMENT ON COLUMN chat_messages.search_vector IS 'of words in NFC';
    COMMENT ON COLUMN chat_sessions.title_vector IS 'of words in NFC';
END
$up$;

-- migrate:down

-- The words stay: the version before finds composed letters by them, which is what is typed.
COMMENT ON COLUMN chat_messages.search_vector IS NULL;
COMMENT ON COLUMN chat_sessions.title_vector IS NULL;
