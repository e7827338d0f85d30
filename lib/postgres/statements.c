#include "postgres/statements.h"

/* SQL is laid out by hand. */
/* clang-format off */

/* Plans are made once, for any user: a plan made for a user with ten sessions must serve one with a million too. So no
 * plan may fetch all of a user's rows and sort them, if an index gives them in order and a page is enough.
 * enable_sort = off has that effect (rows without an index are sorted all the same). Its estimated cost would start the
 * just-in-time compiler, which takes 450 ms; so that is off too. */
#define LOOK "SELECT current_setting('transaction_read_only'), pg_backend_pid()," \
    " (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint"
const char PG_LOOK_SQL[] = LOOK;
const char PG_SETTINGS_SQL[] = LOOK ", set_config('statement_timeout', $1::text, $2::bool),"
                               " set_config('plan_cache_mode', 'force_generic_plan', $2),"
                               " set_config('enable_sort', 'off', $2),"
                               " set_config('jit', 'off', $2)";

/* Times travel as whole numbers: milliseconds in, microseconds out. */
#define MS(param) "to_timestamp(" param "::bigint / 1000.0)"
#define US(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* The two column lists, as pg_session_from_row and pg_message_from_row (rows.c) read them. */
#define SESSION(t) \
    t ".id, " t ".title, " t ".title_source, " t ".model, " US(t ".created_at") ", " US(t ".updated_at") ", " \
    US(t ".last_message_at") ", " t ".message_count, " t ".pinned_at IS NOT NULL, " t ".archived_at IS NOT NULL, " \
    t ".context_starts_at"
#define MESSAGE(t) \
    t ".id, " t ".session_id, " t ".parent_id, " t ".superseded_by, " t ".seq, " t ".role, " t ".status, " \
    t ".feedback, " t ".content, " t ".reasoning, " t ".model, " t ".finish_reason, " t ".prompt_tokens, " \
    t ".completion_tokens, " t ".total_tokens, " t ".token_count, " t ".tokens_estimated, " US(t ".created_at") ", " \
    t ".epoch, " t ".cached_tokens"

/* Adds the bytes of all rows before each row of x; it reads no texts for that. */
#define BOUNDED(order) \
    "SELECT x.*, count(*) OVER () AS found, coalesce(sum(octet_length(x.content) + coalesce(octet_length(x.reasoning), 0))" \
    "   OVER (ORDER BY x.seq " order " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before "

/* Text as search_text.c prepared it. */
#define VECTOR(param) "to_tsvector('simple', " param "::text)"

/* $1 user, $2 cursor time in microseconds or Infinity, $3 cursor id, $4 limit. A row comparison on the index's own
 * columns: no offset, and no second path for the first page. */
#define AFTER(column) "(s." column ", s.id) < (to_timestamp($2::float8 / 1e6), $3::uuid)"
#define SESSION_LIST(column) \
    "SELECT " SESSION("s") ", " US("s." column) " FROM chat_sessions s" \
    " WHERE s.user_id = $1::text AND s.deleted_at IS NULL AND " AFTER(column) \
    " ORDER BY s." column " DESC, s.id DESC LIMIT $4::int"

/*
 * $5 tsquery. The newest matching message of each session, or its title, is found in one of three ways. Each way is for
 * queries at which the one before would be too slow; all find the same.
 * `near` walks the next 60 sessions of the list, up to 600 messages, message by message. That is enough for most users,
 * and for a word that is in every other session, as the index has its entries for the whole site. It is the result if it
 * fills the page or reaches the end of the list (`enough`).
 * `mid` walks on until the page is full, up to 12,000 messages, if near found something and more than 2,000 sessions
 * follow. A word in one message of 50 of a user's million has 20,000 entries in the index, and the page is full after
 * the first thousand messages.
 * `far` asks the index, which has few entries for a rare word. It then looks up a few sessions one by one and sorts
 * them; with many sessions the page is full sooner by going through the list (`many`).
 * The page's texts are fetched last. OFFSET 0 keeps the planner from reading all of a user's sessions to join them with
 * a handful. IS TRUE keeps it from making a join of the membership, which would lose the order.
 */
#define MATCHES(column) column " @@ to_tsquery('simple', $5::text) AND " column " IS NOT NULL"
#define NEWEST_MATCH(session) \
    "(SELECT m.seq FROM chat_messages m WHERE m.session_id = " session ".id AND " MATCHES("m.search_vector") \
    " AND m.superseded_by IS NULL ORDER BY m.seq DESC LIMIT 1)"
#define LISTED(columns, sort) \
    "SELECT " columns " FROM chat_sessions s WHERE s.user_id = $1::text AND s.deleted_at IS NULL AND " AFTER(sort)
