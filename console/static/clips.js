// The clips: what is in progress, what is done, and what was cut.

import {get, post} from "./api.js";
import {badge, empty, iconButton, segments, stateOfClip, tryAgain} from "./controls.js";
import {reelButton} from "./reel-draft.js";
import {renderReport} from "./report.js";
import {clips, follow, hasEnded, listMore, listing, readStatus, take} from "./events.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {number, t} from "./i18n.js";
import {dismiss, state, toast, update} from "./state.js";
import {bytes, length, span, timecode} from "./time.js";
import {API} from "./where.js";

const UNDO_MS = 6000, DAY = 86_400, MOST_RECORDINGS = 200;
const NO_FILTERS = {group: "all", query: "", mode: "", since: "", recording: ""};
const SINCE = {"": "Any day", 0: "Today", 6: "7 days", 29: "30 days"};
const GROUPS = {
  all: () => true, running: (clip) => clip.status === "processing", waiting: (clip) => clip.status === "queued",
  done: (clip) => clip.status === "completed", failed: (clip) => clip.status === "failed" || clip.status === "cancelled",
};
// Behind the boxes that choose rows.
const COLUMNS = ["", "Name, recording", "Range", "Length", "Mode", "State", "Size", "Agent", "Link ends in", ""];
const GROUP_NAMES = {all: "All", running: "Running", waiting: "Waiting", done: "Done", failed: "Failed"};

// What was requested.
export function asked({source, requested, mode, report}) {
  return {
    recording: source?.path ?? source?.uri, id: source?.recording_id, mode: report?.mode ?? mode,
    from: requested?.start, to: requested?.end, fps: report?.video?.fps || 25,
  };
}

// A link of this moment: earlier ones may have ended. Null if there is none.
export async function freshLink(clip) {
  try {
    const {download_url: url, expires_at: until} = await get(`/v1/${clip.kind}/${clip.request_id}/download`);
    take({...clip, ...clips.get(clip.request_id), download_url: url, download_url_expires_at: until});
    return url;
  } catch (error) {
    toast({kind: "error", title: t("{name} can't be downloaded", {name: clip.hand_id}), text: error.message});
    return null;
  }
}

export async function saveClip(clip) {
  const url = await freshLink(clip);
  if (url) Object.assign(document.createElement("a"), {href: url, download: ""}).click();
}

export async function copyLink(clip) {
  const url = await freshLink(clip);
  if (!url) return;
  try {
    await navigator.clipboard.writeText(url);
    toast({title: t("The link was copied")});
  } catch {
    // Only pages on https:// or localhost may.
    toast({kind: "error", title: t("This page may not copy"), text: url});
  }
}

// `verb`: cancel or retry.
export async function order(clip, verb, failure) {
  try {
    const key = verb === "retry" ? `console-retry-${clip.request_id}-${clip.retried_as || ""}`.slice(0, 120) : undefined;
    await post(`/v1/${clip.kind}/${clip.request_id}/${verb}`, undefined, {key, repeatable: verb === "cancel"});
    readStatus(clip);
  } catch (error) {
    toast({kind: "error", title: failure, text: error.message});
  }
}

// As a part of a reel.
const reelPart = (clip) => {
  const {recording: path, id, from, to, fps} = asked(clip);
  return {path: clip.kind === "reel" ? undefined : path, recording_id: id, in: from, out: to, fps, hand: clip.hand_id};
};

// Days before today.
const midnight = (days) => {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() - days).getTime();
};

const choice = (label, value, choices, choose) => h("select", {class: "field any", value, "aria-label": label, onchange: (event) => choose(event.target.value)},
  choices.map(([each, text]) => h("option", {key: each, value: each, translate: "no"}, text)));

export const nameOf = (path) => path?.split("/").at(-1) ?? "";

export class Clips {
  constructor() {
    Object.assign(this, {...NO_FILTERS, opened: null, chosen: new Set(), over: false, order: [], cancelling: new Set()});
  }

