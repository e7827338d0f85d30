-- migrate:up

-- The first message that the model was last shown, where earlier ones were left out. No foreign key: messages go with
-- their session alone, and a check at each answer of a long chat would be for nothing.
ALTER TABLE chat_sessions ADD COLUMN context_starts_at uuid;

-- migrate:down

ALTER TABLE chat_sessions DROP COLUMN context_starts_at;
