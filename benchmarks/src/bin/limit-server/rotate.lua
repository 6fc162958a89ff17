-- Rotates a session's refresh token.
--
-- KEYS[1]: the session's entry
-- ARGV[1]: the generation of the presented token
-- ARGV[2]: the lifetime of the entry in seconds
--
-- Returns the next generation, or nil if the presented generation is not the newest one.
local newest = redis.call('GET', KEYS[1])
if newest and newest ~= ARGV[1] then return false end
local next_generation = ARGV[1] + 1
redis.call('SET', KEYS[1], next_generation, 'EX', ARGV[2])
return next_generation
