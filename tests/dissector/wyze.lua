-- Wireshark dissector for Wyze cameras: both packet formats around DTLS (TransCode and CC51), and for files that
-- `wyze-cameras probe --trace` wrote, the AV packets inside DTLS.
--
--   wireshark -X lua_script:tests/dissector/wyze.lua FILE.pcapng
--
-- or copy it into Wireshark's folder of personal plugins. Fields of datagrams begin with wyze., those of AV packets
-- with wyze_av.

local xor, band, bor, lshift, rshift, rol = bit.bxor, bit.band, bit.bor, bit.lshift, bit.rshift, bit.rol

local CHANNELS = { [0] = "main", [1] = "back" }

-- TransCode ----------------------------------------------------------------------------------------------------------

local KEY = { string.byte("Charlie is the d", 1, 16) }
local PERMUTATION = { 11, 9, 8, 15, 13, 10, 12, 14, 2, 1, 5, 0, 6, 4, 7, 3 }
local TAILS = { [2] = { 1, 0 }, [4] = { 2, 3, 0, 1 }, [8] = { 7, 4, 3, 2, 1, 6, 5, 0 } }

-- Rotates the four words of a block to the left, word i by 4i + add.
local function rotate(block, add)
  for i = 0, 3 do
    local at = 4 * i + 1
    local word = 0
    for k = 0, 3 do
      word = bor(word, lshift(block[at + k], 8 * k))
    end
    word = rol(word, 4 * i + add)
    for k = 0, 3 do
      block[at + k] = band(rshift(word, 8 * k), 0xff)
    end
  end
end

local function xor_key(block)
  for i = 1, #block do
    block[i] = xor(block[i], KEY[i])
  end
end

-- Restores a run of bytes, given as a table, from its place `from` on.
local function decode_run(bytes, from, len)
  local at = 0
  while at < len do
    local size = math.min(16, len - at)
    local block, permuted = {}, {}
    for i = 1, size do
      block[i] = bytes[from + at + i - 1]
    end
    if size == 16 then
      rotate(block, 3)
      for i = 1, 16 do
        permuted[PERMUTATION[i] + 1] = block[i]
      end
      block = permuted
      xor_key(block)
      rotate(block, 1)
    else
      local tail = TAILS[size]
      if tail then
        for i = 1, size do
          permuted[tail[i] + 1] = block[i]
        end
        block = permuted
      end
      xor_key(block)
    end
    for i = 1, size do
      bytes[from + at + i - 1] = block[i]
    end
    at = at + size
  end
end

