"""What the server does in one step: scripts that it runs whole or not at all, in its log too.

Each answers with data; what it refuses is an error (or, in `PUT`, a text) that begins with `OMS`.
"""

from __future__ import annotations

PUT = """
-- Add messages to streams. KEYS: marker, registry, then a stream per batch.
-- ARGV: number, all or each; per batch: queue, partitions, messages, arguments; then the messages: how many arguments
-- follow, names and values. Answers, per batch, the id of its first entry or why it was refused.
-- The marker has the number and the answer of this client's last call: asked again, it is answered again.
local number, answer = tonumber(ARGV[1]), {}
local before = redis.call('GET', KEYS[1])
if before then
  local last = tonumber(string.match(before, '^%d+'))
  if last == number then return cjson.decode(string.match(before, ' (.*)$')) end
  if last > number then return {} end
end
local batches, at, refused = #KEYS - 2, 3, false
for batch = 1, batches do
  local stream, wanted = KEYS[batch + 2], ARGV[at + 1]
  local kind = redis.call('TYPE', stream).ok
  local known = redis.call('HGET', KEYS[2], ARGV[at])
  if not known and wanted == '1' and kind == 'stream' then known = '1' end
  if kind ~= 'stream' and kind ~= 'none' then
    answer[batch] = 'OMSTYPE ' .. kind
  elseif known ~= wanted then
    answer[batch] = known and 'OMSCHANGED' or 'OMSGONE'
  end
  refused = refused or answer[batch]
  at = at + 4
end
local all = refused and ARGV[2] == 'all'
for batch = 1, batches do
  local head = 3 + (batch - 1) * 4
  local stop = at + tonumber(ARGV[head + 3])
  if all or answer[batch] then
    answer[batch] = answer[batch] or refused
  else
    local ms, sequence
    while at < stop do
      local count = tonumber(ARGV[at])
      local id = '*'
      if ms then
        sequence = sequence + 1
        id = ms .. '-' .. sequence
      end
      id = redis.call('XADD', KEYS[batch + 2], id, unpack(ARGV, at + 1, at + count))
      if not ms then
        answer[batch] = id
        ms, sequence = string.match(id, '(%d+)-(%d+)')
        sequence = tonumber(sequence)
      end
      at = at + count + 1
    end
  end
  at = stop
end
redis.call('SET', KEYS[1], number .. ' ' .. cjson.encode(answer), 'EX', 600)
return answer
"""

TAKE = """
-- Take over what waited long enough, or whose lease is over. KEYS: stream and retry set of each partition.
-- ARGV: group, consumer, how many, the lease of consumers that are not ours in ms, the consumer of what waits.
-- Answers ms until something that waits is due (-1: nothing waits), then partition, id, attempt, fields of each.
local group, me, left, waiting = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found, soonest = {}, -1
local function take(at, id, idle)
  local entry = redis.call('XCLAIM', KEYS[at], group, me, idle, id)[1]
  if entry then
    local row = redis.call('XPENDING', KEYS[at], group, id, id, 1)[1]
    found[#found + 1] = {(at - 1) / 2, id, row[4], entry[2]}
    left = left - 1
  end
end
for at = 1, #KEYS, 2 do
  local stream, retry = KEYS[at], KEYS[at + 1]
  if left > 0 then
    for _, id in ipairs(redis.call('ZRANGE', retry, '-inf', now, 'BYSCORE', 'LIMIT', 0, left)) do
      redis.call('ZREM', retry, id)
      take(at, id, 0)
    end
  end
  for _, found_consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local name, pending, idle = found_consumer[2], found_consumer[4], found_consumer[6]
    if name ~= waiting and pending > 0 and left > 0 then
      local lease = string.match(name, '^oms%-(%d+)%-') or ARGV[4]
      for _, row in ipairs(redis.call('XPENDING', stream, group, 'IDLE', lease, '-', '+', left, name)) do
        take(at, row[1], lease)
      end
    elseif name ~= me and pending == 0 and idle > 60000 then
      redis.call('XGROUP', 'DELCONSUMER', stream, group, name)
    end
  end
  local first = redis.call('ZRANGE', retry, 0, 0, 'WITHSCORES')[2]
  if first and (soonest < 0 or first - now < soonest) then soonest = math.max(first - now, 0) end
end
return {soonest, found}
"""

HOLD = """
-- Hand what a consumer holds to another one. KEYS: stream, retry set.
-- ARGV: group, new holder, ms until the next attempt (-1: it does not wait), 1 to take the attempt back; then
-- holder and id of each. What is not held any more is left alone. Answers how many changed hands.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local moved = 0
for at = 5, #ARGV, 2 do
  local id = ARGV[at + 1]
  local row = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[at])[1]
  if row then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'RETRYCOUNT', math.max(row[4] - ARGV[4], 0), 'JUSTID')
    if ARGV[3] ~= '-1' then redis.call('ZADD', KEYS[2], now + ARGV[3], id) end
    moved = moved + 1
  end
end
return moved
"""

