-- migrate:up

CREATE TABLE chat_messages (
    id                uuid PRIMARY KEY,
    session_id        uuid NOT NULL CONSTRAINT chat_messages_session REFERENCES chat_sessions (id) ON DELETE CASCADE,
    -- The session's, repeated here so that a search reads one user's entries of one index.
    user_id           text NOT NULL
                      CONSTRAINT chat_messages_user_id CHECK (user_id ~ '^[A-Za-z0-9._:@|+=/-]{1,255}$'),
    seq               bigint NOT NULL CONSTRAINT chat_messages_seq_positive CHECK (seq >= 1),
    -- A question's: the message it follows; an answer's: its question.
    parent_id         uuid,
    -- The question that replaced this message (edit), or the answer that took its place (regenerate).
    superseded_by     uuid,
    role              text NOT NULL CONSTRAINT chat_messages_role CHECK (role IN ('system', 'user', 'assistant')),
    status            text NOT NULL
                      CONSTRAINT chat_messages_status
                      CHECK (status IN ('streaming', 'complete', 'stopped', 'interrupted', 'failed')),
    -- Which owner writes the answer; its end is a compare-and-set on (status, epoch).
    epoch             integer NOT NULL DEFAULT 0 CONSTRAINT chat_messages_epoch CHECK (epoch >= 0),
    -- Questions are held to CHAT_MAX_MESSAGE_LENGTH by the domain; this bounds what any bug can store.
    content           text NOT NULL CONSTRAINT chat_messages_content CHECK (octet_length(content) <= 4194304),
    reasoning         text CONSTRAINT chat_messages_reasoning CHECK (octet_length(reasoning) <= 4194304),
    model             text CONSTRAINT chat_messages_model CHECK (char_length(model) BETWEEN 1 AND 127),
    finish_reason     text CONSTRAINT chat_messages_finish_reason CHECK (char_length(finish_reason) BETWEEN 1 AND 64),
    token_count       bigint NOT NULL DEFAULT 0 CONSTRAINT chat_messages_token_count CHECK (token_count >= 0),
    tokens_estimated  boolean NOT NULL DEFAULT false,
    -- As the provider counted them; all NULL where it did not.
    prompt_tokens     bigint CONSTRAINT chat_messages_prompt_tokens CHECK (prompt_tokens >= 0),
    completion_tokens bigint CONSTRAINT chat_messages_completion_tokens CHECK (completion_tokens >= 0),
    total_tokens      bigint CONSTRAINT chat_messages_total_tokens CHECK (total_tokens >= 0),
    cost_micro_usd    bigint NOT NULL DEFAULT 0 CONSTRAINT chat_messages_cost CHECK (cost_micro_usd >= 0),
    feedback          text CONSTRAINT chat_messages_feedback CHECK (feedback IN ('up', 'down')),
    feedback_comment  text CONSTRAINT chat_messages_feedback_comment CHECK (char_length(feedback_comment) <= 4000),
    idempotency_key   text CONSTRAINT chat_messages_idempotency_key CHECK (idempotency_key ~ '^[!-~]{1,128}$'),
    idempotency_fingerprint text
                      CONSTRAINT chat_messages_idempotency_fingerprint
                      CHECK (char_length(idempotency_fingerprint) BETWEEN 1 AND 128),
    created_at        timestamptz NOT NULL,

    CONSTRAINT chat_messages_seq UNIQUE (session_id, seq),
    -- Only here so that the two references below can insist on the same session.
    CONSTRAINT chat_messages_in_session UNIQUE (session_id, id),
    -- With session_id in them, the check that a deleted row is not referenced any more walks one session through
    -- chat_messages_seq and needs no indexes of its own.
    CONSTRAINT chat_messages_parent FOREIGN KEY (session_id, parent_id) REFERENCES chat_messages (session_id, id),
    CONSTRAINT chat_messages_superseded_by
        FOREIGN KEY (session_id, superseded_by) REFERENCES chat_messages (session_id, id),
    -- Questions are complete from the start; only answers have a life.
    CONSTRAINT chat_messages_question_complete CHECK (role = 'assistant' OR status = 'complete'),
    CONSTRAINT chat_messages_answer_model CHECK (role <> 'assistant' OR model IS NOT NULL)
);

-- One answer is written per session at a time, whatever races.
CREATE UNIQUE INDEX chat_messages_one_streaming ON chat_messages (session_id) WHERE status = 'streaming';
-- The reaper's scan for answers that nobody ended; holds only those being written.
CREATE INDEX chat_messages_stale ON chat_messages (created_at) WHERE status = 'streaming';
-- Not unique: a key may be used again after 24 hours.
CREATE INDEX chat_messages_idempotency ON chat_messages (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- migrate:down

DROP TABLE chat_messages;
