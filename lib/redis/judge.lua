-- Whether what this Redis knows of others may be believed. It is asked for a write, so one that is a replica, is full, or
-- stands still can't say yes. Words of life run out while Redis stands still or another one takes its place: everybody gets
-- some time to say theirs anew.
-- KEYS  1 chat:process:<id>:alive, of the process that asks  2 chat:process:<id>:remembered  3 chat:process:<id>:doubt
--       4 chat:history ("<replication id> <ms when it began>")
-- ARGV  1 ms that its own word of life must have left: it is renewed sooner, unless something stood still
--       2 ms that all get  3 seconds to keep the history
-- Gives 1: yes, 0: no.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local info = redis.pcall('INFO', 'replication')
local id = type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''
local known_id, began_ms = string.match(redis.call('GET', KEYS[4]) or '', '^(%x*) (%d+)$')

began_ms = tonumber(began_ms)
if known_id ~= id or not began_ms or began_ms > now_ms then
    began_ms = now_ms
end
redis.call('SET', KEYS[4], id .. ' ' .. string.format('%.0f', began_ms), 'EX', ARGV[3])

local is_late = redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1])
-- a process that has never said that it lives has nothing to go by yet, and nothing to doubt
if is_late and redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('SET', KEYS[3], '1', 'PX', ARGV[2])
end
if is_late or redis.call('EXISTS', KEYS[3]) == 1 or now_ms - began_ms < tonumber(ARGV[2]) then
    return 0
end
return 1
