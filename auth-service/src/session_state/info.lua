-- What the server that has this bucket says of itself, and what time it is there (ms).
-- KEYS: the marker.

local time = redis.call('TIME')
return {redis.call('INFO'), time[1] * 1000 + math.floor(time[2] / 1000)}
