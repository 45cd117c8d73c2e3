// The highlights and the title of a range, and what a request says of them. Nothing of the page.
//
// A range may have `highlights`: [{id, from, to, points, color, opacity}] with `points`: [{at, x, y, rx, ry}], an ellipse
// in pixels of the recording as displayed; all times are seconds of the recording, `to` is that of the last frame.
// `highlighting`: how they are drawn, one of KINDS. `title`: {name, notes, rating}.

import {isShort} from "./framing.js";

export const KINDS = {original: "Ring", brightness_boost: "Brighter", dark_overlay: "Darker around", blur: "Blurred around", spotlight: "Spotlight"};
// The sign and the colour of each rating.
export const RATINGS = {1: ["??", "#C62828"], 2: ["?", "#F9A825"], 3: ["!?", "#1565C0"], 4: ["!", "#2E7D32"], 5: ["!!", "#66BB6A"]};
export const COLOR = "#FFFF00", OPACITY = 0.15;
const LONGEST_NAME = 200;

export const hasEffects = (range) => Boolean(range.title || range.highlights?.length);
// The mode that a range is cut in: some things are possible in one only.
export const modeOf = (range) => (isShort(range) || hasEffects(range) ? "encode" : range.mode);
export const whyEncoded = (range) => (isShort(range) ? "Another shape needs Encode" : hasEffects(range) ? "Highlights and titles need Encode" : null);

// The ellipse of a highlight at a time: it stands still before its first point and behind its last one.
export function ellipseAt({points}, t) {
  const next = points.findIndex(({at}) => at > t);
  if (next === 0) return points[0];
  if (next < 0) return points.at(-1);
  const [a, b] = [points[next - 1], points[next]], passed = (t - a.at) / (b.at - a.at);
  return Object.fromEntries(["x", "y", "rx", "ry"].map((name) => [name, a[name] + (b[name] - a[name]) * passed]));
}

// With the ellipse at this time: a point there is replaced.
export function withEllipse(points, at, {x, y, rx, ry}, frame) {
  return [...points.filter((point) => Math.abs(point.at - at) > frame / 2), {at, x, y, rx, ry}].sort((a, b) => a.at - b.at);
}

export const lasts = ({from, to}, t, frame) => t > from - frame / 2 && t < to + frame / 2;

// Those of a range that its clip has.
export function highlightsIn(range) {
  const end = range.out ?? Infinity, begin = range.in ?? 0;
  return (range.highlights ?? []).filter(({from, to}) => to >= begin && from < end);
}

// Cut to its ends.
function within(range) {
  const end = range.out ?? Infinity, begin = range.in ?? 0;
  return highlightsIn(range).map((each) => ({...each, from: Math.max(each.from, begin), to: Math.min(each.to, end)}));
}

const exact = (seconds) => Math.round(seconds * 1e6) / 1e6;

// `effects` of a request: nothing for a range without any.
export function effectsOf(range) {
  const {title} = range, regions = within(range).map((each) => regionOf(each, range.in ?? 0));
  const found = {};
  if (regions.length) found.overlay = {effect_type: range.highlighting ?? "original", regions};
  if (title?.name.trim()) found.title = {name: title.name, rating: title.rating, ...(title.notes.trim() ? {notes: title.notes} : {})};
  return found;
}

// Its ends are between frames: a frame's time, as it is written, may be a little more or less.
function regionOf({id, from, to, points, color, opacity}, zero) {
  const start_time = Math.floor((from - zero) * 1000) / 1000, end_time = Math.ceil((to - zero) * 1000) / 1000;
  const key = (time, {x, y, rx, ry}) => ({time: exact(time), x: exact(x), y: exact(y), radiusX: exact(rx), radiusY: exact(ry), color, opacity});
  const between = points.filter(({at}) => at > from && at < to).map(({at, ...ellipse}) => key(at - zero, ellipse));
  const ends = [key(Math.max(0, start_time), ellipseAt({points}, from)), key(end_time, ellipseAt({points}, to))];
  return {id, start_time: Math.max(0, start_time), end_time, keyframes: [ends[0], ...between, ends[1]]};
}

// What is wrong with them: {field: sentence}.
export function effectMistakes(range) {
  const found = {};
  if (range.title && !range.title.name.trim()) found.title = "Write a title, or remove it.";
  if (range.title?.name.length > LONGEST_NAME) found.title = "Use at most 200 characters.";
  const kept = new Set(within(range).map(({id}) => id));
  for (const {id, from, to} of range.highlights ?? []) {
    if (to < from) found[`highlight-${id}`] = "The end is before the start.";
    else if (!kept.has(id)) found[`highlight-${id}`] = "It is outside of the range.";
  }
  return found;
}

// Where an error of the service belongs: undefined where there is no field for it.
export function effectField(range, field = "") {
  const index = /^effects\.overlay\.regions\[(\d+)\]/.exec(field)?.[1];
  if (index !== undefined) return `highlight-${within(range)[index]?.id}`;
  if (field.startsWith("effects.overlay")) return "highlights";
  return {"effects.title.notes": "notes"}[field] ?? (field.startsWith("effects.title") ? "title" : undefined);
}
