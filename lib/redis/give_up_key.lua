-- Frees an Idempotency-Key that is still this request's.
-- KEYS  1 chat:idempotency:<user>#<key>
-- ARGV  1 id of this request
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, -#ARGV[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
