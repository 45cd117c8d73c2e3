// The editor: one recording, its player, its timeline and its ranges.

import {get, post, preview} from "./api.js";
import {asked} from "./clips.js";
import {effectField, effectsOf, highlightsIn, modeOf} from "./effects.js";
import {startPlacing} from "./effects-view.js";
import {renderEditor} from "./editor-view.js";
import {clips, hasEnded, take} from "./events.js";
import {framingOfClip, isShort, notesOf, shaped, sizeOf} from "./framing.js";
import {t} from "./i18n.js";
import {EXACT, Planner} from "./plan.js";
import {Player} from "./player.js";
import {isUsedUp, readQuota} from "./quota.js";
import {Ranges, isDraft, mistakes} from "./ranges.js";
import {digest, toast, update} from "./state.js";
import {rateOf, requested} from "./time.js";
import {saveStill} from "./still.js";
import {startReading, stopReading} from "./taking.js";
import {Timeline} from "./timeline.js";
import {AGENT, API} from "./where.js";

const RETRY_MS = 5000, GROWING_MS = 5000;
const FIELDS = {hand_id: "name", start_seconds: "in", end_seconds: "out"};

export class Editor {
  constructor(id, t) {
    this.id = id;
    this.startAt = t;
    this.recording = null;
    this.problem = "";
    this.rate = 1;
    this.planner = new Planner(() => this.changed());
    startReading();
    this.load();
  }

  close() {
    this.closed = true;
    stopReading();
    clearTimeout(this.timer);
    if (this.player?.recording) sessionStorage.setItem(`clipping.at.${this.id}`, String(this.shown));
    this.player?.close();
    this.timeline?.close();
  }

  changed() {
    this.timeline?.draw();
    update();
  }

  // Of several calls only the newest counts.
  async load() {
    clearTimeout(this.timer);
    const mine = this.loading = {}, isOld = () => this.closed || this.loading !== mine;
    try {
      const recording = await (await preview(`/${this.id}`)).json();
      if (isOld()) return;
      this.problem = "";
      this.recording = {shift: 0, start: 0, ...recording};
      this.list = new Ranges(this.recording);
      this.timeline = new Timeline(this.recording, this);
      this.openVideo();
      if (this.of) this.reopen(this.of);
      if (recording.growing) this.timer = setTimeout(() => this.grow(), GROWING_MS);
    } catch (error) {
      if (isOld()) return;
      this.gone = error.status === 404;
      this.problem = this.gone ? missing() : error.message;
      if (!this.gone) this.timer = setTimeout(() => this.load(), RETRY_MS);
    }
    update();
  }

  async grow() {
    try {
      const {duration, growing} = await (await preview(`/${this.id}`)).json();
      if (this.closed) return;
      Object.assign(this.recording, {duration, growing});
      this.timeline.duration = Math.max(duration ?? 0, 0.1);
      this.player.ended = Infinity;
      this.changed();
      if (!growing) return;
    } catch { /* again later */ }
    if (!this.closed) this.timer = setTimeout(() => this.grow(), GROWING_MS);
  }

  // The elements are there before the recording is known, or after.
  attachVideo(video) {
    this.player?.close();
    this.player = video ? new Player(video, () => this.moved()) : null;
    if (video) video.muted = this.muted ?? false;
    this.openVideo();
  }

  openVideo() {
    if (!this.recording || !this.player || this.player.recording) return;
    const kept = Number(sessionStorage.getItem(`clipping.at.${this.id}`));
    const at = this.startAt ?? (kept || this.recording.start);
    this.player.open(this.recording, at, this.timeline.parts);
    this.player.shown = at;
    this.timeline.follow(at, {centre: at > 60});
  }

  moved() {
    if (this.player?.playing && !this.player.busy) this.timeline?.follow(this.shown);
    this.changed();
  }

  // For the timeline.
  get shown() {
    return this.player?.shown ?? 0;
  }

  get ranges() {
    return this.list.all.map((range) => Object.assign(range, {state: this.stateOf(range)}));
  }

  get chosen() {
    return this.list?.chosen ?? null;
  }

  clipOf(range) {
    return range.request_id ? clips.get(range.request_id) ?? {status: "queued", progress_percent: 0} : null;
  }

  stateOf(range) {
    const clip = this.clipOf(range);
    if (!clip) return "draft";
    return clip.status === "completed" ? "done" : hasEnded(clip) ? "failed" : "running";
  }

  leadOf(range) {
    return range.in === null ? undefined : this.timeline.parts.keyframeBefore(range.in);
  }

  async seek(t) {
    if (!this.player?.recording) {
      this.startAt = t; // once it is opened
      return;
    }
    this.player.pause();
    const sought = this.player.seek(t);
    this.timeline.follow(t);
    await sought;
  }

