-- Decides, in one round trip, what happens to a session: a refresh, its end, or a change that older
-- tokens do not state. domain/refresh_decision.rs has the rules of a refresh, and one suite of tests
-- runs against both. session_state/packed_entry.rs describes the bytes of an entry.
--
-- KEYS: the session's entry, the marker that session state is complete, and, for a refresh, the log
-- of outages (see record_outage.lua).
-- ARGV: the operation ('refresh', 'restore', 'end', 'void' or 'mark claims stale'), and its
-- arguments as integers of 8 bytes each. The first argument is how far a test's clock is ahead. All
-- times are in ms.
--
-- The script has no functions, and uses decimal numbers only where it must: creating functions
-- and converting numbers took longer than the decision.

local ENTRY, OLD_ENTRY, UNKNOWN, EPOCH = '>I5I6Bc4', '>I5I6', '\0\0\0\0', 1048576
local MIN_SILENCE, MAX_RETRIES = 3000, 3

local call, operation, arguments, floor = redis.call, ARGV[1], ARGV[2], math.floor
local time = call('TIME')
local server_now = time[1] * 1000 + floor(time[2] / 1000)
local entry, marker = unpack(call('MGET', KEYS[1], KEYS[2]))
-- The new entry never expires before the old one: a token of the session may live that long.
local old_ttl = entry and call('PTTL', KEYS[1]) or 0
-- The entry to write, its time to live, and the answer.
local new_entry, new_ttl, answer

-- The parts of the entry. `claims`: 0 if the tokens of all generations state the user's claims, 1 if
-- those from the watermark on do, 2 if none does. `retries`: twice the number of consecutive
-- generations before the watermark's that were retried elsewhere, plus 1 if the watermark's was.
local watermark, moved_at, claims, retries, origin
if entry and #entry == 16 then
  local flags
  watermark, moved_at, flags, origin = struct.unpack(ENTRY, entry)
  if flags == 128 then
    claims, retries = 0, 0
  elseif flags == 255 then
    -- The previous version has marked the claims as stale.
    claims, retries, origin = 2, 0, UNKNOWN
  elseif flags > 128 then
    claims, retries = floor(flags / 32) % 4, floor(flags / 4) % 8
  else
    -- The previous version wrote the first generation with current claims.
    local claims_from = struct.unpack('>I5', entry, 12)
    claims = claims_from < watermark and 0 or claims_from == watermark and 1 or 2
    retries, origin = 0, UNKNOWN
  end
elseif entry and #entry == 11 then
  watermark, moved_at = struct.unpack(OLD_ENTRY, entry)
  claims, retries, origin = 0, 0, UNKNOWN
elseif entry then
  entry = 'revoked'
end

if operation == 'refresh' then
  -- A client presents a refresh token. Arguments: the token's generation, the time of the rotation
  -- that made the token, the token's expiry, the time until which the entry is needed, the grace
  -- period, 1 if the claims come from the database, 1 if refresh tokens rotate, the deadline by
  -- Redis' clock, what the database knows of a session without an entry (1 if it was read, its
  -- generation, the time of its last rotation, and `claims`), and the request's origin (4 bytes).
  -- Returns the outcome, the next generation, and the time the watermark moved.
  local ahead, generation, rotated_at, expires_at, keep_until, grace, from_database, rotates,
    deadline, is_read, row_generation, row_moved_at, row_claims, request_origin =
    struct.unpack('>i8i8i8i8i8i8i8i8i8i8i8i8i8c4', arguments)
  local now = server_now + ahead
  -- The caller has given up. Its next attempt would look like reuse.
  if server_now > deadline then return {'late', 0, 0} end
  if not marker then return {'incomplete', 0, 0} end
  if entry == 'revoked' then return {'revoked', 0, 0} end
  -- Entries expire by this clock too, so no token outlives its entry, whatever the replicas'
  -- clocks show.
  if expires_at <= now then return {'expired', 0, 0} end

  if not entry then
    if is_read == 0 then return {'absent', 0, 0} end
    watermark, moved_at, claims, retries = row_generation, row_moved_at, row_claims, 0
    origin = UNKNOWN
  end
  if floor(generation / EPOCH) < floor(watermark / EPOCH) then return {'void', 0, 0} end

  local is_retry = false
  if generation + 1 == watermark then
    local elapsed = now - moved_at
    local log = elapsed >= grace and call('GET', KEYS[3])
    if log then
      -- Times in which no refresh could be answered are no part of the grace period.
      for at = 7, #log, 12 do
        local from, ended_at = struct.unpack('>I6I6', log, at)
        elapsed = elapsed - math.max(0, ended_at - math.max(from, moved_at))
      end
      local answered_at = struct.unpack('>I6', log)
      if server_now - answered_at > MIN_SILENCE then
        elapsed = elapsed - math.max(0, now - math.max(answered_at + ahead, moved_at))
      end
    end
    is_retry = elapsed < grace
  end
  local is_newest = generation > watermark and rotated_at > moved_at
    or generation == watermark and rotated_at >= moved_at - grace
  local is_elsewhere = is_retry and rotates == 1 and retries % 2 == 0
    and origin ~= request_origin and origin ~= UNKNOWN and request_origin ~= UNKNOWN
  local is_stale = claims == 2 or claims == 1 and generation < watermark
  new_ttl = math.max(keep_until - now, old_ttl)
  if not is_retry and not is_newest then
    new_entry, answer = 'revoked', {'reused', 0, 0}
  elseif is_elsewhere and retries / 2 + 1 == MAX_RETRIES then
    new_entry, answer = 'revoked', {'reused in step', 0, 0}
  elseif is_stale and from_database == 0 then
    answer = {'stale claims', 0, 0}
  elseif rotates == 0 then
    if generation < watermark and claims == 1 then claims = 2 end
    if generation ~= watermark then watermark, moved_at = generation, rotated_at end
    new_entry = struct.pack(ENTRY, watermark, moved_at, 128 + 32 * claims + 4 * retries, origin)
    answer = {'kept', 0, 0}
  else
    if is_elsewhere then
      retries, answer = retries + 1, {'retried elsewhere', watermark, moved_at}
    elseif is_retry then
      answer = {'retried', watermark, moved_at}
    else
      watermark, moved_at, origin = generation + 1, now, request_origin
      retries = retries % 2 == 1 and retries + 1 or 0
      answer = {'rotated', watermark, moved_at}
    end
    local next_claims = is_retry and from_database == 1 and claims == 2 and 2 or from_database
    local flags = 128 + 32 * next_claims + 4 * retries
    new_entry = struct.pack(ENTRY, watermark, moved_at, flags, origin)
  end
  if new_entry == entry and new_ttl <= old_ttl then return answer end