#define IN_ORDER(sort) " ORDER BY s." sort " DESC, s.id DESC LIMIT "
#define SESSION_SEARCH(sort) \
    "WITH next AS MATERIALIZED (" \
    LISTED("s.id, s." sort ", s.message_count, s.title_vector", sort) IN_ORDER(sort) "61)," \
    " walked AS MATERIALIZED (" \
    "  SELECT n.id, n.title_vector @@ to_tsquery('simple', $5::text) AS titled, " NEWEST_MATCH("n") " AS seq" \
    "  FROM (SELECT *, sum(message_count) OVER (ORDER BY " sort " DESC, id DESC) AS so_far FROM next) n" \
    "  WHERE n.so_far <= 600)," \
    " near AS MATERIALIZED (SELECT w.id, w.seq FROM walked w WHERE w.titled OR w.seq IS NOT NULL)," \
    " enough AS MATERIALIZED (SELECT (SELECT count(*) FROM near) >= $4::int OR (SELECT count(*) FROM walked) =" \
    "   (SELECT count(*) FROM next) AND (SELECT count(*) FROM next) < 61 AS yes)," \
    " onwards AS MATERIALIZED (SELECT NOT (SELECT yes FROM enough) AND EXISTS (SELECT FROM near)" \
    "   AND EXISTS (" LISTED("s.id", sort) IN_ORDER(sort) "1 OFFSET 2000) AS yes)," \
    " mid AS MATERIALIZED (" \
    "  SELECT s.id, x.seq FROM (SELECT s.*, sum(s.message_count) OVER (" \
    "    ORDER BY s." sort " DESC, s.id DESC ROWS UNBOUNDED PRECEDING) AS so_far" \
    "   FROM (" LISTED("s.id, s." sort ", s.message_count, s.title_vector", sort) IN_ORDER(sort) "2000) s) s" \
    "  CROSS JOIN LATERAL (SELECT " NEWEST_MATCH("s") " AS seq OFFSET 0) x" \
    "  WHERE (SELECT yes FROM onwards) AND s.so_far <= 12000" \
    "   AND (x.seq IS NOT NULL OR s.title_vector @@ to_tsquery('simple', $5::text))" \
    IN_ORDER(sort) "$4::int)," \
    " found AS MATERIALIZED (SELECT (SELECT yes FROM enough) OR (SELECT count(*) FROM mid) >= $4::int AS yes)," \
    " hits AS MATERIALIZED (" \
    "  SELECT m.session_id AS id, max(m.seq) AS seq FROM chat_messages m" \
    "  WHERE NOT (SELECT yes FROM found)" \
    "   AND m.user_id = $1::text AND " MATCHES("m.search_vector") " AND m.superseded_by IS NULL" \
    "  GROUP BY m.session_id)," \
    " far AS MATERIALIZED (" \
    "  SELECT f.id, max(f.seq) AS seq FROM (SELECT h.id, h.seq FROM hits h UNION ALL" \
    "   SELECT s.id, NULL FROM chat_sessions s WHERE NOT (SELECT yes FROM found)" \
    "    AND s.user_id = $1::text AND s.deleted_at IS NULL AND " MATCHES("s.title_vector") ") f GROUP BY f.id)," \
    " many AS MATERIALIZED (SELECT (SELECT count(*) FROM far) > 1000 AS yes)," \
    " listed AS MATERIALIZED (" \
    LISTED("s.id", sort) " AND (SELECT yes FROM many) AND (s.id IN (SELECT id FROM far)) IS TRUE" \
    IN_ORDER(sort) "$4::int)," \
    " page AS MATERIALIZED (" \
    "  SELECT s.*, f.seq AS match_seq FROM (SELECT * FROM near WHERE (SELECT yes FROM enough)" \
    "   UNION ALL SELECT * FROM mid WHERE (SELECT yes FROM found) AND NOT (SELECT yes FROM enough)" \
    "   UNION ALL SELECT * FROM far WHERE NOT (SELECT yes FROM many)" \
    "   UNION ALL SELECT l.id, " NEWEST_MATCH("l") " FROM listed l) f" \
    "  CROSS JOIN LATERAL (SELECT * FROM chat_sessions s WHERE s.id = f.id AND s.user_id = $1::text" \
    "   AND s.deleted_at IS NULL AND " AFTER(sort) " OFFSET 0) s" \
    IN_ORDER(sort) "$4::int)" \
    " SELECT " SESSION("s") ", " US("s." sort) ", m.id, m.content FROM page s" \
    " LEFT JOIN LATERAL (SELECT x.id, x.content FROM chat_messages x" \
    "  WHERE x.session_id = s.id AND x.seq = s.match_seq OFFSET 0) m ON true" \
    " ORDER BY s." sort " DESC, s.id DESC"

/* ---- usage ---- */

/* The day that an answer counts for. */
#define DAY(column) "(" column " AT TIME ZONE 'UTC')::date"
#define ONE(condition) "(CASE WHEN " condition " THEN 1 ELSE 0 END)"
#define MORE(column) column " = u." column " + excluded." column

/* Columns of a report: rows.c, pg_usage_from_row. */
#define USAGE_DAY "to_char(u.day, 'YYYY-MM-DD')"
#define SUM(t, column) "sum(" t "." column ")::bigint"
#define USAGE_SUMS(t) \
    SUM(t, "answers") ", " SUM(t, "regenerated") ", " SUM(t, "stopped") ", " SUM(t, "interrupted") ", " \
    SUM(t, "failed") ", " SUM(t, "sessions") ", " SUM(t, "rated_up") ", " SUM(t, "rated_down") ", " \
    SUM(t, "completions") ", " SUM(t, "prompt_tokens") ", " SUM(t, "completion_tokens") ", " \
    SUM(t, "cost_micro_usd") ", " SUM(t, "cached_tokens")
#define USAGE_REPORT(day, user, model, keys, after) \
    "SELECT " day ", " user ", " model ", " USAGE_SUMS("u") " FROM chat_usage_daily u" \
    " WHERE u.day BETWEEN $1::date AND $2::date AND ($3::text IS NULL OR u.model = $3::text) AND " after \
    " GROUP BY " keys " ORDER BY " keys " LIMIT $4::int"

