-- Everything that happens to a session is decided here, one thing after the other, in one round trip: a refresh, its end,
-- a change of its user's claims. domain/generation.rs says the rules of a refresh; one suite of tests holds both to them.
-- KEYS: the session's entry, the marker that the blacklist is whole.
-- ARGV: what happens (refresh, end or stale), and its numbers, of 8 bytes each: the first is how far a test's clock is ahead.
-- All times in ms.
-- An entry is 'revoked', or holds the watermark (5 bytes), when it moved (6), and, where that matters, from which generation
-- on the claims are true (5), all of them set while no token says what is true. Bytes, because every session has one.
-- No function, and no number in decimals, but where it must be: to make them took longer than to decide.

local ENTRY, CLAIMS_FROM, NO_CLAIMS = '>I5I6', '>I5', 2 ^ 40 - 1

local call, what, numbers = redis.call, ARGV[1], ARGV[2]
local time = call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
local entry, marker = unpack(call('MGET', KEYS[1], KEYS[2]))
-- As long as any token of the session lives, an entry is kept.
local kept = entry and call('PTTL', KEYS[1]) or 0
-- What becomes of the entry, for how long from now on, and what is answered.
local value, ttl, answer

if what == 'refresh' then
  -- A refresh token is presented: its generation, when the rotation that made it took place, when it expires, until when the
  -- entry is needed, the grace period, whether the claims come from the database (1), and until when by Redis' own clock
  -- somebody waits. Answers: the outcome, the next generation, when the watermark moved.
  local ahead, generation, rotated_at, expires_at, until_, grace, from_database, deadline =
    struct.unpack('>i8i8i8i8i8i8i8i8', numbers)
  local now = clock + ahead
  -- Nobody waits any more: what is done now would come as a surprise.
  if clock > deadline then return {'late', 0, 0} end
  if not marker then return {'not whole', 0, 0} end
  if entry == 'revoked' then return {'revoked', 0, 0} end
  -- By the clock that entries expire by: no token outlives its entry, whatever the clocks of the replicas say.
  if expires_at <= now then return {'expired', 0, 0} end

  local watermark, moved_at, claims_from = generation, 0, nil
  if entry then
    local rest
    watermark, moved_at, rest = struct.unpack(ENTRY, entry)
    if rest <= #entry then claims_from = struct.unpack(CLAIMS_FROM, entry, rest) end
  end
  local retried = generation + 1 == watermark and now - moved_at < grace
  local newest = generation > watermark and rotated_at > moved_at
    or generation == watermark and rotated_at >= moved_at - grace
  ttl = math.max(until_ - now, kept)
  if not retried and not newest then
    value, answer = 'revoked', {'reused', 0, 0}
  elseif claims_from and generation < claims_from and from_database == 0 then
    answer = {'stale claims', 0, 0}
  else
    if not retried then watermark, moved_at = generation + 1, now end
    value = struct.pack(ENTRY, watermark, moved_at)
    if from_database == 1 then
      value = value .. struct.pack(CLAIMS_FROM, watermark)
    elseif claims_from and retried then
      value = value .. struct.pack(CLAIMS_FROM, claims_from)
    end
    answer = {retried and 'retried' or 'rotated', watermark, moved_at}
  end

elseif what == 'end' then
  -- The session ends: until when the token presented lives, until when any token of the session may live, since when the
  -- blacklist must have been whole for the first to be enough, and whether an entry that says so already is to live as long
  -- as that (1), as after a loss.
  local ahead, presented_until, longest_until, since, extend = struct.unpack('>i8i8i8i8i8', numbers)
  local now = clock + ahead
  if entry == 'revoked' and extend == 0 then return end
  value, ttl = 'revoked', math.max(presented_until - now, kept)
  if not entry then
    local whole_since = marker and tonumber(marker:match('^%d+'))
    -- It may be missing because it was lost, and then newer tokens than the one presented may be about.
    if not whole_since or whole_since > since then ttl = longest_until - now end
  end

elseif what == 'stale' then
  -- The user's scopes or roles have changed, and the next refresh reads the database: until when any token of the session
  -- may live.
  local ahead, longest_until = struct.unpack('>i8i8', numbers)
  if entry == 'revoked' then return end
  local known = entry and entry:sub(1, struct.size(ENTRY)) or struct.pack(ENTRY, 0, 0)
  value, ttl = known .. struct.pack(CLAIMS_FROM, NO_CLAIMS), entry and kept or longest_until - clock - ahead

else
  return redis.error_reply('ERR nothing of this name happens')
end

-- Not by SET: Redis would store the value where it had the second argument of a call before, the marker, which is longer.
if value and ttl > 0 then call('PSETEX', KEYS[1], ttl, value) end
return answer
