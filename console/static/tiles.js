// Parts of the strip, the waveform and the keyframes, loaded as they come into view and kept.

import {preview} from "./api.js";

const TILES = 8; // in one image
const SPANS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];
const MOST_KEPT = 120;
const MOST_AT_ONCE = 3;
export const WAVE_SECONDS = 600; // the longest range of one call
const KEYFRAME_SECONDS = 600;
const MOST_KEYFRAME_SECONDS = 1500; // in view: of more they would be a line
const INCOMPLETE_SECONDS = 2; // at the end of what is being written
const RETRY_MS = 5000;
const PAUSE_MS = 100; // for each second of a part: a tenth of it is written meanwhile
const keyframesAt = (begin) => `k${begin}`;

export class Parts {
  constructor(recording, changed) {
    this.recording = recording;
    this.changed = changed;
    this.kept = new Map(); // name: {value, its end, readAt, failedAt, loading}
    this.waiting = new Map(); // what is in view, newest first when loaded
    this.running = 0;
    this.controller = new AbortController();
  }

  close() {
    this.controller.abort(new DOMException("closed", "AbortError"));
    for (const {value} of this.kept.values()) value?.image?.close();
    this.kept.clear();
  }

  // Before each drawing: what is no longer in view need not be loaded.
  begin() {
    this.waiting.clear();
  }

  end() {
    this.loadNext();
  }

  // The images over a range, each with the times that it covers; `width`: seconds that a tile should be wide.
  tiles(from, to, width) {
    const span = SPANS.find((each) => each >= width) ?? SPANS.at(-1);
    return this.parts(`s${span}`, span * TILES, from, to, ({begin, end}) => this.strip(begin, end, Math.max(1, Math.round((end - begin) / span))));
  }

  async strip(from, to, n) {
    const response = await this.call("strip.jpg", {from, to, n, h: 96});
    const header = (name) => Number(response.headers.get(`Preview-${name}`));
    const image = await createImageBitmap(await response.blob());
    return {image, tiles: header("Tiles"), columns: header("Columns"), width: header("Width"), height: header("Height")};
  }

  // Lowest and highest samples over a range.
  peaks(from, to, seconds) {
    const long = [15, 60, 300, WAVE_SECONDS].find((each) => each >= seconds) ?? WAVE_SECONDS;
    return this.parts(`w${long}`, long, from, to, ({begin, end}) => this.wave(begin, end));
  }

  async wave(from, to) {
    const response = await this.call("peaks", {from, to, px: 1200});
    return new Int8Array(await response.arrayBuffer());
  }

  // `complete`: all of the range is read.
  keyframes(from, to) {
    const times = [];
    let complete = true;
    for (const {begin, end, needed} of this.divided(from, to, KEYFRAME_SECONDS)) {
      const {value} = this.want(keyframesAt(begin), {end, needed}, (known) => this.list(begin, end, known));
      if (value) times.push(...value.times);
      if (!(value?.end >= needed)) complete = false;
    }
    return {times, complete};
  }

  // Whether keyframes are read for what is in view.
  areRead({from, to}) {
    return to - from <= MOST_KEYFRAME_SECONDS;
  }

  // Reads on where `known` ends.
  async list(begin, to, known = {times: [], end: begin}) {
    const from = Math.max(begin, Math.floor(known.end) - INCOMPLETE_SECONDS);
    const {times, end} = await (await this.call("keyframes", {from, to})).json();
    return {times: [...known.times.filter((time) => time < from), ...times], end};
  }

  // The keyframes before and behind a time: undefined where there is none, or where they can't be had.
  async around(t) {
    const last = t + KEYFRAME_SECONDS / 10;
    for (const {begin, end} of [...this.divided(t, t + 0.001, KEYFRAME_SECONDS), ...this.divided(last, last + 0.001, KEYFRAME_SECONDS)]) {
      const name = keyframesAt(begin), known = this.kept.get(name);
      if (known?.value && known.end >= end) continue;
      this.kept.set(name, {value: await this.list(begin, end, known?.value), end, readAt: Date.now()});
    }
    return {before: this.keyframeBefore(t), after: this.keyframeAfter(t)};
  }

  // The keyframe at or before a time, or the next one: undefined while it is not known.
  keyframeBefore(t) {
    return this.near(t, -KEYFRAME_SECONDS, (times) => times.findLast((time) => time <= t + 0.001));
  }

  keyframeAfter(t) {
    return this.near(t, KEYFRAME_SECONDS, (times) => times.find((time) => time > t + 0.001));
  }

  near(t, further, choose) {
    for (const other of [t, t + further]) {
      const {times, complete} = this.keyframes(Math.min(t, other), Math.max(t, other) + 0.001);
      const found = complete ? choose(times) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  get end_() {
    return this.recording.duration ?? 0;
  }

  call(name, parameters) {
    const {signal} = this.controller;
    return preview(`/${this.recording.id}/${name}`, parameters, {signal});
  }

  // The parts of a range, of `long` seconds each; the last one ends with the recording. `needed`: where the range ends in it.
  *divided(from, to, long) {
    const last = Math.min(to, this.end_);
    for (let at = Math.floor(Math.max(0, from) / long); at * long < last; at++) {
      const begin = at * long, end = Math.min(begin + long, this.end_);
      yield {begin, end, needed: Math.min(to, end)};
    }
  }

  // What there is of each part: {begin, end, value}. Of a recording that is being written it may end before the part does.
  parts(name, long, from, to, load) {
    return [...this.divided(from, to, long)].map((part) => {
      const {value, end} = this.want(`${name}-${part.begin}`, part, () => load(part), (part.end - part.begin) * PAUSE_MS);
      return {begin: part.begin, end, value};
    });
  }

  // A part that was read when the recording was shorter is read again if more of it is needed, while the recording
  // grows no sooner than after `pause`.
  want(name, {end, needed}, load, pause = 0) {
    const known = this.kept.get(name);
    if (known) {
      this.kept.delete(name);
      this.kept.set(name, known);
      const {value, readAt, failedAt, loading} = known, now = Date.now();
      const lacks = !value || (known.end < needed && !(this.recording.growing && now - readAt < pause));
      if (loading || !lacks || now - failedAt < RETRY_MS) return known;
    }
    this.waiting.set(name, {load, end});
    this.loadNext();
    return known ?? {};
  }

  loadNext() {
    if (this.running >= MOST_AT_ONCE || !this.waiting.size) return;
    const [name, {load, end}] = this.waiting.entries().next().value;
    this.waiting.delete(name);
    this.running++;
    const known = this.kept.get(name);
    this.kept.set(name, {...known, loading: true});
    load(known?.value).then(
      (value) => {
        this.kept.get(name)?.value?.image?.close();
        this.kept.set(name, {value, end, readAt: Date.now()});
      },
      () => {
        this.kept.set(name, {...this.kept.get(name), loading: false, failedAt: Date.now()});
        if (!this.controller.signal.aborted) setTimeout(this.changed, RETRY_MS + 100);
      },
    ).finally(() => {
      this.running--;
      this.dropOld();
      if (!this.controller.signal.aborted) this.changed();
      this.loadNext();
    });
  }

  dropOld() {
    for (const [name, {value}] of this.kept) {
      if (this.kept.size <= MOST_KEPT) return;
      if (!value) continue;
      value.image?.close();
      this.kept.delete(name);
    }
  }
}
