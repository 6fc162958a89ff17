-- What wrk sends, and what it is told of it. From the environment:
--
--   REQUESTS  a file of requests, one a line: method, path, Authorization, Content-Type, body, with tabs between them
--   MODE      repeat: the requests in turn, over and over
--             once:   each request once; the run ends with them
--             rotate: each request's body is a refresh token's, and the next one with it takes the token that was answered
--   ANSWERS   a file that the answers' bodies go to, with a number for each thread; unset: none
--
-- Prints one line: RESULT and JSON.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long s; long ns; } instant;
  int clock_gettime(int clock, instant *now);
]]
local instant = ffi.new("instant")
local function seconds()
  ffi.C.clock_gettime(1, instant)
  return tonumber(instant.s) + tonumber(instant.ns) / 1e9
end

local mode = os.getenv("MODE")
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

-- What is to be sent: from `sent + 1` to `last`.
local ready, sent, last, answers = {}, 0, 0, nil
began, ended, answered = 0, 0, 0

function init()
  local count = tonumber(os.getenv("THREADS"))
  local line_number = 0
  for line in io.lines(os.getenv("REQUESTS")) do
    if mode == "repeat" or line_number % count == number then
      local method, path, authorization, content_type, body =
        line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
      local headers = { Host = wrk.headers.Host }
      if authorization ~= "" then headers.Authorization = authorization end
      if content_type ~= "" then headers["Content-Type"] = content_type end
      last = last + 1
      ready[last] = wrk.format(method, path, headers, body ~= "" and body or nil)
    end
    line_number = line_number + 1
  end
  local folder = os.getenv("ANSWERS")
  if folder then answers = assert(io.open(folder .. "." .. number, "w")) end
end

local take = {}

take["repeat"] = function()
  sent = sent + 1
  return ready[(sent - 1) % last + 1]
end

function take.once()
  if sent == last then
    wrk.thread:stop()
    return ready[sent]
  end
  sent = sent + 1
  return ready[sent]
end

function take.rotate()
  sent = sent + 1
  local next_ = assert(ready[sent], "fewer sessions than connections")
  ready[sent] = nil
  return next_
end

function request()
  if began == 0 then began = seconds() end
  return take[mode]()
end

if mode ~= "repeat" or os.getenv("ANSWERS") then
  function response(status, _, body)
    ended = seconds()
    answered = answered + 1
    if answers and status < 300 then answers:write(body, "\n") end
    if mode == "rotate" and status == 200 then
      local headers = { Host = wrk.headers.Host, ["Content-Type"] = "application/json" }
      last = last + 1
      ready[last] = wrk.format("POST", "/token/refresh", headers, '{' .. body:match('"refresh":"[^"]+"') .. '}')
    end
  end
end

function done(summary, latency)
  local count, duration = summary.requests, summary.duration / 1e6
  if mode == "once" then
    local first, last = math.huge, 0
    count = 0
    for _, thread in ipairs(threads) do
      local began, ended = thread:get("began"), thread:get("ended")
      if began > 0 then first, last = math.min(first, began), math.max(last, ended) end
      count = count + thread:get("answered")
    end
    duration = last - first
  end
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "refused": %d, "broken": %d}\n',
    count, duration, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
