-- Returns whether session state is complete (1 or 0), and the server's time (ms).
-- Session state is complete if the marker names the current process of Redis. A process that was
-- restarted may have come back with old data.
-- KEYS: the marker, the log of outages (see record_outage.lua).
-- ARGV: 1 if the calling replica answers refreshes; how far a test's clock is ahead (ms).

-- Has no effect, because no bytes are written. But it is a write that needs memory, so a Redis that
-- refuses writes answers with an error: a Redis replica (READONLY), a full memory (OOM), a snapshot
-- that failed (MISCONF), too few Redis replicas (NOREPLICAS).
redis.call('SETRANGE', KEYS[1], 0, '')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local marker = redis.call('GET', KEYS[1])
local run_id = redis.call('INFO', 'server'):match('run_id:(%x+)')
local is_complete = marker and marker:match(':(%x+)$') == run_id

if is_complete and ARGV[1] == '1' then
  -- Records that refreshes are answered. A silence before was an outage of all replicas.
  local log = redis.call('GET', KEYS[2]) or ''
  local answered_at = log ~= '' and struct.unpack('>I6', log) or now
  if now - answered_at > 3000 then
    local ahead = tonumber(ARGV[2])
    log = log .. struct.pack('>I6I6', answered_at + ahead, now + ahead)
    log = log:sub(1, 6) .. log:sub(7):sub(-96)
  end
  if log == '' or now - answered_at >= 1000 then
    -- The log is worth no failed check.
    redis.pcall('SET', KEYS[2], struct.pack('>I6', now) .. log:sub(7))
  end
end
return {is_complete and 1 or 0, now}