/* Which messages of a session count as context: domain/context.c, context_takes. */
#define CONTEXT_TAKES(t) \
    t ".superseded_by IS NULL AND (" t ".status = 'complete' OR (" t ".status IN ('stopped', 'interrupted') AND " t \
      ".content <> ''))"

/*
 * Begins an answer. The session's row is locked first (`s`), so racing sends come one after the other. Everything else
 * (`m`) is read as of the statement's start. If another send got in between, the locked row's last_seq is ahead of the
 * one seen (`seen`): the verdict is 'stale', nothing is done, and the caller asks again. All branches that write depend
 * on verdict 'go'. It returns at least one row if the session is the user's, and none if it isn't.
 */
#define LOCKED_SESSION(where) \
    "WITH s AS (SELECT * FROM chat_sessions WHERE " where " AND deleted_at IS NULL FOR UPDATE)," \
    " seen AS (SELECT c.last_seq FROM chat_sessions c, s WHERE c.id = s.id)," \
    " busy AS (SELECT m.id FROM chat_messages m, s WHERE m.session_id = s.id AND m.status = 'streaming'),"

/* A question and its answer are two rows of one INSERT: Postgres reads a table's CHECKs and opens its indexes again for
 * each INSERT, which costs more than a row does. */
#define BEGUN_COLUMNS \
    "id, session_id, user_id, seq, parent_id, role, status, epoch, content, model, token_count, tokens_estimated," \
    " created_at, search_vector, idempotency_key, idempotency_fingerprint"
#define BEGUN_QUESTION(content, tokens, now, words, key, fingerprint) \
    "'user', 'complete', 0, " content "::text, NULL::text, " tokens "::bigint, true, " MS(now) ", " VECTOR(words) ", " \
    key "::text, " fingerprint "::text"
#define BEGUN_ANSWER(epoch, model, now) \
    "'assistant', 'streaming', " epoch "::int, '', " model ", 0, false, " MS(now) ", NULL::tsvector, NULL, NULL"

