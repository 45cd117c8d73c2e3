// What finished since this browser last showed the clips: "Completed while you were away: 3 clips, 1 failed".

import {clips, hasEnded, listing} from "./events.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {iconButton} from "./controls.js";
import {t} from "./i18n.js";
import {fingerprint, remember, remembered, state, update} from "./state.js";

const MOST_KEYS = 8, NAMED = 5, AWAY_MS = 60_000;
let looked = null, found = [], hiddenAt = 0, since = null, until = 0;

const endOf = (clip) => (hasEnded(clip) && clip.completed_at ? Date.parse(clip.completed_at) : 0);

// When the newest clip ended that was seen with this key, in the service's time; undefined in a new browser.
const seenUntil = () => remembered("seen", []).find(([name]) => name === fingerprint(state.key))?.[1];

function note(at) {
  const name = fingerprint(state.key), others = remembered("seen", []).filter(([each]) => each !== name);
  if (seenUntil() !== at) remember("seen", [[name, at], ...others].slice(0, MOST_KEYS));
}

// With the first list of a key, and with what arrives after the page was hidden.
function look() {
  if (!listing.loaded || document.hidden) return;
  const ended = [...clips.values()].filter((clip) => clip.status !== "cancelled" && endOf(clip));
  if (looked !== state.key) {
    looked = state.key;
    const last = seenUntil();
    found = last === undefined ? [] : ended.filter((clip) => endOf(clip) > last).map((clip) => clip.request_id);
  }
  if (since !== null) {
    const more = ended.filter((clip) => endOf(clip) > since && endOf(clip) <= until && !found.includes(clip.request_id));
    found = [...found, ...more.map((clip) => clip.request_id)];
  }
  note(Math.max(seenUntil() ?? 0, ...ended.map(endOf)));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = Date.now();
  else if (hiddenAt && Date.now() - hiddenAt > AWAY_MS && looked === state.key) {
    [since, until] = [seenUntil() ?? 0, Date.now()];
    update();
  }
});

function close() {
  [found, since] = [[], null];
  update();
}

export function awayPanel() {
  if (state.key && !state.refused) look();
  const shown = found.map((id) => clips.get(id)).filter(Boolean).sort((a, b) => endOf(b) - endOf(a));
  if (!shown.length || looked !== state.key) return null;
  const failed = shown.filter((clip) => clip.status === "failed").length, done = shown.length - failed;
  const counted = [done > 0 && (done === 1 ? t("1 clip") : t("{count} clips", {count: done})), failed > 0 && t("{count} failed", {count: failed})].filter(Boolean).join(", ");
  return h("section", {class: "away", key: "away", "aria-label": t("While you were away")}, icon(done ? "check" : "warning"),
    h("strong", {role: "status"}, done ? t("Completed while you were away: {counted}", {counted}) : t("While you were away: {counted}", {counted})),
    h("span", {class: "away-clips"}, shown.slice(0, NAMED).map((clip) => h("a", {key: clip.request_id, class: clip.status, href: `#/${clip.kind}s/${clip.request_id}`},
      clip.status === "failed" && icon("warning"), h("span", {translate: "no"}, clip.hand_id))),
    shown.length > NAMED && h("a", {key: "more", href: "#/clips"}, t("and {count} more", {count: shown.length - NAMED}))),
    h("span", {class: "spring"}), iconButton("cross", t("Close"), close));
}
