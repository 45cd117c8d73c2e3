// The shorts: how many are left, what became of each, and how long it is kept.

import {asked, canRetry, copyLink, isGone, isHere, nameOf, order, saveClip} from "./clips.js";
import {badge, empty, iconButton, stateOfClip, tryAgain} from "./controls.js";
import {clips, follow, hasEnded, listMore, listing, readStatus} from "./events.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {t} from "./i18n.js";
import {isUsedUp, quotaBars, readQuota} from "./quota.js";
import {state, update} from "./state.js";
import {bytes, countdown, length, timecode} from "./time.js";

const SOON = 3600, MOST_IN_PANEL = 12, MOST_POSTERS = 30;
let ticking = null;
const looked = new Set();

// Drawn again at each second, as long as a countdown is drawn.
function tick() {
  ticking ??= setTimeout(() => {
    ticking = null;
    update();
  }, 1000 - (Date.now() % 1000));
}

export const shorts = () => [...clips.values()].filter((clip) => clip.short).sort((a, b) => b.created_at.localeCompare(a.created_at));

const secondsLeft = (clip) => (Date.parse(clip.expires_at) - Date.now()) / 1000;

// How long it is kept: the time, and how much of it is left.
function expiry(clip) {
  if (clip.status !== "completed" || !clip.expires_at) return null;
  if (isGone(clip)) return h("span", {class: "third"}, t("Deleted"));
  tick();
  const left = secondsLeft(clip);
  return h("time", {class: `until${left < SOON ? " soon" : ""}`, datetime: clip.expires_at, title: t("Deleted in {time}", {time: countdown(left)})}, countdown(left));
}

function kept(clip) {
  const whole = (Date.parse(clip.expires_at) - Date.parse(clip.completed_at)) / 1000, left = secondsLeft(clip);
  if (!(whole > 0)) return null;
  const share = Math.max(0, Math.min(1, left / whole)) * 100;
  return h("div", {class: `bar${left < SOON ? " soon" : ""}`, "aria-hidden": "true"}, h("div", {style: {width: `${share}%`}}));
}

// In the editor's panel.
export function shortsList() {
  const all = shorts().filter((clip) => !isGone(clip) && !["failed", "cancelled"].includes(clip.status)).slice(0, MOST_IN_PANEL);
  if (!all.length) return null;
  return h("section", {class: "short-list", key: "list", "aria-label": t("Your shorts")},
    h("p", {class: "short-list-head"}, h("a", {href: "#/shorts"}, t("Your shorts")), h("span", null, t("deleted in"))),
    all.map((clip) => h("div", {class: "short-line", key: clip.request_id}, poster(clip),
      h("div", null, h("span", {class: "short-name", translate: "no"}, clip.hand_id), clip.status === "completed" ? kept(clip) : stateOfClip(clip)),
      expiry(clip))));
}

function poster(clip) {
  if (clip.status === "completed" && !clip.poster_url && !isGone(clip) && !looked.has(clip.request_id) && looked.size < MOST_POSTERS) {
    looked.add(clip.request_id);
    readStatus(clip);
  }
  return h("span", {class: "short-poster", key: "poster"}, isHere(clip.poster_url) ? h("img", {key: clip.poster_url, src: clip.poster_url, alt: "", loading: "lazy"})
    : icon(clip.status === "failed" ? "warning" : hasEnded(clip) ? "frames" : "clock"));
}

export class Shorts {
  constructor() {
    this.busy = new Set();
  }

  open() {
    readQuota();
  }

  restart() {
    looked.clear();
  }

  // Each with a link of this moment.
  save(clip) {
    return this.once(clip, () => saveClip(clip));
  }

  copy(clip) {
    return this.once(clip, () => copyLink(clip));
  }

  retry(clip) {
    return this.once(clip, async () => {
      await order(clip, "retry", t("{name} can't be requested again", {name: clip.hand_id}));
      readQuota();
    });
  }

