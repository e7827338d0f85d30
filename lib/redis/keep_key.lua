-- What this request makes is stored: its Idempotency-Key says so from now on.
-- KEYS  1 chat:idempotency:<user>#<hash>
-- ARGV  1 "<fingerprint> <id> p"   2 the same, done
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
    return 1
end
return 0
