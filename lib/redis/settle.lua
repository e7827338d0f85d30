-- Ends an answer's lease, and gives its daily unit back where asked to: once, however often it is called.
-- KEYS  1 chat:settled:<answer id>  2 chat:streams:<user>  3 chat:quota:daily:<user>:<day it was counted on>
-- ARGV  1 answer id  2 "1" to give the unit back  3 seconds to remember that it is settled
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[3]) then
    return 0
end
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[2] == '1' and (tonumber(redis.call('GET', KEYS[3])) or 0) > 0 then
    redis.call('DECR', KEYS[3])
end
return 1
