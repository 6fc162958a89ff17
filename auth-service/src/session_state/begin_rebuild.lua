-- Begins a rebuild: until it is finished, the blacklist is whole for nobody.
-- KEYS: the rebuild's own key, the marker.
-- ARGV: how long the rebuild may take (s).

local run_id = redis.call('INFO', 'server'):match('run_id:(%x+)')
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], run_id, 'EX', ARGV[1])
