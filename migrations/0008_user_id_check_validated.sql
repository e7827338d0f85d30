-- migrate:up

ALTER TABLE chat_sessions VALIDATE CONSTRAINT chat_sessions_user_id;
ALTER TABLE chat_messages VALIDATE CONSTRAINT chat_messages_user_id;
ALTER TABLE chat_usage_daily VALIDATE CONSTRAINT chat_usage_daily_user_id;

-- migrate:down transaction:false

BEGIN;
ALTER TABLE chat_sessions DROP CONSTRAINT chat_sessions_user_id;
ALTER TABLE chat_sessions ADD CONSTRAINT chat_sessions_user_id
    CHECK (octet_length(user_id) BETWEEN 1 AND 255
    AND translate(user_id, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@|+=/-', '') = '') NOT VALID;
COMMIT;

BEGIN;
ALTER TABLE chat_messages DROP CONSTRAINT chat_messages_user_id;
ALTER TABLE chat_messages ADD CONSTRAINT chat_messages_user_id
    CHECK (octet_length(user_id) BETWEEN 1 AND 255
    AND translate(user_id, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@|+=/-', '') = '') NOT VALID;
COMMIT;

BEGIN;
ALTER TABLE chat_usage_daily DROP CONSTRAINT chat_usage_daily_user_id;
ALTER TABLE chat_usage_daily ADD CONSTRAINT chat_usage_daily_user_id
    CHECK (octet_length(user_id) BETWEEN 1 AND 255
    AND translate(user_id, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@|+=/-', '') = '') NOT VALID;
COMMIT;
