// The reel that is being made: its parts in their order, and how they become a request. Kept for this session.

import {h} from "./h.js";
import {icon} from "./icons.js";
import {t} from "./i18n.js";
import {HAND_ID} from "./ranges.js";
import {randomId, toast, update} from "./state.js";
import {requested} from "./time.js";

const WHERE = "clipping.reel", MADE = "clipping.reels";
const MOST_MADE = 10, LONGEST_VALUE = 1024;
export const MOST_PARTS = 50;
export const OUTPUTS = {
  source: null,
  wide: {aspect: "16:9", fit: "blur"},
  square: {aspect: "1:1", fit: "center_crop"},
  crop: {aspect: "9:16", fit: "center_crop"},
  follow: {aspect: "9:16", fit: "smart_crop"},
  blur: {aspect: "9:16", fit: "blur"},
};
// Fields of a request, and where their errors are shown.
const PART_FIELDS = {start_seconds: "in", end_seconds: "out", title: "title", rating: "rating", tags: "tags", notes: "notes"};
const FIELDS = {reel_id: "name", mode: "mode", transition: "transition", output: "shape", priority: "priority"};

const blank = () => ({
  id: randomId(), name: "reel-1", parts: [], transition: "cut", seconds: 0.5, mode: "smart", shape: "source", priority: "normal",
  chapters: true, tsv: false, overlaps: false,
});

// A part: {id, path, recording_id, in, out, fps, hand, title, rating, tags, notes, errors}
class Draft {
  constructor() {
    let kept = {};
    try {
      kept = JSON.parse(sessionStorage.getItem(WHERE)) || {};
    } catch { /* of another version */ }
    this.take({...blank(), ...kept});
  }

  take(values) {
    Object.assign(this, values, {errors: {}, busy: false});
    this.parts = values.parts.map((part) => ({...part, errors: {}}));
  }

  get values() {
    const {errors, busy, parts, ...rest} = this;
    return {...rest, parts: parts.map(({errors: _, ...part}) => part)};
  }

  save() {
    try {
      sessionStorage.setItem(WHERE, JSON.stringify(this.values));
    } catch { /* full: it lasts as long as the page */ }
    update();
  }

  add(parts) {
    this.parts.push(...parts.map((part) => ({id: randomId(), title: "", rating: 0, tags: "", notes: "", errors: {}, ...part})));
    this.save();
  }

  remove(part) {
    this.parts = this.parts.filter((each) => each !== part);
    this.save();
  }

  // To a place in the list; what is beyond its ends is an end.
  move(part, to) {
    const rest = this.parts.filter((each) => each !== part);
    rest.splice(Math.max(0, Math.min(rest.length, to)), 0, part);
    this.parts = rest;
    this.save();
  }

  get encodes() {
    return Boolean(OUTPUTS[this.shape]);
  }

  get transitionSeconds() {
    return this.transition === "cut" ? 0 : this.seconds;
  }

  // Of the reel: a dissolve shows the end of a part and the beginning of the next one at the same time.
  get length() {
    const overlap = this.transition === "dissolve" ? this.seconds * Math.max(0, this.parts.length - 1) : 0;
    return this.parts.reduce((sum, part) => sum + (part.out - part.in), 0) - overlap;
  }

  mistakes() {
    const found = {};
    if (!HAND_ID.test(this.name)) found.name = "Use letters, digits, dots, hyphens and underscores; begin with a letter or digit.";
    if (this.transition !== "cut" && !(this.seconds > 0 && this.seconds <= 5)) found.transition = "Write a number of seconds up to 5.";
    return found;
  }

  body() {
    const output = OUTPUTS[this.shape], titles = JSON.stringify(this.parts.map(titleOf));
    return {
      reel_id: this.name, clips: this.parts.map(clipOf), mode: output ? "encode" : this.mode, priority: this.priority, chapters: this.chapters,
      tsv: this.tsv, allow_overlaps: this.overlaps, ...(output ? {output} : {}),
      ...(this.transition === "cut" ? {} : {transition: {type: this.transition, duration: this.seconds}}),
      metadata: titles.length <= LONGEST_VALUE ? {titles} : {},
    };
  }

