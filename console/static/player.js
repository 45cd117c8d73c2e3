// Plays a recording out of windows (Media Source Extensions), exact to the frame.
//
// Windows begin with a keyframe. One that repeats frames which the browser is decoding would stop the video until the
// next keyframe, so further windows end where a keyframe follows, and after the first one it seeks again.
//
// To show a frame it seeks to the frame's middle; what is shown is what the browser reports afterwards. When frames
// begin is read from the windows: for what is not loaded it is taken from the frame rate.

import {preview} from "./api.js";
import {framesOf} from "./frames.js";
import {frameTime, frameUnder, rateOf} from "./time.js";

const FIRST_SECONDS = 2, NEXT_SECONDS = 4, AHEAD = 8, LONGEST = 60, NEEDED = 0.5, KEPT = 60, KEPT_WHEN_FULL = 15;
const EVENT_SECONDS = 20, PAINT_MS = 400;

export class Player {
  // `changed` is called when `shown`, `busy`, `playing` or `problem` changes.
  constructor(video, changed) {
    this.video = video;
    this.changed = changed;
    this.recording = null;
    this.reset();
    video.addEventListener("timeupdate", () => this.readAhead());
    video.addEventListener("waiting", () => this.readAhead());
    video.addEventListener("ended", () => this.pause());
  }

  reset() {
    Object.assign(this, {shown: 0, busy: false, playing: null, problem: "", kind: "", ended: Infinity, target: null});
    Object.assign(this, {frames: [], silent: false, encoded: false, repeated: false, more: null, source: null, buffer: null, locked: Promise.resolve()});
  }

  // `parts.around(t)` finds the keyframes before and behind a time.
  async open(recording, t, parts) {
    this.close();
    this.recording = recording;
    this.parts = parts;
    this.controller = new AbortController();
    if (this.playable) await this.seek(t);
  }

  get playable() {
    return ["copy", "proxy"].includes(this.recording.playable);
  }

  close() {
    this.controller?.abort(new DOMException("closed", "AbortError"));
    this.stopReverse();
    this.video.pause();
    this.reset();
    this.recording = null;
    this.video.removeAttribute("src");
    this.video.load();
  }

  get last() {
    const {duration, start} = this.recording;
    return Math.max(start, (duration ?? Infinity) - 1 / rateOf(this.recording));
  }

  // How far the times of a container may be from those that were meant: Matroska's are whole milliseconds.
  get slack() {
    return Math.min(0.0015, 0.25 / rateOf(this.recording));
  }

  // The frame that is shown at `t`: undefined where it is not loaded.
  frameUnder(t) {
    const at = t + this.slack;
    return this.frames.findLast(({start, end}) => start <= at && at < end + this.slack);
  }

  // Where the frame behind the one at `t` begins, or the recording ends.
  frameAfter(t) {
    const frame = this.frameUnder(t);
    return frame ? frame.end : Math.min(t + 1 / rateOf(this.recording), this.recording.duration ?? Infinity);
  }

  note(frames) {
    const all = [...this.frames, ...frames].sort((a, b) => a.start - b.start);
    this.frames = all.filter(({start}, i) => !i || start - all[i - 1].start > 1e-5);
  }

  // Shows the frame at `t`; of several calls only the newest is carried out.
  async seek(t) {
    if (!this.recording) return;
    this.target = Math.max(this.recording.start, Math.min(t, this.recording.duration ?? Infinity));
    if (this.busy) return this.running;
    this.busy = true;
    this.running = this.seekAll();
    return this.running;
  }

  // Until what is sought is shown.
  async sought() {
    while (this.busy) await this.running;
  }

  async seekAll() {
    const {controller} = this;
    try {
      if (this.playable && !this.source) await this.attach();
      while (this.target !== null && !controller.signal.aborted) {
        const t = this.target;
        this.changed();
        await this.show(t);
        if (this.target === t) this.target = null;
      }
      this.problem = "";
    } catch (error) {
      if (controller.signal.aborted) return;
      this.target = null;
      this.problem = error.message || String(error);
    } finally {
      if (controller === this.controller) {
        this.busy = false;
        this.changed();
        this.readAhead();
      }
    }
  }

