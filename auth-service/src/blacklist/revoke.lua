-- Ends a session.
-- KEYS: the session's entry, the marker that the blacklist is whole.
-- ARGV: until when the token presented lives, until when any token of the session may live, since when the blacklist
-- must have been whole for the first to be enough, how far a test's clock is ahead (all times in ms), and whether an
-- entry that says so already is to live as long as that, as after a loss.

local entry, marker = unpack(redis.call('MGET', KEYS[1], KEYS[2]))
if entry == 'revoked' and ARGV[5] ~= 'extend' then return end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[4]
local whole_since = marker and tonumber(marker:match('^%d+'))
local ttl = ARGV[1] - now
if entry then
  ttl = math.max(ttl, redis.call('PTTL', KEYS[1]))
elseif not whole_since or whole_since > tonumber(ARGV[3]) then
  -- The entry may be missing because it was lost, and then newer tokens than the one presented may be about.
  ttl = ARGV[2] - now
end
if ttl > 0 then redis.call('SET', KEYS[1], 'revoked', 'PX', ttl) end
