// Controls that several screens use.

import {h} from "./h.js";
import {icon} from "./icons.js";
import {t} from "./i18n.js";
import {timeLeft} from "./pace.js";
import {resumedNote} from "./resumed.js";

// `choices`: [value, label, reason why it can't be chosen].
export function segments(name, label, choices, value, choose, {disabled = false, small = false} = {}) {
  const able = choices.filter(([, , reason]) => !reason && !disabled);
  const move = (event) => {
    const by = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1}[event.key];
    if (!by || !able.length) return;
    event.preventDefault();
    event.stopPropagation();
    const at = able.findIndex(([each]) => each === value);
    const next = able[(at + by + able.length) % able.length][0];
    choose(next);
    const group = event.currentTarget;
    queueMicrotask(() => queueMicrotask(() => group.querySelector(`[data-value="${next}"]`)?.focus()));
  };
  return h("div", {class: `segments${small ? " small" : ""}`, role: "radiogroup", "aria-label": label, onkeydown: move, key: name},
    choices.map(([each, text, reason]) => h("button", {
      key: each, role: "radio", "aria-checked": String(each === value), tabindex: each === value ? 0 : -1, "data-value": each,
      class: each === value ? "chosen" : "", "aria-disabled": reason || disabled ? "true" : null, title: reason || null,
      onclick: () => !reason && !disabled && choose(each),
    }, text)));
}

export function iconButton(name, label, onclick, {pressed, expanded, disabled, extra = ""} = {}) {
  return h("button", {
    class: `button quiet square ${extra}`, "aria-label": label, title: label, onclick, disabled,
    "aria-pressed": pressed === undefined ? null : String(pressed), "aria-expanded": expanded === undefined ? null : String(expanded),
  }, icon(name));
}

// Instead of a list that has no rows, or cannot be shown.
export function empty(name, title, text, action) {
  return h("div", {class: "empty", role: "status", key: "empty"}, icon(name, 24), h("strong", null, title), text && h("p", null, text), action);
}

export function tryAgain(run) {
  return h("button", {class: "button", onclick: () => run()}, t("Try again"));
}

export function badge(kind, text, key, title) {
  return h("span", {class: `badge ${kind}`, key, title}, ["neutral"].includes(kind) ? null : h("i"), text);
}

export function progress(label, percent, extra) {
  const value = Math.max(0, Math.min(100, percent));
  return h("div", {class: "progress"},
    h("div", {class: "progress-text"}, h("span", null, label), extra && h("span", {class: "third"}, extra)),
    h("div", {class: "bar", role: "progressbar", "aria-label": label, "aria-valuenow": Math.round(value), "aria-valuemin": 0, "aria-valuemax": 100},
      h("div", {style: {width: `${value}%`}})));
}

const STAGES = {
  waiting: "Waiting", probing: "Reading", cutting: "Cutting", verifying: "Verifying", uploading: "Uploading", retrying: "Retrying",
};

export function stageOf(clip) {
  return t(STAGES[clip.stage] || (clip.status === "queued" ? "Waiting" : "Cutting"));
}

// The state of a clip, as a badge or a bar.
export function stateOfClip(clip) {
  if (clip.status === "completed") {
    const seconds = clip.processing_time_seconds;
    return badge("good", seconds === undefined ? t("Done") : t("Done in {seconds} s", {seconds: seconds.toFixed(1)}));
  }
  if (clip.status === "failed") return badge("error", t("Failed"));
  if (clip.status === "cancelled") return badge("neutral", t("Cancelled"));
  if (clip.stage === "retrying") return badge("warning", t("Retrying"));
  if (clip.status === "queued" && !clip.agent_id) return badge("neutral", t("Waiting"));
  return progressOf(clip);
}

export function progressOf(clip) {
  const percent = Math.round(clip.progress_percent || 0), more = [timeLeft(clip), resumedNote(clip)];
  return progress(`${stageOf(clip)} ${percent} %`, percent, more.filter(Boolean).join(", "));
}
