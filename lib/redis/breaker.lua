-- Puts a new state of a model's breaker in the place of the one it was made from; nothing where another was faster.
-- KEYS  1 chat:breakers (model -> state)
-- ARGV  1 model  2 the state it was made from ("" = none)  3 the new one ("" = none)  4 milliseconds to keep it at least
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
    return 0
end
if ARGV[3] == '' then
    redis.call('HDEL', KEYS[1], ARGV[1])
    return 1
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
