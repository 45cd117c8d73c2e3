// Fields of the editor's side panel.

import {h} from "./h.js";
import {icon} from "./icons.js";
import {t} from "./i18n.js";
import {update} from "./state.js";
import {parseTime, rateOf, timecode} from "./time.js";

// A time of the recording. `take` is called with seconds, with NaN for what is none, and with null for nothing.
export function timeInput(editor, {name, label, value, invalid = false}, take) {
  const {recording} = editor, rate = rateOf(recording), start = recording.start || 0;
  const shown = value === null ? "" : timecode(value - start, rate);
  const changed = (event) => {
    editor.typed = null;
    const text = event.target.value.trim();
    if (text === shown) return update();
    const found = parseTime(text, rate);
    take(text === "" ? null : Number.isNaN(found) ? NaN : editor.timeline.grid(found + start));
  };
  return h("label", {class: "labelled", key: name}, h("span", null, label), h("input", {
    class: "field time", value: editor.typed?.name === name ? editor.typed.text : shown, "aria-invalid": invalid ? "true" : null, inputmode: "decimal",
    oninput: (event) => { editor.typed = {name, text: event.target.value}; }, onchange: changed,
    onkeydown: (event) => {
      if (event.key === "Escape") { // what was typed is dropped
        editor.typed = null;
        event.target.value = shown;
      }
      leaveField(event);
    },
  }));
}

export const wrongTime = () => t("Write a time like {example}.", {example: "00:01:23:05"});

export function fieldError(range, name) {
  return range.errors[name] && h("p", {class: "error-text", role: "alert", key: `${name}-error`}, icon("warning"), t(range.errors[name]));
}

export function leaveField(event) {
  if (event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  event.target.blur();
  document.getElementById("player")?.focus();
}
