-- KEYS: the session's entry. ARGV: the generation presented, for how many seconds the entry is needed.
-- Answers the next generation, or nothing if the one presented is not the newest.
local newest = redis.call('GET', KEYS[1])
if newest and newest ~= ARGV[1] then return false end
local next_ = ARGV[1] + 1
redis.call('SET', KEYS[1], next_, 'EX', ARGV[2])
return next_
