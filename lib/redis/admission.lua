-- Decides and counts one request in one step: what is refused is counted nowhere.
-- KEYS  1 chat:rate:<user>:<window>, or chat:create: for what is no answer  2 chat:quota:daily:<user>:<day>  3 chat:streams:<user> (answer id -> lease end)
--       4 chat:breakers (model -> state)
-- ARGV  1 deadline on this clock, ms   2 now, ms        3 answer id       4 minute's limit   5 rate key's life, ms
--       6 day's limit, -1: not counted 7 daily key's life, ms             8 answers at once  9 lease, ms; 0: none
--       10 whose breaker must be at rest, which is when it has no state: "" nobody's, "all" all models', "one" that of
--       11 the model
--       12 "1": only says what it would do
--       13 units that it takes of the minute and of the day
-- Gives {verdict, minute's count, day's count, this clock in ms}; verdict 0 admitted, 1 minute, 2 day, 3 answers at
-- once, 4 too late: nobody waits for this any more, 5 the breaker is not at rest.
local time = redis.call('TIME')
local clock_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('MGET', KEYS[1], KEYS[2])
local rate_used = tonumber(found[1]) or 0
local daily_used = tonumber(found[2]) or 0
local daily_limit = tonumber(ARGV[6])

if clock_ms > tonumber(ARGV[1]) then
    return {4, rate_used, daily_used, clock_ms}
end
if ARGV[10] == 'all' and redis.call('EXISTS', KEYS[4]) == 1
    or ARGV[10] == 'one' and redis.call('HEXISTS', KEYS[4], ARGV[11]) == 1 then
    return {5, rate_used, daily_used, clock_ms}
end
local units = tonumber(ARGV[13])
if rate_used + units > tonumber(ARGV[4]) then
    return {1, rate_used, daily_used, clock_ms}
end
if daily_limit >= 0 and daily_used + units > daily_limit then
    return {2, rate_used, daily_used, clock_ms}
end
local is_leased = ARGV[9] ~= '0'
if is_leased and ARGV[12] ~= '1' then
    -- a write before the leases are looked at: a Redis that was demoted refuses it, and its old leases refuse nobody
    redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[2])
end
if is_leased and redis.call('ZCOUNT', KEYS[3], '(' .. ARGV[2], '+inf') >= tonumber(ARGV[8]) then
    return {3, rate_used, daily_used, clock_ms}
end
if ARGV[12] == '1' then
    return {0, rate_used, daily_used, clock_ms}
end

-- Adds them; the first of a key sets when it ends, in the same step.
local function count(key, before, life_ms)
    if before == 0 then
        redis.call('SET', key, units, 'PX', life_ms)
        return units
    end
    return redis.call('INCRBY', key, units)
end
rate_used = count(KEYS[1], rate_used, ARGV[5])
if daily_limit >= 0 then
    daily_used = count(KEYS[2], daily_used, ARGV[7])
end
if is_leased then
    redis.call('ZADD', KEYS[3], ARGV[2] + ARGV[9], ARGV[3])
    redis.call('PEXPIRE', KEYS[3], ARGV[9])
end
return {0, rate_used, daily_used, clock_ms}