  // An error of the service, at the part or the field that it names; where it names neither, at the request.
  refuse({field, message}, ids) {
    const [, index, name] = /^clips\[(\d+)\](?:\.(\w+))?/.exec(field ?? "") || [], text = inWords(message);
    const part = index === undefined ? null : this.parts.find((each) => each.id === ids[Number(index)]);
    if (part) part.errors = {[PART_FIELDS[name] ?? "part"]: text};
    else this.errors = {[FIELDS[(field ?? "").split(".")[0]] ?? "request"]: text};
  }

  // After it was requested: its parts can be taken again, and the next one is begun.
  done(requestId) {
    const kept = [[requestId, this.values], ...Object.entries(madeReels()).filter(([id]) => id !== requestId)].slice(0, MOST_MADE);
    try {
      sessionStorage.setItem(MADE, JSON.stringify(Object.fromEntries(kept)));
    } catch { /* full: these can't be taken again */ }
    this.take({...blank(), ...this.values, id: randomId(), name: nextName(this.name), parts: []});
    this.save();
  }

  again(requestId) {
    const values = madeReels()[requestId];
    if (!values) return;
    this.take({...values, id: randomId()});
    this.save();
  }
}

export function madeReels() {
  try {
    return JSON.parse(sessionStorage.getItem(MADE)) || {};
  } catch {
    return {};
  }
}

export const titleOf = (part, index) => part.title || part.hand || `${t("Part")} ${index + 1}`;

function clipOf(part) {
  const tags = part.tags.split(",").map((tag) => tag.trim()).filter(Boolean);
  return {
    nas_video_path: part.path, start_seconds: requested(part.in), end_seconds: requested(part.out), ...(part.hand ? {hand_id: part.hand} : {}),
    ...(part.title ? {title: part.title} : {}), ...(part.rating ? {rating: part.rating} : {}), ...(tags.length ? {tags} : {}),
    ...(part.notes ? {notes: part.notes} : {}),
  };
}

function nextName(name) {
  const [, stem, last] = /^(.*?)(\d+)$/.exec(name) || [null, `${name}-`, "1"];
  return stem + String(Number(last) + 1).padStart(last.length, "0");
}

// `clips[3].start_seconds must …` of the service: parts are counted from 1 here.
function inWords(message) {
  const said = message.replace(/clips\[(\d+)\](\.?)/g, (_, index, dot) => `part ${Number(index) + 1}${dot ? ", " : ""}`);
  return `${said[0].toUpperCase()}${said.slice(1)}${/[.!?]$/.test(said) ? "" : "."}`;
}

export const draft = new Draft();

// A button that adds what was chosen elsewhere to the reel, and leads there. `found`: parts; those whose recording or
// times are not known can't be added.
export function reelButton(found, then = () => {}) {
  const usable = found.filter((part) => part.path && part.in !== undefined && part.out > part.in);
  return found.length > 0 && h("button", {class: "button to-reel", key: "to-reel", onclick: () => {
    if (usable.length < found.length) {
      const names = found.filter((part) => !usable.includes(part)).map((part) => part.hand).join(", ");
      toast({kind: "error", title: t("{count} can't be part of a reel", {count: found.length - usable.length}), text: t("Their recording or range is not known: {names}", {names})});
    }
    if (!usable.length) return;
    const room = Math.max(0, MOST_PARTS - draft.parts.length);
    if (usable.length > room) toast({kind: "error", title: t("A reel has at most {count} parts", {count: MOST_PARTS}), text: t("{count} were left out.", {count: usable.length - room})});
    draft.add(usable.slice(0, room));
    then();
    location.hash = "#/reels";
  }}, icon("reel"), draft.parts.length ? t("Add {count} to the reel", {count: found.length}) : t("Make a reel of {count}", {count: found.length}));
}
