// How many shorts are left.

import {get} from "./api.js";
import {h} from "./h.js";
import {t} from "./i18n.js";
import {state, update} from "./state.js";
import {hours} from "./time.js";

const MOST_BARS = 20, RETRY_MS = 10_000;
export const quota = {shorts: null};
let until = 0, timer;

export async function readQuota() {
  try {
    Object.assign(quota, await get("/v1/quota"));
    update();
  } catch { /* shown when it is known */ }
}

// What was read with another key is not for this one.
export function restartQuota() {
  clearTimeout(timer);
  until = 0;
  quota.shorts = null;
  readQuota();
}

// Read again once the next one is free, until it is by the service's clock.
function readThen(resets) {
  if (resets === until) return;
  until = resets;
  clearTimeout(timer);
  const read = async () => {
    if (!state.refused) await readQuota();
    if (until === resets && Date.parse(quota.shorts?.resets_at) === resets) timer = setTimeout(read, RETRY_MS);
  };
  timer = setTimeout(read, Math.max(1000, resets - Date.now() + 1000));
}

// Whether a limit is reached.
export const isUsedUp = () => quota.shorts?.limit > 0 && quota.shorts.remaining === 0;

// When the next one is free: `5 h`.
export const freeIn = () => hours((Date.parse(quota.shorts.resets_at) - Date.now()) / 1000);

export function quotaBars() {
  const {shorts} = quota;
  if (!shorts) return null;
  const {limit, used, remaining, resets_at: resets} = shorts;
  if (!limit) return h("div", {class: "shorts-left", key: "quota"}, h("p", null, h("strong", null, t("No limit")), h("span", {class: "third"}, t("{used} in the last 24 hours", {used}))));
  if (resets) readThen(Date.parse(resets));
  const label = remaining ? t("{left} of {limit} left", {left: remaining, limit}) : t("No shorts left today");
  const when = resets ? (remaining ? t("resets in {time}", {time: freeIn()}) : t("next in {time}", {time: freeIn()})) : "";
  const bars = limit <= MOST_BARS ? Array.from({length: limit}, (_, at) => h("i", {key: at, class: at < remaining ? "left" : ""}))
    : h("i", {class: "left", style: {"flex-grow": String(remaining)}}, "");
  return h("div", {class: "shorts-left", key: "quota"},
    h("p", null, h("strong", null, label), h("span", {class: "third"}, when)),
    h("div", {class: `bars${remaining === 1 ? " last" : ""}`, role: "meter", "aria-label": t("Shorts left"), "aria-valuemin": 0, "aria-valuemax": limit, "aria-valuenow": remaining},
      bars, limit > MOST_BARS && h("i", {style: {"flex-grow": String(limit - remaining)}})));
}
