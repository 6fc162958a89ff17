-- Declares the blacklist whole after a rebuild, unless it was wiped, or Redis started again, since the rebuild began.
-- KEYS: the rebuild's own key, the marker. The marker holds since when the blacklist is whole (ms), and in which
-- process of Redis.

local run_id = redis.call('INFO', 'server'):match('run_id:(%x+)')
if redis.call('GET', KEYS[1]) ~= run_id then return 0 end
redis.call('DEL', KEYS[1])
local time = redis.call('TIME')
redis.call('SET', KEYS[2], string.format('%.0f:%s', time[1] * 1000 + math.floor(time[2] / 1000), run_id))
return 1