  // Those in progress first, then those that wait, then the newest. Rows stay where they are under the pointer.
  rows() {
    const rank = (clip) => (clip.status === "processing" ? 0 : clip.status === "queued" ? 1 : 2);
    const all = [...clips.values()].sort((a, b) => rank(a) - rank(b) || b.created_at.localeCompare(a.created_at));
    if (this.over && this.order.length) {
      const place = new Map(this.order.map((id, at) => [id, at]));
      const known = all.filter((clip) => place.has(clip.request_id)).sort((a, b) => place.get(a.request_id) - place.get(b.request_id));
      this.fresh = all.length - known.length;
      return known.filter((clip) => this.fits(clip));
    }
    this.order = all.map((clip) => clip.request_id);
    this.fresh = 0;
    return all.filter((clip) => this.fits(clip));
  }

  fits(clip) {
    const {recording, mode} = asked(clip), words = [clip.hand_id, clip.request_id, recording, ...Object.values(clip.metadata || {})];
    return GROUPS[this.group](clip) && (!this.mode || mode === this.mode) && (!this.recording || recording === this.recording)
      && (this.since === "" || Date.parse(clip.created_at) >= midnight(Number(this.since)))
      && (!this.query || words.some((word) => word?.toLowerCase().includes(this.query.toLowerCase())));
  }

  // Those of the clips: [path, name].
  recordings() {
    const paths = new Set([...clips.values()].map((clip) => asked(clip).recording).filter(Boolean));
    if (this.recording) paths.add(this.recording);
    return [...paths].slice(0, MOST_RECORDINGS).map((path) => [path, nameOf(path)]).sort(([, a], [, b]) => a.localeCompare(b));
  }

  // `#/clips/ID` opens its report.
  open([id] = []) {
    if (!id) return;
    const clip = clips.get(id);
    if (clip && !this.fits(clip)) Object.assign(this, NO_FILTERS);
    if (this.opened !== id) this.toggle(id);
    if (!clip) readStatus({request_id: id, kind: id.split("-")[0]});
    queueMicrotask(() => queueMicrotask(() => document.querySelector(`[data-id="${CSS.escape(id)}"]`)?.scrollIntoView({block: "nearest"})));
  }

  toggle(id) {
    this.opened = this.opened === id ? null : id;
    if (this.opened) this.refresh(id);
    update();
  }

  refresh(id) {
    const clip = clips.get(id);
    return clip && readStatus(clip);
  }

  // Sent after a while: until then it can be undone.
  cancel(some) {
    const ids = some.map((clip) => clip.request_id);
    ids.forEach((id) => this.cancelling.add(id));
    const undo = () => {
      clearTimeout(timer);
      ids.forEach((id) => this.cancelling.delete(id));
      update();
    };
    const title = some.length === 1 ? t("{name} will be cancelled", {name: some[0].hand_id}) : t("{count} clips will be cancelled", {count: some.length});
    const shown = toast({kind: "undo", title, action: {label: t("Undo"), run: undo}});
    const timer = setTimeout(() => {
      dismiss(shown);
      for (const clip of some) this.send(clip, "cancel", t("{name} can't be cancelled any more", {name: clip.hand_id}));
    }, UNDO_MS);
    this.chosen.clear();
    update();
  }

  retry(some) {
    for (const clip of some) this.send(clip, "retry", t("{name} can't be requested again", {name: clip.hand_id}));
    this.chosen.clear();
    update();
  }

  async send(clip, verb, failure) {
    await order(clip, verb, failure);
    this.cancelling.delete(clip.request_id);
    update();
  }

