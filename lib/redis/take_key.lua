-- Takes an Idempotency-Key, or tells who has it. A user has at most so many: the oldest leaves for one more.
-- KEYS  1 chat:idempotency:<user>#<hash>
--       2 of the user's keys that live as long as this one: when each was taken   3 of the others
-- ARGV  1 "<fingerprint> <id> p" of this request   2 seconds to keep it   3 seconds that the others are kept
--       4 now, ms   5 how many a user may have   6 "chat:idempotency:<user>#"   7 <hash>
-- Gives the value that holds the key now.
local held = redis.call('GET', KEYS[1])
if held then
    return held
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[4] - ARGV[2] * 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[4] - ARGV[3] * 1000)
local count = redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3])
while count >= tonumber(ARGV[5]) do
    local from, oldest = KEYS[2], redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
    local other = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
    if not oldest[1] or (other[1] and tonumber(other[2]) < tonumber(oldest[2])) then
        from, oldest = KEYS[3], other
    end
    redis.call('ZREM', from, oldest[1])
    redis.call('DEL', ARGV[6] .. oldest[1])
    count = count - 1
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[7])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return ARGV[1]