elseif operation == 'restore' then
  -- Writes the entry of a live session, unless it has one. Arguments: the session's generation, the
  -- time of its last rotation, `claims`, the latest possible expiry of its tokens, and the deadline
  -- by Redis' clock. Returns the entry.
  local ahead, row_generation, row_moved_at, row_claims, keep_until, deadline =
    struct.unpack('>i8i8i8i8i8i8', arguments)
  if server_now > deadline then return 'late' end
  if not marker then return 'incomplete' end
  if entry then return entry end
  new_entry = struct.pack(ENTRY, row_generation, row_moved_at, 128 + 32 * row_claims, UNKNOWN)
  new_ttl, answer = keep_until - server_now - ahead, new_entry

elseif operation == 'end' then
  -- The session ends. Argument: the time until which the entry is kept. A token that lives longer
  -- finds no entry, and the database is asked.
  local ahead, keep_until = struct.unpack('>i8i8', arguments)
  new_entry, new_ttl = 'revoked', math.max(keep_until - server_now - ahead, old_ttl)
  if entry == 'revoked' and new_ttl <= old_ttl then return end

elseif operation == 'void' then
  -- A change of password voids the tokens of earlier epochs. Arguments: the first generation of the
  -- new epoch, the time of the change, and the expiry of the new refresh token. A session without an
  -- entry needs none: the database is asked.
  local ahead, row_generation, row_moved_at, keep_until = struct.unpack('>i8i8i8i8', arguments)
  if not watermark or floor(watermark / EPOCH) >= floor(row_generation / EPOCH) then return end
  new_entry = struct.pack(ENTRY, row_generation, row_moved_at, 128 + 32 * claims, UNKNOWN)
  new_ttl = math.max(keep_until - server_now - ahead, old_ttl)

elseif operation == 'mark claims stale' then
  -- The user's scopes or roles have changed, and the next refresh must read the database.
  -- Arguments: those of a session without an entry, and the latest possible expiry of its tokens.
  local ahead, row_generation, row_moved_at, keep_until = struct.unpack('>i8i8i8i8', arguments)
  if entry == 'revoked' then return end
  new_ttl = entry and old_ttl or keep_until - server_now - ahead
  if not entry then
    watermark, moved_at, retries, origin = row_generation, row_moved_at, 0, UNKNOWN
  end
  new_entry = struct.pack(ENTRY, watermark, moved_at, 192 + 4 * retries, origin)

else
  return redis.error_reply('ERR unknown operation')
end

-- Not SET: Redis would store the value in the memory of an earlier call's second argument, the
-- marker's key, and an entry would take more bytes.
if new_entry and new_ttl > 0 then call('PSETEX', KEYS[1], new_ttl, new_entry) end
return answer
