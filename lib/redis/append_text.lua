-- Appends pieces to answers' texts, each where all that stood before is there, and keeps text and writer from running out.
-- Else that text doesn't change: a piece must not be read in another place than its own.
-- KEYS  for each piece  1 chat:answer:<id>:content or :reasoning  2 chat:answer:<id>:writer
-- ARGV  for each piece  1 bytes that stood before  2 the piece; and last, seconds that both live: anew once half are over
-- For each 1: appended; 0: something was lost.
local seconds = tonumber(ARGV[#ARGV])
local appended = {}
for i = 1, #KEYS, 2 do
    local len, left = redis.call('STRLEN', KEYS[i]), redis.call('TTL', KEYS[i + 1])
    local is_whole = len == tonumber(ARGV[i]) and left ~= -2
    if is_whole then redis.call('APPEND', KEYS[i], ARGV[i + 1]) end
    if is_whole and left < seconds / 2 then
        redis.call('EXPIRE', KEYS[i], seconds)
        redis.call('EXPIRE', KEYS[i + 1], seconds)
    end
    appended[#appended + 1] = is_whole and 1 or 0
end
return appended
