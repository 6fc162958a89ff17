-- The requests of a load, for wrk. Settings come from the environment:
--
--   REQUESTS  a file with one request a line: method, path, Authorization, Cookie, Content-Type and
--             body, separated by tabs. A request with a cookie is one of a page of the service
--   MODE      repeat: sends the requests in turn, again and again
--             once:   sends each request once, and ends the run with the last one
--             rotate: each request body holds a refresh token; the next request of that session
--                     holds the refresh token of the response
--   THREADS   the number of wrk's threads
--   BODIES    a prefix of files, one for each thread, to which the bodies of successful responses
--             are written; none are written if it is unset
--
-- Prints one line: RESULT and a JSON object.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } timespec_t;
  int clock_gettime(int clock, timespec_t *now);
]]
local CLOCK_MONOTONIC = 1
local timespec = ffi.new("timespec_t")
local function now()
  ffi.C.clock_gettime(CLOCK_MONOTONIC, timespec)
  return tonumber(timespec.seconds) + tonumber(timespec.nanoseconds) / 1e9
end

local mode = os.getenv("MODE")
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

-- The requests of this thread. Those from sent + 1 to last are still to be sent.
local requests = {}
local sent = 0
local last = 0
local bodies = nil

-- Global, because wrk reads them with thread:get() in done().
started_at = 0
answered_at = 0
answered = 0

local function parse(line)
  local method, path, authorization, cookie, content_type, body =
    line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
  local headers = { Host = wrk.headers.Host }
  if authorization ~= "" then headers.Authorization = authorization end
  if cookie ~= "" then
    headers.Cookie = cookie
    headers.Origin = "http://" .. wrk.headers.Host
  end
  if content_type ~= "" then headers["Content-Type"] = content_type end
  return wrk.format(method, path, headers, body ~= "" and body or nil)
end

function init()
  local count = tonumber(os.getenv("THREADS"))
  local line_number = 0
  for line in io.lines(os.getenv("REQUESTS")) do
    if mode == "repeat" or line_number % count == number then
      last = last + 1
      requests[last] = parse(line)
    end
    line_number = line_number + 1
  end
  local prefix = os.getenv("BODIES")
  if prefix then bodies = assert(io.open(prefix .. "." .. number, "w")) end
end

local next_request = {}

next_request["repeat"] = function()
  sent = sent + 1
  return requests[(sent - 1) % last + 1]
end

function next_request.once()
  if sent == last then
    wrk.thread:stop()
    return requests[sent]
  end
  sent = sent + 1
  return requests[sent]
end

function next_request.rotate()
  sent = sent + 1
  local next_one = assert(requests[sent], "fewer sessions than connections")
  requests[sent] = nil
  return next_one
end

function request()
  if started_at == 0 then started_at = now() end
  return next_request[mode]()
end

-- Mode repeat needs no response, and wrk is faster without this function.
if mode ~= "repeat" or os.getenv("BODIES") then
  function response(status, _, body)
    answered_at = now()
    answered = answered + 1
    if bodies and status < 300 then bodies:write(body, "\n") end
    if mode == "rotate" and status == 200 then
      local headers = { Host = wrk.headers.Host, ["Content-Type"] = "application/json" }
      local next_body = "{" .. body:match('"refresh":"[^"]+"') .. "}"
      last = last + 1
      requests[last] = wrk.format("POST", "/token/refresh", headers, next_body)
    end
  end
end

-- In mode once the run ends before wrk's duration, so the threads' own times count.
local function count_and_duration()
  local first = math.huge
  local final = 0
  local count = 0
  for _, thread in ipairs(threads) do
    local started = thread:get("started_at")
    if started > 0 then
      first = math.min(first, started)
      final = math.max(final, thread:get("answered_at"))
    end
    count = count + thread:get("answered")
  end
  return count, final - first
end

function done(summary, latency)
  local count = summary.requests
  local duration = summary.duration / 1e6
  if mode == "once" then count, duration = count_and_duration() end
  local errors = summary.errors
  local connection_errors = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f,'
      .. ' "error_statuses": %d, "connection_errors": %d}\n',
    count, duration, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.status, connection_errors))
end
