// What the screens say, in English; Korean from a table.

import {KOREAN} from "./korean.js";
import {remember, remembered, update} from "./state.js";

export const language = {now: remembered("language", navigator.language.startsWith("ko") ? "ko" : "en")};

export function chooseLanguage(name) {
  language.now = name;
  remember("language", name);
  document.documentElement.lang = name;
  update();
}

// `t("Request {name}", {name})`
export function t(text, values = {}) {
  const said = (language.now === "ko" && KOREAN[text]) || text;
  return said.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export const number = (value) => new Intl.NumberFormat(language.now === "ko" ? "ko" : "en").format(value);

export function date(text) {
  return new Intl.DateTimeFormat(language.now === "ko" ? "ko" : "en", {dateStyle: "medium", timeStyle: "short"})
    .format(new Date(text));
}
