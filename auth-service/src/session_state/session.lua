-- Decides, in one round trip, what happens to a session: a refresh, its end, or a change of its
-- user's claims. domain/refresh_decision.rs has the rules of a refresh, and one suite of tests runs
-- against both. session_state/redis.rs describes the bytes of an entry.
--
-- KEYS: the session's entry, the marker that session state is complete.
-- ARGV: the operation ('refresh', 'end' or 'mark claims stale'), and its arguments as integers of
-- 8 bytes each. The first argument is how far a test's clock is ahead. All times are in ms.
--
-- The script has no functions, and uses decimal numbers only where it must: creating functions
-- and converting numbers took longer than the decision.

local WATERMARK, CLAIMS_FROM, NO_CLAIMS = '>I5I6', '>I5', 2 ^ 40 - 1

local call, operation, arguments = redis.call, ARGV[1], ARGV[2]
local time = call('TIME')
local server_now = time[1] * 1000 + math.floor(time[2] / 1000)
local entry, marker = unpack(call('MGET', KEYS[1], KEYS[2]))
-- The new entry never expires before the old one: a token of the session may live that long.
local old_ttl = entry and call('PTTL', KEYS[1]) or 0
-- The entry to write, its time to live, and the answer.
local new_entry, new_ttl, answer

if operation == 'refresh' then
  -- A client presents a refresh token. Arguments: the token's generation, the time of the rotation
  -- that made the token, the token's expiry, the time until which the entry is needed, the grace
  -- period, 1 if the claims come from the database, and the deadline by Redis' clock.
  -- Returns the outcome, the next generation, and the time the watermark moved.
  local ahead, generation, rotated_at, expires_at, keep_until, grace, from_database, deadline =
    struct.unpack('>i8i8i8i8i8i8i8i8', arguments)
  local now = server_now + ahead
  -- The caller has given up. Its next attempt would look like reuse.
  if server_now > deadline then return {'late', 0, 0} end
  if not marker then return {'incomplete', 0, 0} end
  if entry == 'revoked' then return {'revoked', 0, 0} end
  -- Entries expire by this clock too, so no token outlives its entry, whatever the replicas'
  -- clocks show.
  if expires_at <= now then return {'expired', 0, 0} end

  local watermark, moved_at, claims_from = generation, 0, nil
  if entry then
    local next_byte
    watermark, moved_at, next_byte = struct.unpack(WATERMARK, entry)
    if next_byte <= #entry then claims_from = struct.unpack(CLAIMS_FROM, entry, next_byte) end
  end
  local is_retry = generation + 1 == watermark and now - moved_at < grace
  local is_newest = generation > watermark and rotated_at > moved_at
    or generation == watermark and rotated_at >= moved_at - grace
  new_ttl = math.max(keep_until - now, old_ttl)
  if not is_retry and not is_newest then
    new_entry, answer = 'revoked', {'reused', 0, 0}
  elseif claims_from and generation < claims_from and from_database == 0 then
    answer = {'stale claims', 0, 0}
  else
    if not is_retry then watermark, moved_at = generation + 1, now end
    new_entry = struct.pack(WATERMARK, watermark, moved_at)
    if from_database == 1 then
      new_entry = new_entry .. struct.pack(CLAIMS_FROM, watermark)
    elseif claims_from and is_retry then
      new_entry = new_entry .. struct.pack(CLAIMS_FROM, claims_from)
    end
    answer = {is_retry and 'retried' or 'rotated', watermark, moved_at}
  end

elseif operation == 'end' then
  -- The session ends. Arguments: the presented token's expiry, the latest possible expiry of any
  -- token of the session, the earliest time the session can have begun, and 1 if the entry of a
  -- session that has already ended is kept longer, as after a loss.
  local ahead, presented_until, longest_until, session_began, extend =
    struct.unpack('>i8i8i8i8i8', arguments)
  local now = server_now + ahead
  if entry == 'revoked' and extend == 0 then return end
  new_entry, new_ttl = 'revoked', math.max(presented_until - now, old_ttl)
  if not entry then
    local complete_since = marker and tonumber(marker:match('^%d+'))
    -- The entry may have been lost. Then newer tokens than the presented one may be valid.
    if not complete_since or complete_since > session_began then new_ttl = longest_until - now end
  end

elseif operation == 'mark claims stale' then
  -- The user's scopes or roles have changed, and the next refresh must read the database.
  -- Argument: the latest possible expiry of any token of the session.
  local ahead, longest_until = struct.unpack('>i8i8', arguments)
  if entry == 'revoked' then return end
  local watermark = entry and entry:sub(1, struct.size(WATERMARK)) or struct.pack(WATERMARK, 0, 0)
  new_entry = watermark .. struct.pack(CLAIMS_FROM, NO_CLAIMS)
  new_ttl = entry and old_ttl or longest_until - server_now - ahead

else
  return redis.error_reply('ERR unknown operation')
end

-- Not SET: Redis would store the value in the memory of an earlier call's second argument, the
-- marker's key, and an entry would take more bytes.
if new_entry and new_ttl > 0 then call('PSETEX', KEYS[1], new_ttl, new_entry) end
return answer
