-- Frees an Idempotency-Key that is still this request's.
-- KEYS  1 chat:idempotency:<user>#<hash>   2 of the user's keys that live as long: when each was taken
-- ARGV  1 id of this request   2 <hash>
local held = redis.call('GET', KEYS[1])
if held and string.find(held, ARGV[1], 1, true) then
    redis.call('ZREM', KEYS[2], ARGV[2])
    return redis.call('DEL', KEYS[1])
end
return 0
