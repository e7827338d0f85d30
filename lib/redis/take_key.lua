-- Takes an Idempotency-Key, or tells who has it.
-- KEYS  1 chat:idempotency:<user>#<key>
-- ARGV  1 "<fingerprint> <id>" of this request  2 seconds to keep it
-- Gives the value that holds the key now.
local held = redis.call('GET', KEYS[1])
if held then
    return held
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
