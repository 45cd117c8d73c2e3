// Whether the service takes requests now, and who works on them.

import {get} from "./api.js";
import {some, t} from "./i18n.js";
import {state, update} from "./state.js";

const EVERY_MS = 10_000;
let health = null, timer = null;

async function read() {
  try {
    health = await get("/health");
  } catch (error) {
    // 503 has the same body as 200, not that of an error: requests are refused.
    health = error.status === 503 ? {api_status: "unavailable"} : null;
  }
  update();
}

export function startReading() {
  stopReading();
  read();
  timer = setInterval(() => document.visibilityState === "visible" && read(), EVERY_MS);
}

export function stopReading() {
  clearInterval(timer);
  timer = health = null;
}

// {good, text, more}, or null while it is not known.
export function taking() {
  if (!state.live) return {good: false, text: t("Not live: the service does not answer.")};
  if (!health) return null;
  const more = (health.reasons ?? []).join(". "), waiting = health.queue_depth ?? 0;
  if (health.api_status === "unavailable") return {good: false, text: t("Requests are not taken now."), more};
  if (["down", "none"].includes(health.agents?.primary)) return {good: false, text: t("Requests are taken and wait: no agent leads."), more};
  const text = waiting ? some(waiting, "Requests are taken. 1 is waiting.", "Requests are taken. {count} are waiting.") : t("Requests are taken. None is waiting.");
  return {good: health.status === "healthy", text, more};
}
