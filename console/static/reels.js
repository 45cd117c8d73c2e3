// Reels: one is made from parts, and those that were requested are listed.

import {get, isFinal, plan, post, preview} from "./api.js";
import {Clips} from "./clips.js";
import {clips, listing, take} from "./events.js";
import {h} from "./h.js";
import {t} from "./i18n.js";
import {quota, readQuota} from "./quota.js";
import {draft, titleOf} from "./reel-draft.js";
import {renderReels} from "./reels-view.js";
import {renderReport} from "./report.js";
import {digest, state, toast, update} from "./state.js";

const MOST_PLANS = 200, MOST_STILLS = 100, AGAIN_MS = 5000;

// The reels among the clips, and the older ones that were listed.
class ReelList extends Clips {
  rows() {
    return super.rows().filter((clip) => clip.kind === "reel");
  }
}

export class Reels {
  constructor() {
    Object.assign(this, {list: new ReelList(), cursor: null, loaded: false, problem: "", opened: null, said: "", typed: {}});
    Object.assign(this, {recordings: new Map(), plans: new Map(), stills: new Map(), wanted: []});
  }

  // `#/reels/ID` opens its report.
  open([id] = []) {
    if (id) this.list.open([id]);
    if (!quota.longest) readQuota();
    this.shown = true;
    this.load();
  }

  close() {
    this.shown = false;
    this.controller?.abort();
  }

  restart() {
    Object.assign(this, {loaded: false, problem: "", plans: new Map(), recordings: new Map()});
    for (const [key, url] of this.stills) url === null && this.stills.delete(key);
  }

  async load(more = false) {
    this.controller?.abort();
    const {signal} = this.controller = new AbortController();
    try {
      const page = await get(`/v1/clips?kind=reel&limit=50${more ? `&cursor=${encodeURIComponent(this.cursor)}` : ""}`, {signal});
      page.clips.forEach((clip) => clips.has(clip.request_id) || take(clip));
      Object.assign(this, {cursor: page.next_cursor || null, loaded: true, problem: ""});
    } catch (error) {
      if (signal.aborted) return;
      this.problem = error.message;
    }
    update();
  }

  // What is known of a part: {recording, plan, still}, each undefined while it is being read and null if it can't be.
  about(part) {
    const {path, recording_id: id} = part, mode = draft.encodes ? "encode" : draft.mode;
    const found = {recording: id ? this.recordings.get(id) : null, plan: this.plans.get(planKey(part, mode)), still: id ? this.stills.get(stillKey(part)) : null};
    if (id && found.recording === undefined) this.want(id, async () => (await preview(`/${id}`)).json(), this.recordings, id);
    if (found.plan === undefined && mode !== "encode") {
      const body = {hand_id: "plan", nas_video_path: path, start_seconds: part.in, end_seconds: part.out, mode};
      this.want(planKey(part, mode), () => plan(body), this.plans, planKey(part, mode));
    }
    if (id && found.still === undefined) this.want(stillKey(part), () => still(part), this.stills, stillKey(part));
    return found;
  }

  // One after the other: it is for information only.
  want(name, read, where, key) {
    if (this.wanted.some((each) => each.name === name)) return;
    this.wanted.push({name, read, where, key});
    if (this.wanted.length === 1) this.readWanted();
  }

  async readWanted() {
    while (this.wanted.length) {
      const {read, where, key} = this.wanted[0];
      try {
        where.set(key, await read());
      } catch (error) {
        where.set(key, null);
        if (!isFinal(error)) setTimeout(() => this.forget(where, key), AGAIN_MS);
      }
      forgetOldest(this.plans, MOST_PLANS);
      forgetOldest(this.stills, MOST_STILLS).forEach((url) => url && URL.revokeObjectURL(url));
      this.wanted.shift();
      update();
    }
  }

  // It is read again once it is drawn.
  forget(where, key) {
    if (where.get(key) === null) where.delete(key);
    update();
  }

  moveBy(part, by) {
    const to = draft.parts.indexOf(part) + by;
    if (to < 0 || to >= draft.parts.length) return;
    draft.move(part, to);
    this.say(part);
  }

  say(part) {
    const at = draft.parts.indexOf(part);
    this.said = t("{name} is part {number} of {count}", {name: titleOf(part, at), number: at + 1, count: draft.parts.length});
    update();
  }

  remove(part) {
    const before = [...draft.parts];
    draft.remove(part);
    toast({title: t("{name} was removed", {name: titleOf(part, before.indexOf(part))}), action: {label: t("Undo"), run: () => {
      if (!draft.parts.includes(part)) draft.parts.splice(Math.min(before.indexOf(part), draft.parts.length), 0, part);
      draft.save();
    }}});
  }

  change(name, value) {
    draft[name] = value;
    delete draft.errors[name];
    delete draft.errors.request;
    draft.save();
  }

  changePart(part, name, value) {
    part[name] = value;
    part.errors = {};
    draft.save();
  }

  async request() {
    if (draft.busy || !draft.parts.length) return;
    draft.errors = draft.mistakes();
    draft.parts.forEach((part) => { part.errors = {}; });
    if (Object.keys(draft.errors).length) return update();
    draft.busy = true;
    update();
    const body = draft.body(), ids = draft.parts.map((part) => part.id);
    try {
      // Sent again after a lost answer it is the same request.
      const accepted = await post("/v1/reel/request", body, {key: `console-reel-${draft.id}-${digest(JSON.stringify(body))}`});
      if (!clips.has(accepted.request_id)) take({progress_percent: 0, resumed_count: 0, metadata: body.metadata, kind: "reel", ...accepted});
      draft.done(accepted.request_id);
      this.list.opened = accepted.request_id;
    } catch (error) {
      draft.refuse(error, ids);
      const part = draft.parts.find((each) => Object.keys(each.errors).length);
      if (part) this.opened = part.id;
    } finally {
      draft.busy = false;
      update();
      queueMicrotask(() => queueMicrotask(() => document.querySelector(".reels .wrong, .reels [aria-invalid=true], .reels .reel-report")?.scrollIntoView({block: "nearest"})));
    }
  }

  again(clip) {
    draft.again(clip.request_id);
    const failed = clip.error?.part;
    if (failed !== undefined && draft.parts[failed]) {
      draft.parts[failed].errors = {part: clip.error.message};
      this.opened = draft.parts[failed].id;
    }
    document.querySelector(".reels .scroll")?.scrollTo({top: 0});
    update();
  }

  // The metadata that the console wrote are shown as parts.
  report(clip) {
    const {titles: _, ...metadata} = clip.metadata || {};
    return h("div", {class: "report"}, renderReport(this.list, {...clip, metadata}));
  }

  removed(before) {
    toast({title: t("The parts were removed"), action: {label: t("Undo"), run: () => {
      draft.take(before);
      draft.save();
    }}});
  }

  get rows() {
    return this.list.rows();
  }

  get ready() {
    return this.loaded || listing.loaded;
  }

  get live() {
    return state.live;
  }

  render() {
    return renderReels(this);
  }
}

const planKey = (part, mode) => JSON.stringify([part.path, part.in, part.out, mode]);
const stillKey = (part) => `${part.recording_id} ${part.in}`;

async function still(part) {
  const response = await preview(`/${part.recording_id}/still.jpg`, {t: (part.in + 0.5 / (part.fps || 25)).toFixed(6), h: 80});
  return URL.createObjectURL(await response.blob());
}

function forgetOldest(map, most) {
  const gone = [];
  for (const [key, value] of map) {
    if (map.size <= most) break;
    gone.push(value);
    map.delete(key);
  }
  return gone;
}
