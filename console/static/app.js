// The page: its frame, which screen is shown, the key, and what every screen has.

import {awayPanel} from "./away.js";
import {iconButton} from "./controls.js";
import {follow, tryNow, watch} from "./events.js";
import {h, render} from "./h.js";
import {icon} from "./icons.js";
import {chooseLanguage, language, t} from "./i18n.js";
import {dispatch, openKeys} from "./keys.js";
import {trouble} from "./path.js";
import {readQuota, restartQuota} from "./quota.js";
import {SCREENS, editor, loadAll, shown} from "./screens.js";
import {dismiss, onUpdate, remember, remembered, setKey, state, toast, update} from "./state.js";

// After what the first view needs.
const REST_MS = 10_000;

let theme = remembered("theme", null), before = null, tick = 0, opened = null;

// `#key=…` comes from the terminal: it is kept for this session and leaves the address. Returns whether it is another
// one than before.
function readKey() {
  const found = /^#key=([^&]+)/.exec(location.hash);
  if (!found) return false;
  const before = state.key;
  history.replaceState(null, "", `${location.pathname}#/`);
  setKey(decodeURIComponent(found[1]));
  return Boolean(before) && before !== state.key;
}

function route() {
  if (readKey()) restart();
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [screen, ...rest] = path.split("/");
  const parameters = new URLSearchParams(query);
  const known = SCREENS.some((each) => each.name === screen && rest.filter(Boolean).length >= (each.needs ?? 0));
  state.route = known ? {screen, rest, query: parameters} : {screen: "recordings", rest: [], query: new URLSearchParams()};
  if (state.key) openScreen();
  update();
  // On a phone, the rail is wider than the window.
  setTimeout(() => document.querySelector(".rail-item.chosen")?.scrollIntoView({block: "nearest", inline: "center"}));
}

function openScreen() {
  const {rest, query} = state.route, {screen} = shown(state.route);
  if (opened !== screen) opened?.close?.();
  screen.open?.(rest, query, opened === screen);
  opened = screen;
}

function draw() {
  const {title} = shown(state.route).screen;
  document.title = title ? `${title} · Clipping` : "Clipping";
  document.body.classList.toggle("locked", !state.key || Boolean(state.refused));
  render(document.getElementById("app"), shell());
}

function shell() {
  const locked = !state.key || state.refused;
  return h("div", {class: "shell", key: "shell"},
    h("div", {class: "behind", inert: locked || state.dialog ? true : null, key: "behind"},
      h("a", {class: "skip", href: "#player", onclick: (event) => {
        event.preventDefault();
        document.querySelector("#player, main")?.focus();
      }}, t("To the content")),
      rail(),
      h("main", {key: "main", tabindex: -1}, banner(), awayPanel(), state.key && shown(state.route).screen.render()),
      toasts()),
    state.dialog && dialog(), locked && keyDialog());
}

function rail() {
  const other = {ko: "EN", en: "한국어"}[language.now];
  return h("nav", {class: "rail", "aria-label": t("Screens"), key: "rail"},
    h("a", {class: "logo", href: "#/recordings", "aria-label": "Clipping"}, logo()),
    SCREENS.map(({name, icon: picked, label, to}) => to() && h("a", {
      key: name, href: to(), class: `rail-item${state.route.screen === name ? " chosen" : ""}`,
      "aria-current": state.route.screen === name ? "page" : null,
    }, icon(picked, 18), h("span", null, t(label)))),
    h("span", {class: "spring"}),
    h("div", {class: "rail-foot"},
      iconButton(isDark() ? "moon" : "sun", t("Light or dark"), () => chooseTheme(isDark() ? "light" : "dark")),
      h("button", {class: "button quiet square text", lang: language.now === "ko" ? "en" : "ko", onclick: async () => {
        try {
          await chooseLanguage(language.now === "ko" ? "en" : "ko");
        } catch (error) {
          return toast({kind: "error", title: t("The language cannot be loaded now"), text: error.message});
        }
        editor.now?.timeline?.draw();
      }}, other),
      iconButton("keyboard", t("Keys"), openKeys)));
}

function logo() {
  return h("svg", {viewBox: "0 0 28 28", width: 28, height: 28, "aria-hidden": "true"},
    h("rect", {width: 28, height: 28, rx: 7, class: "logo-ground"}), h("path", {class: "logo-lines", d: "M10.5 8H8v12h2.5M17.5 8H20v12h-2.5M14 11.5v5"}));
}

const isDark = () => (theme ? theme === "dark" : !matchMedia("(prefers-color-scheme: light)").matches);

function chooseTheme(name) {
  theme = name;
  if (name) {
    remember("theme", name);
    document.documentElement.dataset.theme = name;
  }
  editor.now?.timeline?.restyle();
  update();
}

// After some seconds: a stream that is opened again at once is no news.
const QUIET_MS = 1500;
let lostAt = 0;

