-- Returns the run_id of the server that holds this bucket, the number of keys that it has evicted,
-- and its maxmemory-policy, or false if it cannot evict keys.
-- KEYS: the marker.

local run_id = redis.call('INFO', 'server'):match('run_id:(%x+)')
local evicted = redis.call('INFO', 'stats'):match('evicted_keys:(%d+)')
local memory = redis.call('INFO', 'memory')
local policy = memory:match('maxmemory_policy:([%w-]+)')
local may_evict = policy and policy ~= 'noeviction' and memory:match('maxmemory:(%d+)') ~= '0'
return {run_id, tonumber(evicted) or 0, may_evict and policy}
