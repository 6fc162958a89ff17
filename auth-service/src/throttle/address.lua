-- Counts the failures of one client address in a token bucket. domain/throttle.rs has the rules,
-- and one suite of tests runs against both. All times are in ms.
--
-- KEYS: the bucket.
-- ARGV: the operation ('admit', 'succeeded', 'failed' or 'cancelled'), and its arguments as integers
-- of 8 bytes each: how far a test's clock is ahead, the time that a token takes to come back, the
-- time in which an empty bucket becomes full, and the time after which an attempt without an
-- outcome counts as failed.

local BUCKET, BUCKET_BYTES = '>I6I2I6I1', 15

local call, operation = redis.call, ARGV[1]
local ahead, token, refill, pending_time = struct.unpack('>i8i8i8i8', ARGV[2])
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ahead

local full_at, pending, admitted_at, announced = 0, 0, 0, 0
local stored = call('GET', KEYS[1])
if stored and #stored == BUCKET_BYTES then
  full_at, pending, admitted_at, announced = struct.unpack(BUCKET, stored)
end

local function write()
  local bucket = struct.pack(BUCKET, full_at, pending, admitted_at, announced)
  call('SET', KEYS[1], bucket, 'PX', refill + pending_time)
end

if operation == 'admit' then
  if pending > 0 and now - admitted_at > pending_time then pending = 0 end
  full_at = math.max(full_at, now)
  local excess = full_at - now + token - refill
  if excess > 0 and pending > 0 then return {'wait', 0, 0} end
  if full_at - now <= refill / 2 then announced = 0 end
  if excess > 0 then
    local is_first = announced == 0 and 1 or 0
    announced = 1
    write()
    return {'address', excess, is_first}
  end
  full_at, pending, admitted_at = full_at + token, pending + 1, now
  write()
  return {'admitted', 0, 0}
end

pending = math.max(pending - 1, 0)
if operation ~= 'failed' then full_at = math.max(full_at - token, 0) end
if pending == 0 and full_at <= now then call('DEL', KEYS[1]) else write() end
return {'settled', 0, 0}
