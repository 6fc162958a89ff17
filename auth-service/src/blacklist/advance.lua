-- Decides on a refresh, as domain/generation.rs does, in one round trip that any number of replicas agree on.
-- KEYS: the session's entry, the marker that the blacklist is whole.
-- ARGV: the token's generation, when the rotation that made it took place, the grace period, the least life that the
-- entry needs (all times in ms), and how far a test's clock is ahead.
-- Answers: the outcome, the next generation, when the watermark moved.

local entry, marker = unpack(redis.call('MGET', KEYS[1], KEYS[2]))
if not marker then return {'not whole', 0, 0} end
if entry == 'revoked' then return {'revoked', 0, 0} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[5]
local generation, rotated_at, grace, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
-- An entry lives as long as any token of its session.
if entry then ttl = math.max(ttl, redis.call('PTTL', KEYS[1])) end

local outcome, next_generation, moved_at = 'rotated', generation + 1, now
if entry then
  local watermark, moved = entry:match('^(%d+):(%d+)$')
  watermark, moved = tonumber(watermark), tonumber(moved)
  if generation == watermark then
    outcome = 'rotated'
  elseif generation + 1 == watermark and now - moved < grace then
    outcome, next_generation, moved_at = 'retried', watermark, moved
  elseif generation > watermark and rotated_at > moved then
    outcome = 'rotated'
  else
    redis.call('SET', KEYS[1], 'revoked', 'PX', ttl)
    return {'reused', 0, 0}
  end
end
redis.call('SET', KEYS[1], string.format('%.0f:%.0f', next_generation, moved_at), 'PX', ttl)
return {outcome, next_generation, moved_at}