  // Ranges.
  choose(range) {
    this.inRanges = false;
    this.list.chosen = range;
    this.list.save();
    this.changed();
  }

  // The list of ranges in place of the panel of a short, or the other way around.
  showRanges(inRanges) {
    this.inRanges = inRanges;
    update();
  }

  // A draft like a range that was requested, with the framing that was found or given.
  reframe(range, {shape, points, motion}) {
    const {name, mode, priority, quality} = range;
    this.list.add({name, in: range.in, out: range.out, mode, priority, quality, shape, motion, points: (points ?? []).map((point) => ({...point}))});
    this.showRanges(false);
    this.changed();
  }

  // Shows a short that was requested, once recording and clip are known.
  async reopen(id) {
    this.of = id;
    if (!this.list) return;
    this.of = null;
    const known = this.list.all.find((range) => range.request_id === id || range.of === id);
    if (known) return this.choose(known);
    try {
      if (!clips.get(id)?.report) take(await get(`/v1/clip/${id}/status`));
    } catch (error) {
      return toast({kind: "error", title: t("The short could not be opened"), text: error.message});
    }
    const clip = clips.get(id), {from, to} = asked(clip);
    if (!Number.isFinite(from) || !Number.isFinite(to)) return;
    this.list.add({name: clip.hand_id, in: from, out: to, of: id, ...(framingOfClip(clip, from) ?? {shape: "crop"})});
    this.showRanges(false);
    this.changed();
  }

  // The chosen range if it may be changed, else a new one.
  editable() {
    const {chosen} = this.list;
    return chosen && isDraft(chosen) && !chosen.busy ? (this.list.note(), chosen) : this.list.add({});
  }

  setIn() {
    const range = this.editable();
    range.in = this.shown;
    if (range.out !== null && range.out <= range.in) range.out = null;
    this.edited(range);
  }

  // The frame that is shown is the last one of the clip.
  setOut() {
    const range = this.editable();
    range.out = this.player.frameAfter(this.shown);
    if (range.in !== null && range.in >= range.out) range.in = null;
    this.edited(range);
  }

  edited(range, field = null) {
    const found = mistakes(range);
    for (const name of Object.keys(range.errors)) if (!found[name] || name !== field) delete range.errors[name];
    this.list.save();
    this.changed();
  }

  moveEdge(range, edge, t) {
    if (!this.moving) {
      this.list.note();
      this.moving = true;
    }
    const frame = 1 / rateOf(this.recording), {player} = this;
    if (edge === "in") range.in = range.out === null ? t : Math.min(t, range.out - frame);
    else range.out = range.in === null ? t : Math.max(t, range.in + frame);
    player.pause();
    // The first frame that is kept, or the last one: once it is loaded, its own time.
    const set = range[edge], last = set - 2 * player.slack;
    player.seek(edge === "in" ? set : last).then(() => {
      const found = this.closed ? null : player.frameUnder(edge === "in" ? set : last);
      if (!found || range[edge] !== set || !isDraft(range)) return;
      range[edge] = edge === "in" ? found.start : found.end;
      this.edited(range);
    });
    this.edited(range);
  }

  endMove() {
    this.moving = false;
    this.list.save();
    this.changed();
  }

  addRange(from, to) {
    this.list.add({in: from, out: to});
    this.changed();
  }

  newRange() {
    this.list.add({in: this.shown});
    this.changed();
  }

  split() {
    const {chosen} = this.list, at = this.shown;
    if (!chosen || !isDraft(chosen) || chosen.in === null || chosen.out === null || at <= chosen.in || at >= chosen.out) return;
    const {out, shape, quality, motion, points, highlighting, title} = chosen, highlights = highlightsIn({...chosen, in: at});
    this.list.add({in: at, out, ...structuredClone({shape, quality, motion, points, highlighting, highlights, title})});
    chosen.out = at;
    chosen.highlights = highlightsIn(chosen);
    this.edited(chosen);
  }

  remove() {
    const {chosen} = this.list;
    if (!chosen || chosen.busy) return;
    this.list.remove(chosen);
    this.changed();
  }

  undo() {
    if (this.list.undo()) this.changed();
  }

  redo() {
    if (this.list.redo()) this.changed();
  }

  bodyOf(range, mode = modeOf(range)) {
    const {effects: framing, ...shape} = shaped(range, this.recording), effects = {...framing, ...effectsOf(range)};
    return {
      hand_id: range.name, nas_video_path: this.recording.path, start_seconds: requested(range.in), end_seconds: requested(range.out),
      mode, priority: range.priority, ...shape, ...(Object.keys(effects).length ? {effects} : {}), metadata: notesOf(range, sizeOf(this.recording)),
    };
  }

