-- Declares session state complete after a rebuild. Returns 1 on success. Returns 0 if Redis was
-- wiped or restarted since the rebuild began.
-- KEYS: the rebuild's key, the marker.
-- The marker holds the time since when session state is complete (ms), and the run_id of the
-- process of Redis.

local run_id = redis.call('INFO', 'server'):match('run_id:(%x+)')
if redis.call('GET', KEYS[1]) ~= run_id then return 0 end
redis.call('DEL', KEYS[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[2], string.format('%.0f:%s', now, run_id))
return 1
