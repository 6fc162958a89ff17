-- Ends a session.
-- KEYS: the session's entry, the marker that the blacklist is whole.
-- ARGV: how long the token presented still lives, how long any token of the session may live (ms), and since when
-- the blacklist must have been whole for the first to be enough (ms).

local entry, whole_since = unpack(redis.call('MGET', KEYS[1], KEYS[2]))
if entry == 'revoked' then return end
local ttl = tonumber(ARGV[1])
if entry then
  ttl = math.max(ttl, redis.call('PTTL', KEYS[1]))
elseif not whole_since or tonumber(whole_since) > tonumber(ARGV[3]) then
  -- The entry may be missing because it was lost, and then newer tokens than the one presented may be about.
  ttl = tonumber(ARGV[2])
end
redis.call('SET', KEYS[1], 'revoked', 'PX', ttl)