RECOVER = """
-- What a consumer was given and never got, for its connection broke. KEYS: stream. ARGV: group, consumer, then the
-- ids it knows of. Answers id, attempt, fields of each.
local known, found = {}, {}
for at = 3, #ARGV do known[ARGV[at]] = true end
local from = '-'
while true do
  local rows = redis.call('XPENDING', KEYS[1], ARGV[1], from, '+', 500, ARGV[2])
  for _, row in ipairs(rows) do
    if not known[row[1]] then
      local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, row[1], 'RETRYCOUNT', row[4])[1]
      if entry then found[#found + 1] = {row[1], row[4], entry[2]} end
    end
    from = '(' .. row[1]
  end
  if #rows < 500 then return found end
end
"""

TRIM = """
-- Give back what nobody needs. KEYS: stream, settings, groups of the queue. ARGV: queue. Answers how many went.
local text = redis.call('HGET', KEYS[2], ARGV[1])
if not text or redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local config = cjson.decode(text)
local time = redis.call('TIME')
local function before(one, other)
  local ms, sequence = string.match(one, '(%d+)-(%d+)')
  local others_ms, others_sequence = string.match(other, '(%d+)-(%d+)')
  ms, others_ms = tonumber(ms), tonumber(others_ms)
  return ms < others_ms or (ms == others_ms and tonumber(sequence) < tonumber(others_sequence))
end
local floor
if config.retention == 'consumed' then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local name, pending, needed = group[2], group[6], group[8]
    local settings = redis.call('HGET', KEYS[3], name)
    local alone = settings and cjson.decode(settings).broadcast
    if alone then
      for _, each in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], name)) do
        if each[6] < 86400000 then alone = false end
      end
    end
    if alone then
      redis.call('XGROUP', 'DESTROY', KEYS[1], name)
      redis.call('HDEL', KEYS[3], name)
    else
      if pending > 0 then
        needed = redis.call('XPENDING', KEYS[1], name)[2]
      else
        local ms, sequence = string.match(needed, '(%d+)-(%d+)')
        if #sequence > 15 then
          needed = (ms + 1) .. '-0'
        else
          needed = ms .. '-' .. (sequence + 1)
        end
      end
      if not floor or before(needed, floor) then floor = needed end
    end
  end
end
if type(config.retention_age) == 'number' then
  local oldest = (time[1] * 1000 + math.floor(time[2] / 1000) - math.floor(config.retention_age * 1000)) .. '-0'
  if not floor or before(floor, oldest) then floor = oldest end
end
return floor and redis.call('XTRIM', KEYS[1], 'MINID', floor) or 0
"""

SEEK = """
-- Let a group go on behind an entry; its leases end. KEYS: stream, retry set. ARGV: group, id.
while true do
  local rows = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000)
  for _, row in ipairs(rows) do redis.call('XACK', KEYS[1], ARGV[1], row[1]) end
  if #rows < 1000 then break end
end
redis.call('DEL', KEYS[2])
return redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], ARGV[2])
"""

CREATE = """
-- Make a queue. KEYS: registry, settings, namespaces, then its streams. ARGV: queue, namespace, partitions, settings.
if ARGV[2] ~= 'default' and redis.call('SISMEMBER', KEYS[3], ARGV[2]) == 0 then
  return redis.error_reply('OMSNAMESPACE ' .. ARGV[2])
end
for at = 4, #KEYS do
  if redis.call('EXISTS', KEYS[at]) == 1 then return redis.error_reply('OMSTHERE ' .. KEYS[at]) end
end
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[3]) == 0 then return redis.error_reply('OMSTHERE ' .. ARGV[1]) end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
return 1
"""

DELETE = """
-- Delete a queue with all that belongs to it. KEYS: registry, settings, groups, then its streams. ARGV: queue, first
-- characters of the names of retry sets.
for at = 4, #KEYS do
  if redis.call('EXISTS', KEYS[at]) == 1 then
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[at])) do
      redis.call('DEL', ARGV[2] .. KEYS[at] .. '/' .. group[2])
    end
  end
  redis.call('DEL', KEYS[at])
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
return redis.call('HDEL', KEYS[1], ARGV[1])
"""

JOIN = """
-- Make a group where it is missing. KEYS: groups of the queue, registry, then its streams. ARGV: group, settings,
-- 1 to replace them, queue, partitions, consumer, then per stream where a new group begins. Answers the settings that
-- count.
local known = redis.call('HGET', KEYS[2], ARGV[4])
if not known and ARGV[5] == '1' and redis.call('EXISTS', KEYS[3]) == 1 then known = '1' end
if known ~= ARGV[5] then return redis.error_reply(known and 'OMSCHANGED' or 'OMSGONE') end
for at = 3, #KEYS do
  local there = false
  if redis.call('EXISTS', KEYS[at]) == 1 then
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[at])) do there = there or group[2] == ARGV[1] end
  end
  if not there then redis.call('XGROUP', 'CREATE', KEYS[at], ARGV[1], ARGV[at + 4], 'MKSTREAM') end
  redis.call('XGROUP', 'CREATECONSUMER', KEYS[at], ARGV[1], ARGV[6])
end
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
else
  redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
end
return redis.call('HGET', KEYS[1], ARGV[1])
"""
