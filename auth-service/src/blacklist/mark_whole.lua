-- Declares the blacklist whole after a rebuild, unless it was wiped again since the rebuild began.
-- KEYS: the rebuild's own key, the marker. The marker holds since when the blacklist is whole (ms).

if redis.call('DEL', KEYS[1]) == 0 then return 0 end
local time = redis.call('TIME')
redis.call('SET', KEYS[2], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), 'NX')
return 1
