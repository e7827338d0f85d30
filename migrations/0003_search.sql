-- migrate:up

-- Lets a GIN index lead with the plain column user_id. A trusted extension (PostgreSQL 13 and later): the owner of
-- the database may create it.
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- Both vectors are written by the application from text it prepared (runs of CJK as bigrams, no ASCII punctuation),
-- so they are no generated columns. NULL: nothing to find. A version that doesn't know them leaves them NULL.
ALTER TABLE chat_sessions ADD COLUMN title_vector tsvector;
ALTER TABLE chat_messages ADD COLUMN search_vector tsvector;

-- user_id first: one user's search never reads another's postings, however common the word. What can't be found
-- (deleted, superseded, empty) is not in the index. The pending list is what every search reads in full; 1 MB of it
-- bounds that.
CREATE INDEX chat_sessions_search ON chat_sessions USING gin (user_id, title_vector)
    WITH (gin_pending_list_limit = 1024)
    WHERE deleted_at IS NULL AND title_vector IS NOT NULL;
CREATE INDEX chat_messages_search ON chat_messages USING gin (user_id, search_vector)
    WITH (gin_pending_list_limit = 1024)
    WHERE superseded_by IS NULL AND search_vector IS NOT NULL;

-- migrate:down

DROP INDEX chat_messages_search;
DROP INDEX chat_sessions_search;
ALTER TABLE chat_messages DROP COLUMN search_vector;
ALTER TABLE chat_sessions DROP COLUMN title_vector;
DROP EXTENSION btree_gin;
