-- Posts a photo with other bytes after its end each time: for the server, ever another picture.
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function encode(bytes)
  local text = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a * 65536 + b * 256 + c
    for shift = 18, 0, -6 do
      local digit = math.floor(n / 2 ^ shift) % 64
      text[#text + 1] = alphabet:sub(digit + 1, digit + 1)
    end
  end
  return table.concat(text)
end

local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local head, count = nil, 0
function init()
  local file = assert(io.open(os.getenv("BENCH_PHOTO"), "rb"))
  local photo = file:read("*a")
  file:close()
  -- To a multiple of three bytes, so that what follows begins a new group of base64.
  head = '{"data":"' .. encode(photo .. string.rep("\0", -#photo % 3))
  run = os.time()
end

function request()
  count = count + 1
  -- Digits are base64, too: 24 of them are 18 bytes.
  local tail = string.format("%02d%010d%012d", number, run, count)
  return wrk.format("POST", "/image", { ["Content-Type"] = "application/json" }, head .. tail .. '"}')
end

function response(status)
  if status ~= 200 then failed = (failed or 0) + 1 end
end
