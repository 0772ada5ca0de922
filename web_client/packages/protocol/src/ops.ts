// Generated from cobrowse/ops.py by `talknow schema`. Do not edit.
export const WIRE_VERSION = 1;
export const MAX_FRAME_BYTES = 8388608;
export const MAX_NODES = 200000;
export const MAX_DEPTH = 512;
export const MAX_LITERAL_CHARS = 2097152;
export const MAX_TABLE = 32768;
export const MAX_TABLE_CHARS = 32;
export const MAX_OPS = 100000;
export const MAX_SHEETS = 4096;
export const MAX_ASSETS = 4096;
export const MAX_IMAGE_BYTES = 524288;
export const MAX_ASSET_BYTES = 4194304;
export const MAX_HASHED = 4096;
export const MOVED = 0;
export const ELEMENT = 1;
export const TEXT_NODE = 2;
export const END = 3;
export const FLAG_SVG = 1;
export const FLAG_MATHML = 2;
export const FLAG_SHADOW = 4;
export const FLAG_BLOCKED = 8;
export const FLAG_FRAME = 16;
export const FLAG_MASKED = 32;
export const FLAG_SHOWN = 64;
export const FLAG_QUIRKS = 128;
export const FIRST_OWN = 232;
export const OP_SNAP = 1;
export const OP_KEY = 2;
export const OP_RUN = 3;
export const OP_REM = 4;
export const OP_DET = 5;
export const OP_ATTR = 6;
export const OP_ADEL = 7;
export const OP_ASPL = 8;
export const OP_TEXT = 9;
export const OP_TSPL = 10;
export const OP_VAL = 11;
export const OP_VSPL = 12;
export const OP_CHK = 13;
export const OP_SCR = 14;
export const OP_FOC = 15;
export const OP_SEL = 16;
export const OP_SHEET = 17;
export const OP_RADD = 18;
export const OP_RDEL = 19;
export const OP_RSET = 20;
export const OP_SDIS = 21;
export const OP_ADOPT = 22;
export const OP_TOP = 23;
export const OP_MEDIA = 24;
export const OP_IMG = 25;
export const OP_ASSET = 26;
export const OP_PTR = 27;
export const OP_VIEW = 28;
export const OP_PAGE = 29;
export const OP_VIS = 30;
export const OP_NOTE = 31;
export const OP_HASH = 32;
export const OP_HOLD = 33;
export const SIDE_HELLO = 1;
export const SIDE_WELCOME = 2;
export const SIDE_ACK = 3;
export const SIDE_NEED = 4;
export const SIDE_MASKED = 5;
export const SIDE_WATCH = 6;
export const SIDE_POINT = 7;
export const SIDE_MARK = 8;
export const SIDE_DRAW = 9;
export const SIDE_CONTROL = 10;
export const SIDE_DID = 11;
export const SIDE_SELECT = 12;
export const SIDE_STREAMS = 13;
export const SIDE_SWITCH = 14;
export const SIDE_HAVE = 15;
export const SIDE_WANT = 16;
export const SIDE_BYE = 17;
export const SIDE_ERROR = 18;
/** Opcode -> name and one letter per argument (docs/cobrowse_wire.md). */
export const OPS: Readonly<Record<number, readonly [name: string, args: string]>> = {
  1: ["SNAP", "ittiiN"],
  2: ["KEY", "ittiiiTK"],
  3: ["RUN", "rrN"],
  4: ["REM", "r"],
  5: ["DET", "r"],
  6: ["ATTR", "rss"],
  7: ["ADEL", "rs"],
  8: ["ASPL", "rsiit"],
  9: ["TEXT", "rt"],
  10: ["TSPL", "riit"],
  11: ["VAL", "rt"],
  12: ["VSPL", "riit"],
  13: ["CHK", "ri"],
  14: ["SCR", "rzz"],
  15: ["FOC", "i"],
  16: ["SEL", "iiii"],
  17: ["SHEET", "iiit"],
  18: ["RADD", "iit"],
  19: ["RDEL", "ii"],
  20: ["RSET", "iit"],
  21: ["SDIS", "ii"],
  22: ["ADOPT", "rI"],
  23: ["TOP", "ri"],
  24: ["MEDIA", "riff"],
  25: ["IMG", "rtb"],
  26: ["ASSET", "itt"],
  27: ["PTR", "zzi"],
  28: ["VIEW", "iifff"],
  29: ["PAGE", "tt"],
  30: ["VIS", "i"],
  31: ["NOTE", "ii"],
  32: ["HASH", "iii"],
  33: ["HOLD", "i"],
};
/** Messages beside the stream. */
export const SIDE = {
  HELLO: 1,
  WELCOME: 2,
  ACK: 3,
  NEED: 4,
  MASKED: 5,
  WATCH: 6,
  POINT: 7,
  MARK: 8,
  DRAW: 9,
  CONTROL: 10,
  DID: 11,
  SELECT: 12,
  STREAMS: 13,
  SWITCH: 14,
  HAVE: 15,
  WANT: 16,
  BYE: 17,
  ERROR: 18,
} as const;
