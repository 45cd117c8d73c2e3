// What the screens say, in English; Korean from a table, which is loaded when it is used first.

import {remember, remembered, update} from "./state.js";

export const language = {now: remembered("language", navigator.language.startsWith("ko") ? "ko" : "en")};

let korean = {};

async function load(name) {
  if (name === "ko") korean = (await import("./korean.js")).KOREAN;
}

// Where the table can't be loaded, English is better than an empty page.
await load(language.now).catch(() => { language.now = "en"; });

export async function chooseLanguage(name) {
  await load(name);
  language.now = name;
  remember("language", name);
  document.documentElement.lang = name;
  update();
}

// `t("Request {name}", {name})`
export function t(text, values = {}) {
  const said = (language.now === "ko" && korean[text]) || text;
  return said.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// `some(frames, "1 frame", "{count} frames")`
export const some = (count, one, several, values = {}) => t(count === 1 ? one : several, {count: number(count), ...values});

export const number = (value) => new Intl.NumberFormat(language.now === "ko" ? "ko" : "en").format(value);

export function date(text) {
  return new Intl.DateTimeFormat(language.now === "ko" ? "ko" : "en", {dateStyle: "medium", timeStyle: "short"})
    .format(new Date(text));
}
