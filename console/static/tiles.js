// Parts of the strip, the waveform and the keyframes, loaded as they come into view and kept.

import {preview} from "./api.js";

const TILES = 8; // in one image
const SPANS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];
const MOST_KEPT = 120;
const MOST_AT_ONCE = 3;
export const WAVE_SECONDS = 600; // the longest range of one call
const KEYFRAME_SECONDS = 600;
const MOST_KEYFRAME_SECONDS = 1500; // in view: of more they would be a line
const RETRY_MS = 5000;

export class Parts {
  constructor(recording, changed) {
    this.recording = recording;
    this.changed = changed;
    this.kept = new Map(); // name: {value | failedAt}
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
    const span = SPANS.find((each) => each >= width) ?? SPANS.at(-1), long = span * TILES;
    const found = [];
    for (let at = Math.floor(Math.max(0, from) / long); at * long < Math.min(to, this.end_); at++) {
      const begin = at * long, end = Math.min(begin + long, this.end_);
      const count = Math.max(1, Math.round((end - begin) / span));
      found.push({begin, end, count, ...this.want(`s${span}-${at}`, () => this.strip(begin, end, count))});
    }
    return found;
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
    const found = [];
    for (let at = Math.floor(Math.max(0, from) / long); at * long < Math.min(to, this.end_); at++) {
      const begin = at * long, end = Math.min(begin + long, this.end_);
      found.push({begin, end, ...this.want(`w${long}-${at}`, () => this.wave(begin, end))});
    }
    return found;
  }

  async wave(from, to) {
    const response = await this.call("peaks", {from, to, px: 1200});
    return new Int8Array(await response.arrayBuffer());
  }

  keyframes(from, to) {
    const times = [];
    let complete = true;
    for (let at = Math.floor(Math.max(0, from) / KEYFRAME_SECONDS); at * KEYFRAME_SECONDS < Math.min(to, this.end_); at++) {
      const begin = at * KEYFRAME_SECONDS, end = Math.min(begin + KEYFRAME_SECONDS, this.end_);
      const {value} = this.want(`k${at}`, () => this.list(begin, end));
      if (value) times.push(...value.times.filter((time) => time >= begin && (time < end || end === this.end_)));
      if (!value || value.end < end) complete = false;
    }
    return {times, complete};
  }

  // Whether keyframes are read for what is in view.
  areRead({from, to}) {
    return to - from <= MOST_KEYFRAME_SECONDS;
  }

  async list(from, to) {
    return (await this.call("keyframes", {from, to})).json();
  }

  // The keyframes before and behind a time: undefined where there is none, or where they can't be had.
  async around(t) {
    for (const each of [t, t + KEYFRAME_SECONDS / 10]) {
      const at = Math.floor(each / KEYFRAME_SECONDS), begin = at * KEYFRAME_SECONDS;
      if (begin >= this.end_ || this.kept.get(`k${at}`)?.value) continue;
      this.kept.set(`k${at}`, {value: await this.list(begin, Math.min(begin + KEYFRAME_SECONDS, this.end_))});
    }
    return {before: this.keyframeBefore(t), after: this.keyframeAfter(t)};
  }

  // The keyframe at or before a time, or the next one: undefined while it is not known.
  keyframeBefore(t) {
    return this.near(t, (times) => times.filter((time) => time <= t + 0.001).at(-1), -1);
  }

  keyframeAfter(t) {
    return this.near(t, (times) => times.find((time) => time > t + 0.001), 1);
  }

  near(t, choose, direction) {
    for (let away = 0; away <= 1; away++) {
      const middle = t + direction * away * KEYFRAME_SECONDS;
      if (middle < -KEYFRAME_SECONDS) break;
      const found = choose(this.keyframes(middle, middle + 0.001).times);
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

  want(name, load) {
    const known = this.kept.get(name);
    if (known) {
      this.kept.delete(name);
      this.kept.set(name, known);
      if (known.value || known.loading || Date.now() - known.failedAt < RETRY_MS) return {value: known.value};
    }
    this.waiting.set(name, load);
    this.loadNext();
    return {value: undefined};
  }

  loadNext() {
    if (this.running >= MOST_AT_ONCE || !this.waiting.size) return;
    const [name, load] = this.waiting.entries().next().value;
    this.waiting.delete(name);
    this.running++;
    this.kept.set(name, {loading: true});
    load().then(
      (value) => this.kept.set(name, {value}),
      () => {
        this.kept.set(name, {failedAt: Date.now()});
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