  async show(t) {
    const {video, recording} = this, {signal} = this.controller, near = this.within(t);
    await this.load(near, FIRST_SECONDS);
    if (near + NEEDED < this.last) await this.load(near + NEEDED, FIRST_SECONDS);
    // Where the recording ends may be known only now.
    const frame = this.frameUnder(this.within(t)) ?? this.onGrid(near);
    const middle = frame.start + Math.min(frame.end - frame.start, 1 / rateOf(recording)) / 2;
    this.repeated = false;
    const painted = this.painted(frame);
    const sought = this.event(video, "seeked");
    video.currentTime = middle + recording.shift;
    try {
      await sought;
    } catch (error) {
      if (this.encoded || !video.error) throw error;
      await this.encode(); // packets that the browser can't decode
      return this.show(t);
    }
    const shown = await painted ?? frame.start;
    signal.throwIfAborted();
    this.shown = shown;
  }

  within(t) {
    return Math.min(t, this.ended < Infinity ? this.ended - 2 * this.slack : this.last);
  }

  onGrid(t) {
    const start = frameTime(this.recording, frameUnder(this.recording, t));
    return {start, end: start + 1 / rateOf(this.recording)};
  }

  // When the frame that is painted begins; of the last one that was painted if it takes too long, and null if none was,
  // as where it is shown already.
  painted(frame) {
    const {video} = this, {signal} = this.controller;
    let last = null, ended = false;
    return new Promise((settle) => {
      const resolve = (time) => {
        ended = true;
        settle(time);
      };
      const late = () => setTimeout(() => resolve(last), PAINT_MS);
      video.addEventListener("seeked", late, {once: true});
      const next = (_, {mediaTime}) => {
        if (ended || signal.aborted) return;
        last = this.begins(mediaTime);
        // Others are from before the seek.
        if (Math.abs(last - frame.start) < this.slack) resolve(frame.start);
        else video.requestVideoFrameCallback(next);
      };
      video.requestVideoFrameCallback(next);
      setTimeout(() => resolve(last), EVENT_SECONDS * 1000);
    });
  }

  // When the frame begins whose time the browser gives, in whole microseconds.
  begins(mediaTime) {
    const t = mediaTime - this.recording.shift;
    return this.frameUnder(t)?.start ?? t;
  }

  async step(frames) {
    this.pause();
    const from = this.target ?? this.shown, frame = this.frameUnder(from);
    if (!frame) return this.seek(from + frames / rateOf(this.recording));
    await this.seek(frames > 0 ? frame.end : frame.start - 2 * this.slack);
  }

  async toggle(rate) {
    if (this.playing || this.reverse) this.pause();
    else await this.play(rate);
  }

  // `playing` is what was asked for: the video starts once it can, unless something else was asked for meanwhile.
  async play(rate = 1) {
    if (!this.source) return;
    this.stopReverse();
    this.video.playbackRate = rate;
    if (this.playing) return this.changed();
    const mine = this.playing = {};
    this.problem = "";
    this.changed();
    try {
      if (!await this.ready(mine)) return;
      await this.video.play();
    } catch (error) {
      if (this.playing !== mine) return;
      this.playing = null;
      if (error.name !== "AbortError") this.problem = error.message;
      return this.changed();
    }
    if (this.playing === mine) this.followFrames(mine);
  }

  // Returns whether it is still to play.
  async ready(mine) {
    const wanted = () => this.playing === mine;
    await this.sought();
    if (wanted() && this.shown >= this.last - 1 / rateOf(this.recording)) await this.seek(this.recording.start);
    if (wanted()) await this.readOn(this.shown);
    if (wanted() && this.repeated) await this.seek(this.shown);
    if (wanted() && this.problem) this.pause();
    return wanted();
  }

