-- Everything that happens to a session is decided here, one thing after the other, in one round trip: a refresh, its end,
-- a change of its user's claims. domain/generation.rs says the rules of a refresh; one suite of tests holds both to them.
-- KEYS: the session's entry, the marker that the blacklist is whole.
-- ARGV: what happens (refresh, end or stale), how far a test's clock is ahead, and what that needs. All times in ms.
-- An entry is 'revoked', or holds the watermark (5 bytes), when it moved (6), and, where that matters, from which generation
-- on the claims are true (5), all of them set while no token says what is true. Bytes, because every session has one.

local ENTRY, CLAIMS_FROM, NO_CLAIMS = '>I5I6', '>I5', 2 ^ 40 - 1

local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
local now = clock + ARGV[2]
local entry, marker = unpack(redis.call('MGET', KEYS[1], KEYS[2]))

local function put(value, ttl)
  if ttl > 0 then redis.call('SET', KEYS[1], value, 'PX', ttl) end
end

-- At least this long, and as long as any token of the session lives: so long an entry is kept.
local function at_least(ttl)
  return entry and math.max(ttl, redis.call('PTTL', KEYS[1])) or ttl
end

local happens = {}

-- A refresh token is presented: its generation, when the rotation that made it took place, when it expires, until when the
-- entry is needed, the grace period, where the claims come from, and until when by Redis' own clock somebody waits.
-- Answers: the outcome, the next generation, when the watermark moved.
function happens.refresh(generation, rotated_at, expires_at, until_, grace, claims, deadline)
  generation, rotated_at, grace = tonumber(generation), tonumber(rotated_at), tonumber(grace)
  -- Nobody waits any more: what is done now would come as a surprise.
  if clock > tonumber(deadline) then return {'late', 0, 0} end
  if not marker then return {'not whole', 0, 0} end
  if entry == 'revoked' then return {'revoked', 0, 0} end
  -- By the clock that entries expire by: no token outlives its entry, whatever the clocks of the replicas say.
  if tonumber(expires_at) <= now then return {'expired', 0, 0} end

  local ttl = at_least(until_ - now)
  local watermark, moved_at, claims_from = generation, 0, nil
  if entry then
    local rest
    watermark, moved_at, rest = struct.unpack(ENTRY, entry)
    if rest <= #entry then claims_from = struct.unpack(CLAIMS_FROM, entry, rest) end
  end

  local retried = generation + 1 == watermark and now - moved_at < grace
  local newest = generation > watermark and rotated_at > moved_at
    or generation == watermark and rotated_at >= moved_at - grace
  if not retried and not newest then
    put('revoked', ttl)
    return {'reused', 0, 0}
  end
  local from_database = claims == 'database'
  if claims_from and generation < claims_from and not from_database then return {'stale claims', 0, 0} end

  if not retried then watermark, moved_at = generation + 1, now end
  local suffix = ''
  if from_database then
    suffix = struct.pack(CLAIMS_FROM, watermark)
  elseif claims_from and retried then
    suffix = struct.pack(CLAIMS_FROM, claims_from)
  end
  put(struct.pack(ENTRY, watermark, moved_at) .. suffix, ttl)
  return {retried and 'retried' or 'rotated', watermark, moved_at}
end

-- The session ends: until when the token presented lives, until when any token of the session may live, since when the
-- blacklist must have been whole for the first to be enough, and whether an entry that says so already is to live as long
-- as that, as after a loss.
happens['end'] = function(presented_until, longest_until, since, extend)
  if entry == 'revoked' and extend ~= 'extend' then return end
  local ttl = at_least(presented_until - now)
  if not entry then
    local whole_since = marker and tonumber(marker:match('^%d+'))
    -- It may be missing because it was lost, and then newer tokens than the one presented may be about.
    if not whole_since or whole_since > tonumber(since) then ttl = longest_until - now end
  end
  put('revoked', ttl)
end

-- The user's scopes or roles have changed, and the next refresh reads the database: until when any token of the session
-- may live.
function happens.stale(longest_until)
  if entry == 'revoked' then return end
  local known = entry and entry:sub(1, struct.size(ENTRY)) or struct.pack(ENTRY, 0, 0)
  put(known .. struct.pack(CLAIMS_FROM, NO_CLAIMS), at_least(entry and 0 or longest_until - now))
end

return happens[ARGV[1]](unpack(ARGV, 3))
