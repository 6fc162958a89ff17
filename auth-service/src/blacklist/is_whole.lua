-- Whether the blacklist is whole: marked so, and by this very process of Redis. One that was started again may have
-- come back with data of an hour ago. One that has become a replica is left to whoever finds that it takes no writes.
-- KEYS: the marker.
-- Answers: 1 or 0, and what time it is by Redis' clock (ms).

local time = redis.call('TIME')
local marker = redis.call('GET', KEYS[1])
local run_id = redis.call('INFO', 'server'):match('run_id:(%x+)')
local is_master = redis.call('INFO', 'replication'):find('role:master', 1, true)
local whole = is_master and marker and marker:match(':(%x+)$') == run_id
return {whole and 1 or 0, time[1] * 1000 + math.floor(time[2] / 1000)}
