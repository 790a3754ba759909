-- Every change of the queue, each atomic. KEYS[1] is the prefix, ARGV[1] the command.
--
--   prefix:event:ID   hash    one event; `entry` is its entry in the stream, `token` its claim's
--   prefix:body:ID    string  Camio's JSON, until there are labels
--   prefix:ready      stream  what is due, read by the consumer group `gateways`; an entry stays
--                             pending there while an event is worked on, and its idle time is
--                             what a lease is measured by
--   prefix:later      zset    what is due later, by when
--   prefix:pending    zset    what waits or is worked on, by since when
--   prefix:delivered  zset    by when
--   prefix:dead       zset    by when
--   prefix:bytes      number  of all bodies together
--
-- Times are milliseconds by the server's clock, so that gateways need not agree on theirs.

local prefix = KEYS[1]
local GROUP = 'gateways'
local READY, LATER = prefix .. ':ready', prefix .. ':later'
local PENDING, DELIVERED, DEAD = prefix .. ':pending', prefix .. ':delivered', prefix .. ':dead'
local BYTES = prefix .. ':bytes'

local function event(id) return prefix .. ':event:' .. id end
local function body(id) return prefix .. ':body:' .. id end
local function text(number) return string.format('%d', number) end

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local now = clock()

local function enqueue(id)
  local entry = redis.call('XADD', READY, '*', 'id', id)
  redis.call('HSET', event(id), 'entry', entry, 'due', text(now))
end

local function dequeue(id)
  local entry = redis.call('HGET', event(id), 'entry')
  if entry then
    redis.call('XACK', READY, GROUP, entry)
    redis.call('XDEL', READY, entry)
  end
  redis.call('ZREM', LATER, id)
  redis.call('HDEL', event(id), 'entry', 'token')
end

local function drop_body(id)
  local size = redis.call('STRLEN', body(id))
  if size > 0 then
    redis.call('UNLINK', body(id))
    redis.call('DECRBY', BYTES, size)
  end
end

local function ours(id, token)
  return redis.call('HGET', event(id), 'token') == token
end

-- Out of `delivered` or `dead`, back to where it was: with labels they are sent, else it gets some.
local function again(id)
  local state = redis.call('HEXISTS', event(id), 'answer') == 1 and 'labelled' or 'received'
  redis.call('ZREM', DELIVERED, id)
  redis.call('ZREM', DEAD, id)
  redis.call('ZADD', PENDING, now, id)
  redis.call('HSET', event(id), 'state', state, 'since', text(now), 'attempts', '0',
    'unfinished', '0', 'reason', '')
  enqueue(id)
end

local function forget(id)
  drop_body(id)
  redis.call('DEL', event(id))
  redis.call('ZREM', DELIVERED, id)
  redis.call('ZREM', DEAD, id)
end

-- The entry of the stream that is ours now: of one whose lease ran out, or else a new one.
local function take(consumer, lease)
  local cursor = '0-0'
  repeat
    local found = redis.call('XAUTOCLAIM', READY, GROUP, consumer, lease, cursor, 'COUNT', 1)
    if found[2][1] then return found[2][1] end
    cursor = found[1]
  until cursor == '0-0'
  local found = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', 1, 'STREAMS', READY, '>')
  return found and found[1][2][1]
end

local commands = {}

function commands.put(id, key_name, camera, images, url, data, max_events, max_bytes)
  local state = redis.call('HGET', event(id), 'state')
  if state == 'received' or state == 'labelled' then return 'duplicate' end
  if redis.call('ZCARD', PENDING) >= tonumber(max_events) then return 'full' end
  if state then
    again(id)
    return 'duplicate'
  end
  if tonumber(redis.call('GET', BYTES) or '0') + #data > tonumber(max_bytes) then return 'full' end
  redis.call('HSET', event(id), 'key', key_name, 'camera', camera, 'images', images, 'url', url,
    'state', 'received', 'received', text(now), 'since', text(now), 'attempts', '0',
    'unfinished', '0', 'reason', '')
  redis.call('SET', body(id), data)
  redis.call('INCRBY', BYTES, #data)
  redis.call('ZADD', PENDING, now, id)
  enqueue(id)
  return 'accepted'
end

function commands.claim(consumer, token, lease)
  -- Each time, because somebody may have emptied the server meanwhile; it costs microseconds.
  redis.pcall('XGROUP', 'CREATE', READY, GROUP, '0', 'MKSTREAM')
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LATER, '-inf', now, 'LIMIT', 0, 100)) do
    redis.call('ZREM', LATER, id)
    enqueue(id)
  end
  while true do
    local found = take(consumer, lease)
    if not found then return false end
    local id = found[2][2]
    if redis.call('HGET', event(id), 'entry') == found[1] then
      redis.call('HINCRBY', event(id), 'unfinished', 1)
      redis.call('HSET', event(id), 'token', token, 'due', text(now + tonumber(lease)))
      return { id, text(now), redis.call('HGETALL', event(id)), redis.call('GET', body(id)) }
    end
    redis.call('XACK', READY, GROUP, found[1])
    redis.call('XDEL', READY, found[1])
  end
