-- Marks a session whose user's scopes or roles have changed: its next refresh reads the database.
-- KEYS: the session's entry.
-- ARGV: until when any token of the session may live, and how far a test's clock is ahead (ms).

local entry = redis.call('GET', KEYS[1])
if entry == 'revoked' then return end
if entry then
  redis.call('SET', KEYS[1], entry:match('^%d+:%d+') .. ':*', 'KEEPTTL')
else
  local time = redis.call('TIME')
  local ttl = ARGV[1] - (time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2])
  if ttl > 0 then redis.call('SET', KEYS[1], '0:0:*', 'PX', ttl) end
end
