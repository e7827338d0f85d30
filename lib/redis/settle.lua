-- Ends an answer's lease, and gives its day's units back where asked to: once, however often it is called. Units that were given
-- back are taken again where the answer came after all: its process stood still, and was taken for dead before the first token.
-- KEYS  1 chat:settled:<answer id>  2 chat:streams:<user>  3 chat:quota:daily:<user>:<day it was counted on>
--       4 chat:rate:<user>:<window of now>  5 chat:quota:daily:<user>:<today>  6 chat:breakers
-- ARGV  1 answer id  2 units to give back, "0": none  3 seconds to remember that it is settled
-- Gives {minute's count, day's count, 1 where the breakers of all models are at rest}, as they are now.
if redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[3]) then
    redis.call('ZREM', KEYS[2], ARGV[1])
    local back = math.min(tonumber(ARGV[2]), tonumber(redis.call('GET', KEYS[3])) or 0)
    if back > 0 then
        redis.call('DECRBY', KEYS[3], back)
        redis.call('SET', KEYS[1], back == 1 and 'back' or 'back' .. back, 'KEEPTTL')
    end
elseif ARGV[2] == '0' then
    local back = string.match(redis.call('GET', KEYS[1]) or '', '^back(%d*)$')
    if back then
        redis.call('SET', KEYS[1], '1', 'KEEPTTL')
        if redis.call('EXISTS', KEYS[3]) == 1 then
            redis.call('INCRBY', KEYS[3], back == '' and 1 or back)
        end
    end
end
local now = redis.call('MGET', KEYS[4], KEYS[5])
return {tonumber(now[1]) or 0, tonumber(now[2]) or 0, 1 - redis.call('EXISTS', KEYS[6])}
