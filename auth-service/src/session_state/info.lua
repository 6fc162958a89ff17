-- Returns the INFO text of the server that holds this bucket, and the server's time (ms).
-- KEYS: the marker.

local time = redis.call('TIME')
return {redis.call('INFO'), time[1] * 1000 + math.floor(time[2] / 1000)}