function banner() {
  // A page that is not seen gives its stream back, and opens it again once it is.
  if (state.live || !state.key || state.refused || document.hidden) {
    if (lostAt && state.live && before) toast({title: t("The service is back")});
    [lostAt, before] = [0, null];
    return null;
  }
  lostAt ||= Date.now();
  if (Date.now() - lostAt < QUIET_MS) return null;
  before = true;
  const seconds = Math.max(0, Math.ceil((state.retryAt - Date.now()) / 1000));
  const {title, text} = trouble(seconds);
  return h("div", {class: "banner", role: "alert", key: "banner"}, icon("warning"),
    h("strong", null, title), h("span", null, text),
    h("span", {class: "spring"}), h("button", {class: "button", onclick: tryNow}, t("Try now")));
}

function toasts() {
  return h("div", {class: "toasts", key: "toasts", role: "status", "aria-live": "polite"}, state.toasts.map((each) => h("div", {
    key: each.id, id: `toast-${each.id}`, class: `toast ${each.kind}`,
  }, icon(each.kind === "good" ? "check" : "warning"), h("div", null, h("strong", null, each.title), each.text && h("p", null, each.text)),
  each.action && (each.action.href ? h("a", {class: "button", href: each.action.href, download: ""}, each.action.label)
    : h("button", {class: "button", onclick: () => { dismiss(each); each.action.run(); }}, each.action.label)),
  iconButton("cross", t("Close"), () => dismiss(each)))));
}

function closeDialog() {
  state.dialog = null;
  update();
  setTimeout(() => document.getElementById("player")?.focus());
}

function dialog() {
  return h("div", {class: "cover", key: "dialog", onclick: (event) => event.target === event.currentTarget && closeDialog()},
    h("div", {
      class: `dialog${state.dialog.wide ? " wide" : ""}`, role: "dialog", "aria-modal": "true", "aria-labelledby": "dialog-title", tabindex: -1,
      ref: (element) => element?.focus(), onkeydown: (event) => {
        if (state.dialog.onkeydown?.(event)) return event.stopPropagation();
        if (event.key === "Escape") closeDialog();
        keepFocus(event);
        event.stopPropagation();
      },
    }, state.dialog.render(closeDialog)));
}

function keepFocus(event) {
  if (event.key !== "Tab") return;
  const all = [...event.currentTarget.querySelectorAll("button, input, a, select")].filter((each) => !each.disabled);
  const [first, last] = [all[0], all.at(-1)];
  if (event.shiftKey && [first, event.currentTarget].includes(document.activeElement)) last?.focus();
  else if (!event.shiftKey && document.activeElement === last) first?.focus();
  else return;
  event.preventDefault();
}

function keyDialog() {
  const again = Boolean(state.refused);
  const submit = (event) => {
    event.preventDefault();
    const key = event.target.elements.key.value.trim();
    if (key) start(key);
  };
  return h("div", {class: "cover", key: "key"},
    h("form", {class: "dialog key-form", role: "dialog", "aria-modal": "true", "aria-labelledby": "key-title", onsubmit: submit},
      logo(), h("h2", {id: "key-title"}, again ? t("Enter your key again") : t("Enter your key")),
      again ? [h("p", {class: "error-text", role: "alert"}, icon("warning"), t("The key was changed or has ended.")), h("p", null, t("Your ranges are kept."))]
        : h("p", null, t("clipping up prints it. It is kept until this tab is closed.")),
      h("label", {class: "labelled"}, h("span", null, t("Key")), h("input", {
        class: "field", name: "key", type: "password", autocomplete: "off", spellcheck: "false",
        ref: (element) => element && setTimeout(() => element.focus()),
      })),
      h("button", {class: "button main"}, t("Continue"))));
}

function start(key) {
  setKey(key);
  restart();
  openScreen();
}

// What was read with another key is not for this one.
function restart() {
  begin();
  for (const {screen} of SCREENS) screen.restart?.();
}

function begin() {
  if (!state.key) return;
  follow();
  restartQuota();
}

watch((clip, ended) => {
  if (!ended) return;
  readQuota();
  if (clip.status === "completed") {
    toast({
      title: t("{name} is done", {name: clip.hand_id}),
      action: clip.download_url ? {label: t("Download"), href: clip.download_url} : null,
    });
  } else if (clip.status === "failed") {
    toast({kind: "error", title: t("{name} failed", {name: clip.hand_id}), text: clip.error?.message});
  }
});

document.addEventListener("keydown", (event) => {
  if (state.dialog || !state.key || state.refused) return;
  if (event.key === "Escape") {
    if (editor.now?.timeline?.giveUp()) return;
    if (event.target.matches("input, select")) event.target.blur();
    return;
  }
  if (event.key === "/" && state.route.screen !== "editor" && !event.target.matches("input")) {
    event.preventDefault();
    document.getElementById("find")?.focus();
    return;
  }
  dispatch(event, {keys: openKeys, ...shown(state.route).screen.handlers});
});

matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => chooseTheme(theme));
addEventListener("hashchange", route);
addEventListener("pagehide", () => {
  const {now} = editor;
  if (now?.player?.recording) sessionStorage.setItem(`clipping.at.${now.id}`, String(now.shown));
});
// The number of seconds in the banner.
setInterval(() => {
  tick++;
  if (!state.live || tick % 20 === 0) update();
}, 1000);

setTimeout(loadAll, REST_MS);

onUpdate(draw);
document.documentElement.lang = language.now;
chooseTheme(theme);
route();
begin();
draw();
