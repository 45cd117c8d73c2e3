// Whether the service takes requests now, and who works on them.

import {get} from "./api.js";
import {number, t} from "./i18n.js";
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
  const text = waiting === 0 ? t("Requests are taken. None waits.") : waiting === 1 ? t("Requests are taken. 1 waits.") : t("Requests are taken. {count} wait.", {count: number(waiting)});
  return {good: health.status === "healthy", text, more};
}