  planOf(range) {
    if (Object.keys(mistakes(range)).length) return {};
    const plan = this.planner.of(this.bodyOf(range));
    const differs = plan && (plan.keyframe_lead_seconds > EXACT || plan.out - range.out > EXACT);
    return {plan, lead: this.leadOf(range), other: differs ? this.planner.of(this.bodyOf(range, "smart")) : null};
  }

  get drafts() {
    return this.list.all.filter((range) => isDraft(range) && !range.busy);
  }

  async requestAll() {
    await Promise.all(this.drafts.map((range) => this.request(range)));
  }

  async request(range = this.list.chosen) {
    if (!range || !isDraft(range) || range.busy) return;
    range.errors = mistakes(range);
    if (isShort(range) && isUsedUp()) range.errors.request = t("No shorts left today");
    if (Object.keys(range.errors).length) {
      this.choose(range);
      return;
    }
    range.busy = true;
    update();
    try {
      // Sent again after a lost answer it is the same request.
      const body = this.bodyOf(range), key = `console-${range.id}-${digest(JSON.stringify(body))}`;
      const accepted = await post("/v1/clip/request", body, {key});
      range.request_id = accepted.request_id;
      if (!clips.has(accepted.request_id)) {
        const requested = {start: body.start_seconds, end: body.end_seconds}, source = {path: this.recording.path, recording_id: this.id};
        take({progress_percent: 0, resumed_count: 0, metadata: {}, kind: "clip", source, requested, ...(isShort(range) ? {short: true} : {}), ...accepted});
      }
    } catch (error) {
      const field = FIELDS[error.field] ?? effectField(range, error.field);
      // At its field, what is wrong need not name it.
      range.errors = field ? {[field]: sentence(error.message.replace(`${error.field} `, ""))} : {request: sentence(error.message)};
    } finally {
      range.busy = false;
      if (isShort(range)) readQuota();
      this.list.save();
      this.changed();
    }
  }

  keyframe(direction) {
    const {parts} = this.timeline, at = this.player.target ?? this.shown;
    const found = direction < 0 ? parts.keyframeBefore(at - 0.002) : parts.keyframeAfter(at + 0.002);
    if (found !== undefined) return this.seek(found);
  }

  faster(backwards) {
    const {player} = this;
    if (backwards) return player.playBackwards(player.reverse ? Math.min(4, player.reverse.rate * 2) : 1);
    if (player.playing) this.rate = Math.min(4, this.rate * 2);
    return player.play(this.rate);
  }

  setRate(rate) {
    this.rate = rate;
    this.player.video.playbackRate = rate;
    this.changed();
  }

  toggleAudio() {
    this.muted = this.player.video.muted = !this.player.video.muted;
    this.changed();
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.player.video.parentElement.requestFullscreen?.().catch(() => {});
  }

  goTo() {
    this.typing = true;
    update();
  }

  // The field is in the list of ranges.
  focusName() {
    if (!document.getElementById("range-name")) this.showRanges(true);
    setTimeout(() => document.getElementById("range-name")?.focus());
  }

  // What the keys do here.
  get handlers() {
    if (!this.recording || !this.player) return {};
    const {player, list, timeline} = this, {chosen} = list;
    const second = (by) => () => this.seek((player.target ?? this.shown) + by);
    return {
      play: () => player.toggle(this.rate),
      backwards: () => this.faster(true), stop: () => player.pause(), forwards: () => this.faster(false),
      mute: () => this.toggleAudio(), full: () => this.fullScreen(), goto: () => this.goTo(),
      toIn: () => chosen?.in !== null && chosen && this.seek(chosen.in),
      toOut: () => chosen?.out !== null && chosen && this.seek(chosen.out - 2 * player.slack),
      zoomRange: () => { if (chosen) timeline.zoomTo(chosen); update(); },
      zoomIn: () => { timeline.zoom(0.5); update(); }, zoomOut: () => { timeline.zoom(2); update(); },
      frameBack: () => player.step(-1).then(() => timeline.follow(this.shown)),
      frameOn: () => player.step(1).then(() => timeline.follow(this.shown)),
      secondBack: second(-1), secondOn: second(1), keyframeBack: () => this.keyframe(-1), keyframeOn: () => this.keyframe(1),
      setIn: () => this.setIn(), setOut: () => this.setOut(), newRange: () => this.newRange(), split: () => this.split(), highlight: () => startPlacing(this),
      remove: () => this.remove(), undo: () => this.undo(), redo: () => this.redo(), name: () => this.focusName(), request: () => this.request(),
      still: () => saveStill(this.recording, this.shown),
    };
  }

  render() {
    return renderEditor(this);
  }
}

// Agents show what they find themselves.
const missing = () => (API ? t("The agent {agent} has no such recording.", {agent: AGENT}) : t("This recording is not there any more."));

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