  render() {
    const rows = this.rows(), counts = Object.fromEntries(Object.keys(GROUPS).map((name) => [name, 0]));
    for (const clip of clips.values()) for (const name of Object.keys(GROUPS)) if (GROUPS[name](clip)) counts[name]++;
    const picked = [...this.chosen].map((id) => clips.get(id)).filter(Boolean);
    const ends = picked.filter((clip) => !hasEnded(clip)), again = picked.filter(canRetry);
    return h("div", {class: "page", key: "clips"},
      h("header", {class: "top", key: "top"}, h("h1", null, t("Clips")),
        h("span", {class: "live"}, h("i", {class: state.live ? "dot good" : "dot"}), state.live ? t("Live") : t("Not live"))),
      h("div", {class: "filters", key: "filters"},
        h("label", {class: "find"}, icon("search"), h("input", {
          class: "field", type: "search", id: "find", value: this.query, placeholder: t("Hand, recording or request"),
          "aria-label": t("Hand, recording or request"), oninput: (event) => { this.query = event.target.value; update(); },
        })),
        segments("group", t("State"), Object.entries(GROUP_NAMES).map(([name, label]) => [name, [t(label), h("span", {class: "count"}, number(counts[name]))]]),
          this.group, (name) => { this.group = name; update(); }),
        h("select", {class: "field any", value: this.mode, "aria-label": t("Mode"), onchange: (event) => { this.mode = event.target.value; update(); }},
          [["", "Any mode"], ["copy", "Copy"], ["smart", "Smart"], ["encode", "Encode"]].map(([mode, label]) => h("option", {key: mode, value: mode}, t(label)))),
        choice(t("Requested"), this.since, Object.entries(SINCE).sort(([a], [b]) => a - b || a.length - b.length).map(([days, label]) => [days, t(label)]), (days) => { this.since = days; update(); }),
        choice(t("Recording"), this.recording, [["", t("Any recording")], ...this.recordings()], (path) => { this.recording = path; update(); }),
        h("span", {class: "spring"}),
        picked.length > 0 && h("span", {class: "third"}, t("{count} chosen", {count: picked.length})),
        ends.length > 0 && h("button", {class: "button ends", onclick: () => this.cancel(ends)}, icon("cross"), t("Cancel {count}", {count: ends.length})),
        again.length > 0 && h("button", {class: "button", onclick: () => this.retry(again)}, icon("retry"), t("Retry {count}", {count: again.length})),
        reelButton(picked.map(reelPart), () => this.chosen.clear())),
      this.fresh > 0 && h("button", {class: "fresh", key: "fresh", onclick: () => { this.over = false; update(); }}, t("{count} new", {count: this.fresh})),
      h("div", {class: "scroll bare", key: "scroll", onpointerenter: (event) => { this.over = event.pointerType === "mouse"; },
        onpointerleave: () => { this.over = false; update(); }}, this.table(rows)));
  }

  table(rows) {
    if (!listing.loaded && !clips.size) {
      return listing.error ? empty("warning", t("Clips cannot be listed now"), listing.error, tryAgain(follow))
        : h("div", {class: "table", "aria-label": t("Loading")}, [0, 1, 2, 3].map((i) => h("div", {key: i, class: "clip blank"})));
    }
    if (!clips.size) return empty("list", t("No clips yet"), t("Mark a range in the editor and request it: it appears here."));
    if (!rows.length) {
      const clear = () => {
        Object.assign(this, NO_FILTERS);
        update();
      };
      return empty("search", t("No clip fits"), "", h("button", {class: "button", onclick: clear}, t("Clear the filters")));
    }
    const some = rows.some((clip) => this.chosen.has(clip.request_id)), every = rows.every((clip) => this.chosen.has(clip.request_id));
    return [h("div", {class: "table", role: "table", "aria-label": t("Clips"), key: "table", onkeydown: (event) => this.move(event)},
      h("div", {class: "clip head", role: "row", key: "head"},
        h("span", {role: "columnheader"}, h("label", {class: "hit"}, h("input", {
          type: "checkbox", "aria-label": t("All"), checked: every, indeterminate: some && !every, onchange: () => {
            if (every) this.chosen.clear();
            else rows.forEach((clip) => this.chosen.add(clip.request_id));
            update();
          },
        }))),
        COLUMNS.map((name, i) => h("span", {key: i, role: "columnheader"}, name && t(name)))),
      rows.map((clip) => [this.row(clip), this.opened === clip.request_id && h("div", {key: `${clip.request_id}-report`, role: "row"},
        h("div", {class: "report", role: "cell", "aria-colspan": COLUMNS.length + 1}, renderReport(this, clip)))])),
    listing.cursor && h("button", {class: "button more", key: "more", onclick: listMore}, t("Show more"))];
  }

