-- Appends a piece to an answer's text where all that stood before is there, and keeps text and writer from running out.
-- Else nothing changes: a piece must not be read in another place than its own.
-- KEYS  1 chat:answer:<id>:content or :reasoning  2 chat:answer:<id>:writer
-- ARGV  1 bytes that stood before  2 the piece  3 seconds that both live from now on
-- 1: appended. 0: something was lost.
if redis.call('STRLEN', KEYS[1]) ~= tonumber(ARGV[1]) or redis.call('EXPIRE', KEYS[2], ARGV[3]) == 0 then
    return 0
end
redis.call('APPEND', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
