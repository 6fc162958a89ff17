-- Decides on a refresh, as domain/generation.rs does, in one round trip that any number of replicas agree on.
-- KEYS: the session's entry, the marker that the blacklist is whole.
-- ARGV: the token's generation, when the rotation that made it took place, when it expires, until when the entry is
-- needed, the grace period, where the claims come from, how far a test's clock is ahead, and until when by Redis' own
-- clock somebody waits for the answer. All times in ms.
-- An entry is 'revoked', or watermark:moved-at, or watermark:moved-at:claims-from, where claims-from is '*' while no
-- token says what is true.
-- Answers: the outcome, the next generation, when the watermark moved.

local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
-- Nobody waits any more: what is done now would come as a surprise.
if clock > tonumber(ARGV[8]) then return {'late', 0, 0} end

local entry, marker = unpack(redis.call('MGET', KEYS[1], KEYS[2]))
if not marker then return {'not whole', 0, 0} end
if entry == 'revoked' then return {'revoked', 0, 0} end

local now = clock + ARGV[7]
local generation, rotated_at, expires_at = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ttl, grace, from_database = ARGV[4] - now, tonumber(ARGV[5]), ARGV[6] == 'database'
-- By the clock that entries expire by: no token outlives its entry, whatever the clocks of the replicas say.
if expires_at <= now then return {'expired', 0, 0} end

local watermark, moved_at, claims_from = generation, 0, nil
if entry then
  -- An entry lives as long as any token of its session.
  ttl = math.max(ttl, redis.call('PTTL', KEYS[1]))
  watermark, moved_at, claims_from = entry:match('^(%d+):(%d+):?(.*)$')
  watermark, moved_at = tonumber(watermark), tonumber(moved_at)
  claims_from = claims_from == '*' and math.huge or tonumber(claims_from)
end

local retried = generation + 1 == watermark and now - moved_at < grace
local newest = generation > watermark and rotated_at > moved_at
  or generation == watermark and rotated_at >= moved_at - grace
if not retried and not newest then
  redis.call('SET', KEYS[1], 'revoked', 'PX', ttl)
  return {'reused', 0, 0}
end
if claims_from and generation < claims_from and not from_database then return {'stale claims', 0, 0} end

if not retried then watermark, moved_at = generation + 1, now end
local suffix = ''
if from_database then
  suffix = string.format(':%.0f', watermark)
elseif claims_from and retried then
  suffix = string.format(':%.0f', claims_from)
end
redis.call('SET', KEYS[1], string.format('%.0f:%.0f', watermark, moved_at) .. suffix, 'PX', ttl)
return {retried and 'retried' or 'rotated', watermark, moved_at}
