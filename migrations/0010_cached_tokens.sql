-- migrate:up

-- Of the prompt's tokens, those that the provider had cached: they may have a price of their own. A constant default
-- rewrites no row.
ALTER TABLE chat_messages ADD COLUMN cached_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE chat_usage_daily ADD COLUMN cached_tokens bigint NOT NULL DEFAULT 0;

-- migrate:down

ALTER TABLE chat_usage_daily DROP COLUMN cached_tokens;
ALTER TABLE chat_messages DROP COLUMN cached_tokens;