const struct pg_statement_entry PG_STATEMENTS[PG_STATEMENT_COUNT] = {
    [PG_PING] = {.name = "ping", .repeatable = true, .sql = "SELECT 1"},
    [PG_SCHEMA_LEVEL] =
        {.name = "schema_level", .repeatable = true, .sql = "SELECT max(version) FROM schema_migrations"},

    /* ---- sessions ---- */
    [PG_SESSION_CREATE] =
        {.name = "session_create",
         .repeatable = true, /* the id is the caller's own */
         .sql = "INSERT INTO chat_sessions (id, user_id, title, title_source, model, created_at, updated_at,"
                "  last_message_at, message_count, pinned_at, archived_at, title_vector)"
                " VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, " MS("$6") ", " MS("$7") ", " MS("$8") ","
                "  $9::bigint, CASE WHEN $10::int = 1 THEN " MS("$7") " END,"
                "  CASE WHEN $11::int = 1 THEN " MS("$7") " END, " VECTOR("$12") ")"
                " ON CONFLICT (id) DO NOTHING"},
    [PG_SESSION_LIST_CREATED] =
        {.name = "session_list_created", .repeatable = true, .sql = SESSION_LIST("created_at")},
    [PG_SESSION_LIST_UPDATED] =
        {.name = "session_list_updated", .repeatable = true, .sql = SESSION_LIST("updated_at")},
    [PG_SESSION_SEARCH_CREATED] =
        {.name = "session_search_created", .repeatable = true, .sql = SESSION_SEARCH("created_at")},
    [PG_SESSION_SEARCH_UPDATED] =
        {.name = "session_search_updated", .repeatable = true, .sql = SESSION_SEARCH("updated_at")},
    [PG_SESSION_GET] =
        {.name = "session_get",
         .repeatable = true,
         .sql = "SELECT " SESSION("s") " FROM chat_sessions s"
                " WHERE s.id = $1::uuid AND s.user_id = $2::text AND s.deleted_at IS NULL"},
    [PG_SESSION_UPDATE] =
        {.name = "session_update",
         .repeatable = true,
         .sql = "UPDATE chat_sessions s SET title = coalesce($3::text, s.title),"
                "  title_source = CASE WHEN $3::text IS NULL THEN s.title_source ELSE 'user' END,"
                "  title_vector = CASE WHEN $3::text IS NULL THEN s.title_vector ELSE " VECTOR("$4") " END,"
                "  pinned_at = CASE $5::int WHEN 1 THEN coalesce(s.pinned_at, " MS("$7") ")"
                "   WHEN 0 THEN NULL ELSE s.pinned_at END,"
                "  archived_at = CASE $6::int WHEN 1 THEN coalesce(s.archived_at, " MS("$7") ")"
                "   WHEN 0 THEN NULL ELSE s.archived_at END,"
                "  updated_at = greatest(s.updated_at, " MS("$7") ")"
                " WHERE s.id = $1::uuid AND s.user_id = $2::text AND s.deleted_at IS NULL RETURNING " SESSION("s")},
    [PG_SESSION_REMOVE] =
        {.name = "session_remove",
         .repeatable = false, /* a second time would find no such session */
         .sql = "UPDATE chat_sessions SET deleted_at = " MS("$3")
                " WHERE id = $1::uuid AND user_id = $2::text AND deleted_at IS NULL RETURNING id"},
    [PG_SESSION_ACTIVE] =
        {.name = "session_active",
         .repeatable = true,
         .sql = "SELECT id FROM chat_messages WHERE session_id = $1::uuid AND status = 'streaming'"},
    [PG_SESSION_RESTORE] =
        {.name = "session_restore",
         .repeatable = true,
         .sql = "UPDATE chat_sessions s SET deleted_at = NULL"
                " WHERE s.id = $1::uuid AND s.user_id = $2::text RETURNING " SESSION("s")},
    [PG_SESSION_MODEL_TITLE] =
        {.name = "session_model_title",
         .repeatable = true,
         .sql = "UPDATE chat_sessions SET title = $2::text, title_source = 'model', title_vector = " VECTOR("$3") ","
                "  updated_at = greatest(updated_at, " MS("$4") ")"
                " WHERE id = $1::uuid AND title_source <> 'user' AND deleted_at IS NULL RETURNING id"},
    /* A statement of its own: the answer's end doesn't touch the session's row. */
    [PG_SESSION_CONTEXT_START] =
        {.name = "session_context_start",
         .repeatable = true,
         .sql = "UPDATE chat_sessions SET context_starts_at = $2::uuid WHERE id = $1::uuid"},
    /* Messages go with their session. SKIP LOCKED: several workers may purge at once. */
    [PG_SESSION_PURGE] =
        {.name = "session_purge",
         .repeatable = true,
         .sql = "DELETE FROM chat_sessions WHERE id IN (SELECT id FROM chat_sessions"
                "  WHERE deleted_at IS NOT NULL AND deleted_at < " MS("$1")
                "  ORDER BY deleted_at LIMIT $2::int FOR UPDATE SKIP LOCKED) RETURNING id"},

    /* ---- messages ---- */
    /* Rows up to $5 bytes of text in all, the first in any case; `found` is how many there were without that bound. */
    [PG_MESSAGE_PAGE] =
        {.name = "message_page",
         .repeatable = true,
         .sql = "SELECT " SESSION("s") ", (SELECT a.id FROM chat_messages a"
                "  WHERE a.session_id = s.id AND a.status = 'streaming'), m.found, " MESSAGE("m")
                " FROM chat_sessions s LEFT JOIN LATERAL (SELECT * FROM (" BOUNDED("DESC") "   FROM (SELECT *"
                "    FROM chat_messages x WHERE x.session_id = s.id AND x.seq < $3::bigint"
                "    ORDER BY x.seq DESC LIMIT $4::int) x) x WHERE x.bytes_before < $5::bigint) m ON true"
                " WHERE s.id = $1::uuid AND s.user_id = $2::text AND s.deleted_at IS NULL ORDER BY m.seq DESC"},
    [PG_MESSAGE_AFTER] =
        {.name = "message_after",
         .repeatable = true,
         .sql = "SELECT " SESSION("s") ", NULL::uuid, m.found, " MESSAGE("m")
                " FROM chat_sessions s LEFT JOIN LATERAL (SELECT * FROM (" BOUNDED("ASC") "   FROM (SELECT *"
                "    FROM chat_messages x WHERE x.session_id = s.id AND x.seq > $3::bigint"
                "     AND x.superseded_by IS NULL"
                "    ORDER BY x.seq LIMIT $4::int) x) x WHERE x.bytes_before < $5::bigint) m ON true"
                " WHERE s.id = $1::uuid AND s.user_id = $2::text AND s.deleted_at IS NULL ORDER BY m.seq"},
    [PG_MESSAGE_GET] =
        {.name = "message_get",
         .repeatable = true,
         .sql = "SELECT " MESSAGE("m") " FROM chat_messages m JOIN chat_sessions s ON s.id = m.session_id"
                " WHERE m.id = $1::uuid AND m.user_id = $2::text AND s.deleted_at IS NULL"},
    /* A rating counts on its answer's day, once the answer has ended: the end counts the rating that it finds. */
    [PG_MESSAGE_FEEDBACK] =
        {.name = "message_feedback",
         .repeatable = true,
         .sql = "WITH was AS (SELECT id, feedback FROM chat_messages WHERE id = $1::uuid AND user_id = $2::text"
                "   FOR UPDATE),"
                " m AS (UPDATE chat_messages m SET feedback = $3::text, feedback_comment = $4::text"
                "  FROM was, chat_sessions s WHERE m.id = was.id AND s.id = m.session_id AND s.deleted_at IS NULL"
                "  RETURNING m.*, was.feedback AS rated_before),"
                " use AS (UPDATE chat_usage_daily u SET"
                "   rated_up = u.rated_up + " ONE("m.feedback = 'up'") " - " ONE("m.rated_before = 'up'") ","
                "   rated_down = u.rated_down + " ONE("m.feedback = 'down'") " - " ONE("m.rated_before = 'down'")
                "  FROM m WHERE u.user_id = m.user_id AND u.day = " DAY("m.created_at") " AND u.model = m.model"
                "   AND m.status <> 'streaming' AND m.feedback IS DISTINCT FROM m.rated_before)"
                " SELECT " MESSAGE("m") " FROM m"},
    [PG_MESSAGE_STALE] =
        {.name = "message_stale",
         .repeatable = true,
         .sql = "SELECT " MESSAGE("m") ", m.user_id FROM chat_messages m WHERE m.status = 'streaming'"
                " AND m.created_at < " MS("$1") " AND (m.created_at, m.id) > (" MS("$3") ", $4::uuid)"
                " ORDER BY m.created_at, m.id LIMIT $2::int"},

    /* ---- answers ---- */
    /* $1 session, $2 user, $3 question, $4 content, $5 its tokens, $6 answer, $7 model, $8 epoch, $9 now, $10 words of
     * the content, $11 title, $12 title source, $13 words of the title, $14 created at, $15 key, $16 its fingerprint */
    [PG_ANSWER_BEGIN_NEW_SESSION] =
        {.name = "answer_begin_new_session",
         .sql = "WITH up AS (INSERT INTO chat_sessions (id, user_id, title, title_source, model, created_at,"
                " updated_at, last_message_at, message_count, last_seq, title_vector)"
                " VALUES ($1::uuid, $2::text, $11::text, $12::text, $7::text, " MS("$14") ", " MS("$9") ", " MS("$9") ","
                "  2, 2, " VECTOR("$13") ") RETURNING *),"
                " begun AS (INSERT INTO chat_messages (" BEGUN_COLUMNS ")"
                " SELECT $3::uuid, up.id, up.user_id, 1, NULL::uuid, "
                BEGUN_QUESTION("$4", "$5", "$9", "$10", "$15", "$16") " FROM up"
                " UNION ALL SELECT $6::uuid, up.id, up.user_id, 2, $3::uuid, "
                BEGUN_ANSWER("$8", "$7::text", "$9") " FROM up)"
                " SELECT " SESSION("up") " FROM up"},

    /* $1 session, $2 user, $3 question, $4 content, $5 its tokens, $6 answer, $7 model, $8 epoch, $9 now, $10 words of
     * the content, $11 title, $12 words of the title, $13 replaces, $14 earlier messages wanted, $15 key, $16 its
     * fingerprint */
    [PG_ANSWER_BEGIN_SEND] =
        {.name = "answer_begin_send",
         .constraint = "chat_messages_one_streaming",
         .conflict = CHAT_ERR_GENERATION_IN_PROGRESS,
         .sql = LOCKED_SESSION("id = $1::uuid AND user_id = $2::text")
                " replaced AS (SELECT m.seq, m.role = 'user' AND m.superseded_by IS NULL AS fit"
                "  FROM chat_messages m, s WHERE m.id = $13::uuid AND m.session_id = s.id),"
                " verdict AS (SELECT s.*, busy.id AS busy_id, coalesce(r.seq, s.last_seq + 1) AS before_seq,"
                "   CASE WHEN s.last_seq <> seen.last_seq THEN 'stale'"
                "        WHEN $13::uuid IS NOT NULL AND r.seq IS NULL THEN 'missing'"
                "        WHEN $13::uuid IS NOT NULL AND NOT r.fit THEN 'unfit'"
                "        WHEN busy.id IS NOT NULL THEN 'busy' ELSE 'go' END AS verdict"
                "  FROM s CROSS JOIN seen LEFT JOIN busy ON true LEFT JOIN replaced r ON true),"
                " go AS (SELECT * FROM verdict WHERE verdict = 'go'),"
                " history AS (SELECT m.* FROM go CROSS JOIN LATERAL (SELECT * FROM chat_messages x"
                "   WHERE x.session_id = go.id AND x.seq < go.before_seq AND " CONTEXT_TAKES("x")
                "   ORDER BY x.seq DESC LIMIT $14::int) m),"
                " parent AS (SELECT m.id FROM go CROSS JOIN LATERAL (SELECT x.id FROM chat_messages x"
                "   WHERE x.session_id = go.id AND x.seq < go.before_seq AND x.superseded_by IS NULL"
                "   ORDER BY x.seq DESC LIMIT 1) m),"
                " begun AS (INSERT INTO chat_messages (" BEGUN_COLUMNS ")"
                "  SELECT $3::uuid, go.id, go.user_id, go.last_seq + 1, parent.id, "
                BEGUN_QUESTION("$4", "$5", "$9", "$10", "$15", "$16") " FROM go LEFT JOIN parent ON true"
                "  UNION ALL SELECT $6::uuid, go.id, go.user_id, go.last_seq + 2, $3::uuid, "
                BEGUN_ANSWER("$8", "coalesce($7::text, go.model)", "$9") " FROM go),"
                " edited AS (UPDATE chat_messages m SET superseded_by = $3::uuid FROM go"
                "  WHERE $13::uuid IS NOT NULL AND m.session_id = go.id AND m.seq >= go.before_seq"
                "   AND m.superseded_by IS NULL),"
                " up AS (UPDATE chat_sessions c SET last_seq = go.last_seq + 2,"
                "   message_count = go.message_count + 2, model = coalesce($7::text, go.model),"
                "   updated_at = greatest(go.updated_at, " MS("$9") "), last_message_at = " MS("$9") ","
                "   title = CASE WHEN go.title_source = 'default' AND $11::text IS NOT NULL"
                "    THEN $11::text ELSE go.title END,"
                "   title_source = CASE WHEN go.title_source = 'default' AND $11::text IS NOT NULL"
                "    THEN 'first_message' ELSE go.title_source END,"
                "   title_vector = CASE WHEN go.title_source = 'default' AND $11::text IS NOT NULL"
                "    THEN " VECTOR("$12") " ELSE go.title_vector END"
                "  FROM go WHERE c.id = go.id RETURNING c.*)"
                " SELECT v.verdict, v.busy_id, coalesce(up.last_seq, 0), (SELECT id FROM parent), " SESSION("up")
                ", " MESSAGE("h") " FROM verdict v LEFT JOIN up ON true LEFT JOIN history h ON true ORDER BY h.seq"},

    /* $1 the old answer, $2 user, $3 answer, $4 model, $5 epoch, $6 now, $7 context messages wanted, the question
     * among them, $8 key, $9 its fingerprint. An answer may be replaced while there is no later current question. */
    [PG_ANSWER_BEGIN_REGENERATE] =
        {.name = "answer_begin_regenerate",
         .constraint = "chat_messages_one_streaming",
         .conflict = CHAT_ERR_GENERATION_IN_PROGRESS,
         .sql = LOCKED_SESSION("id = (SELECT session_id FROM chat_messages WHERE id = $1::uuid AND user_id = $2::text)"
                               " AND user_id = $2::text")
                " old AS (SELECT m.seq, p.id AS question_id, p.seq AS question_seq,"
                "   m.role = 'assistant' AND m.superseded_by IS NULL AND p.id IS NOT NULL AND NOT EXISTS ("
                "    SELECT FROM chat_messages l WHERE l.session_id = s.id AND l.seq > m.seq AND l.role = 'user'"
                "     AND l.superseded_by IS NULL) AS fit"
                "  FROM s JOIN chat_messages m ON m.id = $1::uuid AND m.session_id = s.id"
                "  LEFT JOIN chat_messages p ON p.id = m.parent_id AND p.session_id = s.id AND p.role = 'user'),"
                " verdict AS (SELECT s.*, busy.id AS busy_id, old.question_id, old.question_seq,"
                "   CASE WHEN s.last_seq <> seen.last_seq THEN 'stale'"
                "        WHEN old.seq IS NULL THEN 'missing'"
                "        WHEN NOT old.fit THEN 'unfit'"
                "        WHEN busy.id IS NOT NULL THEN 'busy' ELSE 'go' END AS verdict"
                "  FROM s CROSS JOIN seen LEFT JOIN busy ON true LEFT JOIN old ON true),"
                " go AS (SELECT * FROM verdict WHERE verdict = 'go'),"
                " history AS (SELECT m.* FROM go CROSS JOIN LATERAL (SELECT * FROM chat_messages x"
                "   WHERE x.session_id = go.id AND x.seq <= go.question_seq AND " CONTEXT_TAKES("x")
                "   ORDER BY x.seq DESC LIMIT $7::int) m),"
                " a AS (INSERT INTO chat_messages (id, session_id, user_id, seq, parent_id, role, status, epoch,"
                "   content, model, created_at, idempotency_key, idempotency_fingerprint)"
                "  SELECT $3::uuid, go.id, go.user_id, go.last_seq + 1, go.question_id, 'assistant', 'streaming',"
                "   $5::int, '', coalesce($4::text, go.model), " MS("$6") ", $8::text, $9::text FROM go),"
                " up AS (UPDATE chat_sessions c SET last_seq = go.last_seq + 1,"
                "   message_count = go.message_count + 1, model = coalesce($4::text, go.model),"
                "   updated_at = greatest(go.updated_at, " MS("$6") "), last_message_at = " MS("$6")
                "  FROM go WHERE c.id = go.id RETURNING c.*)"
                " SELECT v.verdict, v.busy_id, coalesce(up.last_seq, 0), v.question_id, " SESSION("up")
                ", " MESSAGE("h") " FROM verdict v LEFT JOIN up ON true LEFT JOIN history h ON true ORDER BY h.seq"},

    /* $1 message, $2 session, $3 epoch, $4 status, $5 content, $6 reasoning, $7 model, $8 finish reason, $9-$11 usage,
     * $12 tokens, $13 estimated, $14 cost, $15 words of the content, $16 whether it takes an earlier answer's place,
     * $17 cached tokens.
     * The session's row is not touched and not locked, so an end never waits for a begin.
     * `counted` is what the answer adds to its day. It takes that back if it had ended before (interrupted, and its owner
     * was alive after all). So the day's numbers are the sum over its ended answers, whatever races. */
    [PG_ANSWER_END] =
        {.name = "answer_end",
         .repeatable = true,
         .sql = "WITH was AS (SELECT id, status, model, feedback, prompt_tokens, completion_tokens, cost_micro_usd,"
                "   cached_tokens FROM chat_messages"
                "   WHERE id = $1::uuid AND session_id = $2::uuid AND role = 'assistant' AND epoch = $3::int"
                "    AND (status = 'streaming' OR (status = 'interrupted' AND $4::text <> 'interrupted')) FOR UPDATE),"
                " ended AS (UPDATE chat_messages m SET status = $4::text, content = $5::text, reasoning = $6::text,"
                "   model = coalesce($7::text, m.model), finish_reason = $8::text, prompt_tokens = $9::bigint,"
                "   completion_tokens = $10::bigint, total_tokens = $11::bigint, token_count = $12::bigint,"
                "   tokens_estimated = $13::int = 1, cost_micro_usd = $14::bigint, cached_tokens = $17::bigint,"
                "   search_vector = CASE WHEN $15::text <> '' THEN " VECTOR("$15") " END"
                "  FROM was WHERE m.id = was.id"
                "  RETURNING m.id, m.session_id, m.user_id, m.parent_id, m.seq, m.created_at, m.status, m.model,"
                "   m.feedback, m.prompt_tokens, m.completion_tokens, m.cost_micro_usd, m.cached_tokens,"
                "   m.content <> '' AS has_text),"
                /* all earlier answers to the same question: there may be one that failed between */
                " old AS (UPDATE chat_messages m SET superseded_by = e.id FROM ended e"
                "  WHERE $16::int = 1 AND e.has_text AND m.session_id = e.session_id AND m.parent_id = e.parent_id"
                "   AND m.role = 'assistant' AND m.seq < e.seq AND m.superseded_by IS NULL),"
                " before AS (SELECT b.parent_id, " DAY("b.created_at") " AS day FROM ended e CROSS JOIN LATERAL ("
                "   SELECT x.parent_id, x.created_at FROM chat_messages x WHERE x.session_id = e.session_id"
                "    AND x.seq < e.seq AND x.role = 'assistant' ORDER BY x.seq DESC LIMIT 1) b),"
                " subject AS (SELECT e.user_id, " DAY("e.created_at") " AS day,"
                "   EXISTS (SELECT FROM before b WHERE b.parent_id = e.parent_id) AS again,"
                "   NOT EXISTS (SELECT FROM before b WHERE b.day >= " DAY("e.created_at") ") AS opens_day FROM ended e),"
                " counted AS (SELECT 1 AS sign, model, status, feedback, prompt_tokens, completion_tokens, cost_micro_usd,"
                "   cached_tokens FROM ended UNION ALL SELECT -1, w.model, w.status, w.feedback, w.prompt_tokens,"
                "   w.completion_tokens, w.cost_micro_usd, w.cached_tokens FROM was w JOIN ended e ON e.id = w.id"
                "   WHERE w.status <> 'streaming'),"
                " use AS (INSERT INTO chat_usage_daily AS u (user_id, day, model, answers, regenerated, stopped,"
                "   interrupted, failed, sessions, rated_up, rated_down, prompt_tokens, completion_tokens, cost_micro_usd,"
                "   cached_tokens)"
                "  SELECT s.user_id, s.day, c.model, sum(c.sign), sum(c.sign * " ONE("s.again") "),"
                "   sum(c.sign * " ONE("c.status = 'stopped'") "), sum(c.sign * " ONE("c.status = 'interrupted'") "),"
                "   sum(c.sign * " ONE("c.status = 'failed'") "), sum(c.sign * " ONE("s.opens_day") "),"
                "   sum(c.sign * " ONE("c.feedback = 'up'") "), sum(c.sign * " ONE("c.feedback = 'down'") "),"
                "   sum(c.sign * coalesce(c.prompt_tokens, 0)), sum(c.sign * coalesce(c.completion_tokens, 0)),"
                "   sum(c.sign * c.cost_micro_usd), sum(c.sign * c.cached_tokens)"
                "  FROM subject s CROSS JOIN counted c GROUP BY s.user_id, s.day, c.model ORDER BY c.model"
                "  ON CONFLICT (user_id, day, model) DO UPDATE SET " MORE("answers") ", " MORE("regenerated") ", "
                MORE("stopped") ", " MORE("interrupted") ", " MORE("failed") ", " MORE("sessions") ", "
                MORE("rated_up") ", " MORE("rated_down") ", " MORE("prompt_tokens") ", " MORE("completion_tokens") ", "
                MORE("cost_micro_usd") ", " MORE("cached_tokens") ")"
                " SELECT " SESSION("s") ", EXISTS (SELECT FROM ended) FROM chat_sessions s WHERE s.id = $2::uuid"},

    /* ---- usage ---- */
    /* $1 writer, $2 number of the batch, $3 now, $4 its rows. In the order of the key, so that two never wait for each
     * other in a circle. */
    [PG_USAGE_COUNT] =
        {.name = "usage_count",
         .repeatable = true,
         .sql = "WITH fresh AS (INSERT INTO chat_usage_writers AS w (id, batch, counted_at)"
                "   VALUES ($1::uuid, $2::bigint, " MS("$3") ") ON CONFLICT (id)"
                "   DO UPDATE SET batch = excluded.batch, counted_at = excluded.counted_at WHERE w.batch < excluded.batch"
                "   RETURNING id)"
                " INSERT INTO chat_usage_daily AS u (user_id, day, model, completions, prompt_tokens, completion_tokens,"
                "   cost_micro_usd, cached_tokens) SELECT x.* FROM fresh CROSS JOIN"
                "   jsonb_to_recordset($4::text::jsonb) AS x (user_id text, day date, model text, completions bigint,"
                "   prompt_tokens bigint, completion_tokens bigint, cost_micro_usd bigint, cached_tokens bigint)"
                "  ORDER BY x.user_id, x.day, x.model"
                "  ON CONFLICT (user_id, day, model) DO UPDATE SET " MORE("completions") ", " MORE("prompt_tokens") ", "
                MORE("completion_tokens") ", " MORE("cost_micro_usd") ", " MORE("cached_tokens")},

    /* $1 first day, $2 last, $3 model or NULL, $4 limit, from $5 on the cursor: those of day, user, model that it is
     * grouped by. Each walks an index and stops after a page; by model alone there are few rows. */
    [PG_USAGE_DAYS] = {.name = "usage_days", .repeatable = true,
        .sql = USAGE_REPORT(USAGE_DAY, "''", "''", "u.day", "u.day > $5::date")},
    [PG_USAGE_USERS] = {.name = "usage_users", .repeatable = true,
        .sql = USAGE_REPORT("''", "u.user_id", "''", "u.user_id", "u.user_id > $5::text")},
    [PG_USAGE_DAYS_USERS] = {.name = "usage_days_users", .repeatable = true,
        .sql = USAGE_REPORT(USAGE_DAY, "u.user_id", "''", "u.day, u.user_id", "(u.day, u.user_id) > ($5::date, $6::text)")},
    [PG_USAGE_MODELS] = {.name = "usage_models", .repeatable = true,
        .sql = USAGE_REPORT("''", "''", "u.model", "u.model", "u.model > $5::text")},
    [PG_USAGE_DAYS_MODELS] = {.name = "usage_days_models", .repeatable = true,
        .sql = USAGE_REPORT(USAGE_DAY, "''", "u.model", "u.day, u.model", "(u.day, u.model) > ($5::date, $6::text)")},
    [PG_USAGE_USERS_MODELS] = {.name = "usage_users_models", .repeatable = true,
        .sql = USAGE_REPORT("''", "u.user_id", "u.model", "u.user_id, u.model",
                            "(u.user_id, u.model) > ($5::text, $6::text)")},
    [PG_USAGE_DAYS_USERS_MODELS] = {.name = "usage_days_users_models", .repeatable = true,
        .sql = USAGE_REPORT(USAGE_DAY, "u.user_id", "u.model", "u.day, u.user_id, u.model",
                            "(u.day, u.user_id, u.model) > ($5::date, $6::text, $7::text)")},

    /* $1-$4 as above, $5 user, $6 what it is grouped by (enum usage_group), $7-$9 the cursor: day, user, model. One
     * user's rows are few. */
    [PG_USAGE_OF_USER] =
        {.name = "usage_of_user",
         .repeatable = true,
         .sql = "SELECT x.day, x.user_id, x.model, " USAGE_SUMS("x") " FROM (SELECT"
                "   CASE WHEN $6::int & 1 <> 0 THEN " USAGE_DAY " ELSE '' END AS day,"
                "   CASE WHEN $6::int & 2 <> 0 THEN u.user_id ELSE '' END AS user_id,"
                "   CASE WHEN $6::int & 4 <> 0 THEN u.model ELSE '' END AS model, u.answers, u.regenerated, u.stopped,"
                "   u.interrupted, u.failed, u.sessions, u.rated_up, u.rated_down, u.completions, u.prompt_tokens,"
                "   u.completion_tokens, u.cost_micro_usd, u.cached_tokens FROM chat_usage_daily u"
                "  WHERE u.user_id = $5::text AND u.day BETWEEN $1::date AND $2::date"
                "   AND ($3::text IS NULL OR u.model = $3::text)) x"
                " WHERE (x.day, x.user_id, x.model) > ($7::text, $8::text, $9::text)"
                " GROUP BY x.day, x.user_id, x.model ORDER BY x.day, x.user_id, x.model LIMIT $4::int"},

    /* $1 first day, $2 last */
    [PG_USAGE_ENGAGEMENT] =
        {.name = "usage_engagement",
         .repeatable = true,
         .sql = "SELECT to_char(d.day, 'YYYY-MM-DD'), w.users, u.*"
                " FROM (SELECT generate_series($1::date, $2::date, interval '1 day')::date AS day) d"
                " CROSS JOIN LATERAL (SELECT count(DISTINCT u.user_id), " USAGE_SUMS("u")
                "   FROM chat_usage_daily u WHERE u.day = d.day) u"
                " CROSS JOIN LATERAL (SELECT count(DISTINCT u.user_id) AS users FROM chat_usage_daily u"
                "   WHERE u.day BETWEEN d.day - 6 AND d.day) w ORDER BY d.day"},

    /* ---- all of one user ---- */
    [PG_USER_DELETED] =
        {.name = "user_deleted",
         .repeatable = true,
         .sql = "SELECT " SESSION("s") ", " US("s.deleted_at") " FROM chat_sessions s"
                " WHERE s.user_id = $1::text AND s.deleted_at IS NOT NULL AND s.id > $2::uuid ORDER BY s.id LIMIT $3::int"},
    [PG_USER_MESSAGES] =
        {.name = "user_messages",
         .repeatable = true,
         .sql = "SELECT " MESSAGE("m") ", m.feedback_comment FROM chat_messages m WHERE m.session_id = $2::uuid"
                " AND m.user_id = $1::text AND m.seq > $3::bigint ORDER BY m.seq LIMIT $4::int"},
    /* A second run would report less than was erased. */
    [PG_USER_ERASE] =
        {.name = "user_erase",
         .sql = "WITH gone AS (SELECT s.id FROM chat_sessions s WHERE s.user_id = $1::text AND s.deleted_at IS NOT NULL"
                "   AND NOT EXISTS (SELECT FROM chat_messages a WHERE a.session_id = s.id AND a.status = 'streaming')"
                "   ORDER BY s.id LIMIT $2::int FOR UPDATE OF s),"
                " told AS (SELECT count(*) AS count FROM gone g CROSS JOIN LATERAL"
                "   (SELECT FROM chat_messages m WHERE m.session_id = g.id OFFSET 0) m),"
                " sessions AS (DELETE FROM chat_sessions WHERE id IN (SELECT id FROM gone) RETURNING id),"
                " days AS (DELETE FROM chat_usage_daily u USING (SELECT user_id, day, model FROM chat_usage_daily"
                "   WHERE user_id = $1::text ORDER BY user_id, day, model LIMIT $2::int FOR UPDATE) d"
                "   WHERE u.user_id = d.user_id AND u.day = d.day AND u.model = d.model RETURNING u.day)"
                " SELECT (SELECT count(*) FROM sessions), (SELECT count FROM told), (SELECT count(*) FROM days)"},
    [PG_USER_COUNT] =
        {.name = "user_count",
         .repeatable = true,
         .sql = "SELECT (SELECT count(*) FROM chat_sessions WHERE user_id = $1::text AND deleted_at IS NULL)"
                "  + (SELECT count(*) FROM chat_sessions WHERE user_id = $1::text AND deleted_at IS NOT NULL), 0,"
                " (SELECT count(*) FROM chat_usage_daily WHERE user_id = $1::text)"},
};
