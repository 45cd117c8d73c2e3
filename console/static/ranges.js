// The ranges of one recording: drafts and what was requested, kept for this session, with undo and redo. Drafts
// outlast the tab: without one of the session, those that the browser keeps for this key are shown.

import {effectMistakes} from "./effects.js";
import {fingerprint, randomId, state} from "./state.js";

const MOST_UNDO = 50, MOST_RECORDINGS = 50;
export const HAND_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
// A range: {id, name, in, out, mode, priority, shape, request_id, errors}, and what framing.js adds to a short; `out` is where the first frame begins that
// is left out, null as long as it is not set.
export class Ranges {
  constructor(recording) {
    this.where = `clipping.ranges.${recording.id}`;
    this.longer = `clipping.ranges.${fingerprint(state.key)}.${recording.id}`;
    [this.undone, this.redone] = [[], []];
    let kept = {};
    try {
      kept = JSON.parse(sessionStorage.getItem(this.where) ?? localStorage.getItem(this.longer)) || {};
      forgetOld();
    } catch { /* of another version */ }
    this.all = (kept.all || []).map((range) => ({...range, errors: {}}));
    this.chosen = this.all.find((range) => range.id === kept.chosen) || null;
  }

  save() {
    const all = this.all.map(({errors, busy, plan, ...range}) => range), drafts = all.filter(isDraft);
    try {
      sessionStorage.setItem(this.where, JSON.stringify({all, chosen: this.chosen?.id}));
      if (drafts.length) localStorage.setItem(this.longer, JSON.stringify({all: drafts, chosen: this.chosen?.id, at: Date.now()}));
      else localStorage.removeItem(this.longer);
    } catch { /* full: they last as long as the page */ }
  }

  // Before a change.
  note() {
    this.undone.push(this.drafts());
    if (this.undone.length > MOST_UNDO) this.undone.shift();
    this.redone = [];
  }

  drafts() {
    return JSON.stringify({all: this.all.filter(isDraft).map(({errors, busy, plan, ...range}) => range), chosen: this.chosen?.id});
  }

  undo() {
    return this.swap(this.undone, this.redone);
  }

  redo() {
    return this.swap(this.redone, this.undone);
  }

  swap(from, to) {
    const before = from.pop();
    if (!before) return false;
    to.push(this.drafts());
    const {all, chosen} = JSON.parse(before);
    // What was requested meanwhile stays.
    const requested = this.all.filter((range) => !isDraft(range));
    const ids = new Set(requested.map((range) => range.id));
    this.all = [...requested, ...all.filter((range) => !ids.has(range.id)).map((range) => ({...range, errors: {}}))];
    this.chosen = this.all.find((range) => range.id === chosen) || this.all.at(-1) || null;
    this.save();
    return true;
  }

  add(values) {
    this.note();
    const model = this.chosen || this.all.at(-1);
    const range = {
      id: randomId(), name: this.nextName(), in: null, out: null, mode: model?.mode || "copy",
      priority: model?.priority || "normal", shape: "source", errors: {}, ...values,
    };
    this.all.push(range);
    this.chosen = range;
    this.save();
    return range;
  }

  remove(range) {
    this.note();
    const at = this.all.indexOf(range);
    this.all.splice(at, 1);
    if (this.chosen === range) this.chosen = this.all[Math.min(at, this.all.length - 1)] || null;
    this.save();
  }

  nextName() {
    const last = this.all.at(-1)?.name || "hand-0", found = /^(.*?)(\d+)$/.exec(last);
    const names = new Set(this.all.map((range) => range.name));
    const [stem, number] = found ? [found[1], found[2]] : [`${last}-`, "1"];
    for (let next = Number(number) + 1; ; next++) {
      const name = stem + String(next).padStart(number.length, "0");
      if (!names.has(name)) return name;
    }
  }
}

export const isDraft = (range) => !range.request_id;

// What is wrong with a range before it is requested: {field: sentence}.
export function mistakes(range) {
  const found = {};
  if (!HAND_ID.test(range.name)) found.name = "Use letters, digits, dots, hyphens and underscores; begin with a letter or digit.";
  if (range.in === null) found.in = "Set the in-point.";
  if (range.out === null) found.out = "Set the out-point.";
  if (range.in !== null && range.out !== null && range.out <= range.in) found.out = "The end is before the start.";
  return {...found, ...effectMistakes(range)};
}

// The browser keeps the drafts of the recordings that were edited last.
function forgetOld() {
  const kept = Object.keys(localStorage).filter((name) => name.startsWith("clipping.ranges."))
    .map((name) => [JSON.parse(localStorage.getItem(name)).at, name]).sort(([a], [b]) => b - a);
  for (const [, name] of kept.slice(MOST_RECORDINGS)) localStorage.removeItem(name);
}
