-- Records a time in which refreshes could not be answered, and that they are answered from now on.
-- The first 6 bytes of the log are the time at which a replica last answered, by Redis' clock. Each
-- further 12 bytes are the begin and the end of an outage, in order.
-- KEYS: the log of outages.
-- ARGV: for how long this replica has answered no refresh (ms), or -1 if it has just started; how
-- far a test's clock is ahead (ms).

local MIN_SILENCE, MAX_OUTAGES, INTERVAL = 3000, 8, '>I6I6'

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local duration, ahead = tonumber(ARGV[1]), tonumber(ARGV[2])
local log = redis.call('GET', KEYS[1])
local answered_at = log and struct.unpack('>I6', log)
local from = now
if duration > 0 then from = now - duration end
-- No replica has answered. Without a log it is not known since when.
if answered_at and now - answered_at > MIN_SILENCE then from = math.min(from, answered_at) end
if not log and duration < 0 then from = -ahead end

local outages = log and log:sub(7) or ''
if now - from >= 1000 then
  from = from + ahead
  while #outages > 0 do
    local last_from, last_until = struct.unpack(INTERVAL, outages, #outages - 11)
    if last_until < from then break end
    from, outages = math.min(from, last_from), outages:sub(1, -13)
  end
  outages = (outages .. struct.pack(INTERVAL, from, now + ahead)):sub(-12 * MAX_OUTAGES)
end
-- A Redis without memory for the log can still be in sync.
redis.pcall('SET', KEYS[1], struct.pack('>I6', now) .. outages)