  pause() {
    if (!this.playing && !this.reverse) return;
    this.stopReverse();
    this.playing = null;
    this.video.pause();
    this.changed();
  }

  followFrames(mine) {
    const {controller} = this;
    const next = (_, frame) => {
      if (controller.signal.aborted) return;
      if (!this.busy) {
        this.shown = this.begins(frame.mediaTime);
        this.changed();
      }
      // Once more after a pause: the last frame that is painted is the one that is shown.
      if (this.playing === mine) this.video.requestVideoFrameCallback(next);
    };
    this.video.requestVideoFrameCallback(next);
  }

  // Browsers play forwards only: backwards it is a seek after another.
  async playBackwards(rate = 1) {
    if (!this.source) return;
    this.pause();
    const mine = this.reverse = {rate};
    this.changed();
    await this.sought();
    let before = performance.now();
    while (this.reverse === mine && this.shown > this.recording.start) {
      await new Promise((resolve) => setTimeout(resolve, 40));
      if (this.reverse !== mine) return;
      const now = performance.now();
      await this.seek(this.shown - Math.max(1 / rateOf(this.recording), (now - before) / 1000 * rate));
      before = now;
      if (this.problem) break;
    }
    if (this.reverse !== mine) return;
    this.stopReverse();
    this.changed();
  }

  stopReverse() {
    this.reverse = null;
  }

  async readAhead() {
    if (!this.source || this.busy || this.reading) return;
    const {controller} = this;
    this.reading = true;
    try {
      for (;;) {
        const now = this.video.currentTime - this.recording.shift;
        const end = this.bufferedEnd(now), rate = Math.max(1, this.video.playbackRate);
        if (this.busy || end > now + (this.playing ? AHEAD * rate : NEXT_SECONDS) || this.atEnd(end)) break;
        await this.readOn(now);
        if (this.repeated && this.playing && !this.busy) this.video.currentTime = this.video.currentTime;
        if (this.bufferedEnd(now) <= end) break;
      }
    } catch (error) {
      if (!controller.signal.aborted && this.playing) this.problem = error.message;
    } finally {
      this.reading = false;
    }
  }

  atEnd(t) {
    return t >= this.ended - 0.01 || t >= this.last;
  }

  // Loads what follows the part that is there around `now`, up to a keyframe.
  async readOn(now) {
    const end = this.bufferedEnd(now), frame = 1 / rateOf(this.recording);
    if (this.atEnd(end)) return;
    if (this.kind === "proxy") return this.load(end + 0.01, NEXT_SECONDS, {ahead: true});
    if (this.more?.end === end) return this.load(end + 0.01, NEXT_SECONDS, {more: this.more.token, ahead: true});
    const {before} = await this.parts.around(end + 1.5 * frame);
    const begin = before ?? end;
    const {after} = await this.parts.around(begin + NEXT_SECONDS);
    const seconds = Math.min(LONGEST, (after ?? begin + NEXT_SECONDS) - begin - 1.5 * frame);
    if (begin < end - frame && begin <= now + 1) this.repeated = true;
    await this.load(begin + 0.01, Math.max(frame, seconds), {wanted: end + 0.01, ahead: true});
  }

  has(t) {
    return this.bufferedEnd(t) > t;
  }

