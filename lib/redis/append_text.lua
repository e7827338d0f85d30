-- Appends pieces to answers' texts, each where all that stood before is there. Else that text doesn't change: a piece must
-- not be read in another place than its own.
-- KEYS  for each piece  1 chat:answer:<id>:content or :reasoning  2 chat:answer:<id>:writer
-- ARGV  for each piece  1 bytes that stood before  2 the piece
-- For each 1: appended; 0: something was lost.
local appended = {}
for i = 1, #KEYS, 2 do
    local is_whole = redis.call('STRLEN', KEYS[i]) == tonumber(ARGV[i]) and redis.call('EXISTS', KEYS[i + 1]) == 1
    if is_whole then redis.call('APPEND', KEYS[i], ARGV[i + 1]) end
    appended[#appended + 1] = is_whole and 1 or 0
end
return appended
