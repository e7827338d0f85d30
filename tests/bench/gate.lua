-- M's own part: token, admission and settlement in nginx, by the service's own two scripts in Redis. A yardstick, no
-- product: what the service does beyond that (JSON, ids, rows, the log of answers) is not done here.
-- Loaded by lua-nginx.conf.in. Its users have a prefix of their own, so nobody else counts on their keys.
local ffi = require "ffi"
ffi.cdef [[
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *digest, const void *key, int key_len, const unsigned char *data, size_t len,
                    unsigned char *out, unsigned int *out_len);
]]
local C = ffi.C

local LEASE_MS, FOREVER = 15000, 1000000
local PREFIX = "bench-m-"

-- The file of that path, whole.
local function read(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
end

local M = {}
local secret, password, port = os.getenv("BENCH_JWT_SECRET"), os.getenv("BENCH_REDIS_PASSWORD"), os.getenv("BENCH_REDIS_PORT")
local scripts = { admit = read(os.getenv("BENCH_SCRIPTS") .. "/admission.lua"), settle = read(os.getenv("BENCH_SCRIPTS") .. "/settle.lua") }
local hashes = {} -- of the scripts, once Redis has them

-- ---- token ----

local known = {} -- token -> who it is
local digest, digest_len = ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]")

local function from_base64url(text)
    text = text:gsub("-", "+"):gsub("_", "/")
    return ngx.decode_base64(text .. ("="):rep(-#text % 4))
end

-- Takes a token; returns {sub, exp}, or nil where it isn't signed with our secret or has ended.
local function verify(token)
    local found = known[token]
    if not found then
        local head, payload, signature = token:match("^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$")
        if not head then return nil end
        local signed = head .. "." .. payload
        C.HMAC(C.EVP_sha256(), secret, #secret, signed, #signed, digest, digest_len)
        if ffi.string(digest, 32) ~= from_base64url(signature) then return nil end
        local claims = from_base64url(payload)
        found = { sub = claims:match('"sub":"([^"]+)"'), exp = tonumber(claims:match('"exp":(%d+)')) }
        known[token] = found
    end
    return found.exp > ngx.time() and found or nil
end

-- ---- Redis ----

-- Sends one command and reads its reply: a number, a text, or a list of numbers. Raises what Redis calls an error.
local function command(socket, arguments)
    local out = { "*" .. #arguments .. "\r\n" }
    for i = 1, #arguments do
        local argument = tostring(arguments[i])
        out[#out + 1] = "$" .. #argument .. "\r\n" .. argument .. "\r\n"
    end
    assert(socket:send(out))
    local line = assert(socket:receive())
    local kind, rest = line:sub(1, 1), line:sub(2)
    if kind == "-" then error(rest) end
    if kind == "$" then
        local text = assert(socket:receive(tonumber(rest)))
        assert(socket:receive(2))
        return text
    end
    if kind ~= "*" then return rest end
    local list = {}
    for i = 1, tonumber(rest) do list[i] = tonumber(assert(socket:receive()):sub(2)) end
    return list
end

-- A connection of the worker's pool; give it back by keep().
local function connect()
    local socket = ngx.socket.tcp()
    socket:settimeout(1000)
    assert(socket:connect("127.0.0.1", tonumber(port), { pool = "redis", pool_size = 256 }))
    if socket:getreusedtimes() == 0 then command(socket, { "AUTH", password }) end
    return socket
end

local function keep(socket) socket:setkeepalive(60000, 256) end

-- Runs a script by its hash, with the number of keys and then keys and arguments.
local function run(name, ...)
    local socket = connect()
    if not hashes[name] then hashes[name] = command(socket, { "SCRIPT", "LOAD", scripts[name] }) end
    local reply = command(socket, { "EVALSHA", hashes[name], ... })
    keep(socket)
    return reply
end

-- ---- phases ----

local serial = 0

local function keys_of(user, day, now_ms)
    return "chat:rate:" .. user .. ":" .. math.floor(now_ms / 60000), "chat:quota:daily:" .. user .. ":" .. day, "chat:streams:" .. user
end

-- Takes a place for the request, or ends it with 401 or 429.
function M.access()
    local authorization = ngx.var.http_authorization
    local who = authorization and verify(authorization:sub(8))
    if not who then return ngx.exit(401) end
    serial = serial + 1
    local now_ms = math.floor(ngx.now() * 1000)
    local day, answer = ngx.utctime():sub(1, 10), string.format("bench-m-%d-%d", ngx.worker.pid(), serial)
    local rate, daily, streams = keys_of(PREFIX .. who.sub, day, now_ms)
    local now = string.format("%d", now_ms)
    local reply = run("admit", 4, rate, daily, streams, "chat:breakers", string.format("%d", now_ms + 1000), now, answer,
        FOREVER, 60000, FOREVER, 86400000, FOREVER, LEASE_MS, "one", "Meta-Llama-3.3-70B-Instruct", "0", 1)
    if reply[1] ~= 0 then return ngx.exit(429) end
    ngx.header["X-RateLimit-Limit"] = FOREVER
    ngx.header["X-RateLimit-Remaining"] = FOREVER - reply[2]
    ngx.header["X-RateLimit-Reset"] = (math.floor(now_ms / 60000) + 1) * 60
    ngx.header["X-Daily-Quota-Limit"] = FOREVER
    ngx.header["X-Daily-Quota-Remaining"] = FOREVER - reply[3]
    ngx.header["X-Daily-Quota-Reset"] = (math.floor(now_ms / 86400000) + 1) * 86400
    ngx.ctx.lease = { answer = answer, user = PREFIX .. who.sub, day = day }
end

local function settle(_, lease)
    local now_ms = math.floor(ngx.now() * 1000)
    local rate, daily, streams = keys_of(lease.user, lease.day, now_ms)
    run("settle", 6, "chat:settled:" .. lease.answer, streams, daily, rate, daily, "chat:breakers", lease.answer, "0", "86400")
end

-- Ends the place once the answer is over. nginx lets nothing wait in this phase, so a timer does it.
function M.log()
    if ngx.ctx.lease then ngx.timer.at(0, settle, ngx.ctx.lease) end
end

return M
