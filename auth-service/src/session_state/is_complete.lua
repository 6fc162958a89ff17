-- Returns whether session state is complete (1 or 0), and the server's time (ms).
-- Session state is complete if the marker names the current process of Redis. A process that was
-- restarted may have come back with old data.
-- KEYS: the marker.

-- PERSIST has no effect, because the marker never expires. But PERSIST is a write, so a read-only
-- Redis, for example a Redis replica, answers with an error.
redis.call('PERSIST', KEYS[1])
local time = redis.call('TIME')
local marker = redis.call('GET', KEYS[1])
local run_id = redis.call('INFO', 'server'):match('run_id:(%x+)')
local is_complete = marker and marker:match(':(%x+)$') == run_id
return {is_complete and 1 or 0, time[1] * 1000 + math.floor(time[2] / 1000)}
