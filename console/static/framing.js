// The crop of a short: where its window is at each time, and what a request says of it. Nothing of the page.
//
// A range with a shape other than "source" is a short. It has `points`: [{at, x, y, width, height}], `at` in seconds of
// the recording, the rest in its pixels as displayed; `motion`: "linear" or "spline" between them; `quality`.
// `CropPath` computes what the agent computes (agent/cutting/effects/keyframes.py).

export const TARGET = {width: 1080, height: 1920};
export const MOTIONS = ["linear", "spline"];
const LEAST = 1, ENLARGED = 1.5;
const FITS = {crop: "center_crop", follow: "smart_crop", blur: "blur", bars: "letterbox"};
const SIDES = ["x", "y", "width", "height"];

export const isShort = (range) => range.shape in FITS;
// As the agent has frames: with even sides.
export const sizeOf = ({width, height}) => [Math.floor(width / 2) * 2, Math.floor(height / 2) * 2];

export class CropPath {
  // `keyframes`: [{time, x, y, width, height}] in any order; of equal times the earlier in the list counts.
  constructor(keyframes, interpolation = "linear") {
    const sorted = keyframes.map((key, at) => [key, at]).sort(([a, i], [b, j]) => a.time - b.time || i - j).map(([key]) => key);
    this.keyframes = sorted.filter((key, at) => at === 0 || key.time !== sorted[at - 1].time);
    this.spline = interpolation === "spline";
  }

  at(time, size) {
    return clamped(this.interpolated(time), size);
  }