-- Returns a plain copy of a scrambled datagram, or nil where it is none. `reported` is its length on the wire.
local function unscramble(tvb, reported)
  if tvb:len() < 16 then
    return nil
  end
  local raw = tvb:bytes()
  local bytes = {}
  for i = 0, raw:len() - 1 do
    bytes[i + 1] = raw:get_index(i)
  end
  decode_run(bytes, 1, 16)
  if bytes[1] ~= 0x04 or bytes[2] ~= 0x02 then
    return nil
  end
  local run = reported - 16
  if band(bytes[4], 1) == 1 then
    run = math.min(run, 48)
  end
  -- What a trace has cut off ends with a whole block.
  decode_run(bytes, 17, math.min(run, #bytes - 16))
  local plain = ByteArray.new()
  plain:set_size(#bytes)
  for i = 1, #bytes do
    plain:set_index(i - 1, bytes[i])
  end
  return plain
end

-- Datagrams ----------------------------------------------------------------------------------------------------------

local wyze = Proto("wyze", "Wyze camera")

local IOTC_COMMANDS = {
  [0x0601] = "discovery",
  [0x0602] = "discovery answer",
  [0x0402] = "session request",
  [0x0404] = "session answer",
  [0x0407] = "data to the camera",
  [0x0408] = "data from the camera",
  [0x0427] = "keepalive answer",
  [0x0428] = "keepalive",
}
local CC51_COMMANDS = { [0x1002] = "discovery", [0x1202] = "keepalive", [0x1502] = "data" }
local CC51_DIRECTIONS = { [0] = "to the camera", [0xffff] = "from the camera" }
local DTLS_TYPES = { [20] = "change cipher spec", [21] = "alert", [22] = "handshake", [23] = "application data" }

local f = {
  envelope = ProtoField.string("wyze.envelope", "Packet format"),
  marker = ProtoField.uint8("wyze.marker", "Marker", base.HEX),
  mode = ProtoField.uint8("wyze.mode", "Mode", base.HEX),
  body_len = ProtoField.uint16("wyze.body_len", "Body length"),
  sequence = ProtoField.uint16("wyze.sequence", "Sequence"),
  command = ProtoField.uint16("wyze.command", "Command", base.HEX, IOTC_COMMANDS),
  flags = ProtoField.uint16("wyze.flags", "Flags", base.HEX),
  uid = ProtoField.string("wyze.uid", "UID"),
  sdk = ProtoField.string("wyze.sdk", "SDK version"),
  session_id = ProtoField.bytes("wyze.session_id", "Session id"),
  stage = ProtoField.uint8("wyze.stage", "Stage"),
  auth_key = ProtoField.string("wyze.auth_key", "AuthKey"),
  time = ProtoField.absolute_time("wyze.time", "Time", base.UTC),
  channel = ProtoField.uint8("wyze.channel", "Channel", base.DEC, CHANNELS),
  keepalive = ProtoField.bytes("wyze.keepalive", "Keepalive"),
  cc51_command = ProtoField.uint16("wyze.cc51_command", "Command", base.HEX, CC51_COMMANDS),
  direction = ProtoField.uint16("wyze.direction", "Direction", base.HEX, CC51_DIRECTIONS),
  step = ProtoField.uint16("wyze.step", "Step"),
  ticket = ProtoField.uint16("wyze.ticket", "Ticket", base.HEX),
  counter = ProtoField.uint32("wyze.counter", "Counter"),
  hmac = ProtoField.bytes("wyze.hmac", "HMAC"),
  record_type = ProtoField.uint8("wyze.record_type", "DTLS record", base.DEC, DTLS_TYPES),
  record_epoch = ProtoField.uint16("wyze.record_epoch", "Epoch"),
  record_sequence = ProtoField.uint64("wyze.record_sequence", "Sequence"),
  record_len = ProtoField.uint16("wyze.record_len", "Length"),
}
wyze.fields = f

local dtls = Dissector.get("dtls")

-- Shows the DTLS records from `at` to `stop`. `is_whole` tells whether the trace has all of the datagram.
local function dissect_dtls(tvb, pinfo, tree, at, stop, is_whole)
  local first = at
  while at + 13 <= math.min(stop, tvb:len()) do
    local len = tvb(at + 11, 2):uint()
    local record = tree:add(wyze, tvb(at, math.min(13 + len, tvb:len() - at)), "DTLS record")
    record:add(f.record_type, tvb(at, 1))
    record:add(f.record_epoch, tvb(at + 3, 2))
    record:add(f.record_sequence, tvb(at + 5, 6):uint64())
    record:add(f.record_len, tvb(at + 11, 2))
    at = at + 13 + len
  end
  if is_whole and stop > first then
    dtls:call(tvb(first, stop - first):tvb(), pinfo, tree)
  elseif first + 13 <= tvb:len() then
    local kind = DTLS_TYPES[tvb(first, 1):uint()] or "record"
    pinfo.cols.info = string.format("DTLS %s, %d bytes", kind, tvb(first + 11, 2):uint())
  end
end

local function version(range)
  local b = range:bytes()
  return string.format("%d.%d.%d.%d", b:get_index(3), b:get_index(2), b:get_index(1), b:get_index(0))
end

local function dissect_iotc(tvb, pinfo, tree, is_whole)
  local command = tvb(8, 2):le_uint()
  tree:add(f.envelope, "transcode")
  tree:add(f.marker, tvb(2, 1))
  tree:add(f.mode, tvb(3, 1))
  tree:add_le(f.body_len, tvb(4, 2))
  tree:add_le(f.sequence, tvb(6, 2))
  tree:add_le(f.command, tvb(8, 2))
  tree:add_le(f.flags, tvb(10, 2))
  pinfo.cols.protocol = "Wyze"
  pinfo.cols.info = IOTC_COMMANDS[command] or string.format("command %04x", command)
  if (command == 0x0601 or command == 0x0602) and tvb:len() >= 66 then
    tree:add(f.uid, tvb(16, 20))
    tree:add(f.sdk, tvb(52, 4), version(tvb(52, 4)))
    tree:add(f.session_id, tvb(56, 8))
    tree:add(f.stage, tvb(64, 1))
    if tvb:len() >= 82 and tvb(74, 1):uint() ~= 0 then
      tree:add(f.auth_key, tvb(74, 8))
    end
  elseif (command == 0x0402 or command == 0x0404) and tvb:len() >= 52 then
    tree:add(f.uid, tvb(16, 20))
    tree:add(f.session_id, tvb(36, 8))
    tree:add_le(f.time, tvb(48, 4))
  elseif (command == 0x0407 or command == 0x0408) and tvb:len() >= 28 then
    tree:add(f.channel, tvb(14, 1))
    tree:add(f.session_id, tvb(20, 8))
    dissect_dtls(tvb, pinfo, tree, 28, tvb:len(), is_whole)
  elseif command == 0x0427 or command == 0x0428 then
    tree:add(f.keepalive, tvb(16))
  end
end

local function dissect_cc51(tvb, pinfo, tree, is_whole)
  local command = tvb(4, 2):le_uint()
  tree:add(f.envelope, "cc51")
  tree:add_le(f.cc51_command, tvb(4, 2))
  tree:add_le(f.body_len, tvb(6, 2))
  pinfo.cols.protocol = "Wyze"
  pinfo.cols.info = "CC51 " .. (CC51_COMMANDS[command] or string.format("command %04x", command))
  if command == 0x1002 and tvb:len() >= 52 then
    pinfo.cols.info:append(" step " .. tvb(12, 2):le_uint())
    tree:add_le(f.direction, tvb(8, 2))
    tree:add_le(f.step, tvb(12, 2))
    tree:add_le(f.ticket, tvb(14, 2))
    tree:add(f.session_id, tvb(16, 8))
    tree:add(f.sdk, tvb(24, 4), version(tvb(24, 4)))
    tree:add(f.hmac, tvb(32, 20))
  elseif command == 0x1202 and tvb:len() >= 48 then
    tree:add_le(f.counter, tvb(16, 4))
    tree:add(f.session_id, tvb(20, 8))
    tree:add(f.hmac, tvb(28, 20))
  elseif command == 0x1502 and tvb:len() >= 28 then
    tree:add(f.channel, tvb(13, 1))
    tree:add_le(f.ticket, tvb(14, 2))
    tree:add(f.session_id, tvb(16, 8))
    local stop = tvb:len()
    if is_whole and stop >= 48 then
      stop = stop - 20
      tree:add(f.hmac, tvb(stop, 20))
    end
    dissect_dtls(tvb, pinfo, tree, 28, stop, is_whole)
  end
end

-- Returns whether the datagram is one of a camera.
function wyze.dissector(tvb, pinfo, root)
  local reported = tvb:reported_len()
  local is_whole = tvb:len() == reported
  if tvb:len() >= 12 and tvb(0, 2):uint() == 0x51cc then
    dissect_cc51(tvb, pinfo, root:add(wyze, tvb()), is_whole)
    return tvb:len()
  end
  local plain = unscramble(tvb, reported)
  if not plain then
    return 0
  end
  local tree = root:add(wyze, tvb())
  dissect_iotc(plain:tvb("Unscrambled"), pinfo, tree, is_whole)
  return tvb:len()
end

wyze:register_heuristic("udp", function(tvb, pinfo, root)
  return wyze.dissector(tvb, pinfo, root) > 0
end)

-- AV packets ---------------------------------------------------------------------------------------------------------

local av = Proto("wyze_av", "Wyze AV packet")

local K_COMMANDS = {
  [10000] = "connect", [10001] = "challenge", [10002] = "answer to the challenge", [10003] = "result",
  [10006] = "answer to the challenge, doorbells", [10007] = "result, doorbells",
  [10008] = "answer to the challenge, new form", [10009] = "result, new form",
  [10010] = "media on or off", [10011] = "media: done", [10020] = "read parameters", [10021] = "parameters",
  [10030] = "get status light", [10032] = "set status light", [10040] = "get night vision",
  [10042] = "set night vision", [10044] = "get IR LED", [10046] = "set IR LED", [10050] = "get video parameters",
  [10051] = "video parameters", [10052] = "set video parameters", [10053] = "video parameters: done",
  [10056] = "set resolution", [10057] = "resolution: done", [10058] = "take photo", [10070] = "get time in picture",
  [10072] = "set time in picture", [10074] = "get logo in picture", [10076] = "set logo in picture",
  [10090] = "get clock", [10091] = "clock", [10092] = "set clock", [10093] = "clock: done",
  [10148] = "start web server",
  [10200] = "get motion alarm", [10202] = "set motion alarm", [10206] = "set motion alarm, new form",
  [10242] = "format SD card", [10290] = "get motion tagging", [10292] = "set motion tagging",
  [10302] = "set time zone", [10444] = "set wake state", [10446] = "get connection state",
  [10448] = "get battery use", [10600] = "set RTSP", [10604] = "get RTSP", [10620] = "is it night",
  [10624] = "get automatic night switch", [10626] = "set automatic night switch", [10630] = "set siren and flash",
  [10632] = "get siren and flash", [10640] = "set spotlight", [10646] = "get spotlight", [10720] = "get accessories",
  [10788] = "get floodlight", [10820] = "get white light", [11000] = "turn by degrees", [11002] = "turn",
  [11004] = "turn to the middle", [11006] = "get position", [11010] = "get cruise points",
  [11012] = "set cruise points", [11014] = "get cruise", [11016] = "set cruise", [11018] = "turn to a position",
  [11020] = "get motion tracking", [11022] = "set motion tracking", [11635] = "doorbell: quick reply",
  [12060] = "set floodlight",
}
local DIRECTIONS = { [0] = "to the camera", [1] = "from the camera" }
local MEDIA_CHANNELS = {
  [3] = "audio", [4] = "audio, sent again", [5] = "key frame", [6] = "key frame, sent again", [7] = "video",
  [8] = "video, sent again", [12] = "parity",
}
local CODECS = {
  [0x4b] = "H.264", [0x4c] = "MPEG-4", [0x4d] = "H.263", [0x4e] = "H.264", [0x4f] = "MJPEG", [0x50] = "H.265",
  [0x86] = "AAC raw", [0x87] = "AAC ADTS", [0x88] = "AAC LATM", [0x89] = "G.711 u-law", [0x8a] = "G.711 A-law",
  [0x8b] = "ADPCM", [0x8c] = "PCM S16LE", [0x8d] = "Speex", [0x8e] = "MP3", [0x8f] = "G.726", [0x90] = "AAC",
  [0x92] = "Opus",
}

local a = {
  direction = ProtoField.uint8("wyze_av.direction", "Direction", base.DEC, DIRECTIONS),
  channel = ProtoField.uint8("wyze_av.channel", "Channel", base.DEC, CHANNELS),
  len = ProtoField.uint32("wyze_av.len", "Length of the whole packet"),
  omitted_at = ProtoField.uint32("wyze_av.omitted_at", "Bytes are left out from"),
  omitted = ProtoField.uint32("wyze_av.omitted", "Bytes left out"),
  kind = ProtoField.string("wyze_av.kind", "Kind"),
  magic = ProtoField.uint16("wyze_av.magic", "Magic", base.HEX),
  version = ProtoField.uint16("wyze_av.version", "Version", base.HEX),
  counter = ProtoField.uint32("wyze_av.counter", "Send counter"),
  -- login
  random = ProtoField.bytes("wyze_av.login.random", "Random"),
  user = ProtoField.stringz("wyze_av.login.user", "User"),
  password = ProtoField.stringz("wyze_av.login.password", "Password (a stand-in)"),
  wants_resend = ProtoField.uint8("wyze_av.login.wants_resend", "Resend asked for"),
  status = ProtoField.uint8("wyze_av.login.status", "Status, 10 is success", base.HEX),
  enabled = ProtoField.uint8("wyze_av.login.enabled", "Enabled"),
  two_way = ProtoField.uint8("wyze_av.login.two_way_audio", "Two-way audio"),
  resend = ProtoField.uint8("wyze_av.login.resend", "Resend granted"),
  capabilities = ProtoField.uint32("wyze_av.login.capabilities", "Capabilities", base.HEX),
  -- acknowledgement
  ack_base = ProtoField.uint16("wyze_av.ack.base", "Base, or previous highest"),
  ack_high = ProtoField.uint16("wyze_av.ack.high", "Highest"),
  ack_control = ProtoField.uint16("wyze_av.ack.control", "Counter of ACKs, in resend mode of control frames"),
  ack_missing = ProtoField.uint16("wyze_av.ack.missing", "Missing packets listed"),
  ack_offset = ProtoField.uint16("wyze_av.ack.offset", "Missing, from base"),
  ack_clock = ProtoField.uint16("wyze_av.ack.clock", "Clock (ms)"),
  -- control
  command_counter = ProtoField.uint16("wyze_av.control.counter", "Command counter"),
  protocol = ProtoField.uint8("wyze_av.hl.protocol", "HL protocol"),
  command = ProtoField.uint16("wyze_av.hl.command", "K-command"),
  name = ProtoField.string("wyze_av.hl.name", "Name"),
  payload_len = ProtoField.uint16("wyze_av.hl.payload_len", "Payload length"),
  payload = ProtoField.bytes("wyze_av.hl.payload", "Payload"),
  json = ProtoField.string("wyze_av.hl.json", "JSON"),
  -- media
  media_channel = ProtoField.uint8("wyze_av.media.channel", "Media channel", base.DEC, MEDIA_CHANNELS),
  frame_type = ProtoField.uint8("wyze_av.media.type", "Frame type", base.HEX),
  is_last = ProtoField.bool("wyze_av.media.last", "Last packet of its frame"),
  sequence = ProtoField.uint16("wyze_av.media.sequence", "Sequence"),
  total = ProtoField.uint16("wyze_av.media.total", "Packets of the frame"),
  index = ProtoField.uint16("wyze_av.media.index", "Index, or length of FRAMEINFO"),
  inner = ProtoField.uint16("wyze_av.media.inner", "Inner counter"),
  size = ProtoField.uint16("wyze_av.media.size", "Payload size"),
  previous = ProtoField.uint32("wyze_av.media.previous", "Previous frame"),
  frame = ProtoField.uint32("wyze_av.media.frame", "Frame"),
  group = ProtoField.uint16("wyze_av.fec.group", "Group"),
  group_index = ProtoField.uint8("wyze_av.fec.index", "Index in the group"),
  group_data = ProtoField.uint8("wyze_av.fec.data", "Data packets of the group"),
  group_parity = ProtoField.uint32("wyze_av.fec.parity", "Parity packets of the group"),
  -- probe
  clock = ProtoField.uint16("wyze_av.probe.clock", "Camera's clock (ms)"),
  round_trip = ProtoField.uint16("wyze_av.probe.round_trip", "Round trip (ms)"),
  received = ProtoField.uint16("wyze_av.probe.received", "Packets received"),
  -- FRAMEINFO
  codec = ProtoField.uint16("wyze_av.info.codec", "Codec", base.HEX, CODECS),
  info_flags = ProtoField.uint8("wyze_av.info.flags", "Flags", base.HEX),
  viewers = ProtoField.uint8("wyze_av.info.viewers", "Viewers"),
  fps = ProtoField.uint8("wyze_av.info.fps", "Frames a second"),
  frame_size = ProtoField.uint8("wyze_av.info.frame_size", "Frame size"),
  bitrate = ProtoField.uint8("wyze_av.info.bitrate", "Bit rate (KB/s, low 8 bits)"),
  microseconds = ProtoField.uint32("wyze_av.info.microseconds", "Microseconds"),
  seconds = ProtoField.uint32("wyze_av.info.seconds", "Seconds, in the short form milliseconds"),
  info_size = ProtoField.uint32("wyze_av.info.size", "Frame's length"),
  info_frame = ProtoField.uint32("wyze_av.info.frame", "Frame number"),
  mac = ProtoField.stringz("wyze_av.info.mac", "MAC (a stand-in)"),
}
av.fields = a

local function dissect_frame_info(b, tree)
  local info = tree:add(av, b(), "FRAMEINFO")
  info:add_le(a.codec, b(0, 2))
  info:add(a.info_flags, b(2, 1))
  info:add(a.viewers, b(4, 1))
  info:add(a.fps, b(5, 1))
  info:add(a.frame_size, b(6, 1))
  info:add(a.bitrate, b(7, 1))
  info:add_le(a.microseconds, b(8, 4))
  info:add_le(a.seconds, b(12, 4))
  if b:len() >= 24 then
    info:add_le(a.info_size, b(16, 4))
    info:add_le(a.info_frame, b(20, 4))
  end
  if b:len() >= 40 then
    info:add(a.mac, b(24, 16))
  end
end

local function dissect_probe(b, tree, at)
  tree:add_le(a.clock, b(at, 2))
  tree:add_le(a.round_trip, b(at + 2, 2))
end

-- A media packet, of which `omitted` bytes are left out before FRAMEINFO. Returns its name, or nil for no media.
local function dissect_media(b, tree, omitted)
  local first, flags = b(0, 1):uint(), b(1, 1):uint()
  local is_wrapped = first == 0x0c
  local at = 8
  if band(flags, 8) ~= 0 then
    at = at + 8
  end
  local fec = at
  if is_wrapped then
    at = at + 8
  end
  if b:len() < at + 20 then
    return nil
  end
  local channel = b(at, 1):uint()
  if not (MEDIA_CHANNELS[first] and MEDIA_CHANNELS[channel]) then
    return nil
  end
  tree:add(a.frame_type, b(1, 1))
  tree:add_le(a.version, b(2, 2))
  tree:add_le(a.sequence, b(4, 2))
  if fec == 16 then
    dissect_probe(b, tree, 8)
  end
  if is_wrapped then
    tree:add_le(a.group, b(fec, 2))
    tree:add(a.group_index, b(fec + 2, 1))
    tree:add(a.group_data, b(fec + 3, 1))
    tree:add_le(a.group_parity, b(fec + 4, 4))
  end
  local total, index = b(at + 4, 2):le_uint(), b(at + 6, 2):le_uint()
  tree:add(a.media_channel, b(at, 1))
  tree:add_le(a.inner, b(at + 2, 2))
  tree:add_le(a.total, b(at + 4, 2))
  tree:add_le(a.index, b(at + 6, 2))
  tree:add_le(a.size, b(at + 8, 2))
  tree:add_le(a.previous, b(at + 12, 4))
  tree:add_le(a.frame, b(at + 16, 4))
  local is_last = band(flags, 1) ~= 0 and not (total > 1 and index == 0)
  tree:add(a.is_last, b(1, 1), is_last)
  local rest = b:len() - at - 20
  local info_len = omitted > 0 and rest or 40
  if omitted == 0 and (index == 16 or index == 32 or index == 48) then
    info_len = index
  end
  if is_last and info_len >= 16 and info_len <= rest then
    dissect_frame_info(b(b:len() - info_len, info_len):tvb(), tree)
  end
  return string.format("%s, frame %d, packet %d of %d", MEDIA_CHANNELS[channel], b(at + 16, 4):le_uint(),
    is_last and total or index + 1, total)
end

local function dissect_login(b, tree)
  tree:add(a.random, b(20, 4))
  if b:len() >= 570 then
    tree:add(a.user, b(24, 256))
    -- There are two layouts, whose fields differ by a byte.
    local at = b(280, 1):uint() == 0 and 281 or 280
    tree:add(a.password, b(at, 256))
    tree:add(a.wants_resend, b(538, 1))
  end
  return "login"
end

local function dissect_login_answer(b, tree)
  tree:add(a.status, b(4, 1))
  tree:add(a.random, b(20, 4))
  tree:add(a.enabled, b(29, 1))
  tree:add(a.two_way, b(31, 1))
  if b:len() >= 44 then
    tree:add(a.resend, b(32, 1))
    tree:add_le(a.capabilities, b(40, 4))
  end
  return "login answer"
end

local function dissect_ack(b, tree)
  tree:add_le(a.counter, b(4, 2))
  tree:add_le(a.ack_base, b(8, 2))
  tree:add_le(a.ack_high, b(10, 2))
  tree:add_le(a.ack_control, b(12, 2))
  local missing = b(14, 2):le_uint()
  tree:add_le(a.ack_missing, b(14, 2))
  tree:add_le(a.ack_clock, b(20, 2))
  for i = 0, missing - 1 do
    if 24 + 2 * i <= b:len() then
      tree:add_le(a.ack_offset, b(22 + 2 * i, 2))
    end
  end
  return missing > 0 and ("ACK, " .. missing .. " missing") or "ACK"
end

-- Returns where "HL" stands, or nil.
local function find_hl(b)
  for at = 32, b:len() - 16 do
    if b(at, 2):uint() == 0x484c then
      return at
    end
  end
end

local function dissect_control(b, tree)
  tree:add_le(a.counter, b(4, 4))
  local at = find_hl(b)
  if not at then
    return "control frame without a command"
  end
  tree:add_le(a.command_counter, b(18, 2))
  local command, len = b(at + 4, 2):le_uint(), b(at + 6, 2):le_uint()
  local name = K_COMMANDS[command] or (K_COMMANDS[command - 1] and K_COMMANDS[command - 1] .. ": answer") or "unknown"
  tree:add(a.protocol, b(at + 2, 1))
  tree:add_le(a.command, b(at + 4, 2))
  tree:add(a.name, b(at + 4, 2), name)
  tree:add_le(a.payload_len, b(at + 6, 2))
  len = math.min(len, b:len() - at - 16)
  if len > 0 and b(at + 16, 1):uint() == 0x7b then
    tree:add(a.json, b(at + 16, len))
  elseif len > 0 then
    tree:add(a.payload, b(at + 16, len))
  end
  return string.format("K%d %s", command, name)
end

local function dissect_packet(b, tree, omitted)
  if b:len() < 8 then
    return "too short"
  end
  local media = dissect_media(b, tree, omitted)
  if media then
    return media
  end
  local magic = b(0, 2):le_uint()
  tree:add_le(a.magic, b(0, 2))
  tree:add_le(a.version, b(2, 2))
  if (magic == 0x0000 or magic == 0x2000) and b:len() >= 24 then
    return dissect_login(b, tree)
  elseif magic == 0x2100 and b:len() >= 32 then
    return dissect_login_answer(b, tree)
  elseif magic == 0x0009 and b:len() >= 24 then
    return dissect_ack(b, tree)
  elseif magic == 0x080a and b:len() >= 16 then
    dissect_probe(b, tree, 8)
    return "timing probe"
  elseif magic == 0x000b and b:len() >= 14 then
    tree:add_le(a.clock, b(8, 2))
    tree:add_le(a.received, b(10, 2))
    return "answer to a timing probe"
  elseif (magic == 0x7000 or magic == 0x1000 or band(magic, 0xff) == 0x0c) and b:len() >= 36 then
    return dissect_control(b, tree)
  end
  return string.format("unknown, magic %04x", magic)
end

function av.dissector(tvb, pinfo, root)
  if tvb:len() < 16 or tvb(0, 1):uint() ~= 1 then
    return 0
  end
  local tree = root:add(av, tvb())
  local omitted = tvb(12, 4):le_uint()
  tree:add(a.direction, tvb(1, 1))
  tree:add(a.channel, tvb(2, 1))
  tree:add_le(a.len, tvb(4, 4))
  if omitted > 0 then
    tree:add_le(a.omitted_at, tvb(8, 4))
    tree:add_le(a.omitted, tvb(12, 4))
  end
  local to_camera = tvb(1, 1):uint() == 0
  pinfo.cols.src = to_camera and "client" or "camera"
  pinfo.cols.dst = to_camera and "camera" or "client"
  pinfo.cols.protocol = "Wyze AV"
  local kind = tvb:len() > 16 and dissect_packet(tvb(16):tvb(), tree, omitted) or "empty"
  tree:add(a.kind, kind)
  pinfo.cols.info = (tvb(2, 1):uint() == 1 and "talk: " or "") .. kind
  return tvb:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, av)
