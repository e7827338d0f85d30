-- migrate:up

-- One row a chat. The application gives every id and every time, so that ids are version 7 and tests can turn the
-- clock; nothing here defaults to now().
CREATE TABLE chat_sessions (
    id              uuid PRIMARY KEY,
    -- The `sub` of a token; its alphabet is part of the contract, so a row can never belong to an id no token can have.
    user_id         text NOT NULL CONSTRAINT chat_sessions_user_id CHECK (user_id ~ '^[A-Za-z0-9._:@|+=/-]{1,255}$'),
    title           text NOT NULL CONSTRAINT chat_sessions_title CHECK (char_length(title) BETWEEN 1 AND 200),
    title_source    text NOT NULL DEFAULT 'default'
                    CONSTRAINT chat_sessions_title_source
                    CHECK (title_source IN ('default', 'first_message', 'model', 'user')),
    model           text NOT NULL CONSTRAINT chat_sessions_model CHECK (char_length(model) BETWEEN 1 AND 127),
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    last_message_at timestamptz,
    pinned_at       timestamptz,
    archived_at     timestamptz,
    deleted_at      timestamptz,
    message_count   bigint NOT NULL DEFAULT 0 CONSTRAINT chat_sessions_message_count CHECK (message_count >= 0),
    -- The highest seq given out. Drawn under the row's lock, so racing sends can't get the same one.
    last_seq        bigint NOT NULL DEFAULT 0 CONSTRAINT chat_sessions_last_seq CHECK (last_seq >= 0)
);

-- The two orders of the list; id breaks ties, so a keyset cursor neither skips nor repeats a row.
CREATE INDEX chat_sessions_by_created ON chat_sessions (user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX chat_sessions_by_updated ON chat_sessions (user_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;

-- The purge looks for sessions deleted long ago; only deleted ones are in here.
CREATE INDEX chat_sessions_deleted ON chat_sessions (deleted_at) WHERE deleted_at IS NOT NULL;

-- migrate:down

DROP TABLE chat_sessions;
