-- migrate:up transaction:false

-- All of one user's sessions, for export and erasure: those that stand are found by chat_sessions_by_created, the deleted
-- ones by this. Only deleted ones are in it, so a send never touches it.
CREATE INDEX CONCURRENTLY chat_sessions_deleted_of_user ON chat_sessions (user_id, id) WHERE deleted_at IS NOT NULL;

-- migrate:down transaction:false

DROP INDEX CONCURRENTLY chat_sessions_deleted_of_user;
