-- Puts a new state of the breaker in the place of the one it was made from; nothing where another was faster.
-- KEYS  1 chat:breaker
-- ARGV  1 the state it was made from ("" = none)  2 the new one ("" = none)  3 milliseconds to keep it
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
    return 0
end
if ARGV[2] == '' then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