  bufferedEnd(t) {
    const {buffered} = this.video, at = t + (this.recording?.shift ?? 0);
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= at + 0.001 && at < buffered.end(i)) return buffered.end(i) - this.recording.shift;
    }
    return t;
  }

  // One window after another: they share the buffer. `ahead`: of where the player was, which no longer counts once it
  // seeks: it would drop from the buffer what was loaded for that.
  load(t, seconds, {more = null, wanted = t, ahead = false} = {}) {
    const loaded = this.locked.then(() => (this.has(wanted) || (ahead && this.busy) ? null : this.loadNow(t, seconds, more)));
    this.locked = loaded.catch(() => {});
    return loaded;
  }

  async loadNow(t, seconds, more = null) {
    const {signal} = this.controller;
    const parameters = {t: t.toFixed(6), d: seconds.toFixed(3)};
    if (more) parameters.more = more;
    if (this.silent) parameters.audio = "false";
    if (this.encoded) parameters.encode = "true";
    const response = await preview(`/${this.recording.id}/window.mp4`, parameters, {signal});
    const {headers} = response, mime = headers.get("Content-Type");
    if (headers.get("Preview-Audio") !== "true" && mime.includes(",") && !this.silent) {
      this.silent = true; // a gap in the audio would stall
      await this.attach();
      return this.loadNow(t, seconds);
    }
    this.kind = headers.get("Preview-Kind");
    const data = await response.arrayBuffer();
    signal.throwIfAborted();
    const offset = Number(headers.get("Preview-Offset")) + this.recording.shift;
    try {
      await this.append(mime, offset, data, t);
    } catch (error) {
      if (this.encoded || signal.aborted) throw error;
      await this.encode();
      return this.loadNow(t, seconds);
    }
    this.note(framesOf(data, Number(headers.get("Preview-Offset")), Number(headers.get("Preview-End"))));
    const token = headers.get("Preview-More");
    this.more = token ? {token, end: this.bufferedEnd(t)} : null;
    if (headers.get("Preview-Last") === "true") {
      this.ended = Number(headers.get("Preview-End"));
      if (this.source.readyState === "open") this.source.endOfStream();
    }
  }

  async append(mime, offset, data, t) {
    if (!this.buffer) {
      this.buffer = this.source.addSourceBuffer(mime);
    } else {
      if (this.source.readyState === "open") this.buffer.abort();
      this.buffer.changeType(mime);
      await this.forget(t, KEPT);
    }
    this.buffer.timestampOffset = offset;
    try {
      this.buffer.appendBuffer(data);
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      await this.forget(t, KEPT_WHEN_FULL);
      this.buffer.appendBuffer(data);
    }
    await this.event(this.buffer, "updateend");
    if (this.video.error) throw new Error(this.video.error.message);
  }

  async forget(t, seconds) {
    this.frames = this.frames.filter(({start, end}) => end >= t - seconds && start <= t + seconds);
    const ranges = this.video.buffered, at = t + this.recording.shift;
    const all = [...Array(ranges.length).keys()].map((i) => [ranges.start(i), ranges.end(i)]);
    for (const [begin, end] of all) {
      for (const [from, to] of [[begin, Math.min(end, at - seconds)], [Math.max(begin, at + seconds), end]]) {
        if (to - from < 1) continue;
        this.buffer.remove(from, to);
        await this.event(this.buffer, "updateend");
      }
    }
  }

  async encode() {
    this.encoded = true;
    await this.attach();
  }

  async attach() {
    this.source = new MediaSource();
    this.buffer = null;
    this.ended = Infinity;
    const opened = this.event(this.source, "sourceopen", false);
    const url = URL.createObjectURL(this.source);
    this.video.src = url;
    await opened;
    URL.revokeObjectURL(url);
    if (this.recording.duration) this.source.duration = this.recording.duration + this.recording.shift;
  }

  event(target, name, failing = true) {
    const {video} = this, {signal} = this.controller;
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearTimeout(timer);
        target.removeEventListener(name, good);
        video.removeEventListener("error", bad);
        signal.removeEventListener("abort", aborted);
        settle(value);
      };
      const good = () => end(resolve);
      const bad = () => end(reject, new Error(video.error?.message || "the browser cannot play this"));
      const aborted = () => end(reject, signal.reason);
      const timer = setTimeout(() => end(reject, new Error(`no ${name} in ${EVENT_SECONDS} s`)), EVENT_SECONDS * 1000);
      target.addEventListener(name, good);
      if (failing) video.addEventListener("error", bad);
      signal.addEventListener("abort", aborted);
    });
  }
}
