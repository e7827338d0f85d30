-- Takes back what an admission counted that was refused, because its answer never came. Its lease tells whether it did.
-- KEYS  1 chat:rate:<user>:<window>  2 chat:quota:daily:<user>:<day>  3 chat:streams:<user> (answer id -> lease end)
-- ARGV  1 its deadline on this clock, ms  2 answer id  3 units to take off the minute  4 off the day
-- Gives 1: nothing of it is counted, now and later; 0: asked too early, it may still be counted.
local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) <= tonumber(ARGV[1]) then
    return 0
end
local function take_off(key, units)
    local back = math.min(tonumber(units), tonumber(redis.call('GET', key)) or 0)
    if back > 0 then
        redis.call('DECRBY', key, back)
    end
end
if redis.call('ZREM', KEYS[3], ARGV[2]) == 1 then
    take_off(KEYS[1], ARGV[3])
    take_off(KEYS[2], ARGV[4])
end
return 1