  row(clip) {
    const {request_id: id} = clip, {recording, mode, from, to, fps} = asked(clip), opened = this.opened === id;
    const cell = (name, ...content) => h("span", {key: name, class: name, role: "cell"}, content);
    const seconds = clip.duration_seconds ?? (to !== undefined && from !== undefined ? to - from : undefined);
    return h("div", {
      key: id, class: `clip${opened ? " open" : ""}${this.chosen.has(id) ? " chosen" : ""}`, role: "row", tabindex: 0, "data-id": id,
      // Not the value of an expression: false would keep boxes from being ticked.
      onclick: (event) => { if (!event.target.closest("a, button, label")) this.toggle(id); },
    },
    cell("pick", h("label", {class: "hit"}, h("input", {
      type: "checkbox", "aria-label": t("Choose {name}", {name: clip.hand_id}), checked: this.chosen.has(id), onchange: () => this.choose(id),
    }))),
    cell("poster", isHere(clip.poster_url) ? h("img", {key: clip.poster_url, src: clip.poster_url, alt: "", loading: "lazy"})
      : icon(clip.status === "failed" ? "warning" : hasEnded(clip) ? "frames" : "clock")),
    cell("name", h("strong", {translate: "no"}, clip.hand_id), h("span", {class: "third", translate: "no", title: recording || null},
      clip.kind === "reel" ? t("Reel of {count} parts", {count: clip.parts?.length || clip.report?.parts?.length || "?"}) : nameOf(recording) || id)),
    cell("when", clip.kind !== "reel" && from !== undefined && to !== undefined && `${timecode(from, fps)} – ${timecode(to, fps)}`),
    cell("long", seconds !== undefined && length(seconds)),
    cell("mode", mode && t({copy: "Copy", smart: "Smart", encode: "Encode"}[mode] || mode)),
    cell("state", this.cancelling.has(id) ? badge("warning", t("Cancelling")) : stateOfClip(clip),
      clip.status === "failed" && h("span", {class: "third why", title: clip.error?.message}, clip.error?.message),
      clip.stage === "retrying" && h("span", {class: "third why", title: clip.last_error?.message}, clip.last_error?.message),
      clip.status === "completed" && clip.report?.keyframe_lead_seconds > 0.0005 && h("span", {class: "third why"}, t("starts {seconds} s earlier", {seconds: clip.report.keyframe_lead_seconds.toFixed(2)}))),
    cell("size", clip.file_size_bytes !== undefined && bytes(clip.file_size_bytes)),
    cell("agent", clip.agent_id),
    cell("ends-in", linkEnds(clip)),
    cell("actions",
      !hasEnded(clip) && iconButton("cross", t("Cancel {name}", {name: clip.hand_id}), () => this.cancel([clip]), {disabled: this.cancelling.has(id)}),
      canRetry(clip) && iconButton("retry", t("Retry {name}", {name: clip.hand_id}), () => this.retry([clip])),
      clip.status === "completed" && !isGone(clip) && iconButton("download", t("Download {name}", {name: clip.hand_id}), () => saveClip(clip)),
      iconButton("down", opened ? t("Close the report") : t("Open the report"), () => this.toggle(id), {expanded: opened, extra: opened ? "up" : ""})));
  }

  choose(id) {
    if (this.chosen.has(id)) this.chosen.delete(id);
    else this.chosen.add(id);
    update();
  }

  // Up and Down move, Space chooses, Enter opens.
  move(event) {
    const row = event.target.closest("[data-id]");
    if (!row || event.target.closest("input, a, video") || (event.target !== row && !event.key.startsWith("Arrow"))) return;
    const rows = [...event.currentTarget.querySelectorAll("[data-id]")], at = rows.indexOf(row);
    if (event.key === "ArrowDown") rows[at + 1]?.focus();
    else if (event.key === "ArrowUp") rows[at - 1]?.focus();
    else if (event.key === " ") this.choose(row.dataset.id);
    else if (event.key === "Enter") this.toggle(row.dataset.id);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

// The page may load images and videos from the service only, not from a bucket.
const HERE = new URL(API || "/", location.href).origin;
export const isHere = (url) => Boolean(url) && new URL(url, location.href).origin === HERE;
export const canRetry = (clip) => clip.status === "failed" || clip.status === "cancelled" || isGone(clip);
export const isGone = (clip) => clip.status === "completed" && clip.expires_at !== undefined && Date.parse(clip.expires_at) < Date.now();

export function linkEnds(clip) {
  if (clip.status !== "completed") return null;
  if (isGone(clip)) return h("span", {class: "third"}, t("Deleted"));
  if (!clip.download_url) return h("span", {class: "third"}, t("Link ended"));
  const left = (Date.parse(clip.download_url_expires_at) - Date.now()) / 1000;
  return h("span", {class: left < DAY ? "soon" : ""}, span(left));
}