  // The last keyframe at or before a time; -1 before the first one.
  indexAt(time) {
    let [low, high] = [0, this.keyframes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.keyframes[middle].time <= time) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  interpolated(time) {
    const {keyframes} = this, last = keyframes.length - 1, index = this.indexAt(time);
    if (index < 0 || index === last) return keyframes[Math.max(index, 0)];
    const [from, to] = [keyframes[index], keyframes[index + 1]], passed = (time - from.time) / (to.time - from.time);
    const [before, after] = [keyframes[Math.max(index - 1, 0)], keyframes[Math.min(index + 2, last)]];
    return Object.fromEntries(SIDES.map((side) => [side, this.spline
      ? catmullRom(before[side], from[side], to[side], after[side], passed) : from[side] + (to[side] - from[side]) * passed]));
  }
}

function catmullRom(before, start, end, after, passed) {
  const slope = end - before, bend = 2 * before - 5 * start + 4 * end - after, twist = 3 * (start - end) + after - before;
  return start + passed * (slope + passed * (bend + passed * twist)) / 2;
}

export function clamped(window, size) {
  const [width, height] = [Math.min(Math.max(window.width, LEAST), size[0]), Math.min(Math.max(window.height, LEAST), size[1])];
  return {x: Math.min(Math.max(window.x, 0), size[0] - width), y: Math.min(Math.max(window.y, 0), size[1] - height), width, height};
}

// The largest window of a short's shape, in the middle.
export function centred([width, height]) {
  const ratio = TARGET.width / TARGET.height, wide = width / height > ratio;
  const window = wide ? {width: height * ratio, height} : {width, height: width / ratio};
  return {x: (width - window.width) / 2, y: (height - window.height) / 2, ...window};
}

// `effects.framing` of a range, its times from the clip's start; null without points. Points outside of the range give
// way to where the window is at its ends.
export function framingOf(range, size) {
  if (range.shape !== "crop" || !range.points?.length) return null;
  const from = range.in ?? range.points[0].at, long = range.out === null ? Infinity : range.out - from, motion = range.motion ?? "linear";
  const all = range.points.map(({at, ...window}) => ({time: Math.round((at - from) * 1e6) / 1e6, ...window}));
  const path = new CropPath(all, motion), inside = path.keyframes.filter(({time}) => time >= 0 && time <= long);
  const edge = (time) => ({time, ...path.at(time, size)});
  if (path.keyframes[0].time < 0 && inside[0]?.time !== 0) inside.unshift(edge(0));
  if (path.keyframes.at(-1).time > long && inside.at(-1)?.time !== long) inside.push(edge(long));
  return {keyframes: inside, interpolation: motion, target_width: TARGET.width, target_height: TARGET.height};
}

// Where the window is at a time of the recording.
export function windowAt(range, size, t) {
  const framing = framingOf(range, size);
  if (!framing) return centred(size);
  return new CropPath(framing.keyframes, framing.interpolation).at(t - (range.in ?? range.points[0].at), size);
}

// With the window at this time: a point there is replaced.
export function withPoint(points, at, window, frame) {
  const rest = points.filter((point) => Math.abs(point.at - at) > frame / 2);
  return [...rest, {at, ...window}].sort((a, b) => a.at - b.at);
}

// The part of a request that makes it a short; nothing for another range.
export function shaped(range, recording) {
  if (!isShort(range)) return {};
  const output = {aspect: "9:16", quality: range.quality ?? "high"}, framing = framingOf(range, sizeOf(recording));
  return framing ? {output, effects: {framing}} : {output: {...output, fit: FITS[range.shape]}};
}

// How many times the recording is enlarged at most: {times, window}; `window`: of the crop, where it has one.
export function enlargement(range, recording) {
  const size = sizeOf(recording);
  if (range.shape === "blur" || range.shape === "bars") return {times: Math.min(TARGET.width / size[0], TARGET.height / size[1]), window: null};
  const windows = (range.shape === "crop" && range.points?.length ? range.points : [centred(size)]).map((each) => clamped(each, size));
  const window = windows.reduce((least, each) => (each.width < least.width ? each : least));
  return {times: TARGET.width / window.width, window};
}

export const isEnlarged = ({times}) => times > ENLARGED;

// A framing in texts of a request's metadata, each of at most 1,024 characters: a status does not say what was requested.
const LONGEST = 1024, MOST = 8;

export function notesOf(range, size) {
  if (!isShort(range)) return {};
  const framing = framingOf(range, size), short = (value) => String(Number(value.toFixed(3)));
  if (!framing) return {shape: range.shape};
  let before = null;
  const words = [framing.interpolation, ...framing.keyframes.map((key) => {
    const same = before && before.width === key.width && before.height === key.height;
    before = key;
    return [short(key.time), ...SIDES.slice(0, same ? 2 : 4).map((side) => short(key[side]))].join(",");
  })];
  const texts = [""];
  for (const word of words) {
    if (texts.at(-1).length + word.length + 1 > LONGEST) texts.push("");
    texts[texts.length - 1] += `${texts.at(-1) && ";"}${word}`;
  }
  // Too long: it is a crop without its points.
  if (texts.length > MOST) return {shape: range.shape};
  return {shape: range.shape, ...Object.fromEntries(texts.map((text, at) => [at ? `framing_${at + 1}` : "framing", text]))};
}

// What a clip was framed like: {shape, points, motion}; from its report or its metadata, else null.
export function framingOfClip({report, metadata = {}}, from) {
  const shape = metadata.shape in FITS ? metadata.shape : "crop";
  if (report?.framing) return {shape: "crop", ...pointsOf(report.framing, from)};
  const texts = [metadata.framing, ...Array.from({length: MOST - 1}, (_, at) => metadata[`framing_${at + 2}`])].filter(Boolean);
  if (!texts.length) return metadata.shape in FITS ? {shape, points: [], motion: "linear"} : null;
  const [interpolation, ...words] = texts.join(";").split(";");
  let before = null;
  const keyframes = words.map((word) => {
    const [time, x, y, width = before?.width, height = before?.height] = word.split(",").map(Number);
    before = {time, x, y, width, height};
    return before;
  });
  const right = keyframes.length > 0 && keyframes.every((key) => Object.values(key).every(Number.isFinite) && key.width > 0 && key.height > 0);
  return right ? {shape: "crop", ...pointsOf({keyframes, interpolation}, from)} : {shape, points: [], motion: "linear"};
}

export function pointsOf({keyframes, interpolation}, from) {
  const points = keyframes.map(({time, x, y, width, height}) => ({at: from + time, x, y, width, height}));
  return {points: points.sort((a, b) => a.at - b.at), motion: MOTIONS.includes(interpolation) ? interpolation : "linear"};
}
