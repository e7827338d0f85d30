-- migrate:up transaction:false

-- Nothing is left once the letters of the alphabet are taken away.
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

-- migrate:down transaction:false

BEGIN;
ALTER TABLE chat_sessions DROP CONSTRAINT chat_sessions_user_id;
ALTER TABLE chat_sessions ADD CONSTRAINT chat_sessions_user_id
    CHECK (user_id ~ '^[A-Za-z0-9._:@|+=/-]{1,255}$') NOT VALID;
COMMIT;

BEGIN;
ALTER TABLE chat_messages DROP CONSTRAINT chat_messages_user_id;
ALTER TABLE chat_messages ADD CONSTRAINT chat_messages_user_id
    CHECK (user_id ~ '^[A-Za-z0-9._:@|+=/-]{1,255}$') NOT VALID;
COMMIT;

BEGIN;
ALTER TABLE chat_usage_daily DROP CONSTRAINT chat_usage_daily_user_id;
ALTER TABLE chat_usage_daily ADD CONSTRAINT chat_usage_daily_user_id
    CHECK (user_id ~ '^[A-Za-z0-9._:@|+=/-]{1,255}$') NOT VALID;
COMMIT;
