-- What wrk sends, by the environment:
--   BENCH_KIND   get     the URL, again and again
--                list    newest 50 images with two common tags since some time
--                window  tags of a random window
--                body    posts the file BENCH_BODY
--                new     posts a picture with other bytes after its end each time, which makes it another
--                        picture for the server. BENCH_BODY: the start of the body, a multiple of four
--                        characters of base64
--                edit    adds a tag to the next image of the file BENCH_IDS
--                delete  deletes the next image of that file
--   BENCH_ANSWERS  set: tells 503 with Retry-After from other failures, which takes wrk time
-- Prints what it measured as NAME=VALUE lines.
local kind = os.getenv("BENCH_KIND")
local json = { ["Content-Type"] = "application/json" }
local years = 5 * 365 * 24 * 3600

local function content(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function date(time)
  return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(time))
end

local makers = {}

function makers.list()
  local one = math.random(10)
  local other = (one + math.random(9) - 1) % 10 + 1
  local since = run - math.random() * years
  local path = "/images?tags=label-%04d,label-%04d&min_date=%s&limit=50"
  return wrk.format("GET", path:format(one, other, date(since)))
end

-- From a minute to five years, each length as likely as twice that length.
function makers.window()
  local length = 60 * (years / 60) ^ math.random()
  local first = run - length - math.random() * (years - length)
  return wrk.format("GET", ("/tags?min_date=%s&max_date=%s"):format(date(first), date(first + length)))
end

function makers.new()
  count = count + 1
  -- Digits are base64, too: 24 of them are 18 bytes.
  local tail = ("%02d%010d%012d"):format(number, run, count)
  return wrk.format("POST", "/image", json, start .. tail .. '"}')
end

local function next_image()
  count = count + 1
  return "/image/" .. assert(ids[count], "more images are needed")
end

function makers.edit()
  return wrk.format("PATCH", next_image() .. "/tags", json, '{"add": ["edited"]}')
end

function makers.delete()
  return wrk.format("DELETE", next_image())
end

local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init()
  run, count, busy = os.time(), 0, 0
  math.randomseed(run + number)
  if kind == "body" then
    wrk.method, wrk.body = "POST", content(os.getenv("BENCH_BODY"))
    wrk.headers["Content-Type"] = "application/json"
  elseif kind == "new" then
    start = content(os.getenv("BENCH_BODY"))
  end
  if os.getenv("BENCH_IDS") then
    ids = {}
    for id in io.lines(os.getenv("BENCH_IDS")) do
      table.insert(ids, id)
    end
  end
  -- Without these two, wrk neither makes a request anew each time nor keeps the answers.
  request = makers[kind]
  if os.getenv("BENCH_ANSWERS") then
    response = count_busy
  end
end

function count_busy(status, headers)
  if status == 503 and headers["retry-after"] then
    busy = busy + 1
  end
end

function done(summary, latency)
  local errors, seconds = summary.errors, summary.duration / 1e6
  local busy = 0
  for _, thread in ipairs(threads) do
    busy = busy + thread:get("busy")
  end
  print("requests=" .. summary.requests)
  print(("p50=%.3f"):format(latency:percentile(50) / 1000))
  print(("p99=%.3f"):format(latency:percentile(99) / 1000))
  print(("rate=%.1f"):format(summary.requests / seconds))
  print(("bytes=%.0f"):format(summary.bytes / seconds))
  print("failed=" .. errors.status - busy)
  print("busy=" .. busy)
  print("broken=" .. errors.connect + errors.read + errors.write + errors.timeout)
end
