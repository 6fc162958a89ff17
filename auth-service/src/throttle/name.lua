-- Counts the attempts to log in with one name. domain/throttle.rs has the rules, and one suite of
-- tests runs against both. All times are in ms.
--
-- KEYS: the counter of strangers, the counter of the client's device or address, and the addresses
-- from which the user has logged in: MACs of 8 bytes, the newest first.
-- ARGV: the operation ('admit', 'succeeded', 'failed' or 'cancelled'), its arguments as integers of
-- 8 bytes each, and the MAC of the client's address, which may be empty. The first argument is how
-- far a test's clock is ahead.

local COUNTER, COUNTER_BYTES = '>I2I2I6I6I1', 17
local KEEP_COUNTER, KEEP_ADDRESSES, MAX_ADDRESSES = 30 * 86400000, 90 * 86400000, 8

local call, operation, mac = redis.call, ARGV[1], ARGV[3]
local ahead, limit, own_lane, max_failures, first_delay, max_delay, locked_retry, pending_time,
  known_pending_time = struct.unpack('>i8i8i8i8i8i8i8i8i8', ARGV[2])
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ahead

local is_known_address = false
if operation == 'admit' and own_lane == 0 and #mac > 0 then
  local addresses = call('GET', KEYS[3]) or ''
  for at = 1, #addresses, 8 do
    if addresses:sub(at, at + 7) == mac then is_known_address = true end
  end
end
local is_own = own_lane == 1 or is_known_address
local key = is_own and KEYS[2] or KEYS[1]

local failures, pending, admitted_at, blocked_until, announced = 0, 0, 0, 0, 0
local stored = call('GET', key)
if stored and #stored == COUNTER_BYTES then
  failures, pending, admitted_at, blocked_until, announced = struct.unpack(COUNTER, stored)
end

local function block(since)
  local settled = math.max(failures - pending, 0)
  if settled >= limit then
    local delay = math.min(first_delay * 2 ^ math.min(settled - limit, 20), max_delay)
    blocked_until = math.max(blocked_until, since + delay)
  end
end

local function write()
  local counter = struct.pack(COUNTER, failures, pending, admitted_at, blocked_until, announced)
  call('SET', key, counter, 'PX', KEEP_COUNTER)
end

if operation == 'admit' then
  if pending > 0 and is_own and now - admitted_at > known_pending_time then
    failures, pending = math.max(failures - pending, 0), 0
  elseif pending > 0 and now - admitted_at > pending_time then
    pending = 0
    block(admitted_at)
  end
  local verdict, retry_after, level = 'admitted', 0, 0
  if failures >= limit then
    if pending > 0 then
      verdict = 'wait'
    elseif failures >= max_failures then
      verdict, retry_after, level = 'locked', locked_retry, 2
    elseif now < blocked_until then
      verdict, retry_after, level = 'delayed', blocked_until - now, 1
    end
  end
  local is_first = level > announced and 1 or 0
  announced = math.max(announced, level)
  if verdict == 'admitted' then
    failures, pending, admitted_at = failures + 1, pending + 1, now
  end
  write()
  return {verdict, retry_after, is_first, is_own and 1 or 0}
end

-- The attempt of a known client was cancelled because its outcome is late.
if is_own and pending == 0 then failures, pending = failures + 1, 1 end
pending = math.max(pending - 1, 0)
if operation == 'succeeded' then
  failures, blocked_until, announced = pending, 0, 0
  if #mac > 0 then
    local addresses, kept = call('GET', KEYS[3]) or '', mac
    for at = 1, #addresses - 7, 8 do
      local other = addresses:sub(at, at + 7)
      if other ~= mac and #kept < 8 * MAX_ADDRESSES then kept = kept .. other end
    end
    call('SET', KEYS[3], kept, 'PX', KEEP_ADDRESSES)
  end
elseif operation == 'failed' then
  block(now)
else
  failures = math.max(failures - 1, 0)
end
if failures == 0 then call('DEL', key) else write() end
return {'settled', 0, 0, 0}