end

function commands.renew(id, token, consumer, lease)
  if not ours(id, token) then return 0 end
  local entry = redis.call('HGET', event(id), 'entry')
  redis.call('XCLAIM', READY, GROUP, consumer, 0, entry, 'JUSTID')
  redis.call('HSET', event(id), 'due', text(now + tonumber(lease)))
  return 1
end

function commands.label(id, answer)
  local state = redis.call('HGET', event(id), 'state')
  if not state then return false end
  local first = redis.call('HGET', event(id), 'answer')
  if first then return first end
  -- Pictures go first: a server whose memory is full takes nothing before something was freed.
  drop_body(id)
  redis.call('HSET', event(id), 'answer', answer, 'attempts', '0', 'reason', '')
  if state == 'received' then redis.call('HSET', event(id), 'state', 'labelled') end
  return answer
end

function commands.postpone(id, token, wait, reason)
  if not ours(id, token) then return 0 end
  dequeue(id)
  local due = now + tonumber(wait)
  redis.call('HINCRBY', event(id), 'attempts', 1)
  redis.call('HSET', event(id), 'reason', reason, 'unfinished', '0', 'due', text(due))
  redis.call('ZADD', LATER, due, id)
  return 1
end

function commands.release(id, token)
  if not ours(id, token) then return 0 end
  dequeue(id)
  redis.call('HINCRBY', event(id), 'unfinished', -1)
  enqueue(id)
  return 1
end

function commands.delivered(id, token)
  if not ours(id, token) then return 0 end
  dequeue(id)
  redis.call('ZREM', PENDING, id)
  redis.call('ZADD', DELIVERED, now, id)
  redis.call('HSET', event(id), 'state', 'delivered', 'reason', '')
  return 1
end

function commands.dead(id, token, reason)
  if not ours(id, token) then return 0 end
  dequeue(id)
  redis.call('ZREM', PENDING, id)
  redis.call('ZADD', DEAD, now, id)
  redis.call('HSET', event(id), 'state', 'dead', 'reason', reason)
  return 1
end

function commands.replay(...)
  local done = {}
  for _, id in ipairs({ ... }) do
    local state = redis.call('HGET', event(id), 'state')
    if state == 'dead' or state == 'delivered' then
      again(id)
      done[#done + 1] = id
    end
  end
  return done
end

function commands.tally()
  local oldest = redis.call('ZRANGE', PENDING, 0, 0, 'WITHSCORES')[2]
  return {
    redis.call('ZCARD', PENDING),
    redis.call('ZCARD', DEAD),
    tonumber(redis.call('GET', BYTES) or '0'),
    oldest and math.max(0, now - tonumber(oldest)) or 0,
  }
end

-- At most `most` of each kind a call, so that the server is never busy for long; says first
-- whether that was all.
function commands.purge(keep_delivered, keep_dead, max_dead, most)
  most = tonumber(most)
  local old = redis.call('ZRANGEBYSCORE', DELIVERED, '-inf', now - tonumber(keep_delivered),
    'LIMIT', 0, most)
  for _, id in ipairs(old) do forget(id) end
  local gone = redis.call('ZRANGEBYSCORE', DEAD, '-inf', now - tonumber(keep_dead), 'LIMIT', 0, most)
  local surplus = math.min(redis.call('ZCARD', DEAD) - tonumber(max_dead), most)
  if surplus > #gone then gone = redis.call('ZRANGE', DEAD, 0, surplus - 1) end
  for _, id in ipairs(gone) do forget(id) end
  return { (#old < most and #gone < most) and 1 or 0, gone }
end

-- Gateways that are gone leave their names in the group; one that holds nothing may go as well.
function commands.tidy(idle)
  local consumers, gone = redis.pcall('XINFO', 'CONSUMERS', READY, GROUP), 0
  for _, fields in ipairs(consumers) do
    local one = {}
    for place = 1, #fields, 2 do one[fields[place]] = fields[place + 1] end
    if one.pending == 0 and one.idle >= tonumber(idle) then
      redis.call('XGROUP', 'DELCONSUMER', READY, GROUP, one.name)
      gone = gone + 1
    end
  end
  return gone
end

return commands[ARGV[1]](unpack(ARGV, 2))
