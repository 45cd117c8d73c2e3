// The times of frames, read from the fragments of a window: recordings of variable frame rate have no grid.

const TRACK = {tkhd: 12, mdhd: 12};

// `[{start, end}]` of a window's frames in the order in which they are shown, in seconds behind `offset`; the last one
// ends at `end`. Empty where the window can't be read.
export function framesOf(data, offset, end) {
  try {
    const view = new DataView(data), video = videoTrack(view);
    const ticks = [...boxes(view)].filter(({type}) => type === "moof").flatMap((moof) => shownTicks(view, moof, video));
    const starts = [...new Set(ticks)].sort((a, b) => a - b).map((tick) => offset + tick / video.timescale);
    return starts.map((start, i) => ({start, end: starts[i + 1] ?? Math.max(end, start)}));
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return [];
    throw error;
  }
}

function* boxes(view, from = 0, to = view.byteLength) {
  while (from + 8 <= to) {
    const large = view.getUint32(from) === 1;
    const size = large ? Number(view.getBigUint64(from + 8)) : view.getUint32(from);
    if (size < 8) return;
    yield {type: name(view, from + 4), begin: from + (large ? 16 : 8), end: Math.min(to, from + size)};
    from += size;
  }
}

const name = (view, at) => String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));

function inside(view, box, ...path) {
  let found = box;
  for (const type of path) found = [...boxes(view, found.begin, found.end)].find((each) => each.type === type);
  return found;
}

function videoTrack(view) {
  const moov = [...boxes(view)].find(({type}) => type === "moov");
  const tracks = [...boxes(view, moov.begin, moov.end)].filter(({type}) => type === "trak");
  const track = tracks.find((trak) => name(view, inside(view, trak, "mdia", "hdlr").begin + 8) === "vide");
  // Behind two times, which are longer in version 1.
  const number = ({type, begin}) => view.getUint32(begin + (view.getUint8(begin) ? 20 : TRACK[type]));
  const id = number(inside(view, track, "tkhd")), timescale = number(inside(view, track, "mdia", "mdhd"));
  const mvex = inside(view, moov, "mvex"), defaults = mvex ? [...boxes(view, mvex.begin, mvex.end)] : [];
  const trex = defaults.find(({type, begin}) => type === "trex" && view.getUint32(begin + 4) === id);
  return {id, timescale, duration: trex ? view.getUint32(trex.begin + 12) : 0};
}

// Of the track's frames in one fragment, in the order in which they are decoded.
function shownTicks(view, moof, {id, duration: usual}) {
  return [...boxes(view, moof.begin, moof.end)].filter(({type}) => type === "traf").flatMap((traf) => {
    const head = inside(view, traf, "tfhd").begin, flags = view.getUint32(head) & 0xffffff;
    if (view.getUint32(head + 4) !== id) return [];
    const before = (flags & 1 ? 8 : 0) + (flags & 2 ? 4 : 0);
    const duration = flags & 8 ? view.getUint32(head + 8 + before) : usual;
    const time = inside(view, traf, "tfdt").begin;
    let decoded = view.getUint8(time) ? Number(view.getBigUint64(time + 4)) : view.getUint32(time + 4);
    const found = [];
    for (const {type, begin} of boxes(view, traf.begin, traf.end)) {
      if (type === "trun") decoded = run(view, begin, decoded, duration, found);
    }
    return found;
  });
}

function run(view, begin, decoded, usual, found) {
  const flags = view.getUint32(begin) & 0xffffff, signed = view.getUint8(begin) > 0;
  let at = begin + 8 + (flags & 1 ? 4 : 0) + (flags & 4 ? 4 : 0);
  for (let left = view.getUint32(begin + 4); left > 0; left--) {
    const field = (flag, read) => {
      if (!(flags & flag)) return null;
      at += 4;
      return read(at - 4);
    };
    const duration = field(0x100, (place) => view.getUint32(place)) ?? usual;
    field(0x200, () => null);
    field(0x400, () => null);
    const later = field(0x800, (place) => (signed ? view.getInt32(place) : view.getUint32(place))) ?? 0;
    found.push(decoded + later);
    decoded += duration;
  }
  return decoded;
}
