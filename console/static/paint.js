// Draws the timeline on canvases. What is where: `Layout`; what the pointer does with it: timeline.js.

import {WAVE_SECONDS} from "./tiles.js";
import {clock} from "./time.js";

export const OVERVIEW = {height: 36, labels: 20};
export const LAYOUT = {flag: 20, ruler: 20, keys: 14, strip: 70, wave: 46, labels: 22};
export const STRIP_TOP = LAYOUT.flag + LAYOUT.ruler + LAYOUT.keys;
export const WAVE_TOP = STRIP_TOP + LAYOUT.strip;
export const BOTTOM = WAVE_TOP + LAYOUT.wave;
const TILE_WIDTH = 124, HANDLE = 10, EDGE = 2, INSET = 5, MOST_LANES = 4;
const STEPS = [0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const FONT = '11px Inter, system-ui, "Noto Sans KR", sans-serif';

// The colours of the theme, as a canvas takes them.
export function readColours() {
  const probe = document.createElement("span");
  document.body.append(probe);
  const found = {};
  for (const name of ["ground", "panel", "raised", "control", "line", "line-strong", "text", "text-2", "text-3", "accent",
    "accent-soft", "good", "playhead", "on-playhead", "wave"]) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

// A canvas of the size that it is shown with. Returns its context, in CSS pixels.
export function prepare(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  return context;
}

export function step(seconds, width, apart) {
  return STEPS.find((each) => each / seconds * width >= apart) ?? STEPS.at(-1);
}

export function drawOverview(context, width, {parts, duration, view, marks, colours, shown, hasAudio, label}) {
  const {height} = OVERVIEW, x = (t) => t / duration * width;
  context.save();
  round(context, 0.5, 2.5, width - 1, height - 5, 4);
  context.fillStyle = colours.raised;
  context.fill();
  context.clip();
  if (duration <= WAVE_SECONDS && hasAudio) {
    drawWave(context, parts.peaks(0, duration, WAVE_SECONDS), x, {top: 4, height: height - 14, width, colour: colours.wave});
  } else {
    drawStrip(context, parts.tiles(0, duration, duration / Math.max(1, Math.min(24, width / 56))), x, {top: 3, height: height - 11});
  }
  for (const mark of marks) {
    context.fillStyle = {done: colours.good, running: colours.accent}[mark.state] || colours.accent;
    context.fillRect(x(mark.from), height - 8, Math.max(4, x(mark.to) - x(mark.from) - 1), 4);
  }
  context.restore();
  stroke(context, colours.line, () => round(context, 0.5, 2.5, width - 1, height - 5, 4));
  const [left, right] = overviewWindow(view, duration, width);
  context.globalAlpha = 0.12;
  context.fillStyle = colours.playhead;
  round(context, left, 1, right - left, height - 2, 4);
  context.fill();
  context.globalAlpha = 1;
  stroke(context, colours.playhead, () => round(context, left + 1, 1, right - left - 2, height - 2, 4), 2);
  context.fillStyle = colours.playhead;
  context.fillRect(x(shown) - 0.5, 3, 1, height - 6);
  context.fillStyle = colours["text-3"];
  const every = Math.max(1, step(duration, width, 84)), last = label(duration), room = width - context.measureText(last).width - 12;
  for (let t = 0; t < duration; t += every) {
    const text = every >= 3600 ? `${Math.round(t / 3600)} h` : clock(t);
    const at = Math.max(0, x(t) - context.measureText(text).width / 2);
    if (at + context.measureText(text).width < room) context.fillText(text, at, height + 14);
  }
  context.fillText(last, width - context.measureText(last).width, height + 14);
}

// Never narrower than 14: 90 s of ten hours would be 2.
export function overviewWindow(view, duration, width) {
  const left = view.from / duration * width, right = view.to / duration * width;
  const more = Math.max(0, 14 - (right - left)) / 2;
  const moved = Math.max(0, left - more);
  return [Math.min(moved, width - 14), Math.max(14, Math.min(width, right + more + moved - (left - more)))];
}

// Returns the images of the strip, as `parts.tiles` does.
export function drawWindow(context, width, scene) {
  const {view, colours} = scene, seconds = view.to - view.from;
  const x = (t) => (t - view.from) / seconds * width;
  drawRuler(context, width, x, scene);
  const images = drawStripAndWave(context, width, x, scene);
  const lanes = lanesOf(scene.ranges);
  for (const range of scene.ranges) drawRange(context, width, x, {...range, inset: INSET * lanes.get(range.range)}, scene);
  if (scene.hover !== null) {
    context.fillStyle = colours["text-3"];
    context.fillRect(Math.round(x(scene.hover)), LAYOUT.flag, 1, BOTTOM - LAYOUT.flag);
  }
  if (scene.drawn) {
    const [from, to] = scene.drawn.map(x);
    context.globalAlpha = 0.25;
    context.fillStyle = colours.accent;
    context.fillRect(Math.min(from, to), STRIP_TOP, Math.abs(to - from), BOTTOM - STRIP_TOP);
    context.globalAlpha = 1;
  }
  const hovered = scene.hover !== null && scene.dragging;
  if (hovered) flag(context, width, x(scene.hover), scene.label(scene.hover), colours.control, colours.text);
  playhead(context, width, x(scene.shown), scene);
  return images;
}

function drawRuler(context, width, x, {view, colours, parts, ranges, duration}) {
  const top = LAYOUT.flag, seconds = view.to - view.from, every = step(seconds, width, 92);
  context.fillStyle = colours["text-3"];
  const small = every / 5;
  for (let n = Math.floor(view.from / small); n * small <= Math.min(view.to, duration); n++) {
    const at = Math.round(x(n * small)), big = n % 5 === 0;
    context.globalAlpha = big ? 0.9 : 0.4;
    context.fillRect(at, top + (big ? 4 : 14), 1, big ? LAYOUT.ruler - 4 : LAYOUT.ruler - 14);
    context.globalAlpha = 1;
    if (big) context.fillText(every < 1 ? `${clock(n * small)}.${String(Math.round(n * small * 10) % 10)}` : clock(n * small), at + 5, top + 12);
  }
  context.fillStyle = colours.raised;
  context.fillRect(0, top + LAYOUT.ruler, width, LAYOUT.keys);
  if (!parts.areRead(view)) return;
  const leads = new Set(ranges.map((range) => range.lead).filter((lead) => lead !== undefined));
  const {times} = parts.keyframes(view.from - 1, view.to + 1);
  let last = -Infinity;
  for (const time of times) {
    const at = x(time);
    if (at < -6 || at > width + 6 || (at - last < 5 && !leads.has(time))) continue;
    last = at;
    context.fillStyle = leads.has(time) ? colours.accent : colours["text-3"];
    diamond(context, at, top + LAYOUT.ruler + LAYOUT.keys / 2, leads.has(time) ? 4.5 : 3.2);
  }
}

function drawStripAndWave(context, width, x, {view, colours, parts, hasVideo, hasAudio, shade, note}) {
  const seconds = view.to - view.from;
  context.fillStyle = colours.control;
  context.fillRect(x(0), STRIP_TOP, Math.min(width, x(parts.recording.duration)) - x(0), LAYOUT.strip);
  const images = hasVideo ? parts.tiles(view.from, view.to, seconds / width * TILE_WIDTH) : [];
  drawStrip(context, images, x, {top: STRIP_TOP, height: LAYOUT.strip});
  context.fillStyle = colours.raised;
  context.fillRect(0, WAVE_TOP, width, LAYOUT.wave);
  if (hasAudio && seconds <= WAVE_SECONDS) {
    drawWave(context, parts.peaks(view.from, view.to, seconds), x, {top: WAVE_TOP + 3, height: LAYOUT.wave - 6, width, colour: colours.wave});
  } else {
    context.fillStyle = colours["text-3"];
    context.fillText(hasAudio ? note.zoom : note.silent, 8, WAVE_TOP + LAYOUT.wave / 2 + 4);
  }
  if (shade) {
    context.fillStyle = colours.ground;
    context.globalAlpha = 0.55;
    const [from, to] = shade.map((t) => Math.max(0, Math.min(width, x(t))));
    context.fillRect(0, STRIP_TOP, from, BOTTOM - STRIP_TOP);
    context.fillRect(to, STRIP_TOP, width - to, BOTTOM - STRIP_TOP);
    context.globalAlpha = 1;
  }
  return images;
}

function drawStrip(context, images, x, {top, height}) {
  for (const {begin, end, value} of images) {
    if (!value?.tiles) continue;
    const each = (end - begin) / value.tiles;
    for (let i = 0; i < value.tiles; i++) {
      const left = x(begin + i * each), right = x(begin + (i + 1) * each);
      const column = i % value.columns, row = Math.floor(i / value.columns);
      // As much of the tile's middle as fits.
      const scale = Math.max(height / value.height, (right - left) / value.width);
      const [w, h] = [Math.min(value.width, (right - left) / scale), height / scale];
      context.drawImage(value.image, column * value.width + (value.width - w) / 2, row * value.height + (value.height - h) / 2,
        w, h, left, top, right - left - 0.5, height);
    }
  }
}

function drawWave(context, waves, x, {top, height, width, colour}) {
  context.fillStyle = colour;
  for (const {begin, end, value} of waves) {
    if (!value?.length) continue;
    const count = value.length / 2, each = (end - begin) / count;
    const first = Math.max(0, Math.floor((tAt(x, 0) - begin) / each));
    const wide = Math.max(1, Math.ceil(3 / Math.max(0.001, x(each) - x(0))));
    for (let i = first - (first % wide); i < count; i += wide) {
      const left = x(begin + i * each);
      if (left > width) break;
      let low = 0, high = 0;
      for (let k = i; k < Math.min(count, i + wide); k++) {
        low = Math.min(low, value[2 * k]);
        high = Math.max(high, value[2 * k + 1]);
      }
      const tall = Math.max(1, (high - low) / 256 * height);
      context.fillRect(left, top + height / 2 - high / 256 * height, Math.max(1, (x(each) - x(0)) * wide - 1), tall);
    }
  }
}

function tAt(x, at) {
  const zero = x(0), one = x(1);
  return (at - zero) / (one - zero);
}

// Ranges that overlap are drawn one within the other: which edges belong together can be seen. Those that touch need not
// be. The chosen one has the whole height.
export function lanesOf(ranges) {
  const lanes = new Map(), ends = [], whole = ranges.find(({chosen}) => chosen)?.range;
  const complete = ({in: from, out: to}) => from !== null && to !== null;
  const besides = whole && complete(whole) ? whole : {in: Infinity, out: -Infinity};
  for (const {range} of [...ranges].sort((a, b) => a.range.in - b.range.in)) {
    const {in: from, out: to} = range, first = from < besides.out && to > besides.in ? 1 : 0;
    if (range === whole || !complete(range)) {
      lanes.set(range, 0);
      continue;
    }
    let lane = first;
    while (lane < MOST_LANES - 1 && ends[lane] > from + 1e-6) lane++;
    ends[lane] = Math.max(to, ends[lane] ?? 0);
    lanes.set(range, lane);
  }
  return lanes;
}

function drawRange(context, width, x, {range, chosen, lead, focus, inset}, {colours, words, free}) {
  const from = range.in === null ? null : x(range.in), to = range.out === null ? null : x(range.out);
  if ((to !== null && to < -20) || (from !== null && from > width + 20)) return;
  context.globalAlpha = chosen ? 1 : 0.5;
  if (lead !== undefined && from !== null && range.in - lead > 0.0005) hatch(context, x(lead), from, colours.accent);
  if (from !== null && to !== null) {
    context.fillStyle = colours.accent;
    context.fillRect(from, STRIP_TOP + inset, to - from, 2);
    context.fillRect(from, BOTTOM - inset - 2, to - from, 2);
    context.globalAlpha *= 0.08;
    context.fillRect(from, WAVE_TOP, to - from, LAYOUT.wave);
    context.globalAlpha = chosen ? 1 : 0.5;
  }
  if (from !== null) handle(context, chosen ? from - HANDLE : from + 0.5, chosen, focus === "in", colours, inset);
  if (to !== null) handle(context, chosen ? to : to - EDGE - 0.5, chosen, focus === "out", colours, inset);
  if (chosen) {
    const long = from !== null && to !== null ? words.length(range.out - range.in) : "", name = context.measureText(range.name).width;
    const all = name + 8 + context.measureText(long).width;
    const at = Math.max(2, Math.min(free - all - 16, from ?? to - 40)), baseline = BOTTOM + 15;
    context.fillStyle = colours.accent;
    context.fillText(range.name, at, baseline);
    context.fillStyle = colours["text-2"];
    context.fillText(long, at + name + 8, baseline);
    if (lead !== undefined && range.in - lead > 0.0005) {
      const text = words.lead(range.in - lead), wide = context.measureText(text).width;
      context.fillStyle = colours["text-3"];
      if (at - wide - 16 > 0) context.fillText(text, at - wide - 16, baseline);
    }
  }
  context.globalAlpha = 1;
}

// Of a range that is not chosen a line within it: those that touch have one beside the other.
function handle(context, left, chosen, focus, colours, inset) {
  const wide = chosen ? HANDLE : EDGE, top = STRIP_TOP + inset - (chosen ? 2 : 0);
  context.fillStyle = colours.accent;
  round(context, left, top, wide, BOTTOM + STRIP_TOP - 2 * top, chosen ? 3 : 0);
  context.fill();
  if (chosen) {
    context.fillStyle = colours.panel;
    context.fillRect(left + wide / 2 - 1, (STRIP_TOP + BOTTOM) / 2 - 12, 2, 24);
  }
  if (focus) stroke(context, colours.accent, () => round(context, left - 3, STRIP_TOP - 5, wide + 6, BOTTOM - STRIP_TOP + 10, 5), 2);
}

function hatch(context, from, to, colour) {
  context.save();
  context.beginPath();
  context.rect(from, STRIP_TOP, to - from, BOTTOM - STRIP_TOP);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  for (let at = from - (BOTTOM - STRIP_TOP); at < to; at += 7) {
    context.moveTo(at, BOTTOM);
    context.lineTo(at + (BOTTOM - STRIP_TOP), STRIP_TOP);
  }
  context.stroke();
  context.restore();
}

function playhead(context, width, at, {colours, label, shown}) {
  if (at < -1 || at > width + 1) return;
  context.fillStyle = colours.playhead;
  context.fillRect(Math.round(at) - 1, LAYOUT.flag - 2, 2, BOTTOM - LAYOUT.flag + 2);
  flag(context, width, at, label(shown), colours.playhead, colours["on-playhead"]);
}

function flag(context, width, at, text, ground, ink) {
  const wide = context.measureText(text).width + 14, left = Math.max(0, Math.min(width - wide, at - wide / 2));
  context.fillStyle = ground;
  round(context, left, 0, wide, 18, 4);
  context.fill();
  context.fillStyle = ink;
  context.fillText(text, left + 7, 13);
}

function diamond(context, x, y, size) {
  context.beginPath();
  context.moveTo(x, y - size);
  context.lineTo(x + size, y);
  context.lineTo(x, y + size);
  context.lineTo(x - size, y);
  context.fill();
}

function round(context, x, y, width, height, radius) {
  context.beginPath();
  context.roundRect(x, y, Math.max(0, width), Math.max(0, height), radius);
}

function stroke(context, colour, shape, width = 1) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  shape();
  context.stroke();
}
