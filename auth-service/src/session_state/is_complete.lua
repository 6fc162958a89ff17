-- Whether the blacklist is whole: marked so, and by this very process of Redis. One that was started again may have
-- come back with data of an hour ago.
-- KEYS: the marker.
-- Answers: 1 or 0, and what time it is by Redis' clock (ms).

-- Changes nothing, for the marker never expires. But a Redis that takes no writes, as one that is a replica now, says so.
redis.call('PERSIST', KEYS[1])
local time = redis.call('TIME')
local marker = redis.call('GET', KEYS[1])
local run_id = redis.call('INFO', 'server'):match('run_id:(%x+)')
local whole = marker and marker:match(':(%x+)$') == run_id
return {whole and 1 or 0, time[1] * 1000 + math.floor(time[2] / 1000)}
