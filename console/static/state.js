// What the screens share, and when they are drawn again.

export const state = {
  route: {screen: "editor", rest: [], query: new URLSearchParams()},
  key: sessionStorage.getItem("clipping.key") || "",
  refused: "", // why the key was refused
  live: false, // whether events arrive
  wasLive: false, // whether they ever did
  why: "", // why they do not, where the page comes from an agent: address or origin
  retryAt: 0, // when the stream of events is opened again
  toasts: [],
  dialog: null,
};

let draw = () => {};
let asked = false;

export function onUpdate(drawAll) {
  draw = drawAll;
}

export function update() {
  if (asked) return;
  asked = true;
  // Not requestAnimationFrame: pages in the background go on.
  queueMicrotask(() => {
    asked = false;
    draw();
  });
}

// What a tab keeps of an administrator, whose key need not be the session's.
export const OF_ADMIN = {key: "clipping.admin-key", failover: "clipping.failover"};

export function setKey(key) {
  // Another one may be someone else's.
  if (key !== state.key) Object.values(OF_ADMIN).forEach((name) => sessionStorage.removeItem(name));
  state.key = key;
  state.refused = "";
  sessionStorage.setItem("clipping.key", key);
  update();
}

export function refuseKey(why) {
  if (!state.key && !why) return;
  state.refused = why;
  update();
}

// Enough for the few keys of one browser, and too little to find out a key.
export function fingerprint(key) {
  let hash = 0x811c9dc5;
  for (const char of key) hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193);
  return ((hash >>> 16) ^ (hash & 0xffff)).toString(16).padStart(4, "0");
}

let toastIds = 0;
const TOAST_MS = 6000;

// `toast`: {kind: good | error, title, text, action: {label, run}}. Errors stay.
export function toast(toast) {
  const shown = {id: ++toastIds, kind: "good", ...toast};
  state.toasts = [...state.toasts, shown].slice(-2);
  if (shown.kind === "good") leaveSoon(shown);
  update();
  return shown;
}

export function dismiss(shown) {
  state.toasts = state.toasts.filter((each) => each !== shown);
  update();
}

function leaveSoon(shown) {
  setTimeout(() => {
    const element = document.getElementById(`toast-${shown.id}`);
    if (element && element.matches(":hover, :focus-within")) leaveSoon(shown);
    else dismiss(shown);
  }, TOAST_MS);
}

export function remembered(name, otherwise) {
  try {
    const found = JSON.parse(localStorage.getItem(`clipping.${name}`));
    return found === null ? otherwise : found;
  } catch {
    return otherwise;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(`clipping.${name}`, JSON.stringify(value));
  } catch { /* full, or not allowed: it is a preference only */ }
}

export function randomId() {
  // crypto.randomUUID is missing on http:// pages.
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Not crypto.subtle, which is missing on http:// pages: it only distinguishes one body from another.
export function digest(text) {
  let hash = 5381;
  for (const char of text) hash = (hash * 33 + char.codePointAt(0)) % 0xffffffff;
  return hash.toString(16);
}
