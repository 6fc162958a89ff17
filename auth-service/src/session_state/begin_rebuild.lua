-- Begins a rebuild. Session state is incomplete until the rebuild is finished.
-- KEYS: the rebuild's key, the marker.
-- ARGV: maximum duration of the rebuild (s).

local run_id = redis.call('INFO', 'server'):match('run_id:(%x+)')
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], run_id, 'EX', ARGV[1])
