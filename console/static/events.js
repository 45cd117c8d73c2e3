// The caller's requests, kept current by the stream of events (by fetch: EventSource can't send a key).

import {get, wait} from "./api.js";
import {whyNot} from "./path.js";
import {refuseKey, state, update} from "./state.js";
import {API} from "./where.js";

const QUIET_MS = 20_000; // a comment comes at least every 15 s
const POLL_MS = 10_000;
const LONGEST_WAIT_MS = 15_000;
const HIDDEN_MS = 5_000;

export const clips = new Map();
export const listing = {cursor: null, loaded: false, error: ""};
const watchers = new Set();
let run = null;

// `watcher(clip, ended)` is called with each change that arrives; `ended`: with this one.
export function watch(watcher) {
  watchers.add(watcher);
}

export function follow() {
  run?.controller.abort();
  if (!state.key) return;
  const mine = {key: state.key, controller: new AbortController(), last: null};
  run = mine;
  clips.clear();
  Object.assign(listing, {cursor: null, loaded: false, error: ""});
  keepOpen(mine);
  hide();
}

// Browsers have six connections to a host, for all tabs together: a tab that is not seen gives its own back. What ends
// meanwhile comes once it is seen again.
let hiding = 0, left = false;
const isSeen = () => !document.hidden && !left;

function hide() {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(() => run?.silence?.abort(), HIDDEN_MS);
  else run?.shown?.();
}

document.addEventListener("visibilitychange", hide);
// A page that was left is kept for the browser's "back", with all that it has open.
addEventListener("pagehide", () => {
  left = true;
  run?.silence?.abort();
});
addEventListener("pageshow", () => {
  left = false;
  hide();
});

export function tryNow() {
  run?.now?.();
}

export async function listMore() {
  await list(listing.cursor);
}

export function take(clip, name = "status") {
  const before = clips.get(clip.request_id);
  if (before && isOlder(clip, before)) return;
  clips.set(clip.request_id, clip);
  // An end that comes as a `status` is of a request that ended earlier.
  const ended = hasEnded(clip) && (before ? !hasEnded(before) : name !== "status");
  for (const watcher of watchers) watcher(clip, ended);
  update();
}

// The list signs few links at a time; a status has them.
export async function readStatus(clip) {
  try {
    take(await get(`/v1/${clip.kind}/${clip.request_id}/status`));
  } catch { /* what is known stays */ }
}

const ENDED = new Set(["completed", "failed", "cancelled"]);
export const hasEnded = (clip) => ENDED.has(clip.status);

// A list may have been read before the event that overtook it.
function isOlder(clip, before) {
  if (hasEnded(before) && !hasEnded(clip)) return true;
  return false;
}

async function keepOpen(mine) {
  const {signal} = mine.controller;
  for (let failures = 0; !signal.aborted;) {
    const opened = Date.now();
    try {
      await read(mine);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) return refuseKey(error.message);
      state.live = false;
      update();
      if (isSeen()) state.why = await whyNot(error);
    }
    if (!isSeen()) {
      await new Promise((resolve) => { mine.shown = resolve; });
      failures = 0;
      continue;
    }
    failures = Date.now() - opened > QUIET_MS ? 0 : failures + 1;
    const ms = Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures);
    Object.assign(state, {live: false, retryAt: Date.now() + ms});
    update();
    const now = new Promise((resolve) => { mine.now = resolve; });
    await Promise.race([wait(ms, signal).catch(() => {}), now]);
  }
}

async function read(mine) {
  const silence = mine.silence = new AbortController();
  const signal = AbortSignal.any([mine.controller.signal, silence.signal]);
  let timer = setTimeout(() => silence.abort(), QUIET_MS);
  const headers = {Authorization: `Bearer ${mine.key}`};
  if (mine.last) headers["Last-Event-ID"] = mine.last;
  try {
    const response = await fetch(`${API}/v1/events`, {headers, signal, credentials: "omit", cache: "no-store"})
      .catch((error) => { throw Object.assign(error, {unanswered: true}); });
    if (!response.ok) {
      const body = await response.json().catch(() => ({}));
      throw Object.assign(new Error(body.error?.message || ""), {status: response.status});
    }
    Object.assign(state, {live: true, wasLive: true, why: ""});
    update();
    if (!listing.loaded) list();
    let text = "";
    for await (const chunk of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), QUIET_MS);
      text += chunk;
      const parts = text.split(/\r?\n\r?\n/);
      text = parts.pop();
      for (const part of parts) event(mine, part);
    }
  } finally {
    clearTimeout(timer);
  }
}

async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function event(mine, text) {
  let name = "message", data = "";
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(":");
    if (at <= 0) continue;
    const field = line.slice(0, at), value = line.slice(at + 1).replace(/^ /, "");
    if (field === "event") name = value;
    else if (field === "data") data += value;
    else if (field === "id") mine.last = value;
  }
  if (mine !== run) return;
  if (name === "reset") list();
  else if (data) take(JSON.parse(data), name);
}

async function list(cursor = null) {
  try {
    const page = await get(`/v1/clips?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    for (const clip of page.clips) {
      const before = clips.get(clip.request_id);
      if (!before || !isOlder(clip, before)) clips.set(clip.request_id, clip);
    }
    Object.assign(listing, {cursor: page.next_cursor || null, loaded: true, error: ""});
  } catch (error) {
    listing.error = error.message;
  }
  update();
}

// While no events arrive, or after the list could not be read, it is; not by tabs that are not seen, which may be many.
setInterval(() => {
  if (isSeen() && state.key && !state.refused && (state.live ? listing.error : listing.loaded)) list();
}, POLL_MS);