  async once(clip, run) {
    if (this.busy.has(clip.request_id)) return;
    this.busy.add(clip.request_id);
    update();
    await run();
    this.busy.delete(clip.request_id);
    update();
  }

  render() {
    const all = shorts();
    return h("div", {class: "page", key: "shorts"},
      h("header", {class: "top", key: "top"}, h("h1", null, t("Shorts")),
        h("span", {class: "live"}, h("i", {class: state.live ? "dot good" : "dot"}), state.live ? t("Live") : t("Not live"))),
      h("div", {class: "scroll shorts", key: "scroll"},
        h("section", {class: "shorts-quota", key: "quota", "aria-label": t("Shorts left")}, quotaBars(),
          isUsedUp() && h("p", {class: "third", key: "used"}, t("Failed requests count too."))),
        this.list(all)));
  }

  list(all) {
    if (!listing.loaded && !clips.size) {
      return listing.error ? empty("warning", t("Shorts cannot be listed now"), listing.error, tryAgain(follow))
        : h("div", {class: "short-cards", key: "cards", "aria-label": t("Loading")}, [0, 1, 2].map((at) => h("div", {key: at, class: "short-card blank"})));
    }
    if (!all.length) {
      const last = sessionStorage.getItem("clipping.recording");
      return empty("phone", t("No shorts yet"), t("Mark a range in the editor and choose the shape 9:16 short: it appears here."),
        last ? h("a", {class: "button main", href: `#/editor/${last}`}, t("Open the editor")) : h("a", {class: "button main", href: "#/recordings"}, t("Find a recording")));
    }
    return [h("div", {class: "short-cards", key: "cards", role: "list"}, all.map((clip) => this.card(clip))),
      listing.cursor && h("button", {class: "button more", key: "more", onclick: listMore}, t("Show more"))];
  }

  card(clip) {
    const {recording, id, from, to, fps} = asked(clip), scene = from !== undefined && to !== undefined, used = isUsedUp(), busy = this.busy.has(clip.request_id);
    const seconds = clip.duration_seconds ?? (scene ? to - from : undefined);
    return h("article", {class: "short-card", key: clip.request_id, role: "listitem", "data-id": clip.request_id, "aria-label": clip.hand_id}, poster(clip),
      h("div", {class: "short-said", key: "said"},
        h("strong", {translate: "no"}, clip.hand_id),
        h("p", {class: "scene", title: recording || null}, h("span", {translate: "no"}, nameOf(recording) || clip.request_id), scene && h("span", {class: "when"}, `${timecode(from, fps)} – ${timecode(to, fps)}`)),
        h("div", {class: "state"}, stateOfClip(clip), clip.status === "failed" && h("p", {class: "third why"}, clip.error?.message)),
        h("p", {class: "third"}, [seconds !== undefined && length(seconds), clip.file_size_bytes !== undefined && bytes(clip.file_size_bytes)].filter(Boolean).join(" · ")),
        clip.status === "completed" && !isGone(clip) && h("div", {class: "short-kept"}, h("p", null, h("span", {class: "third"}, t("deleted in")), expiry(clip)), kept(clip)),
        isGone(clip) && badge("neutral", t("Deleted")),
        h("div", {class: "short-deeds"},
          clip.status === "completed" && !isGone(clip) && h("button", {class: "button", "aria-disabled": String(busy), "aria-label": t("Download {name}", {name: clip.hand_id}), onclick: () => this.save(clip)}, icon("download"), t("Download")),
          clip.status === "completed" && !isGone(clip) && iconButton("link", t("Copy the link"), () => this.copy(clip), {disabled: busy}),
          canRetry(clip) && h("button", {
            class: "button", "aria-disabled": String(used || busy), title: used ? t("No shorts left today") : null, onclick: () => !used && this.retry(clip),
          }, icon("retry"), t("Request it again")),
          id && scene && h("a", {class: "button quiet", href: `#/editor/${encodeURIComponent(id)}?t=${from}&of=${clip.request_id}`}, icon("scissors"), t("Open in editor")))));
  }
}
